"""The Snowflake sink between a real broker and the local Snowflake."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import Connect, Kafka, Snowflake, until


@pytest.fixture
def topic(kafka: Kafka, snowflake: Snowflake) -> str:
    return kafka.topic(partitions=2)


def event(number: int, **other: object) -> bytes:
    return json.dumps({"event_id": f"e{number}", "id": number, "price": 12.34} | other).encode()


def test_lands_as_the_real_sink_writes(connect: Connect, kafka: Kafka, snowflake: Snowflake, topic: str) -> None:
    content = {"at": "2026-07-01T10:00:00.123Z", "n": None, "deep": {"a": [1, 2.5, "x"]}, "big": 2**53 + 1, "ü": "ß'\\"}
    before = time.time()
    kafka.produce(
        topic, json.dumps(content).encode(), None, partition=1, timestamp=1_790_000_000_123, headers=[("h", b"v")]
    )
    kafka.produce(topic, b"[1]", key=None)
    connect.create(topic, **snowflake.settings(topic, topic))
    until(lambda: snowflake.count(topic) == (2, 2) if connect.committed(topic) == 3 else None)
    rows = snowflake.ask(f"select record_metadata, record_content from {topic} order by record_metadata:partition")
    metadata, landed = json.loads(rows[1][0]), json.loads(rows[1][1])
    assert landed == content
    pushed = metadata.pop("SnowflakeConnectorPushTime")
    assert before - 1 < pushed / 1000 < time.time() + 1
    wanted = {
        "topic": topic,
        "partition": 1,
        "offset": 0,
        "key": "k",
        "headers": {"h": "v"},
        "CreateTime": 1_790_000_000_123,
    }
    assert metadata == wanted
    assert json.loads(rows[0][1]) == [1]
    assert "key" not in json.loads(rows[0][0])


def test_exactly_once_through_kills_of_the_worker(
    connect: Connect, kafka: Kafka, snowflake: Snowflake, topic: str
) -> None:
    snowflake.ask(f"create table {topic} (record_metadata variant, record_content variant)")
    connect.create(topic, **snowflake.settings(topic, topic, buffer__count__records="200"))
    total = 0
    for _ in range(2):
        kafka.produce(topic, *[event(number) for number in range(700)], partition=0)
        kafka.produce(topic, *[event(number) for number in range(300)], partition=1)
        total += 1000
        until(lambda: snowflake.count(topic)[0] > total - 900, 30)  # noqa: B023 - in the middle of it
        connect.kill()
        connect.start()
    until(lambda: connect.committed(topic) == total, 30)
    assert snowflake.count(topic) == (total, total)


def test_exactly_once_where_the_commit_was_lost(
    connect: Connect, kafka: Kafka, snowflake: Snowflake, topic: str
) -> None:
    kafka.produce(topic, *[event(number) for number in range(50)])
    connect.create(topic, **snowflake.settings(topic, topic))
    until(lambda: connect.committed(topic) == 50)
    snowflake.ask(f"delete from {topic} where record_metadata:offset::int in (20, 21, 45)")
    connect.http.put(f"/connectors/{topic}/stop")
    until(lambda: connect.status(topic)["connector"]["state"] == "STOPPED")
    wanted = {"offsets": [{"partition": {"kafka_topic": topic, "kafka_partition": 0}, "offset": {"kafka_offset": 21}}]}
    assert connect.http.patch(f"/connectors/{topic}/offsets", json=wanted).status_code == 200
    connect.http.put(f"/connectors/{topic}/resume")
    until(lambda: snowflake.count(topic) == (49, 49))
    time.sleep(1)
    assert snowflake.count(topic) == (49, 49), "only what was missing after offset 21 came again"


def test_server_killed_then_back(connect: Connect, kafka: Kafka, snowflake: Snowflake, topic: str) -> None:
    connect.create(topic, **snowflake.settings(topic, topic))
    kafka.produce(topic, event(0))
    until(lambda: connect.committed(topic) == 1)
    kafka.produce(topic, *[event(number) for number in range(500)])
    snowflake.running.kill()
    kafka.produce(topic, *[event(number) for number in range(500)])
    time.sleep(1.5)
    assert connect.states(topic) == ["RUNNING"]
    snowflake.running.start()
    until(lambda: connect.committed(topic) == 1001, 40)
    assert snowflake.count(topic) == (1001, 1001)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"snowflake.user.name": "NOBODY"}, "refuses user NOBODY"),
        ({"snowflake.private.key": "bm90IGEga2V5"}, "snowflake.private.key"),
        ({"snowflake.schema.name": "NOWHERE"}, "NOWHERE"),
    ],
)
def test_wrong_settings_fail_the_task(
    connect: Connect, snowflake: Snowflake, topic: str, change: dict[str, str], words: str
) -> None:
    connect.create(topic, **snowflake.settings(topic, topic) | change)
    until(lambda: connect.states(topic) == ["FAILED"])
    assert words in connect.status(topic)["tasks"][0]["trace"].splitlines()[0], connect.status(topic)
    connect.http.delete(f"/connectors/{topic}")
