import json
from datetime import UTC, datetime, timedelta

import jsonschema
import msgspec
import pytest
from confluent_kafka.admin import NewTopic

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.kafka import KafkaError, client, receipts
from include.kafka.reading import records
from include.kafka.receipts import Receipt, produced

START = datetime(2024, 5, 1, tzinfo=UTC)


def receipt(**changes):
    fields = {
        "event_id": "x",
        "burst": "b1",
        "domain": "ecommerce",
        "window_start": START,
        "window_end": START + timedelta(minutes=2),
        "shard": "0",
        "topic": "orders",
        "partition": 0,
        "events": 5,
        "first_offset": 10,
        "last_offset": 14,
        "min_event_time": START,
        "max_event_time": START,
        "produced_at": START,
    }
    return Receipt(**(fields | changes))


def test_a_receipt_is_what_its_contract_says():
    topic = load("floodgate").topic("floodgate.bursts")
    assert [field.name for field in topic.fields] == list(Receipt.__struct_fields__)
    record = json.loads(msgspec.json.encode(receipt(min_event_time=START + timedelta(milliseconds=7))))
    jsonschema.Draft202012Validator(json_schema(topic)).validate(record)


def test_events_produced_are_those_of_all_receipts():
    some = [receipt(), receipt(partition=1, events=2), receipt(topic="shipments", events=3)]
    assert produced({one.key: one for one in some}) == {"orders": 7, "shipments": 3}


@pytest.mark.stack
def test_what_is_no_receipt_is_told_with_its_place(kafka, monkeypatch):
    admin = client.admin(kafka)
    admin.create_topics([NewTopic("strange", 1, -1)])["strange"].result()
    producer = client.producer(kafka, {})
    producer.produce("strange", b"{}", b"x")
    producer.flush(10)
    monkeypatch.setattr(receipts, "TOPIC", "strange")
    with pytest.raises(KafkaError, match="strange, partition 0, offset 0 holds no receipt"):
        receipts.read(kafka)


@pytest.mark.stack
def test_receipts_are_read_from_a_time_on(kafka, monkeypatch):
    admin = client.admin(kafka)
    admin.create_topics([NewTopic("dated", 1, -1)])["dated"].result()
    monkeypatch.setattr(receipts, "TOPIC", "dated")
    producer = client.producer(kafka, {})
    # A receipt is written a little after the last event of its burst: of b2 a minute, in a long transaction.
    written = [("b1", 0, 0), ("b2", 1, 2), ("b3", 3, 3), ("b1", 4, 4)]
    for burst, produced_at, at in written:
        one = receipt(burst=burst, produced_at=START + timedelta(minutes=produced_at))
        at_ms = int((START + timedelta(minutes=at)).timestamp() * 1000)
        producer.produce("dated", msgspec.json.encode(one), burst.encode(), timestamp=at_ms)
    producer.flush(10)

    def bursts(minutes):
        found = receipts.read(kafka, START + timedelta(minutes=minutes))
        return {key[0]: (one.produced_at - START).seconds // 60 for key, one in found.items()}

    assert bursts(0) == {"b1": 4, "b2": 1, "b3": 3}
    assert bursts(1) == {"b1": 4, "b2": 1, "b3": 3}
    assert bursts(2) == {"b1": 4, "b3": 3}  # written then, produced before
    assert bursts(4) == {"b1": 4}
    assert bursts(5) == {}
    read = [record.offset() for record in records(kafka, "dated", since=START + timedelta(minutes=3))]
    assert read == [2, 3]


@pytest.mark.stack
def test_a_missing_topic_is_named(kafka, monkeypatch):
    monkeypatch.setattr(receipts, "TOPIC", "nowhere")
    with pytest.raises(KafkaError, match="topic nowhere is missing: run the DAG prepare"):
        receipts.read(kafka)
