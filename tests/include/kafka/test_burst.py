"""A burst against a real broker: all of it or nothing, and once however often it is run."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import pytest

from include.contracts import load
from include.generators import BurstId, Event, Window, events
from include.kafka import KafkaError, burst, receipts
from include.kafka.reading import records

pytestmark = pytest.mark.stack

CONTRACT = load("ecommerce")
DAY = datetime(2024, 7, 1, tzinfo=UTC)
#: Where the event id ends in a record.
EVENT_ID = len('{"event_id":"1614684f-9e51-4b10-b17f-52a327670b3c"')
TOPICS = ("orders", "shipments", "shipment_dispatches", "shipment_completions")


WINDOWS = count()


@pytest.fixture
def name():
    """A burst of this test's own."""
    start = DAY + timedelta(minutes=2 * next(WINDOWS))
    return BurstId("ecommerce", Window(start, start + timedelta(minutes=2)), "test")


def made(name, size):
    return events(CONTRACT, name.window, seed=1, size=size, shard=name.shard)


def seen(kafka, name, size):
    """Topic and id of the burst's events that a reader of committed records sees, and how often."""
    wanted = {event.value[:EVENT_ID] for event in made(name, size)}
    found = Counter()
    for topic in TOPICS:
        found.update((topic, record.value()[:EVENT_ID]) for record in records(kafka, topic))
    return Counter({place: times for place, times in found.items() if place[1] in wanted})


def own_receipts(kafka, name):
    return {key: receipt for key, receipt in receipts.read(kafka).items() if key[0] == str(name)}


def test_a_burst_and_its_receipts(kafka, name):
    heard = []
    given = burst.produce(kafka, CONTRACT, name, made(name, 100), progress=heard.append)
    assert set(seen(kafka, name, 100).values()) == {1}
    assert len(seen(kafka, name, 100)) == 400
    assert own_receipts(kafka, name) == {receipt.key: receipt for receipt in given}
    assert receipts.produced(own_receipts(kafka, name)) == dict.fromkeys(TOPICS, 100)
    assert heard == [400]
    for receipt in given:
        assert receipt.last_offset - receipt.first_offset == receipt.events - 1
        assert name.window.start <= receipt.min_event_time < receipt.max_event_time < name.window.end
        assert abs((receipt.produced_at - datetime.now(UTC)).total_seconds()) < 60
        assert receipt.shard == "test"


def test_records_of_a_key_are_in_one_partition(kafka, name):
    burst.produce(kafka, CONTRACT, name, made(name, 50))
    places = {}
    for topic in TOPICS:
        for record in records(kafka, topic):
            places.setdefault(record.key(), set()).add(record.partition())
    assert all(len(found) == 1 for found in places.values())
    assert {partition for found in places.values() for partition in found} == {0, 1, 2}


def test_the_same_burst_three_times_has_one_set_of_receipts(kafka, name):
    for _ in range(3):
        given = burst.produce(kafka, CONTRACT, name, made(name, 40))
    assert receipts.produced(own_receipts(kafka, name)) == dict.fromkeys(TOPICS, 40)
    # The last ones: they tell where the latest copy is.
    assert own_receipts(kafka, name) == {receipt.key: receipt for receipt in given}
    # By their keys compaction keeps one of each.
    keys = {record.key() for record in records(kafka, receipts.TOPIC) if record.key().startswith(f"{name}/".encode())}
    assert keys == {receipt.event_id.encode() for receipt in given}
    found = seen(kafka, name, 40)
    assert len(found) == 160
    assert set(found.values()) == {3}


def test_an_error_among_the_events_leaves_nothing(kafka, name):
    def breaking():
        yield from islice(made(name, 20_000), 30_000)
        time.sleep(2)  # so that what was handed over is in the topics by now
        raise ValueError("a bad row")

    with pytest.raises(ValueError, match="a bad row"):
        burst.produce(kafka, CONTRACT, name, breaking())
    assert not seen(kafka, name, 20_000)
    assert not own_receipts(kafka, name)
    # Nor is it in the way of others: a transaction left open would hide what comes behind it.
    other = BurstId(name.domain, name.window, "other")
    burst.produce(kafka, CONTRACT, other, made(other, 10))
    assert set(seen(kafka, other, 10).values()) == {1}


def test_a_burst_without_events_has_no_receipts(kafka, name):
    assert burst.produce(kafka, CONTRACT, name, iter(())) == ()


