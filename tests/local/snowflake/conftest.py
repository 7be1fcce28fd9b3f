"""One local Snowflake in a process of its own for the whole folder, in a place of its own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection

from tests.local.running import a_place
from tests.local.snowflake.service_process import Running


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service that the tests share; each works in a schema of its own."""
    shared = Running(a_place(tmp_path_factory.mktemp("snowflake") / "home")).start()
    yield shared
    shared.stop()
    assert shared.log() == "", "the service wrote to its log although nothing was wrong"


@pytest.fixture(scope="session")
def keeper(running: Running) -> Iterator[SnowflakeConnection]:
    """The client that makes and drops the tests' schemas."""
    with running.connect() as connection:
        yield connection


@pytest.fixture
def schema(keeper: SnowflakeConnection) -> Iterator[str]:
    """A new schema, dropped afterwards."""
    name = f"S_{secrets.token_hex(4)}".upper()
    keeper.cursor().execute(f"create schema {name}")
    yield name
    keeper.cursor().execute(f"drop schema {name}")


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
