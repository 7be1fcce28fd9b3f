"""Dead letters sent again, with a real broker: each once, all or nothing, and parked when they come back too often."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

from include.connections import Endpoint
from include.contracts import load
from include.healing import redrive
from include.healing.redrive import Order, Told
from include.kafka import KafkaError, client, dead_letters, redrives, transaction
from include.kafka.reading import records
from include.kafka.receipts import Receipt
from include.kafka.redrives import Outgoing, Redrive

CONTRACT = load("fashion")
TOPIC = "streaming.public.clicks"
#: When the records of these tests were written first; the letters keep it.
AT_MS = int(datetime.now(UTC).timestamp() * 1000) - 3_600_000
NOW = datetime.now(UTC).replace(microsecond=0)
OFFSETS = count(1_000_000)
NAMES = count()

stack = pytest.mark.stack


@pytest.fixture
def reason() -> str:
    """Of this test's letters alone: by it a redrive chooses them."""
    return f"reason of test <{next(NAMES)}>"


def reject(kafka: Endpoint, reason: str, *places: tuple[str, int, int], **other: Any) -> None:
    """Puts letters of these places into the dead letters, as a connector would."""
    producer = client.producer(kafka, {})
    given: dict[str, Any] = {
        "connector": "clickhouse-fashion",
        "key": b"k",
        "value": b'{"id": 1}',
        "at_ms": AT_MS,
        "headers": [],
    }
    given |= other
    for topic, partition, offset in places:
        why = {
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "connector.name": given["connector"],
            "stage": "TASK_PUT",
            "exception.class.name": "com.clickhouse.client.api.ServerException",
            "exception.message": reason,
            "exception.stacktrace": "at a\nat b",
        }
        headers = [
            *given["headers"],
            *((f"__connect.errors.{name}", str(value).encode()) for name, value in why.items()),
        ]
        producer.produce(CONTRACT.dead_letters, given["value"], given["key"], headers=headers, timestamp=given["at_ms"])
    assert producer.flush(20) == 0


def places(number: int, partition: int = 1) -> list[tuple[str, int, int]]:
    return [(TOPIC, partition, next(OFFSETS)) for _ in range(number)]


def order(reason: str, **other: Any) -> Order:
    return Order(domain="fashion", reason=reason, **other)


def sent(kafka: Endpoint, of: list[tuple[str, int, int]], topic: str = TOPIC) -> list[Any]:
    """The committed records of a topic that a redrive of these places sent."""
    wanted = {redrives.text(place).encode() for place in of}
    return [one for one in records(kafka, topic) if dict(one.headers() or ()).get(redrives.OF) in wanted]


def does(told: Told) -> tuple[int, int, int]:
    return told.send, told.park, told.leave


def waiting(kafka: Endpoint, reason: str) -> list[tuple[str, int, int]]:
    return sorted({one.place for one in dead_letters.rejected(kafka, CONTRACT) if one.reason == reason})


@stack
def test_a_letter_is_sent_again_as_it_was_and_leaves_the_list(kafka: Endpoint, reason: str) -> None:
    (place,) = of = places(1)
    reject(kafka, reason, place, headers=[("source", b"till"), ("empty", None)], value=b'{"id": 7}', key=b"seven")
    before = dead_letters.count(kafka, CONTRACT)[TOPIC]

    assert does(redrive.look(kafka, order(reason))) == (1, 0, 0)
    assert not sent(kafka, of), "looking changes nothing"
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (1, 0, 0)

    (record,) = sent(kafka, of)
    assert (record.partition(), record.key(), record.value()) == (1, b"seven", b'{"id": 7}')
    assert record.timestamp()[1] == AT_MS
    assert record.headers() == [
        ("source", b"till"),
        ("empty", None),
        ("floodgate.redrive.count", b"1"),
        ("floodgate.redrive.of", redrives.text(place).encode()),
    ]
    told = redrives.read(kafka)[place]
    assert (told.times, told.fix, told.parked, told.redriven_at) == (1, None, False, NOW)
    assert (told.to_topic, told.to_partition, told.to_offset) == (TOPIC, 1, record.offset())
    assert dead_letters.count(kafka, CONTRACT).get(TOPIC, 0) == before - 1
    assert place in redrives.accounted(kafka)
    assert any(one.place == place for one in dead_letters.read(kafka, CONTRACT)), "the letter itself stays"


