"""A real broker for the whole run, and workers as processes of their own, on free ports and in folders of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local import kafka as kafka_module
from local.place import PASSWORDS, PORTS, ROOT, Place
from local.service import Service


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def until(what: Callable[[], Any], within_s: float = 45.0) -> Any:
    """The first true answer of `what`; fails with the last one."""
    deadline = time.monotonic() + within_s
    while not (answer := what()):
        assert time.monotonic() < deadline, f"still {answer!r} after {within_s} s"
        time.sleep(0.1)
    return answer


class Running:
    """A service's process: `kill` is kill -9, `start` starts it again with the same argv."""

    def __init__(self, service: Service, log: Path) -> None:
        self.service, self.log = service, log
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.service.prepare()
        with self.log.open("a") as out:
            self.process = subprocess.Popen(
                self.service.argv, cwd=self.service.cwd, env={**os.environ, **self.service.env}, stdout=out, stderr=out,
                start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + self.service.start_within_s
        while waiting := self.service.ready():
            assert self.process.poll() is None, f"{self.service.name} ended: {self.log.read_text()[-2000:]}"
            assert time.monotonic() < deadline, waiting
            time.sleep(0.1)

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            os.killpg(self.process.pid, number)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait()

    def kill(self) -> None:
        self.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    home = tmp_path_factory.mktemp("home")
    return Place(home, {role: _free_port() for role in PORTS}, {name: f"{name}-secret" for name in PASSWORDS})


class Kafka:
    """What tests do with the broker."""

    def __init__(self, bootstrap: str, running: Running) -> None:
        self.bootstrap, self.running = bootstrap, running
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def topic(self, name: str = "", partitions: int = 1, **config: str) -> str:
        name = name or f"t{uuid.uuid4().hex[:8]}"
        settings = {key.replace("_", "."): value for key, value in config.items()}
        self.admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(10)
        return name

    def produce(
        self, topic: str, *values: bytes | None, key: bytes | None = b"k", partition: int = 0, **more: Any
    ) -> None:
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": "all", "message.max.bytes": 5_000_000})
        for value in values:
            producer.produce(topic, value, key, partition=partition, **more)
        assert producer.flush(20) == 0

    def read(self, topic: str, count: int, within_s: float = 45.0) -> list[Any]:
        """Every message of a topic, at least `count` of them."""
        settings = {"bootstrap.servers": self.bootstrap, "group.id": uuid.uuid4().hex, "auto.offset.reset": "earliest",
                    "enable.auto.commit": False}  # fmt: skip
        consumer = Consumer(settings)
        consumer.subscribe([topic])
        found: list[Any] = []
        deadline = time.monotonic() + within_s
        try:
            while time.monotonic() < deadline:
                found += [one for one in consumer.consume(500, 0.3) if one.error() is None]
                if len(found) >= count:
                    deadline = min(deadline, time.monotonic() + 0.5)  # and see that no more come
            return found
        finally:
            consumer.close()


@pytest.fixture(scope="session")
def kafka(place: Place) -> Iterator[Kafka]:
    running = Running(kafka_module.service(place), place.log("kafka"))
    running.start()
    yield Kafka(f"127.0.0.1:{place.ports['kafka']}", running)
    running.kill()  # nothing of it is kept


class Connect(Running):
    """A worker, and requests to it."""

    def __init__(self, service: Service, log: Path) -> None:
        super().__init__(service, log)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{service.ports[0]}", timeout=30)

    def create(self, name: str, **config: str) -> None:
        settings = {key.replace("__", "."): value for key, value in config.items()}
        answer = self.http.put(f"/connectors/{name}/config", json=settings)
        assert answer.status_code in (200, 201), answer.text

    def status(self, name: str) -> dict[str, Any]:
        return self.http.get(f"/connectors/{name}/status").json()

    def states(self, name: str) -> list[str]:
        return [task["state"] for task in self.status(name).get("tasks", [])]

    def committed(self, name: str) -> int:
        found = self.http.get(f"/connectors/{name}/offsets").json()["offsets"]
        return sum(one["offset"]["kafka_offset"] for one in found)


@pytest.fixture(scope="module")
def connect(place: Place, kafka: Kafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    from local import connect as connect_module

    home = tmp_path_factory.mktemp("connect")
    ports = {**place.ports, "connect": _free_port()}
    service = connect_module.service(Place(place.home, ports, place.secrets))
    argv = tuple(str(home) if word == str(place.data("connect")) else word for word in service.argv)
    running = Connect(replace(service, argv=argv), home / "connect.log")
    running.start()
    yield running
    running.end()


@pytest.fixture(scope="session")
def recorded() -> list[str]:
    path = ROOT.parent / "shared" / "data" / "connect-rest-4.3.1.txt"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    return path.read_text().splitlines()


class ClickHouse:
    """The local ClickHouse, and questions to it."""

    def __init__(self, place: Place, running: Running) -> None:
        self.port, self.password, self.running = (
            place.ports["clickhouse_http"],
            place.secrets["clickhouse_writer"],
            running,
        )

    def ask(self, query: str) -> str:
        headers = {"X-ClickHouse-User": "floodgate", "X-ClickHouse-Key": self.password}
        answer = httpx.post(f"http://127.0.0.1:{self.port}/", params={"query": query}, headers=headers, timeout=20)
        assert answer.status_code == 200, answer.text
        return answer.text.strip()

    def count(self, table: str) -> int:
        return int(self.ask(f"SELECT count() FROM {table}"))

    def settings(self, topic: str, table: str, **more: str) -> dict[str, str]:
        """A sink's configuration as the contracts render it."""
        return {
            "connector.class": "com.clickhouse.kafka.connect.ClickHouseSinkConnector",
            "tasks.max": "1",
            "topics": topic,
            "hostname": "127.0.0.1",
            "port": str(self.port),
            "ssl": "false",
            "username": "floodgate",
            "password": self.password,
            "database": "landing",
            "topic2TableMap": f"{topic}={table}",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "transforms": "tombstones,types,place",
            "transforms.tombstones.type": "org.apache.kafka.connect.transforms.Filter",
            "transforms.tombstones.predicate": "tombstone",
            "transforms.types.type": "org.apache.kafka.connect.transforms.Cast$Value",
            "transforms.types.spec": "id:int64,price:float64",
            "transforms.place.type": "org.apache.kafka.connect.transforms.InsertField$Value",
            "transforms.place.topic.field": "_topic",
            "transforms.place.partition.field": "_partition",
            "transforms.place.offset.field": "_offset",
            "transforms.place.timestamp.field": "_timestamp",
            "predicates": "tombstone",
            "predicates.tombstone.type": "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": f"{topic}.dlq",
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
        } | {key.replace("__", "."): value for key, value in more.items()}


@pytest.fixture(scope="session")
def clickhouse(place: Place) -> Iterator[ClickHouse]:
    from local import clickhouse as clickhouse_module

    running = Running(clickhouse_module.service(place), place.log("clickhouse"))
    running.start()
    served = ClickHouse(place, running)
    served.ask("CREATE DATABASE IF NOT EXISTS landing")
    yield served
    running.kill()


class Snowflake:
    """The local Snowflake, and questions to it."""

    def __init__(self, place: Place, running: Running) -> None:
        self.place, self.running = place, running
        self.connection: Any = None
        lines = place.snowflake_key.read_text().splitlines()
        self.key = "".join(line for line in lines if "-----" not in line)

    def ask(self, statement: str) -> list[Any]:
        import snowflake.connector
        from snowflake.connector.errors import Error

        os.environ["REQUESTS_CA_BUNDLE"] = str(self.place.ca_bundle)
        if self.connection is None:
            self.connection = snowflake.connector.connect(
                account="floodgate", user="FLOODGATE", host="localhost", port=self.place.ports["snowflake"],
                private_key_file=str(self.place.snowflake_key), database="FLOODGATE", schema="LANDING", login_timeout=5,
                disable_ocsp_checks=True,
            )  # fmt: skip
        try:
            return self.connection.cursor().execute(statement).fetchall()
        except Error as error:
            self.connection = None
            if error.errno != 390111:  # the server was started anew since the last question
                raise
        return self.ask(statement)

    def count(self, table: str) -> tuple[int, int]:
        """Rows, and distinct places in Kafka among them."""
        place = "record_metadata:partition::int || '-' || record_metadata:offset::int"
        ((rows, places),) = self.ask(f"select count(*), count(distinct {place}) from {table}")
        return int(rows), int(places)

    def settings(self, topic: str, table: str, **more: str) -> dict[str, str]:
        """A sink's configuration as the contracts render it."""
        return {
            "connector.class": "com.snowflake.kafka.connector.SnowflakeSinkConnector",
            "tasks.max": "1",
            "topics": topic,
            "snowflake.url.name": f"localhost:{self.place.ports['snowflake']}",
            "snowflake.user.name": "FLOODGATE",
            "snowflake.private.key": self.key,
            "snowflake.database.name": "FLOODGATE",
            "snowflake.schema.name": "LANDING",
            "snowflake.role.name": "FLOODGATE",
            "snowflake.topic2table.map": f"{topic}:{table}",
            "snowflake.ingestion.method": "SNOWPIPE_STREAMING",
            "buffer.flush.time": "1",
            "buffer.count.records": "10000",
            "behavior.on.null.values": "IGNORE",
            "key.converter": "org.apache.kafka.connect.storage.StringConverter",
            "value.converter": "org.apache.kafka.connect.json.JsonConverter",
            "value.converter.schemas.enable": "false",
            "errors.tolerance": "all",
            "errors.deadletterqueue.topic.name": f"{topic}.dlq",
            "errors.deadletterqueue.topic.replication.factor": "1",
            "errors.deadletterqueue.context.headers.enable": "true",
        } | {key.replace("__", "."): value for key, value in more.items()}


@pytest.fixture(scope="session")
def snowflake(place: Place) -> Iterator[Snowflake]:
    from local import snowflake as snowflake_module

    running = Running(snowflake_module.service(place), place.log("snowflake"))
    running.start()
    served = Snowflake(place, running)
    served.ask("create schema if not exists LANDING")
    yield served
    running.kill()
