"""A real broker of the local stack, with a home and ports of its own, for the tests of this room."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator

import pytest

from include.connections import KAFKA, Endpoint
from include.contracts import all_contracts
from include.kafka import topics
from local.kafka import service
from local.place import PORTS, Place


def free_ports(n: int) -> list[int]:
    sockets = [socket.socket() for _ in range(n)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Broker:
    """The broker's process: started, killed, started again."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def servers(self) -> str:
        return f"127.0.0.1:{self.place.ports['kafka']}"

    @property
    def endpoint(self) -> Endpoint:
        return Endpoint(conn_id=KAFKA, conn_type="kafka", extra={"bootstrap.servers": self.servers})

    def start(self) -> None:
        kafka = service(self.place)
        kafka.prepare()
        with self.place.log("kafka-test").open("ab") as log:
            self.process = subprocess.Popen(
                kafka.argv,
                cwd=kafka.cwd,
                env={**os.environ, **kafka.env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + kafka.start_within_s
        while problem := kafka.ready():
            assert self.process.poll() is None, self.place.log("kafka-test").read_text()[-2000:]
            assert time.monotonic() < until, problem
            time.sleep(0.1)

    def end(self, sign: signal.Signals) -> None:
        assert self.process is not None
        os.killpg(self.process.pid, sign)
        self.process.wait(timeout=60)


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    client, controller = free_ports(2)
    home = tmp_path_factory.mktemp("kafka-home")
    running = Broker(Place(home, {**PORTS, "kafka": client, "kafka_controller": controller}, {}))
    running.start()
    try:
        yield running
    finally:
        running.end(signal.SIGKILL)


@pytest.fixture(scope="session")
def kafka(broker: Broker) -> Endpoint:
    """A broker with every contract's topics."""
    topics.ensure(broker.endpoint, all_contracts())
    return broker.endpoint