@stack
def test_a_second_redrive_changes_nothing(kafka: Endpoint, reason: str) -> None:
    of = places(3)
    reject(kafka, reason, *of)
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (3, 0, 0)
    known = redrives.read(kafka)
    for _ in range(2):
        assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (0, 0, 0)
    assert len(sent(kafka, of)) == 3
    assert redrives.read(kafka) == known


@stack
def test_what_both_connectors_rejected_is_sent_once(kafka: Endpoint, reason: str) -> None:
    of = places(2)
    for connector in ("clickhouse-fashion", "snowflake-fashion"):
        reject(kafka, reason, *of, connector=connector)
    assert does(redrive.redrive(kafka, order(reason, connector="snowflake-fashion"), now=NOW)) == (2, 0, 0)
    assert len(sent(kafka, of)) == 2
    assert waiting(kafka, reason) == []


@stack
def test_only_what_the_filters_take_leaves_the_list(kafka: Endpoint, reason: str) -> None:
    old, new = places(1), places(2)
    reject(kafka, reason, *old, at_ms=AT_MS - 7_200_000)
    reject(kafka, reason, *new)
    reject(kafka, reason, ("streaming.public.transactions", 0, next(OFFSETS)))
    since = datetime.fromtimestamp(AT_MS / 1000, UTC) - timedelta(minutes=1)
    assert does(redrive.redrive(kafka, order(reason, topic=TOPIC, since=since), now=NOW)) == (2, 0, 0)
    assert len(sent(kafka, new)) == 2
    assert len(waiting(kafka, reason)) == 2
    assert not sent(kafka, old)


@stack
def test_a_fix_is_sent_and_what_it_cannot_fix_stays(kafka: Endpoint, reason: str) -> None:
    mended, hopeless = places(1), places(1)
    reject(kafka, reason, *mended, value=b'{"ts_ms":"1772366400000"}')
    reject(kafka, reason, *hopeless, value=b'{"ts_ms":"soon"}')
    assert does(redrive.redrive(kafka, order(reason, fix="numbers_from_text"), now=NOW)) == (1, 0, 1)
    assert [one.value() for one in sent(kafka, mended)] == [b'{"ts_ms":1772366400000}']
    assert redrives.read(kafka)[mended[0]].fix == "numbers_from_text"
    assert waiting(kafka, reason) == hopeless


@stack
def test_a_tombstone_stays_one(kafka: Endpoint, reason: str) -> None:
    of = places(1)
    reject(kafka, reason, *of, value=None)
    redrive.redrive(kafka, order(reason), now=NOW)
    assert [(one.key(), one.value()) for one in sent(kafka, of)] == [(b"k", None)]


@stack
def test_what_comes_back_each_time_is_parked_with_its_reason(kafka: Endpoint, reason: str) -> None:
    (first,) = places(1)
    reject(kafka, reason, first, headers=[("source", b"till")])
    place = first
    for times in (1, 2):
        assert does(redrive.redrive(kafka, order(reason, at_most=2), now=NOW)) == (1, 0, 0)
        record = sent(kafka, [first])[-1]
        assert record.headers()[1:] == [
            ("floodgate.redrive.count", str(times).encode()),
            ("floodgate.redrive.of", redrives.text(first).encode()),
        ]
        # The sink rejects it again: a new place, the headers as they came.
        place = (TOPIC, 1, record.offset())
        reject(kafka, reason, place, headers=record.headers(), value=record.value())
        assert waiting(kafka, reason) == [place]
    assert does(redrive.redrive(kafka, order(reason, at_most=2), now=NOW)) == (0, 1, 0)
    assert len(sent(kafka, [first])) == 2
    assert waiting(kafka, reason) == []

    (letter,) = [one for one in dead_letters.parked(kafka, CONTRACT) if one.reason == reason]
    assert (letter.place, letter.origin, letter.times) == (place, redrives.text(first), 2)
    assert ("source", b"till") in letter.headers
    told = redrives.read(kafka)[place]
    assert (told.parked, told.to_topic, told.times, told.origin) == (True, "fashion.parked", 2, redrives.text(first))
    assert does(redrive.redrive(kafka, order(reason, at_most=2), now=NOW)) == (0, 0, 0)


