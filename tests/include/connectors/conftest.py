"""Two workers that the one client must not tell apart: the local one, and Kafka Connect itself, on one real broker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from include.connections import CONNECT, Endpoint
from include.connectors.client import ConnectClient
from local import connect, connect_runtime, kafka
from local.place import Place
from tests.local import running

T = TypeVar("T")
WORKERS = {"local worker": connect.service, "Kafka Connect 4.3.1": connect_runtime.service}


class Worker:
    """One of the workers, topics to read from, and a folder to write to."""

    def __init__(self, place: Place, port: int, folder: Path) -> None:
        self.place, self.folder, self._numbers = place, folder, count()
        self.endpoint = Endpoint(conn_id=CONNECT, conn_type="http", host="http://127.0.0.1", port=port)
        self._kafka = {"bootstrap.servers": f"127.0.0.1:{place.ports['kafka']}", "log_level": 0}
        self._admin = AdminClient(self._kafka)

    def run(self, story: Callable[[ConnectClient], Awaitable[T]]) -> T:
        """What the story with a client comes to."""

        async def told() -> T:
            async with ConnectClient(self.endpoint) as client:
                return await story(client)

        return asyncio.run(told())

    def topic(self, partitions: int = 1) -> str:
        """A new one, for one test."""
        name = f"{self.folder.name}.{next(self._numbers)}"
        self._admin.create_topics([NewTopic(name, partitions, 1)])[name].result(20)
        return name

    def produce(self, topic: str, *values: str, partition: int = 0) -> None:
        """Texts, acknowledged."""
        producer = Producer(self._kafka)
        for value in values:
            producer.produce(topic, value.encode(), partition=partition)
        assert producer.flush(20) == 0

    def file(self, topic: str) -> Path:
        """Where the sink of a topic writes."""
        return self.folder / f"{topic}.txt"

    def lines(self, topic: str) -> list[str]:
        """What the sink has written, nothing where there is no file."""
        return self.file(topic).read_text().splitlines() if self.file(topic).exists() else []

    def sink(self, topic: str, **changes: str) -> dict[str, str]:
        """A config of the file sink; `__` in a name of `changes` stands for a dot."""
        config = {
            "connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector",
            "tasks.max": "1",
            "topics": topic,
            "file": str(self.file(topic)),
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.storage.StringConverter",
        }
        return config | {name.replace("__", "."): value for name, value in changes.items()}


async def until(ask: Callable[[], Any], wanted: Callable[[Any], bool], within_s: float = 30.0) -> Any:
    """The first answer, of a function or a coroutine function, that is `wanted`; fails with the last one."""
    deadline = time.monotonic() + within_s
    while True:
        answer = ask()
        answer = await answer if asyncio.iscoroutine(answer) else answer
        if wanted(answer):
            return answer
        assert time.monotonic() < deadline, f"still {answer!r} after {within_s} s"
        await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A place in which a broker runs."""
    place = running.a_place(tmp_path_factory.mktemp("workers") / "home")
    with running.running(kafka.service(place), place):
        yield place


@pytest.fixture(scope="module", params=WORKERS)
def worker(request: pytest.FixtureRequest, place: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    """Each of the workers in turn."""
    service = WORKERS[request.param](place)
    with running.running(service, place):
        yield Worker(place, service.ports[0], tmp_path_factory.mktemp("out"))
    service.prepare()  # keeps the archive of classes that the first run of all has made: the next starts faster
