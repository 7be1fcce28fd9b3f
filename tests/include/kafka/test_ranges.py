"""Stretches of a partition, read again from a real broker."""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest
from confluent_kafka import TopicPartition

from include.connections import KAFKA, Endpoint
from include.contracts import load
from include.contracts.event import BurstId, Event, Window
from include.kafka import KafkaError, burst, client, offsets, ranges

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

TOPIC = "shops"  # which has one partition
CONTRACT = load("ecommerce")
START = datetime(2026, 6, 1, tzinfo=UTC)
NUMBERS = count()


def produce(kafka: Endpoint, size: int, *, tombstones: tuple[int, ...] = ()) -> int:
    """A burst of records, in one transaction; gives its first offset. Its mark is behind its last record."""
    start = START + timedelta(minutes=2 * next(NUMBERS))
    name = BurstId("ecommerce", Window(start, start + timedelta(minutes=2)), "ranges")
    events = [
        Event(TOPIC, b"k", None if n in tombstones else f"{start:%H%M} {n}".encode(), 0) for n in range(size)
    ]  # fmt: skip
    (receipt,) = burst.produce(kafka, CONTRACT, name, events)
    until = time.monotonic() + 60
    while offsets.watermarks(kafka, [TOPIC])[TOPIC, 0][1] < receipt.last_offset + 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    return receipt.first_offset


def read(kafka: Endpoint, *stretches: tuple[int, int]) -> list[int]:
    return [int(message.offset() or 0) for message in ranges.read(kafka, TOPIC, 0, stretches)]


def test_only_what_is_asked_for_in_order(kafka: Endpoint) -> None:
    at = produce(kafka, 50)
    assert read(kafka, (at, at + 49)) == list(range(at, at + 50))
    assert read(kafka, (at + 7, at + 7)) == [at + 7]
    assert read(kafka, (at + 40, at + 42), (at + 1, at + 2)) == [at + 1, at + 2, at + 40, at + 41, at + 42]
    assert read(kafka, (at, at), (at + 49, at + 49)) == [at, at + 49]
    assert read(kafka) == []


def test_stretches_that_overlap_give_each_record_once(kafka: Endpoint) -> None:
    at = produce(kafka, 20)
    assert read(kafka, (at, at + 10), (at + 3, at + 5), (at + 8, at + 12), (at + 8, at + 12)) == list(
        range(at, at + 13)
    )


def test_marks_within_and_at_the_end_are_passed(kafka: Endpoint) -> None:
    first, second = produce(kafka, 5), produce(kafka, 5)
    assert second == first + 6, "the mark has an offset"
    assert read(kafka, (first + 3, second + 1)) == [first + 3, first + 4, second, second + 1]
    assert read(kafka, (first + 4, first + 5)) == [first + 4], "a mark, and records behind it"
    assert read(kafka, (first + 5, first + 5)) == [], "nothing but a mark"
    begun = time.monotonic()
    assert read(kafka, (second + 4, second + 5)) == [second + 4], "a mark, and the end of the log behind it"
    assert read(kafka, (second + 5, second + 500)) == [], "beyond the end"
    assert time.monotonic() - begun < 10


def test_tombstones_are_given_as_they_are(kafka: Endpoint) -> None:
    at = produce(kafka, 6, tombstones=(2, 5))
    values = [message.value() for message in ranges.read(kafka, TOPIC, 0, [(at, at + 5)])]
    assert [value is None for value in values] == [False, False, True, False, False, True]


def test_what_was_aborted_is_not_read(kafka: Endpoint) -> None:
    before = produce(kafka, 2)
    aborted = client.producer(kafka, {"transactional.id": "ranges-aborted"})
    aborted.init_transactions(30)
    aborted.begin_transaction()
    for _ in range(3):
        aborted.produce(TOPIC, b"aborted", b"k", partition=0)
    aborted.flush(20)
    aborted.abort_transaction(30)
    after = produce(kafka, 2)
    assert after > before + 5
    assert read(kafka, (before, after + 1)) == [before, before + 1, after, after + 1]


def test_many_stretches_cost_little_more_than_one(kafka: Endpoint) -> None:
    """Rows are seldom lost side by side; a stretch must not cost a wait."""
    at = produce(kafka, 3000)
    draw = random.Random(1)
    lost = sorted(draw.sample(range(at, at + 3000), 700))
    begun = time.monotonic()
    assert read(kafka, *((offset, offset) for offset in lost)) == lost
    assert time.monotonic() - begun < 15


def test_stretches_far_apart_are_read_one_by_one(kafka: Endpoint) -> None:
    at = produce(kafka, 4 * ranges.NEAR)
    far = at + 3 * ranges.NEAR
    assert read(kafka, (at + 1, at + 2), (far, far + 1)) == [at + 1, at + 2, far, far + 1]


def test_the_group_of_a_connector_is_not_moved_and_none_is_made(kafka: Endpoint) -> None:
    at = produce(kafka, 3)
    read(kafka, (at, at + 2))
    assert offsets.committed(kafka, ranges.GROUP, [(TOPIC, 0)]) == {}
    admin = client.admin(kafka)
    groups = {group.group_id for group in admin.list_consumer_groups().result(30).valid}
    assert ranges.GROUP not in groups


def test_a_reader_that_is_left_in_the_middle_lets_go(kafka: Endpoint) -> None:
    at = produce(kafka, 10)
    reading = ranges.read(kafka, TOPIC, 0, [(at, at + 9)])
    assert next(reading).offset() == at
    reading.close()  # type: ignore[attr-defined]


def test_what_retention_has_taken_is_told_before_anything_is_read(kafka: Endpoint) -> None:
    at = produce(kafka, 10)
    admin = client.admin(kafka)
    for future in admin.delete_records([TopicPartition(TOPIC, 0, at + 4)]).values():
        future.result(30)
    reading = ranges.read(kafka, TOPIC, 0, [(at + 6, at + 9), (at + 2, at + 4)])
    with pytest.raises(KafkaError) as told:
        next(reading)
    assert str(told.value) == (
        f"shops, partition 0: offset {at + 2} is gone, the first that is left is {at + 4}: produce the burst again, or "
        "restore the rows from the other warehouse"
    )
    assert read(kafka, (at + 4, at + 5)) == [at + 4, at + 5]


def test_a_broker_that_is_away_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("include.kafka.ranges.CALL_S", 1.0)
    nobody = Endpoint(conn_id=KAFKA, extra={"bootstrap.servers": "127.0.0.1:1"})
    with pytest.raises(KafkaError, match="no broker answers at 127.0.0.1:1"):
        list(ranges.read(nobody, TOPIC, 0, [(0, 1)]))