@stack
def test_a_letter_without_headers_is_left_and_can_be_parked(kafka: Endpoint) -> None:
    mark = f"by hand {next(NAMES)}".encode()
    producer = client.producer(kafka, {})
    producer.produce(CONTRACT.dead_letters, mark)
    producer.flush(20)
    asked = Order(domain="fashion", topic=CONTRACT.dead_letters)
    told = redrive.redrive(kafka, asked, now=NOW)
    assert (told.send, told.park, told.leave) == (0, 0, 1)
    assert told.lines[0].why == "tells no topic of fashion that it came from"
    asked = Order(domain="fashion", topic=CONTRACT.dead_letters, at_most=0)
    assert does(redrive.redrive(kafka, asked, now=NOW)) == (0, 1, 0)
    assert [one.value for one in dead_letters.parked(kafka, CONTRACT) if one.value == mark] == [mark]
    assert does(redrive.redrive(kafka, asked, now=NOW)) == (0, 0, 0)


@stack
def test_a_partition_that_is_no_more_is_another(kafka: Endpoint, reason: str) -> None:
    of = places(2, partition=40)
    reject(kafka, reason, *of)
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (2, 0, 0)
    assert len({one.partition() for one in sent(kafka, of)}) == 1, "a key's records stay together"


@stack
def test_an_error_on_the_way_leaves_nothing(kafka: Endpoint, reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    of = places(5)
    reject(kafka, reason, *of)
    whole = redrive._outgoing
    left = iter(range(3))

    def breaking(*arguments: Any) -> Outgoing:
        if next(left, None) is None:
            time.sleep(1)  # so that what was handed over is in the topic by now
            raise ValueError("a bad letter")
        return whole(*arguments)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(redrive, "_outgoing", breaking)
        with pytest.raises(ValueError, match="a bad letter"):
            redrive.redrive(kafka, order(reason), now=NOW)
    assert not sent(kafka, of)
    assert waiting(kafka, reason) == of
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (5, 0, 0)
    assert len(sent(kafka, of)) == 5


PROGRAM = """
import sys, time
from datetime import UTC, datetime
from include.connections import Endpoint
from include.healing import redrive
from include.healing.redrive import Order
from include.kafka import redrives
kafka = Endpoint(conn_id="k", extra={"bootstrap.servers": sys.argv[1]})
whole = redrives.attempt
def attempt(trouble, doing, call):
    if doing == "committing a redrive":
        print("sent", flush=True)
        time.sleep(60)
    whole(trouble, doing, call)
redrives.attempt = attempt
redrive.redrive(kafka, Order(domain="fashion", reason=sys.argv[2]), now=datetime.now(UTC))
"""


@stack
def test_a_redrive_that_is_killed_before_its_commit_leaves_nothing_and_the_next_sends_once(
    kafka: Endpoint, reason: str
) -> None:
    of = places(3)
    reject(kafka, reason, *of)
    arguments = [sys.executable, "-c", PROGRAM, kafka.extra["bootstrap.servers"], reason]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"sent\n"
        os.kill(child.pid, signal.SIGKILL)
    assert not sent(kafka, of)
    assert waiting(kafka, reason) == of
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (3, 0, 0)
    assert len(sent(kafka, of)) == 3
    assert waiting(kafka, reason) == []


@stack
def test_of_two_redrives_at_once_the_first_is_fenced_off(
    kafka: Endpoint, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they are of two domains: one left open would hide what the other has told."""
    of = places(4)
    reject(kafka, reason, *of)
    begun, go_on = threading.Event(), threading.Event()
    whole, errors = redrive._outgoing, []

    def slow(*arguments: Any) -> Outgoing:
        if threading.current_thread().name == "first":
            begun.set()
            go_on.wait(60)
        return whole(*arguments)

    monkeypatch.setattr(redrive, "_outgoing", slow)

    def first() -> None:
        try:
            redrive.redrive(kafka, order(reason), now=NOW)
        except KafkaError as error:
            errors.append(str(error))

    thread = threading.Thread(target=first, name="first")
    thread.start()
    assert begun.wait(60)
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (4, 0, 0)
    go_on.set()
    thread.join(120)
    assert len(errors) == 1
    assert "another redrive) took over" in errors[0]
    assert len(sent(kafka, of)) == 4


@stack
def test_what_another_redrive_sent_until_this_one_began_is_not_sent_again(
    kafka: Endpoint, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    of = places(3)
    reject(kafka, reason, *of)
    whole, others = transaction.attempt, iter([order(reason)])

    def attempt(trouble: Any, doing: str, call: Any) -> None:
        if doing == "beginning a redrive" and (other := next(others, None)):
            assert does(redrive.redrive(kafka, other, now=NOW)) == (3, 0, 0)
        whole(trouble, doing, call)

    monkeypatch.setattr(redrives, "attempt", attempt)
    assert does(redrive.redrive(kafka, order(reason), now=NOW)) == (0, 0, 0)
    assert len(sent(kafka, of)) == 3


@stack
def test_before_prepare_has_made_its_topics_nothing_is_redriven(
    kafka: Endpoint, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    reject(kafka, reason, *places(1))
    monkeypatch.setattr(redrives, "TOPIC", "not.made.yet")
    assert redrives.read(kafka) == {}
    assert len(waiting(kafka, reason)) == 1
    with pytest.raises(KafkaError, match=re.escape("topic not.made.yet is missing: run the DAG prepare")):
        redrive.redrive(kafka, order(reason), now=NOW)


@stack
def test_a_tombstone_for_its_place_puts_a_letter_back_into_the_list(kafka: Endpoint, reason: str) -> None:
    of = places(2)
    reject(kafka, reason, *of)
    redrive.redrive(kafka, order(reason), now=NOW)
    producer = client.producer(kafka, {})
    producer.produce(redrives.TOPIC, None, redrives.text(of[1]).encode())
    producer.flush(20)
    assert waiting(kafka, reason) == [of[1]]


@stack
def test_another_record_among_the_redrives_is_told(kafka: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redrives, "TOPIC", "floodgate.dlq")
    producer = client.producer(kafka, {})
    producer.produce("floodgate.dlq", b"oops")
    producer.flush(20)
    with pytest.raises(KafkaError, match="tells of no redrive .*: only redrives may write there"):
        redrives.read(kafka)


def test_redrives_are_as_the_contract_says() -> None:
    fields = {field.name for field in load("floodgate").topic("floodgate.redrives").fields}
    assert fields == set(Redrive.__struct_fields__)


RECEIPT = Receipt(
    event_id="b/orders/0",
    burst="b",
    domain="ecommerce",
    window_start=NOW,
    window_end=NOW,
    shard="0",
    topic="orders",
    partition=0,
    events=11,
    first_offset=100,
    last_offset=110,
    min_event_time=NOW,
    max_event_time=NOW,
    produced_at=NOW,
)


def redriven(offset: int, *, origin: str | None = None, to: str = "orders", partition: int = 0) -> Redrive:
    return Redrive(
        event_id=f"orders/{partition}/{offset}",
        domain="ecommerce",
        topic="orders",
        partition=partition,
        offset=offset,
        origin=origin or f"orders/{partition}/{offset}",
        times=1,
        fix=None,
        to_topic=to,
        to_partition=partition,
        to_offset=1000,
        redriven_at=NOW,
    )


@pytest.mark.parametrize(
    ("some", "counted"),
    [
        ([], {}),
        ([redriven(100), redriven(105), redriven(110)], {}),
        ([redriven(99), redriven(111)], {"orders": 2}),
        ([redriven(105, partition=1)], {"orders": 1}),
        ([redriven(50), redriven(300, origin="orders/0/50")], {"orders": 1}),
        ([redriven(105), redriven(300, origin="orders/0/105")], {}),
        ([redriven(50, to="ecommerce.parked")], {}),
        ([redriven(50), redriven(300, origin="orders/0/50", to="ecommerce.parked")], {}),
    ],
    ids=["none", "of a burst", "of others", "other partition", "twice", "twice of a burst", "parked", "parked at last"],
)
def test_records_of_others_count_as_produced_once_they_are_redriven(
    some: list[Redrive], counted: dict[str, int]
) -> None:
    assert redrives.beyond_receipts(some, [RECEIPT]) == counted
