"""The ClickHouse sink between a real broker and the local ClickHouse."""

from __future__ import annotations

import json
import time

import pytest

from .conftest import ClickHouse, Connect, Kafka, until

BIG = 2_000_000


@pytest.fixture
def table(clickhouse: ClickHouse, kafka: Kafka) -> str:
    """A landing table and a topic of the same name."""
    name = kafka.topic(partitions=2, max_message_bytes="3000000")
    clickhouse.ask(
        f"CREATE TABLE landing.{name} (event_id String, id Int64, price Nullable(Decimal(18, 2)), "
        "at DateTime64(3, 'UTC'), "
        "note String, _topic String, _partition Int32, _offset Int64, _timestamp Int64, "
        "_landed_at DateTime64(3, 'UTC') DEFAULT now64(3), CONSTRAINT has_event_id CHECK event_id != '', "
        "CONSTRAINT note_length CHECK length(note) <= 1000) ENGINE ReplacingMergeTree ORDER BY event_id"
    )
    return name


def event(number: int, **other: object) -> bytes:
    fields = {"event_id": f"e{number}", "id": number, "price": 12.34, "at": "2026-07-01T10:00:00.123Z", "note": "x"}
    return json.dumps(fields | other).encode()


def test_lands_with_its_place_in_kafka(connect: Connect, kafka: Kafka, clickhouse: ClickHouse, table: str) -> None:
    connect.create(table, **clickhouse.settings(table, table))
    until(lambda: connect.states(table) == ["RUNNING"])
    kafka.produce(table, event(1), partition=1, timestamp=1_790_000_000_123)
    sent = time.monotonic()
    until(lambda: clickhouse.count(f"landing.{table}") == 1, 10)
    assert time.monotonic() - sent < 3, "a record waits about a second at most"
    row = clickhouse.ask(
        f"SELECT id, price, at, _topic, _partition, _offset, _timestamp FROM landing.{table} FORMAT TSV"
    )
    place = [table, "1", "0", "1790000000123"]
    assert row.split("\t") == ["1", "12.34", "2026-07-01 10:00:00.123", *place]
    until(lambda: connect.committed(table) == 1)


def test_bad_records_alone_become_dead_letters(
    connect: Connect, kafka: Kafka, clickhouse: ClickHouse, table: str
) -> None:
    good = [event(number) for number in range(1, 60)]
    bad = {
        "VALUE_CONVERTER": [b"not json"],
        "TRANSFORMATION": [event(100, price="free"), b'"text"'],
        "TASK_PUT": [event(101, event_id=""), event(102, at="yesterday"), event(103, note="n" * BIG)],
    }
    poison = [value for values in bad.values() for value in values]
    kafka.produce(
        table, *good[:20], poison[0], *good[20:30], *poison[1:3], None, *good[30:40], *poison[3:5], *good[40:]
    )
    kafka.produce(table, poison[5], headers=[("mine", b"1")])
    connect.create(table, **clickhouse.settings(table, table))
    dead = kafka.read(f"{table}.dlq", len(poison)) if until(lambda: connect.committed(table) == 66, 20) else []
    assert clickhouse.count(f"landing.{table}") == len(good)
    assert sorted(one.value() for one in dead) == sorted(poison)
    stages: dict[str, list[bytes]] = {}
    for one in dead:
        why = dict(one.headers())
        assert one.key() == b"k"
        assert why["__connect.errors.topic"].decode() == why["__connect.errors.connector.name"].decode() == table
        assert why["__connect.errors.exception.message"]
        stages.setdefault(why["__connect.errors.stage"].decode(), []).append(one.value())
    assert {stage: sorted(values) for stage, values in stages.items()} == {s: sorted(v) for s, v in bad.items()}
    last = dict(next(one for one in dead if len(one.value()) > BIG).headers())
    assert last["mine"] == b"1"
    assert b"note_length" in last["__connect.errors.exception.message"]
    assert connect.states(table) == ["RUNNING"]


def test_a_rewind_lands_again_what_was_lost(connect: Connect, kafka: Kafka, clickhouse: ClickHouse, table: str) -> None:
    clickhouse.ask(f"ALTER TABLE landing.{table} MODIFY SETTING non_replicated_deduplication_window = 100")
    kafka.produce(table, *[event(number) for number in range(10)])
    connect.create(table, **clickhouse.settings(table, table))
    until(lambda: connect.committed(table) == 10)
    clickhouse.ask(f"DELETE FROM landing.{table} WHERE 1")  # which keeps the tokens, as a loss would
    connect.http.put(f"/connectors/{table}/stop")
    until(lambda: connect.status(table)["connector"]["state"] == "STOPPED")
    partition = {"kafka_topic": table, "kafka_partition": 0}
    wanted = {"offsets": [{"partition": partition, "offset": {"kafka_offset": 0}}]}
    assert connect.http.patch(f"/connectors/{table}/offsets", json=wanted).status_code == 200
    connect.http.put(f"/connectors/{table}/resume")
    until(lambda: clickhouse.count(f"landing.{table}") == 10)


def test_server_away_then_back(connect: Connect, kafka: Kafka, clickhouse: ClickHouse, table: str) -> None:
    connect.create(table, **clickhouse.settings(table, table))
    kafka.produce(table, event(1))
    until(lambda: clickhouse.count(f"landing.{table}") == 1)
    clickhouse.running.kill()
    kafka.produce(table, *[event(number) for number in range(2, 40)])
    time.sleep(2)
    assert connect.states(table) == ["RUNNING"]
    assert connect.committed(table) == 1
    clickhouse.running.start()
    until(lambda: connect.committed(table) == 39, 25)
    assert int(clickhouse.ask(f"SELECT count() FROM landing.{table} FINAL")) == 39


def test_a_killed_worker_goes_on(connect: Connect, kafka: Kafka, clickhouse: ClickHouse, table: str) -> None:
    paused = f"{table}-paused"
    connect.create(table, **clickhouse.settings(table, table))
    connect.create(paused, **clickhouse.settings(table, table))
    connect.http.put(f"/connectors/{paused}/pause")
    until(lambda: connect.states(paused) == ["PAUSED"])
    for start in range(0, 3000, 500):
        kafka.produce(table, *[event(number) for number in range(start, start + 500)])
        if start == 1000:
            connect.kill()
            connect.start()
    until(lambda: connect.committed(table) == 3000)
    assert int(clickhouse.ask(f"SELECT count() FROM landing.{table} FINAL")) == 3000
    assert connect.states(paused) == ["PAUSED"]
    assert connect.committed(paused) < 3000


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"password": "wrong"}, "Authentication failed"),
        ({"database": "nowhere"}, "nowhere"),
        ({"topic2TableMap": "t=missing_table"}, "missing_table"),
    ],
)
def test_wrong_settings_fail_the_task(
    connect: Connect, clickhouse: ClickHouse, table: str, change: dict[str, str], words: str
) -> None:
    connect.create(table, **clickhouse.settings(table, table) | change)
    until(lambda: connect.states(table) == ["FAILED"])
    status = connect.status(table)
    assert status["connector"]["state"] == "RUNNING"
    assert words in status["tasks"][0]["trace"].splitlines()[0], status
    connect.http.delete(f"/connectors/{table}")
