"""Receipts of what was enriched: each burst once, however it lies among others."""

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from include.enrichment.shares import blocks, receipts
from include.kafka import KafkaError
from include.kafka.receipts import Receipt

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


def receipt(burst, first, last, events=None, minute=0):
    at = NOON + timedelta(minutes=minute)
    return Receipt(
        event_id=f"{burst}/clickstream/1",
        burst=burst,
        domain="clickstream",
        window_start=NOON,
        window_end=NOON + timedelta(minutes=2),
        shard="0",
        topic="clickstream",
        partition=1,
        events=last - first + 1 if events is None else events,
        first_offset=first,
        last_offset=last,
        min_event_time=at,
        max_event_time=at,
        produced_at=at,
    )


def made(events, first, last):
    message = SimpleNamespace(offset=lambda: last, timestamp=lambda: (1, 1_767_614_400_123))
    return SimpleNamespace(partition=1, events=events, first_offset=first, last=message if events else None)


def spans(found, offsets=range(60)):
    return [(block.first, block.last) for block in dict.fromkeys(filter(None, map(found.of, offsets)))]


def test_bursts_that_mingle_are_one_stretch():
    found, stop = blocks([receipt("c", 30, 39), receipt("a", 0, 9), receipt("b", 5, 20)], 0, 50)
    assert (spans(found), stop) == ([(0, 20), (30, 39)], 50)
    assert found.of(21) is None
    assert found.of(39) is not None


def test_what_is_enriched_already_is_no_stretch():
    found, stop = blocks([receipt("a", 0, 9), receipt("b", 11, 20)], 10, 50)
    assert (spans(found), stop) == ([(11, 20)], 50)


def test_a_burst_that_is_seen_in_part_waits_until_it_is_whole():
    """Its last records stand behind the beginning of one that is still under way."""
    found, stop = blocks([receipt("a", 0, 9), receipt("b", 11, 40)], 0, 30)
    assert (spans(found), stop) == ([(0, 9)], 11)
    found, stop = blocks([receipt("a", 0, 30)], 0, 30)
    assert (spans(found), stop) == ([], 0)


def told(given):
    return [(one.burst, one.events, one.first_offset, one.last_offset) for one in given]


def test_a_receipt_bears_the_bursts_name_and_the_enriched_place():
    found, _ = blocks([receipt("a", 0, 9)], 0, 50)
    [one] = receipts(found.of(0), made(10, 100, 109), "clickstream_enriched")
    assert told([one]) == [("a", 10, 100, 109)]
    assert (one.event_id, one.topic, one.partition) == ("a/clickstream_enriched/1", "clickstream_enriched", 1)
    assert one.produced_at == datetime(2026, 1, 5, 12, 0, 0, 123000, tzinfo=UTC)
    assert (one.window_start, one.shard) == (NOON, "0")


def test_malformed_records_are_not_promised():
    found, _ = blocks([receipt("a", 0, 9), receipt("b", 5, 20, 10)], 0, 50)
    given = receipts(found.of(0), made(17, 100, 120), "t")
    assert sum(one.events for one in given) == 17
    assert {one.burst for one in given} == {"a", "b"}
    found, _ = blocks([receipt("a", 0, 9)], 0, 50)
    assert receipts(found.of(0), made(0, None, None), "t") == []


def test_strangers_among_a_bursts_records_are_not_promised():
    found, _ = blocks([receipt("a", 0, 11, 10)], 0, 50)
    assert told(receipts(found.of(0), made(12, 100, 111), "t")) == [("a", 10, 100, 111)]


def test_of_two_copies_of_a_burst_the_later_is_told_last():
    found, _ = blocks([receipt("a", 10, 30, 10, minute=5), receipt("a", 0, 15, 10)], 0, 50)
    given = receipts(found.of(0), made(20, 100, 119), "t")
    assert [one.burst for one in given] == ["a", "a"]
    assert given[-1].events == 10


def test_a_broker_that_tells_no_offset_is_not_believed():
    found, _ = blocks([receipt("a", 0, 9)], 0, 50)
    with pytest.raises(KafkaError, match="told no offsets"):
        receipts(found.of(0), made(10, None, 109), "t")
