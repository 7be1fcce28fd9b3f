"""What is wrong becomes a plan: which offsets come back from Kafka, which bursts are produced again. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from include.alerts.message import clock, counted, lasting
from include.contracts import Contract, load
from include.ledger.minutes import Hole

#: Rows a second that a replay brings into a warehouse, for the estimate: measured on two cores, rounded down.
RATE = {"clickhouse": 20_000, "snowflake": 3_000}
#: Seconds for one burst that is produced again.
BURST_S = 5

NAMES = {"clickhouse": "ClickHouse", "snowflake": "Snowflake"}


class Gap(msgspec.Struct, frozen=True, kw_only=True):
    """What the watch found: rows that are missing in a warehouse since a minute, or windows that never came.

    `fingerprint` is the incident it belongs to; empty for a plan made by hand. `windows`: domain -> starts and ends.
    """

    kind: str
    fingerprint: str = ""
    domain: str = ""
    warehouse: str = ""
    since: datetime | None = None
    windows: dict[str, list[tuple[datetime, datetime]]] = {}


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """Offsets of one partition to bring back into one warehouse; `rows` of them are missing."""

    fingerprint: str
    domain: str
    warehouse: str
    topic: str
    partition: int
    ranges: tuple[tuple[int, int], ...]
    rows: int
    since: datetime


class Again(msgspec.Struct, frozen=True, kw_only=True):
    """One window to be produced again, by its own burst."""

    fingerprint: str
    domain: str
    start: datetime
    end: datetime


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be done. `gone`: by incident, rows that neither Kafka nor a burst can give back. `limit`: rows above
    which a person is asked, the least of the contracts concerned."""

    gaps: tuple[Gap, ...]
    replays: tuple[Replay, ...] = ()
    bursts: tuple[Again, ...] = ()
    gone: dict[str, int] = {}
    limit: int = 0

    @property
    def rows(self) -> int:
        """Rows that come back, where their number is known: those of bursts are as many as their generator draws."""
        return sum(replay.rows for replay in self.replays)

    @property
    def beyond(self) -> int:
        """Rows that stay missing."""
        return sum(self.gone.values())

    @property
    def expected(self) -> int:
        """Rows that are touched, bursts counted by the most that they draw."""
        return self.rows + sum(_most(load(again.domain)) for again in self.bursts)

    @property
    def empty(self) -> bool:
        """Nothing is to be done."""
        return not self.replays and not self.bursts

    @property
    def asks(self) -> bool:
        """A person has to approve."""
        return self.expected > self.limit

    @property
    def seconds(self) -> float:
        """How long it will take, roughly."""
        return sum(r.rows / RATE[r.warehouse] for r in self.replays) + BURST_S * len(self.bursts)


def plan(gaps: Iterable[Gap], holes: Iterable[tuple[Gap, Hole]]) -> Plan:
    """The plan for these gaps; `holes` are what the ledger says is missing now, each with the gap it answers."""
    given = tuple(gaps)
    found = list(holes)
    replays = tuple(
        Replay(
            fingerprint=gap.fingerprint,
            domain=hole.domain,
            warehouse=hole.warehouse,
            topic=hole.topic,
            partition=hole.partition,
            ranges=tuple(tuple(one) for one in hole.ranges),  # type: ignore[misc]
            rows=hole.missing,
            since=hole.minute,
        )
        for gap, hole in found
        if hole.in_kafka
    )
    bursts = tuple(
        Again(fingerprint=gap.fingerprint, domain=domain, start=start, end=end)
        for gap in given
        for domain, windows in sorted(gap.windows.items())
        for start, end in windows
    )
    gone: dict[str, int] = {}
    for gap, hole in found:
        if not hole.in_kafka:
            gone[gap.fingerprint] = gone.get(gap.fingerprint, 0) + hole.missing
    domains = {replay.domain for replay in replays} | {again.domain for again in bursts}
    return Plan(
        gaps=given,
        replays=replays,
        bursts=bursts,
        gone=gone,
        limit=min((load(domain).approve_above for domain in domains), default=0),
    )


def words(made: Plan, fingerprint: str | None = None) -> str:
    """The plan in sentences; with a fingerprint, the part that answers that incident."""
    replays = [one for one in made.replays if fingerprint in (None, one.fingerprint)]
    bursts = [one for one in made.bursts if fingerprint in (None, one.fingerprint)]
    lines = []
    for warehouse, topic in sorted({(one.warehouse, one.topic) for one in replays}):
        some = [one for one in replays if (one.warehouse, one.topic) == (warehouse, topic)]
        rows, stretches = sum(one.rows for one in some), sum(len(one.ranges) for one in some)
        lines.append(
            f"{counted(rows, 'row')} of {topic} from Kafka into {NAMES[warehouse]}: "
            f"{counted(stretches, 'stretch', 'stretches')} of offsets in "
            f"{counted(len({one.partition for one in some}), 'partition')}"
        )
    for domain in sorted({one.domain for one in bursts}):
        mine = [one for one in bursts if one.domain == domain]
        lines.append(
            f"{counted(len(mine), 'burst')} of {domain} again, {clock(mine[0].start)} to {clock(mine[-1].end)}"
        )
    gone = made.beyond if fingerprint is None else made.gone.get(fingerprint, 0)
    stays = f" {counted(gone, 'row')} beyond Kafka's retention: not to be brought back." if gone else ""
    if not lines:
        return f"Plan: nothing can be done.{stays}" if gone else "Plan: nothing is missing any more."
    seconds = sum(one.rows / RATE[one.warehouse] for one in replays) + BURST_S * len(bursts)
    return f"Plan: {'; '.join(lines)}; about {lasting(max(1, seconds))}.{stays}"


def _most(contract: Contract) -> int:
    return contract.burst.size[1] if contract.burst else 0
