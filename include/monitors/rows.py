"""Whether what was produced is where it should be, once. Judged on the ledger; pure.

The place of a difference names its cause: a connector that has read past a row that is not there lost it; one that has
not read so far is behind; a record in the dead letters was rejected.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from include.alerts import Severity
from include.alerts.message import clock, counted, lasting
from include.contracts import Contract
from include.ledger.minutes import Hole
from include.ledger.runs import Run, joined, without
from include.monitors.verdict import Kind, Verdict

if TYPE_CHECKING:
    from include.kafka.receipts import Receipt

#: Beyond the contract's latency: what a sink may take before a row counts as late, and as waiting for too long.
GRACE = timedelta(seconds=20)
WAITING = timedelta(minutes=5)
#: Of the rows of some minutes: more than this share, and more than so many.
LATE_SHARE, TWICE_SHARE, AT_LEAST = 0.5, 0.2, 20
WAREHOUSES = {"clickhouse": "ClickHouse", "snowflake": "Snowflake"}


class Arrivals(msgspec.Struct, frozen=True, kw_only=True):
    """Rows of one topic in the last minutes: all, those whose event is old, distinct events."""

    topic: str
    rows: int
    late: int = 0
    events: int = 0


def subject(domain: str, warehouse: str) -> str:
    """Of the rules on rows: `ecommerce@clickhouse`."""
    return f"{domain}@{warehouse}"


def missing(
    contract: Contract,
    warehouse: str,
    holes: Iterable[Hole] | None,
    committed: Mapping[str, int] | None,
    now: datetime,
    *,
    idle_at: datetime | None = None,
    given_up: Mapping[str, list[Run]] | None = None,
) -> list[Verdict]:
    """rows_missing and rows_waiting of a domain in a warehouse. `holes`: None where the ledger could not look;
    `committed`: `topic/partition` -> next offset of the sink, None where unknown; `idle_at`: when the sink was last
    known to take nothing, be it paused on purpose, or ill, or without a place that it needs; `given_up`: what `gone`
    gave of what was told as lost."""
    if holes is None or committed is None:
        return [_of(rule, contract, warehouse, Kind.BLIND) for rule in ("rows_missing", "rows_waiting")]
    due = _due(contract, holes, now)
    gone_by = lost(contract, due, committed, now)
    waiting = [hole for hole in due if not passed(hole, committed)]
    told = [hole for hole in gone_by if is_told(hole, given_up or {})]
    news = [hole for hole in gone_by if hole not in told]
    return [
        _missing(contract, warehouse, news, known=bool(told)),
        _waiting(contract, warehouse, waiting, now, idle_at),
    ]


def lost(contract: Contract, holes: Iterable[Hole], committed: Mapping[str, int], now: datetime) -> list[Hole]:
    """Those that are due and that the sink has read past."""
    return [hole for hole in _due(contract, holes, now) if passed(hole, committed)]


def gone(some: Iterable[Hole]) -> dict[str, list[Run]]:
    """`warehouse/topic/partition` -> the offsets of holes that Kafka cannot fill any more."""
    found: dict[str, list[Run]] = {}
    for hole in some:
        if not hole.in_kafka:
            found[_place(hole)] = joined([*found.get(_place(hole), ()), *hole.ranges])
    return found


def is_told(hole: Hole, given_up: Mapping[str, list[Run]]) -> bool:
    """Whether it was told as lost for good."""
    return not hole.in_kafka and not without(hole.ranges, given_up.get(_place(hole), []))


def _place(hole: Hole) -> str:
    return f"{hole.warehouse}/{hole.topic}/{hole.partition}"


def _due(contract: Contract, holes: Iterable[Hole], now: datetime) -> list[Hole]:
    return [hole for hole in holes if hole.produced_at <= now - timedelta(seconds=contract.latency_s) - GRACE]


def passed(hole: Hole, committed: Mapping[str, int]) -> bool:
    """Whether the sink has read past the whole hole: what is missing will not come by itself."""
    return committed.get(f"{hole.topic}/{hole.partition}", 0) > max(last for _, last in hole.ranges)


def _missing(contract: Contract, warehouse: str, lost: list[Hole], *, known: bool) -> Verdict:
    """`known`: others were told as lost for good."""
    name = WAREHOUSES[warehouse]
    if not lost:
        what = "that could be brought back" if known else "produced"
        return _of("rows_missing", contract, warehouse, Kind.FINE, normal=f"Every event {what} is in {name}, once.")
    rows = sum(hole.missing for hole in lost)
    beyond = sum(hole.missing for hole in lost if not hole.in_kafka)
    was, is_, it = ("was", "is", "it") if rows == 1 else ("were", "are", "them")
    headline = f"{counted(rows, 'row')} that {was} produced and read by the sink {is_} not in {name}"
    since = min(hole.produced_at for hole in lost)
    facts = tuple(_fact(topic, [hole for hole in lost if hole.topic == topic]) for topic in _topics(lost))
    if all(not hole.in_kafka for hole in lost):
        return _of(
            "rows_missing",
            contract,
            warehouse,
            Kind.LOST,
            headline=f"{headline}, and Kafka no longer has {it}: Floodgate cannot bring {it} back.",
            since=since,
            facts=facts,
            act=f"{'It' if rows == 1 else 'They'} may still be had elsewhere: by a backfill of burst_{contract.domain} "
            "or from another copy.",
        )
    return _of(
        "rows_missing",
        contract,
        warehouse,
        Kind.FIRING,
        headline=f"{headline}."
        + (f" {beyond:,} of them {'is' if beyond == 1 else 'are'} no longer in Kafka." if beyond else ""),
        since=since,
        facts=facts,
        act=f"See who deletes from landing in {name}; `floodgate ledger --domain {contract.domain}` shows the minutes.",
    )


def _waiting(
    contract: Contract, warehouse: str, waiting: list[Hole], now: datetime, idle_at: datetime | None
) -> Verdict:
    name, connector = WAREHOUSES[warehouse], f"{warehouse}-{contract.domain}"
    oldest, rows = min((hole.produced_at for hole in waiting), default=now), sum(hole.missing for hole in waiting)
    if now - oldest < WAITING:
        return _of("rows_waiting", contract, warehouse, Kind.FINE, normal=f"Rows are in {name} in time again.")
    if idle_at and now - idle_at < WAITING:  # they waited for it; now it has as long as any sink
        return _of("rows_waiting", contract, warehouse, Kind.BLIND)
    return _of(
        "rows_waiting",
        contract,
        warehouse,
        Kind.FIRING,
        severity=Severity.WARNING,
        headline=f"{counted(rows, 'row')} {'waits' if rows == 1 else 'wait'} for {name}, the oldest for "
        f"{lasting((now - oldest).total_seconds())} (promised {contract.latency_s} s).",
        since=oldest,
        facts=tuple(_fact(topic, [hole for hole in waiting if hole.topic == topic]) for topic in _topics(waiting)),
        act=f"See whether connector {connector} gets on, and what the warehouse does.",
    )


def backfilled(contract: Contract, receipts: Iterable[Receipt], since: datetime) -> int:
    """Events of the schedule's own windows that were produced since then, and late: by a backfill, or by a healing; and
    those of a history that somebody asked for."""
    from include.generators.size import HISTORY, SCHEDULED

    allowed = timedelta(seconds=contract.late_after_s)
    return sum(
        one.events
        for one in receipts
        if one.domain == contract.domain
        and (one.shard == SCHEDULED or one.shard.startswith(HISTORY))
        and one.produced_at >= since
        and one.min_event_time < one.produced_at - allowed
    )


def largest(contract: Contract, receipts: Iterable[Receipt], since: datetime) -> int:
    """Events of the largest burst that was produced since then."""
    bursts: dict[str, int] = {}
    for receipt in receipts:
        if receipt.domain == contract.domain and receipt.produced_at >= since:
            bursts[receipt.burst] = bursts.get(receipt.burst, 0) + receipt.events
    return max(bursts.values(), default=0)


def late(contract: Contract, arrivals: Iterable[Arrivals] | None, *, expected: int = 0) -> Verdict:
    """rows_late: most of what arrives is about long ago. `expected`: rows that may be, see `backfilled`."""
    if arrivals is None:
        return _of("rows_late", contract, "clickhouse", Kind.BLIND)
    given = list(arrivals)
    rows, old = sum(one.rows for one in given), sum(one.late for one in given)
    if old - expected < AT_LEAST or old - expected <= LATE_SHARE * (rows - expected):
        return _of("rows_late", contract, "clickhouse", Kind.FINE, normal="What arrives is about now again.")
    return _of(
        "rows_late",
        contract,
        "clickhouse",
        Kind.FIRING,
        severity=Severity.WARNING,
        headline=f"{old:,} of {rows:,} rows of the last minutes are about more than "
        f"{lasting(contract.late_after_s)} ago (at most {LATE_SHARE:.0%}).",
        facts=tuple((one.topic, f"{one.late:,} of {one.rows:,} late") for one in given if one.late),
        does="They land and count where they belong: marts look back on landing time.",
        act="See whether a producer's clock is wrong, or someone replays old windows.",
    )


def repeats(arrivals: Iterable[Arrivals]) -> int:
    """How many of these rows are events that had landed; 0 where it is a few."""
    given = list(arrivals)
    rows, again = sum(one.rows for one in given), sum(one.rows - one.events for one in given)
    return again if again >= AT_LEAST and again > TWICE_SHARE * rows else 0


def twice(contract: Contract, arrivals: Iterable[Arrivals] | None, *, expected: int = 0) -> Verdict:
    """rows_twice: events land again and again. They count once; somebody produces them twice all the same.

    `expected`: so many are no trouble, `largest`: a burst that is run again sends its events again, whole.
    """
    if arrivals is None:
        return _of("rows_twice", contract, "snowflake", Kind.BLIND)
    given = list(arrivals)
    rows, again = sum(one.rows for one in given), repeats(given)
    if again <= expected:
        return _of("rows_twice", contract, "snowflake", Kind.FINE, normal="Events come once again.")
    return _of(
        "rows_twice",
        contract,
        "snowflake",
        Kind.FIRING,
        severity=Severity.WARNING,
        headline=f"{again:,} of {rows:,} rows of the last minutes are events that had landed "
        f"(at most {TWICE_SHARE:.0%}).",
        facts=tuple(
            (one.topic, f"{one.rows - one.events:,} of {one.rows:,}") for one in given if one.rows > one.events
        ),
        does="They count once: both warehouses keep one row an event.",
        act="See who produces beside the bursts, or which burst is run again and again.",
    )


def rejected(contract: Contract, letters: Mapping[str, int] | None, reasons: Iterable[str] = ()) -> Verdict:
    """rows_rejected: records went to the dead letters in the last minutes. `letters`: topic -> records."""
    if letters is None:
        return _domain("rows_rejected", contract, Kind.BLIND)
    count = sum(letters.values())
    if not count:
        normal = f"No further record was rejected; those that were wait in {contract.dead_letters}."
        return _domain("rows_rejected", contract, Kind.FINE, normal=normal)
    return _domain(
        "rows_rejected",
        contract,
        Kind.FIRING,
        severity=Severity.WARNING,
        headline=f"{counted(count, 'record')} could not land and {'is' if count == 1 else 'are'} in "
        f"{contract.dead_letters}.",
        facts=(
            *((topic, counted(some, "record")) for topic, some in sorted(letters.items()) if some),
            *(("Reason", reason[:200]) for reason in list(reasons)[:4]),
        ),
        does="Good records around them land.",
        act=f"Mend who produces them, then `floodgate redrive {contract.domain}`.",
    )


def _fact(topic: str, holes: list[Hole]) -> tuple[str, str]:
    first, last = min(hole.minute for hole in holes), max(hole.minute for hole in holes)
    span = clock(first) if first == last else f"{clock(first)} to {last:%H:%M}"
    return topic, f"{counted(sum(hole.missing for hole in holes), 'row')}, {span}"


def _topics(holes: list[Hole]) -> list[str]:
    return sorted({hole.topic for hole in holes})


def _of(rule: str, contract: Contract, warehouse: str, kind: Kind, **words: object) -> Verdict:
    return _domain(rule, contract, kind, subject=subject(contract.domain, warehouse), **words)


def _domain(rule: str, contract: Contract, kind: Kind, **words: object) -> Verdict:
    given = {"subject": contract.domain, **words}
    return Verdict(
        rule=rule,
        kind=kind,
        domain=contract.domain,
        asset=f"bursts_{contract.domain}",
        **given,  # type: ignore[arg-type]
    )
