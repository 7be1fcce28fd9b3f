"""Promises: what a stretch of a partition must hold, by receipts or, without them, by Kafka's own records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime

import msgspec

from include.kafka.receipts import Receipt
from include.ledger.entries import Partition
from include.ledger.runs import Run, joined


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """So many events, among the offsets of `runs`; `minute` is that of `produced_at`, when the last was produced."""

    topic: str
    partition: int
    events: int
    runs: tuple[Run, ...]
    produced_at: datetime
    bursts: tuple[str, ...] = ()

    @property
    def place(self) -> Partition:
        """Where it is."""
        return self.topic, self.partition

    @property
    def minute(self) -> datetime:
        """The minute it is told under."""
        return minute(self.produced_at)


class Held(msgspec.Struct, frozen=True):
    """A record as Kafka has it: its offset, its time (ms since 1970), whether it is a tombstone."""

    offset: int
    at_ms: int
    tombstone: bool = False


def minute(at: datetime) -> datetime:
    """The minute of a moment, in UTC."""
    return at.astimezone(UTC).replace(second=0, microsecond=0)


def moment(ms: int) -> datetime:
    """Milliseconds since 1970 as a moment in UTC."""
    return datetime.fromtimestamp(ms // 1000, UTC).replace(microsecond=ms % 1000 * 1000)


def by_receipts(receipts: Iterable[Receipt]) -> list[Promise]:
    """One promise a receipt; bursts that were produced side by side, so that their offsets mingle, make one together.

    `receipts` are the latest of their keys: what an earlier run of a burst left elsewhere is promised by nobody.
    """
    promises: list[Promise] = []
    for receipt in sorted(receipts, key=lambda one: (one.topic, one.partition, one.first_offset)):
        promise = Promise(
            topic=receipt.topic,
            partition=receipt.partition,
            events=receipt.events,
            runs=((receipt.first_offset, receipt.last_offset),),
            produced_at=receipt.produced_at,
            bursts=(receipt.burst,),
        )
        last = promises[-1] if promises else None
        if last and last.place == promise.place and receipt.first_offset <= last.runs[0][1]:
            promises[-1] = _together(last, promise)
        else:
            promises.append(promise)
    return promises


def _together(one: Promise, other: Promise) -> Promise:
    return Promise(
        topic=one.topic,
        partition=one.partition,
        events=one.events + other.events,
        runs=tuple(joined((*one.runs, *other.runs))),
        produced_at=max(one.produced_at, other.produced_at),
        bursts=(*one.bursts, *other.bursts),
    )


def by_records(place: Partition, records: Iterable[Held]) -> list[Promise]:
    """One promise a minute of a partition, of exactly the records that Kafka has of it."""
    minutes: defaultdict[datetime, list[Held]] = defaultdict(list)
    for record in records:
        if not record.tombstone:
            minutes[minute(moment(record.at_ms))].append(record)
    return [
        Promise(
            topic=place[0],
            partition=place[1],
            events=len(found),
            runs=tuple(joined((record.offset, record.offset) for record in found)),
            produced_at=moment(max(record.at_ms for record in found)),
        )
        for found in minutes.values()
    ]
