"""Produces a burst: its events and their receipts in one transaction, all of it or nothing."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

import msgspec
from confluent_kafka import KafkaError as Cause
from confluent_kafka import KafkaException, Message, Producer

from include.connections import Endpoint
from include.contracts import Contract
from include.contracts.event import BurstId, Event
from include.kafka.client import metadata, producer
from include.kafka.errors import KafkaError, Trouble, topic_missing
from include.kafka.receipts import TOPIC as RECEIPTS
from include.kafka.receipts import Receipt
from include.kafka.topics import MOST_BYTES
from include.kafka.transaction import DELIVER_S, abort, attempt, settings

#: Events handed over at a time, and what waits for the broker at most: the memory a burst of any size takes.
BATCH, BATCH_BYTES = 10_000, 8_000_000
WAITING, WAITING_BYTES = 100_000, 64_000_000

Progress = Callable[[int], None]


class Stretch:
    """What a burst puts into one partition: events waiting to be handed over, and what became of the others."""

    def __init__(self, topic: str, partition: int) -> None:
        self.topic, self.partition = topic, partition
        self.batch: list[Event] = []
        self.events = self.handed = self.delivered = 0
        self.least_ms, self.greatest_ms = 1 << 62, -(1 << 62)
        self.first_offset: int | None = None
        self.last: Message | None = None
        self.error: Cause | None = None

    def hand_over(self, client: Producer) -> None:
        """Gives the batch to the client; raises KafkaException."""
        events, self.batch = self.batch, []
        times = [event.time_ms for event in events]
        self.least_ms = min(self.least_ms, min(times))
        self.greatest_ms = max(self.greatest_ms, max(times))
        self.events += sum(event.value is not None for event in events)
        batch: list[dict[str, Any]] = [{"key": event.key, "value": event.value} for event in events]
        taken = client.produce_batch(self.topic, batch, self.partition, self.report)
        self.handed += taken
        if taken != len(batch):
            raise KafkaException(next(message["_error"] for message in batch if "_error" in message))

    def report(self, error: Cause | None, message: Message) -> None:
        """The broker's word on one record; within a partition they come in order."""
        if error is not None:
            self.error = self.error or error
            return
        self.delivered += 1
        if self.first_offset is None:
            self.first_offset = message.offset()
        self.last = message


def produce(
    endpoint: Endpoint,
    contract: Contract,
    burst: BurstId,
    events: Iterable[Event],
    *,
    progress: Progress | None = None,
) -> tuple[Receipt, ...]:
    """Produces a burst and its receipts, one for each partition it wrote to, in one transaction.

    Whatever ends it early, the events' own errors included, leaves nothing that a reader of committed records sees. The
    same burst again makes the same event ids and replaces its receipts. `progress` hears how many events were handed
    over, now and then. Raises KafkaError.
    """
    trouble = Trouble(endpoint)
    client = producer(endpoint, _settings(burst), trouble)
    partitions = _partitions(client, trouble, contract)
    attempt(trouble, "beginning a transaction", lambda: client.init_transactions(DELIVER_S))
    client.begin_transaction()
    try:
        stretches = _send(client, trouble, events, partitions, progress or (lambda count: None))
        receipts = _receipts(burst, stretches)
        _send(client, trouble, map(_event, receipts), {RECEIPTS: 1}, lambda count: None)
        attempt(trouble, f"committing burst {burst}", lambda: client.commit_transaction(DELIVER_S))
    except BaseException as error:
        abort(client, trouble, f"burst {burst}")
        if isinstance(error, KafkaException | BufferError):
            cause = error if isinstance(error, KafkaException) else Cause(Cause._QUEUE_FULL, str(error))
            raise trouble.explain(f"producing burst {burst}", cause) from error
        raise
    return receipts


def _settings(burst: BurstId) -> dict[str, Any]:
    return {
        # One name a burst: a second run of it fences the first off, while bursts of other windows run beside it.
        **settings(str(burst)),
        "message.max.bytes": MOST_BYTES,
        # Above what is ever left waiting, so that the queue is never full and never reorders.
        "queue.buffering.max.messages": 2 * (WAITING + BATCH),
        "queue.buffering.max.kbytes": 2 * (WAITING_BYTES + BATCH_BYTES + MOST_BYTES) // 1024,
    }


