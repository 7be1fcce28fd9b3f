"""The client of Kafka Connect on two workers, word for word the same: the local one and Kafka Connect itself."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from include.connectors.client import ConnectClient, ConnectError, Status

from .conftest import Worker, until

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]

Ask = Callable[[ConnectClient], Awaitable[Any]]
NOT_FOUND, UNKNOWN, UNKNOWN_TO_RESTART = (
    "Connector nobody not found",
    "Unknown connector nobody",
    "Unknown connector: nobody",
)
OF_NOBODY: dict[str, tuple[Ask, str]] = {
    "delete": (lambda connect: connect.delete("nobody"), NOT_FOUND),
    "pause": (lambda connect: connect.pause("nobody"), UNKNOWN),
    "resume": (lambda connect: connect.resume("nobody"), UNKNOWN),
    "stop": (lambda connect: connect.stop("nobody"), UNKNOWN),
    "restart": (lambda connect: connect.restart("nobody", only_failed=True), UNKNOWN_TO_RESTART),
    "restart_task": (lambda connect: connect.restart_task("nobody", 0), UNKNOWN_TO_RESTART),
    "offsets": (lambda connect: connect.offsets("nobody"), NOT_FOUND),
    "alter_offsets": (lambda connect: connect.alter_offsets("nobody", {("orders", 0): 1}), NOT_FOUND),
    "reset_offsets": (lambda connect: connect.reset_offsets("nobody"), NOT_FOUND),
}


def tasks(status: Status | None) -> list[str]:
    return [task.state for task in status.tasks] if status else []


def test_put_makes_a_connector_and_gives_it_another_config(worker: Worker) -> None:
    topic = worker.topic(partitions=2)

    async def story(connect: ConnectClient) -> None:
        config = worker.sink(topic, tasks__max="2")
        await connect.put(topic, config)
        assert topic in await connect.names()
        assert await connect.config(topic) == config | {"name": topic}
        await connect.until_healthy(topic)  # which may be before the second task is known
        status = await until(lambda: connect.status(topic), lambda status: tasks(status) == ["RUNNING", "RUNNING"])
        assert (status.name, status.connector.state) == (topic, "RUNNING")
        assert (status.type, status.healthy, status.failed, status.paused, status.trace) == (
            "sink", True, False, False, "",
        )  # fmt: skip
        assert (await connect.statuses())[topic] == status
        assert (await connect.statuses(identities=True))[topic] == status, "what it does not know it passes over"
        await connect.put(topic, worker.sink(topic, tasks__max="1"))
        assert (await connect.config(topic) or {})["tasks.max"] == "1"
        status = await until(lambda: connect.status(topic), lambda status: len(status.tasks) == 1)
        assert (await connect.until_healthy(topic)).tasks[0].id == 0

    worker.run(story)
    worker.produce(topic, "a", "b")
    worker.run(lambda _: until(lambda: worker.lines(topic), lambda lines: lines == ["a", "b"]))


def test_of_an_unknown_connector_there_is_neither_status_nor_config(worker: Worker) -> None:
    async def story(connect: ConnectClient) -> None:
        assert "nobody" not in await connect.names()
        assert "nobody" not in await connect.statuses()
        assert await connect.status("nobody") is None
        assert await connect.config("nobody") is None

    worker.run(story)


@pytest.mark.parametrize("method", OF_NOBODY)
def test_nothing_can_be_asked_of_an_unknown_connector(worker: Worker, method: str) -> None:
    question, words = OF_NOBODY[method]
    with pytest.raises(ConnectError, match=f"404 {words}") as told:
        worker.run(question)
    assert told.value.status == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tasks.max": "0"}, "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
        ({"topics": None}, "Must configure one of topics or topics.regex"),
        ({"errors.tolerance": "All"}, "errors.tolerance: String must be one of: none, all"),
        ({"connector.class": "no.such.Class"}, "Failed to find any class .* which name matches no.such.Class"),
        ({"connector.class": None}, "contains no connector type"),
        ({"name": "another"}, r"name configuration \(another\) doesn't match connector name in the URL \(refused\)"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_bad_config_is_refused_with_the_reason(worker: Worker, change: dict[str, str | None], words: str) -> None:
    config = worker.sink("orders") | change
    given = {name: value for name, value in config.items() if value is not None}
    with pytest.raises(ConnectError, match=words) as told:
        worker.run(lambda connect: connect.put("refused", given))
    assert told.value.status == 400
    assert "refused" not in worker.run(lambda connect: connect.names())


def test_a_paused_sink_reads_nothing_until_it_is_resumed(worker: Worker) -> None:
    topic = worker.topic()

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic))
        await connect.until_healthy(topic)
        await connect.pause(topic)
        # Connector and task say so one after the other.
        status = await until(
            lambda: connect.status(topic), lambda status: (status.connector.state, *tasks(status)) == ("PAUSED",) * 2
        )
        assert (status.paused, status.healthy, status.failed) == (True, False, False)
        worker.produce(topic, "a")
        await asyncio.sleep(0.7)
        assert worker.lines(topic) == []
        # Its tasks are those it was paused with, until it is resumed.
        await connect.put(topic, worker.sink(topic, tasks__max="2"))
        await asyncio.sleep(0.3)
        assert tasks(await connect.status(topic)) == ["PAUSED"]
        await connect.resume(topic)
        await until(lambda: connect.status(topic), lambda status: tasks(status) == ["RUNNING", "RUNNING"])
        await until(lambda: worker.lines(topic), lambda lines: lines == ["a"])

    worker.run(story)


def test_a_stopped_connector_has_no_task_until_it_is_resumed(worker: Worker) -> None:
    topic = worker.topic()

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic))
        await connect.until_healthy(topic)
        await connect.stop(topic)
        status = await until(
            lambda: connect.status(topic), lambda status: (status.connector.state, status.tasks) == ("STOPPED", ())
        )
        assert (status.paused, status.healthy, status.failed) == (True, False, False)
        # A task that is known and that nobody runs: the same is said while workers rebalance, and it does not pass.
        answer = httpx.post(f"{worker.endpoint.host}:{worker.endpoint.port}/connectors/{topic}/tasks/0/restart")
        assert (answer.status_code, answer.json()["message"]) == (
            409,
            "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway.",
        )
        await connect.pause(topic)
        status = await until(lambda: connect.status(topic), lambda status: status.connector.state == "PAUSED")
        assert tasks(status) == []
        await connect.resume(topic)
        await connect.until_healthy(topic)

    worker.run(story)


def test_a_sink_that_cannot_start_never_runs_and_is_healed_by_a_restart(worker: Worker) -> None:
    topic = worker.topic()
    missing = worker.folder / f"{topic}.folder"
    cause = f"ConnectException: Couldn't find or create file '{missing}/out.txt' for FileStreamSinkTask"

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic, file=f"{missing}/out.txt"))
        seen: list[Status] = []
        until_s = time.monotonic() + 30
        while not (seen and seen[-1].failed) and time.monotonic() < until_s:
            if status := await connect.status(topic):
                seen.append(status)
        # A look at the right moment must not take it for healthy.
        assert [status for status in seen if status.healthy] == []
        assert (seen[-1].connector.state, tasks(seen[-1])) == ("RUNNING", ["FAILED"])
        assert seen[-1].trace == f"org.apache.kafka.connect.errors.{cause}"
        with pytest.raises(ConnectError) as told:
            await connect.until_healthy(topic)
        assert cause in str(told.value)
        assert "mend that, then restart it" in str(told.value)
        missing.mkdir()
        await connect.restart(topic, only_failed=True)
        status = await until(lambda: connect.status(topic), lambda status: status.healthy)
        assert status.trace == ""

    worker.run(story)


def test_a_task_runs_when_its_sink_is_open_and_not_before(worker: Worker) -> None:
    topic = worker.topic()
    pipe = worker.folder / f"{topic}.pipe"
    os.mkfifo(pipe)  # whoever opens it to write waits for a reader

    async def story(connect: ConnectClient) -> None:
        async def waits(states: list[str]) -> None:
            def so(status: Status | None) -> bool:
                return bool(status and status.connector.state == "RUNNING" and tasks(status) == states)

            await until(lambda: connect.status(topic), so)
            await asyncio.sleep(0.3)
            status = await connect.status(topic)
            assert so(status) and status and not status.healthy

        async def runs() -> None:
            reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
            try:
                await connect.until_healthy(topic)
            finally:
                os.close(reader)

        await connect.put(topic, worker.sink(topic, file=str(pipe)))
        await waits([])
        await runs()
        await connect.restart(topic, only_failed=False)
        await waits(["RESTARTING"])
        await runs()
        await connect.restart(topic, only_failed=False)
        await waits(["RESTARTING"])
        await connect.stop(topic)
        # Before its task has ended.
        await until(lambda: connect.status(topic), lambda status: status.connector.state == "STOPPED", within_s=4)
        os.close(os.open(pipe, os.O_RDONLY | os.O_NONBLOCK))
        await until(lambda: connect.status(topic), lambda status: not status.tasks)

    worker.run(story)


def test_only_what_failed_is_restarted_or_all_of_it_or_one_task(worker: Worker) -> None:
    topic = worker.topic()

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic))
        await connect.until_healthy(topic)

        async def written_after(restart: Awaitable[None], text: str) -> bool:
            """Whether there is a new file where the old one was deleted: only a task that starts makes one."""
            worker.file(topic).unlink(missing_ok=True)
            before = (await connect.offsets(topic)).get((topic, 0), 0)
            await restart
            await asyncio.sleep(0.3)
            worker.produce(topic, text)
            await until(lambda: connect.offsets(topic), lambda offsets: offsets.get((topic, 0)) == before + 1)
            await connect.until_healthy(topic)
            return worker.file(topic).exists()

        assert not await written_after(connect.restart(topic, only_failed=True), "a")
        assert await written_after(connect.restart(topic, only_failed=False), "b")
        assert await written_after(connect.restart_task(topic, 0), "c")
        with pytest.raises(ConnectError, match=f"404 Unknown task: {topic}-7"):
            await connect.restart_task(topic, 7)

    worker.run(story)
    assert worker.lines(topic) == ["c"]


def test_a_poison_record_fails_its_task_until_it_is_tolerated(worker: Worker) -> None:
    topic = worker.topic()
    json = {
        "value__converter": "org.apache.kafka.connect.json.JsonConverter",
        "value__converter__schemas__enable": "false",
    }
    worker.produce(topic, "1", "not JSON", "3")

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic, **json))
        status = await until(lambda: connect.status(topic), lambda status: bool(status and status.failed))
        assert status.connector.state == "RUNNING"
        assert not status.healthy
        assert status.trace == ("org.apache.kafka.connect.errors.ConnectException: Tolerance exceeded in error handler")
        (task,) = status.tasks
        assert "DataException: Converting byte[] to Kafka Connect data failed due to serialization" in task.trace
        await connect.put(topic, worker.sink(topic, errors__tolerance="all", **json))
        await until(lambda: connect.status(topic), lambda status: status.healthy)
        await until(lambda: connect.offsets(topic), lambda offsets: offsets == {(topic, 0): 3})
        assert worker.lines(topic)[-1] == "3"

    worker.run(story)


def test_the_offsets_of_a_stopped_sink_can_be_altered_and_forgotten(worker: Worker) -> None:
    topic = worker.topic(partitions=2)
    worker.produce(topic, *"abcde", partition=0)
    worker.produce(topic, *"xyz", partition=1)
    done = {(topic, 0): 5, (topic, 1): 3}

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic))
        await until(lambda: connect.offsets(topic), lambda offsets: offsets == done)
        for change in (connect.alter_offsets(topic, {(topic, 0): 2}), connect.reset_offsets(topic)):
            with pytest.raises(ConnectError, match="400 Connectors must be in the STOPPED state"):
                await change
        await connect.stop(topic)
        await until(lambda: connect.status(topic), lambda status: status.connector.state == "STOPPED")
        # Its tasks may not have ended yet; the change waits for them.
        await connect.alter_offsets(topic, {(topic, 0): 2, (topic, 1): None})
        assert await connect.offsets(topic) == {(topic, 0): 2}
        assert tasks(await connect.status(topic)) == []
        await connect.resume(topic)
        await until(lambda: connect.offsets(topic), lambda offsets: offsets == done)
        assert sorted(worker.lines(topic)) == sorted([*"abcdexyz", *"cde", *"xyz"])
        await connect.stop(topic)
        await until(lambda: connect.status(topic), lambda status: status.connector.state == "STOPPED")
        with pytest.raises(ConnectError, match="400 Partitions / offsets need to be provided"):
            await connect.alter_offsets(topic, {})
        with pytest.raises(ConnectError, match="500 Failed to alter consumer group offsets"):
            await connect.alter_offsets(topic, {(topic, 9): 2})
        await connect.reset_offsets(topic)
        assert await connect.offsets(topic) == {}

    worker.run(story)


def test_a_connector_that_is_deleted_and_made_again_goes_on_where_it_was(worker: Worker) -> None:
    topic = worker.topic()
    worker.produce(topic, "a", "b")

    async def story(connect: ConnectClient) -> None:
        await connect.put(topic, worker.sink(topic))
        await until(lambda: connect.offsets(topic), lambda offsets: offsets == {(topic, 0): 2})
        await connect.delete(topic)
        await until(lambda: connect.status(topic), lambda status: status is None)
        assert topic not in await connect.names()
        assert await connect.config(topic) is None
        worker.produce(topic, "c")
        await connect.put(topic, worker.sink(topic))
        await until(lambda: connect.offsets(topic), lambda offsets: offsets == {(topic, 0): 3})
        assert worker.lines(topic) == ["a", "b", "c"]

    worker.run(story)


def test_one_request_upon_another_is_carried_out(worker: Worker) -> None:
    """Kafka Connect says 409, or 500, to some of them, as it has not carried out the one before: they are sent again."""
    topic = worker.topic()

    async def story(connect: ConnectClient) -> None:
        for number in (2, 1, 2):
            config = worker.sink(topic, tasks__max=str(number))
            await connect.put(topic, config)
            await connect.restart(topic, only_failed=True)
            assert await connect.config(topic) == config | {"name": topic}
            await until(lambda: connect.status(topic), lambda status, n=number: tasks(status) == ["RUNNING"] * n)

    worker.run(story)
