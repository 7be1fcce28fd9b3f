"""Whether the bursts come that the contract's schedule promises. Pure: receipts and clock are arguments.

A window that has ended and has no receipt is missing. A DAG that a person paused owes nothing; neither does a contract
without a floor, whose windows may be empty. Until every missing window was produced again it is not over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec
from croniter import croniter  # type: ignore[import-untyped]

from include.alerts.message import clock, counted
from include.contracts import Contract
from include.contracts.loader import PLATFORM
from include.monitors.verdict import Kind, Verdict

if TYPE_CHECKING:
    from include.kafka.receipts import Receipt

RULE = "generator_silent"
#: From a window's end to its receipt: the scheduler, the burst itself, and a busy machine.
GRACE = timedelta(seconds=75)
#: All generators at once are one incident, of this subject.
TOGETHER = "bursts"
#: Windows that one reading looks at, at most; the rest comes with the next.
MOST = 500

AGAIN = "Bursts come again; those that are missing are produced once more, with the events they had."

#: Start and end of a burst's window.
Span = tuple[datetime, datetime]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look at a domain. `paused`: its burst DAG, None where unknown. `produced`: starts of windows with receipts of
    enough events; None where Kafka could not be asked."""

    domain: str
    paused: bool | None
    produced: frozenset[datetime] | None


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """Up to when every window that was owed is there; None while the DAG is paused. `missing` are starts. `paused_at`:
    the last look that found it paused."""

    whole_until: datetime | None = None
    missing: tuple[datetime, ...] = ()
    paused_at: datetime | None = None

    def on_since(self, earliest: datetime) -> datetime:
        """From when on the DAG has not been paused, as far as that is known; not before `earliest`."""
        return max(earliest, self.paused_at or earliest)


def expects(contract: Contract) -> bool:
    """Whether silence means anything: it has bursts, and a floor of at least one row in each."""
    return contract.burst is not None and any((topic.floor or 0) >= 1 for topic in contract.topics)


def owed(contract: Contract, after: datetime, until: datetime) -> list[Span]:
    """The windows of the schedule that end after the one moment, and by the other."""
    assert contract.burst is not None  # noqa: S101 - see expects()
    ticks = croniter(contract.burst.schedule, after.astimezone(UTC), ret_type=datetime)
    start: datetime = croniter(contract.burst.schedule, ticks.get_next(datetime), ret_type=datetime).get_prev(datetime)
    windows: list[Span] = []
    edges = croniter(contract.burst.schedule, start, ret_type=datetime)
    while len(windows) < MOST:
        end: datetime = edges.get_next(datetime)
        if end > until:
            break
        windows.append((start, end))
        start = end
    return windows


def produced(contract: Contract, receipts: Iterable[Receipt]) -> frozenset[datetime]:
    """Starts of the schedule's windows in which every topic with a floor has enough events."""
    from include.generators.size import SCHEDULED

    floors = {topic.name: topic.floor for topic in contract.topics if topic.floor}
    events: dict[tuple[datetime, str], int] = {}
    for receipt in receipts:
        if receipt.domain == contract.domain and receipt.shard == SCHEDULED and receipt.topic in floors:
            key = (receipt.window_start, receipt.topic)
            events[key] = events.get(key, 0) + receipt.events
    starts = {start for start, _ in events}
    return frozenset(s for s in starts if all(events.get((s, topic), 0) >= floor for topic, floor in floors.items()))


def remember(contract: Contract, reading: Reading, memory: Memory, now: datetime) -> tuple[list[Span], Memory]:
    """The windows that are missing, oldest first, and what is to be remembered."""
    if reading.paused:
        return [], Memory(paused_at=now)
    if not expects(contract):
        return [], Memory(paused_at=memory.paused_at)
    if reading.paused is None or reading.produced is None:
        return [], memory
    if memory.whole_until is None:
        return [], msgspec.structs.replace(memory, whole_until=now)
    windows = owed(contract, memory.whole_until, now - GRACE)
    missing = [window for window in windows if window[0] not in reading.produced]
    until = missing[0][0] if missing else windows[-1][1] if windows else memory.whole_until
    starts = tuple(start for start, _ in missing)
    return missing, msgspec.structs.replace(memory, whole_until=max(until, memory.whole_until), missing=starts)


