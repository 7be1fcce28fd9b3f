"""The door for faults: a connector that fails or stalls on purpose, and what cures it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from .conftest import Connect, Kafka, until


@pytest.fixture
def topic(connect: Connect, kafka: Kafka, tmp_path: Path) -> str:
    """A topic of one record, with a running connector of its name that has landed it."""
    name = kafka.topic()
    kafka.produce(name, b"one")
    connect.create(name, connector__class="FileStreamSink", topics=name, file=str(tmp_path / "out"),
                   value__converter="org.apache.kafka.connect.storage.StringConverter")  # fmt: skip
    until(lambda: landed(tmp_path) == ["one"])
    return name


def landed(folder: Path) -> list[str]:
    path = folder / "out"
    return path.read_text().splitlines() if path.exists() else []


def door(connect: Connect, name: str, fault: str):
    return connect.http.post(f"/floodgate/faults/{name}", json={"fault": fault})


def restart(connect: Connect, name: str, only_failed: str) -> None:
    asked = {"includeTasks": "true", "onlyFailed": only_failed}
    assert connect.http.post(f"/connectors/{name}/restart", params=asked).status_code == 202


def test_a_failed_task_is_cured_by_a_restart_of_what_failed(
    connect: Connect, kafka: Kafka, topic: str, tmp_path: Path
) -> None:
    assert door(connect, topic, "fail").json() == {"connector": topic, "fault": "fail", "tasks": [0]}
    until(lambda: connect.states(topic) == ["FAILED"])
    status = connect.status(topic)
    assert status["connector"]["state"] == "RUNNING"  # as in the real runtime
    trace = status["tasks"][0]["trace"]
    assert trace.startswith("org.apache.kafka.connect.errors.ConnectException: Exiting WorkerSinkTask due to")
    assert f"Caused by: org.apache.kafka.connect.errors.ConnectException: Task {topic}-0 was made to fail" in trace
    kafka.produce(topic, b"two")
    time.sleep(1)
    assert landed(tmp_path) == ["one"]
    restart(connect, topic, only_failed="true")
    until(lambda: landed(tmp_path) == ["one", "two"])
    assert connect.states(topic) == ["RUNNING"]


def test_a_stalled_task_says_running_and_is_cured_by_a_full_restart_alone(
    connect: Connect, kafka: Kafka, topic: str, tmp_path: Path
) -> None:
    until(lambda: connect.committed(topic) == 1)
    assert door(connect, topic, "stall").status_code == 200
    time.sleep(0.7)  # what it was just reading it still delivers
    kafka.produce(topic, b"two")
    time.sleep(1.5)
    assert connect.states(topic) == ["RUNNING"]
    restart(connect, topic, only_failed="true")
    time.sleep(1.5)
    assert landed(tmp_path) == ["one"]
    assert connect.committed(topic) == 1
    restart(connect, topic, only_failed="false")
    until(lambda: landed(tmp_path) == ["one", "two"])
    until(lambda: connect.committed(topic) == 2)


def test_what_it_refuses(connect: Connect, topic: str) -> None:
    assert door(connect, topic, "explode").status_code == 400
    assert door(connect, "nobody", "fail").status_code == 404
    connect.http.put(f"/connectors/{topic}/pause")
    until(lambda: connect.states(topic) == ["PAUSED"])
    paused = door(connect, topic, "fail")
    assert (paused.status_code, paused.json()["message"]) == (409, f"Connector {topic} has no running task to break")
