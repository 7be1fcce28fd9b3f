from datetime import UTC, datetime

import pytest

from include.contracts import load
from include.kafka import client, dead_letters, redrives

CONTRACT = load("ecommerce")


def headers(topic, partition, offset, connector):
    told = {
        "topic": topic,
        "partition": str(partition),
        "offset": str(offset),
        "connector.name": connector,
        "stage": "VALUE_CONVERTER",
        "exception.class.name": "org.apache.kafka.connect.errors.DataException",
        "exception.message": "Converting byte[] to Kafka Connect data failed",
    }
    return [(f"__connect.errors.{name}", value.encode()) for name, value in told.items()]


@pytest.mark.stack
def test_a_record_that_two_connectors_rejected_counts_once(kafka):
    producer = client.producer(kafka, {})
    for connector in ("clickhouse-ecommerce", "snowflake-ecommerce"):
        for offset in (7, 8):
            producer.produce(CONTRACT.dead_letters, b"oops", b"k", headers=headers("orders", 1, offset, connector))
    producer.produce(CONTRACT.dead_letters, None, None, headers=headers("shipments", 0, 7, "snowflake-ecommerce"))
    producer.produce(CONTRACT.dead_letters, b"put here by hand")
    producer.flush(10)

    assert dead_letters.count(kafka, CONTRACT) == {"orders": 2, "shipments": 1, "ecommerce.dlq": 1}
    letters = list(dead_letters.read(kafka, CONTRACT))
    assert len(letters) == 6
    first = letters[0]
    assert (first.place, first.connector, first.stage) == (("orders", 1, 7), "clickhouse-ecommerce", "VALUE_CONVERTER")
    assert first.reason == "Converting byte[] to Kafka Connect data failed"
    assert (first.key, first.value) == (b"k", b"oops")
    assert letters[4].value is None
    assert letters[5].reason == "no reason given"


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (
            "Value (several) was out of range for requested data type",
            "Value (…) was out of range for requested data type",
        ),
        (
            "Code: 469. DB::Exception: Constraint `id_fits` for table landing.orders (53f4950d-67e0) is violated at row 12",
            "Code: …. DB::Exception: Constraint `id_fits` for table landing.orders (…) is violated at row …",
        ),
        ("cannot read \"3,5\" as 'x y'\nat row 5", "cannot read … as …"),
        ("Cannot parse (while reading the value of key id)", "Cannot parse (while reading the value of key id)"),
        ("it's cut within 'a quotation that never ends", "it…a quotation that never ends"),
        ("toDateTime64 1.5.2", "toDateTime64 …"),
        ("x" * 500, "x" * 160),
    ],
)
def test_reasons_of_a_kind_are_told_alike(reason, kind):
    letter = dead_letters.DeadLetter(
        topic="t",
        partition=0,
        offset=0,
        connector="",
        stage="",
        exception="",
        reason=reason,
        key=b"",
        value=b"",
        at_ms=0,
    )
    assert letter.kind == kind


@pytest.mark.parametrize(
    ("headers", "times", "origin"),
    [
        ((), 0, "t/0/5"),
        (((redrives.COUNT, b"2"), (redrives.OF, b"my.t_x-1/10/33")), 2, "my.t_x-1/10/33"),
        (((redrives.COUNT, b"many"), (redrives.OF, b"nowhere")), 0, "t/0/5"),
        (((redrives.COUNT, None), (redrives.OF, None)), 0, "t/0/5"),
        (((redrives.COUNT, b"-1"), (redrives.OF, b"\xff/1/2")), 0, "t/0/5"),
    ],
)
def test_a_letter_tells_how_often_it_was_sent_again(headers, times, origin):
    letter = dead_letters.DeadLetter(
        topic="t",
        partition=0,
        offset=5,
        connector="",
        stage="",
        exception="",
        reason="",
        key=b"",
        value=b"",
        at_ms=0,
        headers=headers,
    )
    assert (letter.times, letter.origin) == (times, origin)


@pytest.mark.stack
def test_dead_letters_are_read_from_the_time_of_their_records_on(kafka):
    contract = load("fashion")
    producer = client.producer(kafka, {})
    # A connector keeps the record's own time, and what it rejects is not always in its order.
    for offset, minute in ((1, 10), (2, 12), (3, 11)):
        told = headers("streaming.public.clicks", 0, offset, "clickhouse-fashion")
        producer.produce(contract.dead_letters, b"x", b"k", headers=told, timestamp=at_ms(minute))
    producer.flush(10)

    def offsets(minute):
        since = datetime.fromtimestamp(at_ms(minute) / 1000, UTC)
        return [one.offset for one in dead_letters.read(kafka, contract, since)]

    assert [offsets(minute) for minute in (9, 10, 11, 12, 13)] == [[1, 2, 3], [1, 2, 3], [2, 3], [2], []]


@pytest.mark.stack
def test_what_was_rejected_since_a_look_is_read_however_old_it_is(kafka):
    contracts = [load("fashion"), load("ecommerce")]
    noon = datetime.fromtimestamp(at_ms(30) / 1000, UTC)
    producer = client.producer(kafka, {})

    def reject(*offsets, minute=10):
        for offset in offsets:
            told = headers("streaming.public.clicks", 1, offset, "snowflake-fashion")
            producer.produce(contracts[0].dead_letters, b"x", b"k", headers=told, timestamp=at_ms(minute))
        producer.flush(10)

    def look(starts):
        found, ends = dead_letters.arrived(kafka, contracts, starts, noon)
        assert set(found) == {"fashion", "ecommerce"}
        return [one.offset for one in found["fashion"]], ends

    reject(1)
    reject(2, minute=31)
    seen, ends = look({})
    assert seen == [2], "before the first look only what is young"
    assert {name.rpartition("/")[0] for name in ends} == {"fashion.dlq", "ecommerce.dlq"}
    assert look(ends) == ([], ends)
    reject(3, 4)
    seen, later = look(ends)
    assert seen == [3, 4]
    assert look(ends)[0] == [3, 4], "until it is remembered"
    assert look(later)[0] == []
    assert look({name: end + 1000 for name, end in later.items()})[0][-2:] == [3, 4], "a topic that was made anew"


def at_ms(minute):
    return int(datetime(2026, 5, 1, 12, minute, tzinfo=UTC).timestamp() * 1000)
