"""What was promised against what is where, by offsets. Pure: receipts and runs in, cells and holes out.

Offsets, not counts, because counts cannot tell which rows are missing, and lie where something else stands in for them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

import msgspec

from include.kafka.offsets import Extent
from include.ledger.entries import WAREHOUSES, Cell, Hole, Partition
from include.ledger.landed import NOTHING, Landed
from include.ledger.promises import Promise, moment
from include.ledger.runs import Run, common, joined, size, within, without


class Rejection(msgspec.Struct, frozen=True):
    """One record that connectors set aside: its offset, its own time, and the warehouses it was meant for.

    `sent_to`: where a redrive sent it again.
    """

    offset: int
    at_ms: int
    warehouses: frozenset[str]
    sent_to: tuple[str, int, int] | None = None


class Facts(msgspec.Struct, kw_only=True):
    """What the places said. `held`: offsets of events in Kafka, where they were counted. `landed` has None for a
    warehouse that could not be asked; `rejected` is in the order of offsets."""

    domains: Mapping[str, str]
    promises: list[Promise]
    extents: Mapping[Partition, Extent]
    landed: Mapping[str, Mapping[Partition, Landed] | None]
    rejected: Mapping[Partition, list[Rejection]] = {}
    held: Mapping[Partition, list[Run]] | None = None


class _Counts:
    """One cell while it is added up."""

    def __init__(self) -> None:
        self.produced = self.rejected = self.kafka = 0
        self.landed = dict.fromkeys(WAREHOUSES, 0)
        self.copies = dict.fromkeys(WAREHOUSES, 0)


def compare(facts: Facts, *, since: datetime, until: datetime) -> tuple[tuple[Cell, ...], tuple[Hole, ...]]:
    """Cells and holes of what was produced from `since` until `until`."""
    landed = {name: _redriven(found, facts) for name, found in facts.landed.items() if found is not None}
    counts: defaultdict[tuple[str, datetime, int], _Counts] = defaultdict(_Counts)
    holes = []
    for promise in [*facts.promises, *_strangers(facts)]:
        if not since <= promise.produced_at < until:
            continue
        cell = counts[promise.topic, promise.minute, promise.partition]
        cell.produced += promise.events
        outstanding = [one for one in _rejections(facts, promise) if one.sent_to is None]
        cell.rejected += len(outstanding)
        held = None if facts.held is None else common(promise.runs, facts.held.get(promise.place, []))
        cell.kafka += size(held or ())
        for name, found in landed.items():
            there = found.get(promise.place, NOTHING)
            cell.landed[name] += size(common(promise.runs, there.runs))
            cell.copies[name] += sum(there.copies(*run) for run in promise.runs)
            if hole := _hole(name, promise, there.runs, held, facts):
                holes += _parted(hole, facts.extents.get(promise.place, Extent(0, 0, 0)))

    def of(name: str, numbers: dict[str, int]) -> int | None:
        return numbers[name] if name in landed else None

    cells = (
        Cell(
            domain=facts.domains[topic],
            topic=topic,
            partition=partition,
            minute=at,
            produced=found.produced,
            kafka=None if facts.held is None else found.kafka,
            clickhouse=of("clickhouse", found.landed),
            snowflake=of("snowflake", found.landed),
            rejected=found.rejected,
            copies_clickhouse=of("clickhouse", found.copies),
            copies_snowflake=of("snowflake", found.copies),
        )
        for (topic, at, partition), found in sorted(counts.items())
    )
    return tuple(cells), tuple(holes)


def _hole(warehouse: str, promise: Promise, landed: list[Run], held: list[Run] | None, facts: Facts) -> Hole | None:
    excused = joined(
        (one.offset, one.offset) for one in _rejections(facts, promise) if warehouse in one.warehouses or one.sent_to
    )
    absent = without(promise.runs, landed)
    missing = promise.events - size(common(promise.runs, landed)) - size(common(absent, excused))
    extent = facts.extents.get(promise.place, Extent(0, 0, 0))
    end = promise.runs[-1][1]
    if missing <= 0 or extent.readable <= end < extent.end:
        # In the second case a transaction is still open before it: no sink may read it yet.
        return None
    is_whole = held is None or size(held) >= promise.events
    # Where Kafka was read, what is an event is known; else tombstones are taken along.
    ranges = without(absent if held is None or not is_whole else common(absent, held), excused) or list(promise.runs)
    return Hole(
        warehouse=warehouse,
        domain=facts.domains[promise.topic],
        topic=promise.topic,
        partition=promise.partition,
        ranges=tuple(ranges),
        missing=missing,
        minute=promise.minute,
        produced_at=promise.produced_at,
        in_kafka=is_whole and ranges[-1][1] < extent.end,
        bursts=promise.bursts,
    )


def _parted(hole: Hole, extent: Extent) -> list[Hole]:
    """The hole as it is, or, where retention has taken of it, what is gone and what Kafka can still fill."""
    gone = tuple(within(hole.ranges, 0, extent.first - 1))
    if not hole.in_kafka or not gone:
        return [hole]
    # Which of the offsets are no events is not known: what is gone is rather told too large than too small.
    missing = min(hole.missing, size(gone))
    parts = [msgspec.structs.replace(hole, ranges=gone, missing=missing, in_kafka=False)]
    if hole.missing > missing:
        left = tuple(within(hole.ranges, extent.first, hole.ranges[-1][1]))
        parts.append(msgspec.structs.replace(hole, ranges=left, missing=hole.missing - missing))
    return parts


def _rejections(facts: Facts, promise: Promise) -> list[Rejection]:
    found = facts.rejected.get(promise.place, [])
    return [
        one
        for first, last in promise.runs
        for one in found[bisect_left(found, first, key=_offset) : bisect_right(found, last, key=_offset)]
    ]


def _offset(one: Rejection) -> int:
    return one.offset


def _redriven(landed: Mapping[Partition, Landed], facts: Facts) -> Mapping[Partition, Landed]:
    """A record that a redrive sent again has landed where it was rejected, once it has landed where it was sent."""
    more: defaultdict[Partition, list[Run]] = defaultdict(list)
    for place, rejections in facts.rejected.items():
        for one in rejections:
            if one.sent_to is None:
                continue
            topic, partition, offset = one.sent_to
            if within(landed.get((topic, partition), NOTHING).runs, offset, offset):
                more[place].append((one.offset, one.offset))
    return {**landed, **{place: landed.get(place, NOTHING).joined_by(runs) for place, runs in more.items()}}


def _strangers(facts: Facts) -> list[Promise]:
    """Rejected records that no receipt tells of, each as a promise of nothing, so that it is told with its minute."""
    known: defaultdict[Partition, list[Run]] = defaultdict(list)
    for promise in facts.promises:
        known[promise.place] += promise.runs
    runs = {place: joined(found) for place, found in known.items()}
    return [
        Promise(
            topic=place[0],
            partition=place[1],
            events=0,
            runs=((one.offset, one.offset),),
            produced_at=moment(one.at_ms),
        )
        for place, rejections in facts.rejected.items()
        for one in rejections
        if not within(runs.get(place, []), one.offset, one.offset)
    ]
