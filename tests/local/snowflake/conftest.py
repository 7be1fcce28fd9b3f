"""One local Snowflake in a process of its own for the whole folder, in a place of its own."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import snowflake.connector
from local import snowflake as local_snowflake
from local.place import ROOT, Place
from snowflake.connector import SnowflakeConnection


def make_place(home: Path) -> Place:
    """A place with nothing in it but a free port and a password."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    home.mkdir(parents=True, exist_ok=True)
    return Place(home, {"snowflake": port}, {"snowflake": secrets.token_hex(8)})


class Running:
    """The service as a supervisor runs it, and clients of it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.service = local_snowflake.service(place)
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting."""
        self.service.prepare()
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.place.ca_bundle)
        with self.place.log("snowflake").open("ab") as log:
            self.process = subprocess.Popen(
                self.service.argv, env={**os.environ, **self.service.env}, cwd=ROOT, stdout=log, stderr=log,
                start_new_session=True,
            )
        return self.process

    def start(self) -> Running:
        """Start and wait until it answers."""
        process, until = self.spawn(), time.monotonic() + 40
        while waiting := self.service.ready():
            assert process.poll() is None and time.monotonic() < until, f"{waiting}\n{self.log()}"
            time.sleep(0.1)
        return self

    def stop(self, how: int = signal.SIGTERM) -> float:
        """End it; the seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(15)
        return time.monotonic() - began

    def log(self) -> str:
        """What the process wrote."""
        return self.place.log("snowflake").read_text()

    def connect(self, **options: Any) -> SnowflakeConnection:
        """A client signed in with the key pair, unless `options` say otherwise."""
        if not {"password", "private_key_file"} & set(options):
            options["private_key_file"] = str(self.place.snowflake_key)
        return snowflake.connector.connect(
            **{
                "account": "floodgate", "user": "FLOODGATE", "host": "localhost", "port": self.place.ports["snowflake"],
                "database": "FLOODGATE", "schema": "PUBLIC", "warehouse": "FLOODGATE", "role": "FLOODGATE",
                "login_timeout": 5,
            }
            | options
        )


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service that the tests share; each works in a schema of its own."""
    shared = Running(make_place(tmp_path_factory.mktemp("snowflake") / "home")).start()
    yield shared
    shared.stop()
    assert shared.log() == "", "the service wrote to its log although nothing was wrong"


@pytest.fixture
def schema(running: Running) -> Iterator[str]:
    """A new schema, dropped afterwards."""
    name = f"S_{secrets.token_hex(4)}".upper()
    with running.connect() as connection:
        connection.cursor().execute(f"create schema {name}")
        yield name
        connection.cursor().execute(f"drop schema {name}")


@pytest.fixture
def connect(running: Running, schema: str) -> Iterator[Callable[..., SnowflakeConnection]]:
    """Clients in the test's schema, closed afterwards."""
    opened: list[SnowflakeConnection] = []

    def new(**options: Any) -> SnowflakeConnection:
        opened.append(running.connect(**{"schema": schema} | options))
        return opened[-1]

    yield new
    for connection in opened:
        connection.close()


@pytest.fixture
def sql(connect: Callable[..., SnowflakeConnection]) -> Callable[..., list[tuple[Any, ...]]]:
    """Run one statement in the test's schema and give its rows."""
    connection = connect()

    def run(text: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return connection.cursor().execute(text, parameters).fetchall()

    return run
