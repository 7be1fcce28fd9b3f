"""Holes in the numbers that a source gives its events. A number that never came was lost before Kafka, by the source or
by whoever reads it; the rest of the line cannot tell, for it has all that it was given.

Where a contract names a `sequence`, its field grows by one within each value of another. Looked for in ClickHouse, in
the order of the numbers: in which order they arrived, and how often, is no matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from include.alerts.message import lasting
from include.contracts import Contract, Topic
from include.ledger.entries import Ledger
from include.monitors.rows import GRACE
from include.monitors.verdict import Kind, Verdict
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING

if TYPE_CHECKING:
    from include.kafka.receipts import Receipt

RULE = "sequence_hole"
#: What is read before the window begins: a row there may have the number that seems to be missing in it.
EDGE = timedelta(minutes=1)
#: Holes that are told one by one, the largest.
TOLD = 5


class Hole(msgspec.Struct, frozen=True):
    """Numbers that are missing one after the other, both ends included, of one value of the contract's `by`."""

    by: str
    first: int
    last: int


class Holes(msgspec.Struct, frozen=True, kw_only=True):
    """What one topic lacks: `missing` numbers in so many `holes`, of so many values of the contract's `by` (`sources`),
    since the last number before the earliest of them came."""

    topic: str
    missing: int
    holes: int
    sources: int
    since: datetime
    largest: tuple[Hole, ...]


# The first number of each source has no predecessor: it gets one without a hole between. Both neighbours of a hole are
# within the window, so that what came while nobody was to produce is not asked for.
_HOLES = f"""
select topic, count() as holes, sum(size) as missing, uniqExact(source) as sources, min(since) as since_ms,
    arraySlice(arraySort(hole -> (-hole.1, hole.2, hole.3), groupArray((size, source, first))), 1, {TOLD}) as largest
from (
    select topic, source, number - before - 1 as size, before + 1 as first, since
    from (
        select topic, source, number, at, low, high,
            lagInFrame(number, 1, number - 1) over numbers as before, lagInFrame(at, 1, at) over numbers as since
        from ({{rows}})
        window numbers as (partition by topic, source order by number rows between 1 preceding and current row)
    )
    where size > 0 and least(since, at) >= low and greatest(since, at) <= high
)
group by topic
"""


def in_order_since(contract: Contract, receipts: Iterable[Receipt], earliest: datetime) -> datetime:
    """From when on, not before `earliest`, the contract's windows were produced one after the other. A backfill, or a
    healing, brings numbers of long ago: between them and today's nothing is missing."""
    since, latest = earliest, datetime.min.replace(tzinfo=UTC)
    for one in sorted(receipts, key=lambda receipt: receipt.produced_at):
        if one.domain != contract.domain:
            continue
        if one.window_start < latest:
            since = max(since, one.produced_at + timedelta(milliseconds=1))
        latest = max(latest, one.window_start)
    return since


def read(
    client: Clickhouse, contracts: Iterable[Contract], since: Mapping[str, datetime], now: datetime
) -> dict[str, Holes]:
    """Topic -> its holes, of those that have a sequence and holes in it; no question where none has a sequence.

    `since`: domain -> from when on there must be no hole. What is younger than the contract lets a row take is left
    out. Costs what the window holds. Raises WarehouseError.
    """
    rows = " union all ".join(
        _numbers(topic, since[contract.domain], now - timedelta(seconds=contract.latency_s) - GRACE)
        for contract in contracts
        for topic in contract.topics
        if topic.sequence
    )
    return {row["topic"]: _holes(row) for row in client.query(_HOLES.format(rows=rows))} if rows else {}


def elsewhere(ledger: Ledger) -> dict[str, int] | None:
    """Topic -> records that Kafka has, or had, and ClickHouse lacks: on their way, lost, or rejected. None where it is
    not known."""
    if {"kafka", "clickhouse"} & ledger.blind.keys():
        return None
    found: dict[str, int] = {}
    for cell in ledger.cells:
        lacking = max(0, (cell.produced or 0) - (cell.clickhouse or 0), cell.rejected or 0)
        found[cell.topic] = found.get(cell.topic, 0) + lacking
    return found


