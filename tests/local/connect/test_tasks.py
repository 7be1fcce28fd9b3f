"""A task against a real broker: tolerance, dead letters' topic, transactions, a broker that goes away, two tasks."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from confluent_kafka import Producer

from .conftest import Connect, Kafka, until


def sink(topic: str, path: Path, **more: str) -> dict[str, str]:
    config = {"connector.class": "FileStreamSink", "topics": topic, "file": str(path), "tasks.max": "1"}
    return config | {key.replace("__", "."): value for key, value in more.items()}


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def test_without_tolerance_a_bad_record_fails_the_task_again_and_again(
    connect: Connect, kafka: Kafka, tmp_path: Path
) -> None:
    topic = kafka.topic()
    kafka.produce(topic, b'{"id":1}', b"not json", b'{"id":2}')
    connect.create(topic, **sink(topic, tmp_path / "out"))
    for _ in range(2):
        until(lambda: connect.states(topic) == ["FAILED"])
        status = connect.status(topic)
        assert status["connector"]["state"] == "RUNNING"
        trace = status["tasks"][0]["trace"]
        assert trace.startswith(
            "org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler\n\tat "
        )
        assert (
            "\nCaused by: org.apache.kafka.connect.errors.DataException: Converting byte[] to Kafka Connect data"
            in trace
        )
        assert connect.committed(topic) == 0
        answer = connect.http.post(f"/connectors/{topic}/restart?includeTasks=true&onlyFailed=true")
        assert answer.status_code == 202
        assert answer.json()["tasks"][0]["state"] == "RESTARTING"
    connect.create(topic, **sink(topic, tmp_path / "out", errors__tolerance="all"))
    until(lambda: connect.committed(topic) == 3)
    assert lines(tmp_path / "out") == ["{'id': 1}", "{'id': 2}"]


def test_dead_letter_topic_is_made_for_large_records(connect: Connect, kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic(max_message_bytes="3000000")
    dead = {"errors__tolerance": "all", "errors__deadletterqueue__topic__name": f"{topic}.dead"}
    connect.create("three", **sink(topic, tmp_path / "out", **dead))  # three copies by default: one broker has none
    until(lambda: connect.states("three") == ["FAILED"])
    assert (
        f"Could not initialize dead letter queue with topic={topic}.dead"
        in connect.status("three")["tasks"][0]["trace"]
    )
    connect.http.delete("/connectors/three")
    big = os.urandom(2_500_000)  # what cannot be compressed
    kafka.produce(topic, big, None, key=b"\x00\xff")
    one = "errors__deadletterqueue__topic__replication__factor"
    connect.create(topic, **sink(topic, tmp_path / "out", **dead, **{one: "1"}))
    (letter,) = kafka.read(f"{topic}.dead", 1)
    assert (letter.key(), letter.value(), letter.headers()) == (b"\x00\xff", big, None)  # headers were not asked for
    until(lambda: connect.committed(topic) == 2)


def test_only_committed_transactions_are_read(connect: Connect, kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic()
    connect.create(topic, **sink(topic, tmp_path / "out", value__converter="StringConverter"))
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic})
    producer.init_transactions(30)
    for number in range(4):
        producer.begin_transaction()
        producer.produce(topic, str(number))
        producer.flush(10)
        producer.abort_transaction(10) if number % 2 else producer.commit_transaction(10)
    until(lambda: lines(tmp_path / "out") == ["0", "2"])


def test_two_tasks_share_partitions_and_new_ones_are_found(connect: Connect, kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic(partitions=3)
    connect.create(topic, **sink(f"{topic}.*", tmp_path / "out", value__converter="StringConverter", tasks__max="2"))
    regex = sink("", tmp_path / "out", value__converter="StringConverter", tasks__max="2", topics__regex=f"{topic}.*")
    del regex["topics"]
    connect.create(topic, **regex)
    for partition in range(3):
        kafka.produce(topic, *[b"%d" % number for number in range(100)], partition=partition)
    until(lambda: len(lines(tmp_path / "out")) == 300)
    kafka.produce(kafka.topic(f"{topic}-later"), b"late")
    until(lambda: "late" in lines(tmp_path / "out"), 20)
    assert len(lines(tmp_path / "out")) == 301
    assert sorted(connect.http.get(f"/connectors/{topic}/topics").json()[topic]["topics"]) == [topic, f"{topic}-later"]


def test_paused_reads_nothing(connect: Connect, kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic()
    connect.create(topic, **sink(topic, tmp_path / "out", value__converter="StringConverter"))
    kafka.produce(topic, b"1")
    until(lambda: connect.committed(topic) == 1)
    connect.http.put(f"/connectors/{topic}/pause")
    until(lambda: connect.states(topic) == ["PAUSED"])
    kafka.produce(topic, b"2")
    time.sleep(1)
    assert connect.committed(topic) == 1
    connect.http.put(f"/connectors/{topic}/resume")
    until(lambda: connect.committed(topic) == 2)
    assert lines(tmp_path / "out") == ["1", "2"]


def test_broker_killed_and_back(connect: Connect, kafka: Kafka, tmp_path: Path) -> None:
    topic = kafka.topic()
    connect.create(topic, **sink(topic, tmp_path / "out", value__converter="StringConverter"))
    kafka.produce(topic, b"1")
    until(lambda: lines(tmp_path / "out") == ["1"])
    said = len(connect.log.read_text().splitlines())
    kafka.running.kill()
    time.sleep(3)
    assert connect.http.get("/health").status_code == 200
    assert connect.states(topic) == ["RUNNING"]
    kafka.running.start()
    kafka.produce(topic, b"2")
    until(lambda: lines(tmp_path / "out")[-1] == "2", 30)
    assert len(connect.log.read_text().splitlines()) - said < 20
    until(lambda: connect.committed(topic) == 2, 30)


def test_a_password_is_asked_for_where_one_is_set(connect: Connect, tmp_path: Path) -> None:
    environment = {**connect.service.env, "CONNECT_USER": "u", "CONNECT_PASSWORD": "p"}
    connect.end()
    guarded = Connect(replace(connect.service, env=environment), tmp_path / "log")
    guarded.start()
    try:
        assert connect.http.get("/connectors").status_code == 401
        assert connect.http.get("/connectors", auth=("u", "wrong")).status_code == 401
        assert connect.http.get("/connectors", auth=("u", "p")).status_code == 200
    finally:
        guarded.end()
        connect.start()
    assert os.environ.get("CONNECT_USER") is None


def test_it_ends_quickly(connect: Connect) -> None:
    began = time.monotonic()
    connect.end()
    assert time.monotonic() - began < 5
    with pytest.raises(httpx.TransportError):
        connect.http.get("/")