def test_tombstones_are_records_but_no_events(kafka, name):
    fashion = load("fashion")
    topic = "streaming.public.clicks"
    some = [Event(topic, b"k", b"{}", name.window.start_ms), Event(topic, b"k", None, name.window.start_ms)]
    (receipt,) = burst.produce(kafka, fashion, name, some)
    assert (receipt.events, receipt.last_offset - receipt.first_offset) == (1, 1)


def test_a_missing_topic_is_named_and_leaves_nothing(kafka, name):
    some = [*islice(made(name, 5), 5), Event("nowhere", b"k", b"{}", 0)]
    with pytest.raises(KafkaError, match="topic nowhere is missing: run the DAG prepare"):
        burst.produce(kafka, CONTRACT, name, some)
    assert not seen(kafka, name, 5)


def test_a_record_that_is_too_large_is_told_and_leaves_nothing(kafka, name):
    some = [*made(name, 5), Event("orders", b"k", b"x" * 3_000_000, 0)]
    with pytest.raises(KafkaError, match="larger than its topic takes"):
        burst.produce(kafka, CONTRACT, name, some)
    assert not seen(kafka, name, 5)


def test_the_first_of_two_runs_of_a_burst_is_fenced_off(kafka, name):
    begun, go_on = threading.Event(), threading.Event()

    def slow():
        for number, event in enumerate(made(name, 10_000)):
            if number == 20_000:
                begun.set()
                go_on.wait(60)
            yield event

    errors = []

    def zombie():
        try:
            burst.produce(kafka, CONTRACT, name, slow())
        except KafkaError as error:
            errors.append(str(error))

    thread = threading.Thread(target=zombie)
    thread.start()
    assert begun.wait(60)
    burst.produce(kafka, CONTRACT, name, made(name, 10_000))
    go_on.set()
    thread.join(120)
    assert len(errors) == 1
    assert "another run of the same burst (or another redrive) took over" in errors[0]
    found = seen(kafka, name, 10_000)
    assert (len(found), set(found.values())) == (40_000, {1})


PROGRAM = """
import sys, time
from include.connections import Endpoint
from include.contracts.event import BurstId, Window
from include.contracts import load
from include.generators import events
from include.kafka import burst
from datetime import datetime, timedelta
start = datetime.fromisoformat(sys.argv[2])
name = BurstId("ecommerce", Window(start, start + timedelta(minutes=2)), "test")
def slow():
    for number, event in enumerate(events(load("ecommerce"), name.window, seed=1, size=10_000, shard="test")):
        if number == 30_000:
            print("half", flush=True)
            time.sleep(60)
        yield event
burst.produce(Endpoint(conn_id="k", extra={"bootstrap.servers": sys.argv[1]}), load("ecommerce"), name, slow())
"""


def test_a_producer_that_is_killed_leaves_nothing_and_the_next_run_counts_once(kafka, name):
    arguments = [sys.executable, "-c", PROGRAM, kafka.extra["bootstrap.servers"], name.window.start.isoformat()]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
        assert child.stdout.readline() == b"half\n"
        time.sleep(1)
        os.kill(child.pid, signal.SIGKILL)
    assert not seen(kafka, name, 10_000)
    assert not own_receipts(kafka, name)
    burst.produce(kafka, CONTRACT, name, made(name, 10_000))
    found = seen(kafka, name, 10_000)
    assert (len(found), set(found.values())) == (40_000, {1})
    assert receipts.produced(own_receipts(kafka, name)) == dict.fromkeys(TOPICS, 10_000)


def test_a_broker_that_is_killed_and_comes_back_is_a_pause(broker, kafka, name):
    killed = threading.Event()

    def counted():
        for number, event in enumerate(made(name, 15_000)):
            if number == 30_000:
                broker.end(signal.SIGKILL)
                killed.set()
            yield event

    def again():
        killed.wait(60)
        broker.start()

    thread = threading.Thread(target=again)
    thread.start()
    with contextlib.closing(counted()) as some:
        burst.produce(kafka, CONTRACT, name, some)
    thread.join(60)
    found = seen(kafka, name, 15_000)
    assert (len(found), set(found.values())) == (60_000, {1})
    assert receipts.produced(own_receipts(kafka, name)) == dict.fromkeys(TOPICS, 15_000)