def judge(
    contract: Contract,
    found: Mapping[str, Holes] | None,
    behind: Mapping[str, int] | None,
    window: timedelta,
    *,
    whole: bool = True,
    paused: bool = False,
    cause: str = "",
) -> list[Verdict]:
    """A verdict for each topic with a sequence. `found`: None where ClickHouse could not be asked.

    `behind`: what `elsewhere` gives; so many numbers are not missing at the source, and other rules tell of them.
    `whole`: all of the window was looked at, not only what came since a pause or a backfill. `paused`: the DAG is, now.
    `cause`: what explains holes, if anything does.
    """
    verdicts = []
    for topic in contract.topics:
        if topic.sequence is None:
            continue
        holes = None if found is None else found.get(topic.name)
        if paused:
            verdicts.append(_verdict(topic, Kind.FINE, normal="It is paused on purpose."))
        elif found is None or (holes is None and not whole):
            verdicts.append(_verdict(topic, Kind.BLIND))
        elif holes is None:
            last = lasting(window.total_seconds())
            normal = f"The numbers of the last {last} have no hole; what was missing before still is."
            verdicts.append(_verdict(topic, Kind.FINE, normal=normal))
        elif behind is None or holes.missing <= behind.get(topic.name, 0):
            verdicts.append(_verdict(topic, Kind.BLIND))
        else:
            verdicts.append(_fires(topic, holes, behind.get(topic.name, 0), cause))
    return verdicts


def _numbers(topic: Topic, since: datetime, until: datetime) -> str:
    """Each number of a topic once, with its source and the time it came first (ms since 1970)."""
    assert topic.sequence is not None  # noqa: S101 - see read()
    return (
        f"select '{topic.name}' as topic, ifNull(toString(`{topic.sequence.by}`), 'null') as source, "
        f"assumeNotNull(`{topic.sequence.field}`) as number, min(_timestamp) as at, {_ms(since)} as low, "
        f"{_ms(until)} as high from {LANDING}.`{topic.table}` where _topic = '{topic.name}' "
        f"and _timestamp >= {_ms(since - EDGE)} and `{topic.sequence.field}` is not null group by source, number"
    )


def _holes(row: Mapping[str, Any]) -> Holes:
    return Holes(
        topic=row["topic"],
        missing=int(row["missing"]),
        holes=int(row["holes"]),
        sources=int(row["sources"]),
        since=datetime.fromtimestamp(int(row["since_ms"]) / 1000, UTC),
        largest=tuple(Hole(by, first, first + size - 1) for size, by, first in row["largest"]),
    )


def _fires(topic: Topic, holes: Holes, behind: int, cause: str) -> Verdict:
    assert topic.sequence is not None  # noqa: S101 - see judge()
    named = list(dict.fromkeys(hole.by for hole in holes.largest))
    more = f" and {holes.sources - len(named)} more" if holes.sources > len(named) else ""
    known = (("Behind Kafka", f"{behind:,} of them: on their way, lost or rejected"),) if behind else ()
    numbers = f"1 number of {topic.sequence.field} is" if holes.missing == 1 else (
        f"{holes.missing:,} numbers of {topic.sequence.field} are"
    )  # fmt: skip
    return _verdict(
        topic,
        Kind.FIRING,
        headline=f"{numbers} missing in {holes.holes:,} {'hole' if holes.holes == 1 else 'holes'}, for "
        f"{topic.sequence.by} {', '.join(named)}{more}.",
        since=holes.since,
        facts=(*((hole.by, _told(hole)) for hole in holes.largest), *known),
        act="They never came to Kafka, so no machine here can bring them back: reconnect what reads the source, and "
        "backfill them from the exchange.",
        cause=cause,
    )


def _told(hole: Hole) -> str:
    if hole.first == hole.last:
        return str(hole.first)
    return f"{hole.first} to {hole.last}, {hole.last - hole.first + 1:,} numbers"


def _verdict(topic: Topic, kind: Kind, **words: object) -> Verdict:
    return Verdict(
        rule=RULE,
        subject=topic.name,
        kind=kind,
        domain=topic.domain,
        asset=f"bursts_{topic.domain}",
        **words,  # type: ignore[arg-type]
    )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
