from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import Consumer, TopicPartition

from include.contracts import load
from include.generators import Window
from include.generators import burst as named
from include.kafka import KafkaError, burst, client, offsets
from include.kafka.reading import records

pytestmark = pytest.mark.stack

START = datetime(2024, 6, 1, tzinfo=UTC)
CLICKS = "streaming.public.clicks"


@pytest.fixture(scope="module")
def clicks(kafka):
    """Partition -> offset after the last record; behind each is the mark of a transaction."""
    contract = load("fashion")
    for number in range(2):
        window = Window(START + timedelta(minutes=number), START + timedelta(minutes=number + 1))
        burst.produce(kafka, contract, *named(contract, window, seed=1, size=50, shard="lag"))
    ends = {}
    for record in records(kafka, CLICKS):
        ends[record.partition()] = record.offset() + 1
    return ends


def commit(kafka, group, places):
    consumer = Consumer({"bootstrap.servers": kafka.extra["bootstrap.servers"], "group.id": group})
    consumer.commit(offsets=[TopicPartition(CLICKS, *place) for place in places.items()], asynchronous=False)
    consumer.close()


def test_watermarks_are_behind_the_last_mark(kafka, clicks):
    found = offsets.watermarks(kafka, [CLICKS])
    assert found.keys() == {(CLICKS, number) for number in range(3)}
    assert all(found[CLICKS, number] == (0, end + 1) for number, end in clicks.items())


def test_a_group_that_read_every_record_has_no_lag(kafka, clicks):
    commit(kafka, "reader-all", clicks)
    assert offsets.lag(kafka, "reader-all", [CLICKS]) == {(CLICKS, number): 0 for number in clicks}


def test_a_group_that_has_records_to_read_has_lag(kafka, clicks):
    commit(kafka, "reader-some", {0: clicks[0] - 1, 1: clicks[1]})
    assert offsets.lag(kafka, "reader-some", [CLICKS]) == {(CLICKS, 0): 2, (CLICKS, 1): 0, (CLICKS, 2): clicks[2] + 1}


def test_what_a_group_never_committed_is_all_lag(kafka, clicks):
    assert offsets.lag(kafka, "reader-none", [CLICKS]) == {(CLICKS, n): end + 1 for n, end in clicks.items()}


def test_a_missing_topic_is_named(kafka):
    with pytest.raises(KafkaError, match="topic nowhere is missing"):
        offsets.watermarks(kafka, ["nowhere"])


def test_an_open_transaction_holds_back_what_comes_behind_its_beginning(kafka, clicks):
    whole = offsets.extents(kafka, [CLICKS])[CLICKS, 0]
    assert whole == offsets.Extent(0, clicks[0] + 1, clicks[0] + 1)
    held = client.producer(kafka, {"transactional.id": "held"})
    held.init_transactions(20)
    held.begin_transaction()
    held.produce(CLICKS, b"{}", b"k", partition=0)
    held.flush(20)
    contract = load("fashion")
    window = Window(START + timedelta(minutes=9), START + timedelta(minutes=10))
    receipts = burst.produce(kafka, contract, *named(contract, window, seed=1, size=50, shard="behind"))
    (behind,) = [one for one in receipts if (one.topic, one.partition) == (CLICKS, 0)]
    found = offsets.extents(kafka, [CLICKS])[CLICKS, 0]
    assert (found.first, found.readable, found.end) == (0, whole.end, behind.last_offset + 2)
    held.abort_transaction(20)