def _partitions(client: Producer, trouble: Trouble, contract: Contract) -> dict[str, int]:
    """Topic -> partitions to write to. Those of the contract: a key's partition, and so a repeated burst's receipts,
    stay the same when partitions are added."""
    there = metadata(client, trouble).topics
    if RECEIPTS not in there:
        raise topic_missing(RECEIPTS)
    found = {name: len(topic.partitions) for name, topic in there.items()}
    return {topic.name: min(topic.partitions, found[topic.name]) for topic in contract.topics if topic.name in found}


def _send(
    client: Producer, trouble: Trouble, events: Iterable[Event], partitions: dict[str, int], progress: Progress
) -> list[Stretch]:
    """Hands every event over and waits until each is delivered; raises KafkaError, KafkaException."""
    stretches: dict[tuple[str, int], Stretch] = {}
    count = size = waiting_bytes = 0
    for event in events:
        key, value, topic = event.key, event.value, event.topic
        if topic not in partitions:
            raise topic_missing(topic)
        place = topic, zlib.crc32(key) % partitions[topic]
        stretch = stretches.get(place)
        if stretch is None:
            stretch = stretches[place] = Stretch(*place)
        stretch.batch.append(event)
        count += 1
        size += len(key) + len(value or b"")
        if count % BATCH and size < BATCH_BYTES:
            continue
        _hand_over(client, stretches.values())
        waiting_bytes, size = waiting_bytes + size, 0
        while len(client) > WAITING or (waiting_bytes > WAITING_BYTES and len(client)):
            client.poll(0.1)
            _check(trouble, stretches.values())
        waiting_bytes = waiting_bytes if len(client) else 0
        progress(count)
    _hand_over(client, stretches.values())
    while len(client):
        client.poll(0.1)
        _check(trouble, stretches.values())
    _check(trouble, stretches.values())
    progress(count)
    return [stretches[place] for place in sorted(stretches)]


def _hand_over(client: Producer, stretches: Iterable[Stretch]) -> None:
    for stretch in stretches:
        if stretch.batch:
            stretch.hand_over(client)
    client.poll(0)


def _check(trouble: Trouble, stretches: Iterable[Stretch]) -> None:
    for stretch in stretches:
        if stretch.error is not None:
            raise trouble.explain(f"producing to {stretch.topic}, partition {stretch.partition}", stretch.error)


def _receipts(burst: BurstId, stretches: Iterable[Stretch]) -> tuple[Receipt, ...]:
    receipts = []
    for stretch in stretches:
        last = stretch.last
        # Not `if last`: a message is as long as its value, so a tombstone is false.
        first_offset, last_offset = stretch.first_offset, None if last is None else last.offset()
        # A broker that answers a repeated request may leave the offset out: -1 or less.
        if last is None or first_offset is None or last_offset is None or not 0 <= first_offset <= last_offset:
            raise KafkaError(
                f"burst {burst}: the broker told no offsets for {stretch.topic}, partition {stretch.partition}: "
                "run the burst again, nothing of this run counts"
            )
        if stretch.delivered != stretch.handed:
            raise KafkaError(
                f"burst {burst}: {stretch.handed} records went to {stretch.topic}, partition {stretch.partition}, and "
                f"{stretch.delivered} arrived: run the burst again, nothing of this run counts"
            )
        receipts.append(
            Receipt(
                event_id=f"{burst}/{stretch.topic}/{stretch.partition}",
                burst=str(burst),
                domain=burst.domain,
                window_start=burst.window.start.astimezone(UTC),
                window_end=burst.window.end.astimezone(UTC),
                shard=burst.shard,
                topic=stretch.topic,
                partition=stretch.partition,
                events=stretch.events,
                first_offset=first_offset,
                last_offset=last_offset,
                min_event_time=_moment(stretch.least_ms),
                max_event_time=_moment(stretch.greatest_ms),
                produced_at=_moment(last.timestamp()[1]),
            )
        )
    return tuple(receipts)


def _event(receipt: Receipt) -> Event:
    return Event(RECEIPTS, receipt.event_id.encode(), msgspec.json.encode(receipt), 0)


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC).replace(microsecond=ms % 1000 * 1000)
