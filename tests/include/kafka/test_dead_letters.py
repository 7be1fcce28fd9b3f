import pytest

from include.contracts import load
from include.kafka import client, dead_letters

pytestmark = pytest.mark.stack
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
