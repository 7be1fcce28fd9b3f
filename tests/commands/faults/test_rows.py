"""Which burst's rows are taken away."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from commands.faults.rows import settled, watched
from include.contracts import load
from include.kafka.receipts import Receipt

NOW = datetime(2026, 1, 1, 10, 0, tzinfo=UTC)


def receipt(burst: str, ago_s: float, partition: int = 0, topic: str = "orders", events: int = 3) -> Receipt:
    at = NOW - timedelta(seconds=ago_s)
    return Receipt(
        event_id=f"{burst}/{topic}/{partition}", burst=burst, domain="ecommerce", window_start=at, window_end=at, shard="0",
        topic=topic, partition=partition, events=events, first_offset=0, last_offset=3, min_event_time=at, max_event_time=at,
        produced_at=at,
    )  # fmt: skip


def test_bursts_come_whole_the_latest_first_without_those_of_the_last_minute() -> None:
    given = [
        receipt("b", 200),
        receipt("c", 90, partition=1),
        receipt("c", 61),
        receipt("d", 61),
        receipt("d", 59, partition=1),
        receipt("a", 100),
        receipt("a", 100, topic="shipments"),
    ]
    found = settled(given, "orders", NOW, at_most=10)
    assert [[(one.burst, one.partition) for one in burst] for burst in found] == [
        [("c", 1), ("c", 0)],
        [("a", 0)],
        [("b", 0)],
    ]


def test_what_a_person_would_have_to_approve_is_passed_over_and_so_is_an_empty_burst() -> None:
    given = [
        receipt("large", 90, events=5),
        receipt("large", 90, events=6, partition=1),
        receipt("right", 95, events=10),
        receipt("empty", 100, events=0),
    ]
    assert [burst[0].burst for burst in settled(given, "orders", NOW, at_most=10)] == ["right"]


def test_the_topic_is_the_first_with_a_floor() -> None:
    assert watched(load("ecommerce")).name == "orders"
    assert watched(load("fashion")).name == "streaming.public.clicks"