def alive(missing: list[Span], contract: Contract, now: datetime) -> bool:
    """Whether the latest window that is due came, so that only older ones are missing."""
    if not missing:
        return True
    windows = owed(contract, missing[-1][0] - timedelta(seconds=1), now - GRACE)
    return windows[-1] != missing[-1]


def judge(
    contracts: Iterable[Contract],
    missing: Mapping[str, list[Span]],
    looked: Mapping[str, bool],
    now: datetime,
    *,
    together: bool,
) -> list[Verdict]:
    """A verdict a domain, and one of all together where they all fell silent, as long as anything is missing.

    `looked`: domain -> whether receipts and DAG could be asked. `together`: they were one incident at the last look.
    """
    some = [contract for contract in contracts if expects(contract)]
    silent = [c for c in some if missing.get(c.domain) and not alive(missing[c.domain], c, now)]
    lacking = [c for c in some if missing.get(c.domain)]
    as_one = (together and bool(lacking)) or (len(some) > 1 and len(silent) == len(some))
    verdicts = []
    for contract in some:
        kind = Kind.FIRING if missing.get(contract.domain) else Kind.FINE
        if not looked.get(contract.domain, False):
            kind = Kind.BLIND
        verdicts.append(_verdict(contract, missing.get(contract.domain, []), kind, now, as_one=as_one))
    if as_one:
        verdicts.append(_together(lacking, missing, now))
    elif any(looked.values()):
        normal = "Every burst that was owed is there."
        verdicts.append(_of(TOGETHER, PLATFORM, "watch_ingestion", Kind.FINE, normal=normal))
    return verdicts


def _verdict(contract: Contract, missing: list[Span], kind: Kind, now: datetime, *, as_one: bool) -> Verdict:
    asset = f"bursts_{contract.domain}"
    if kind is not Kind.FIRING:
        normal = "Every burst that was owed is there."
        return _of(contract.domain, contract.domain, asset, kind, normal=normal)
    assert contract.burst is not None  # noqa: S101 - see expects()
    floor = max(topic.floor or 0 for topic in contract.topics)
    back = alive(missing, contract, now)
    return _of(
        contract.domain,
        contract.domain,
        asset,
        kind,
        headline=f"{_bursts(len(missing))} did not come (schedule {contract.burst.schedule}, at least "
        f"{counted(floor, 'row')} each).",
        since=missing[0][1],
        facts=(("Missing", _listed(missing)),),
        does=AGAIN if back else "",
        act=f"See the runs of burst_{contract.domain} in Airflow: stuck, failing, or without a slot in pool bursts.",
        cause=f"{RULE}:{TOGETHER}" if as_one else "",
    )


def _together(lacking: list[Contract], missing: Mapping[str, list[Span]], now: datetime) -> Verdict:
    count = sum(len(missing[contract.domain]) for contract in lacking)
    back = all(alive(missing[contract.domain], contract, now) for contract in lacking)
    return _of(
        TOGETHER,
        PLATFORM,
        "watch_ingestion",
        Kind.FIRING,
        headline=f"No generator produces: {_bursts(count)} of {len(lacking)} domains did not come.",
        since=min(missing[contract.domain][0][1] for contract in lacking),
        facts=tuple((contract.domain, _listed(missing[contract.domain])) for contract in lacking),
        does=AGAIN if back else "",
        act="See Airflow's pool bursts and the runs of the DAGs burst_*: they wait, or fail.",
    )


def _of(subject: str, domain: str, asset: str, kind: Kind, **words: object) -> Verdict:
    return Verdict(rule=RULE, subject=subject, kind=kind, domain=domain, asset=asset, **words)  # type: ignore[arg-type]


def _bursts(count: int) -> str:
    return f"{count} burst" if count == 1 else f"{count} bursts"


def _listed(missing: list[Span]) -> str:
    first, last = missing[0], missing[-1]
    if first == last:
        return f"window {clock(first[0])} to {first[1]:%H:%M}"
    return f"{len(missing)} windows from {clock(first[0])} to {clock(last[1])}"
