"""One real server process for the whole folder, and a way to start others."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

ROOT = Path(__file__).resolve().parents[3]
PASSWORDS = {"floodgate": "writes-all", "reader": "reads-all"}


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Server:
    """One server process on a folder; start() again after kill() finds the same data."""

    def __init__(self, home: Path) -> None:
        self.home, self.http_port, self.native_port = home, _free_port(), _free_port()
        self.log = home.parent / f"{home.name}-{self.http_port}.log"
        self.client = httpx.Client(timeout=30, trust_env=False)
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, **env: str) -> subprocess.Popen[bytes]:
        """The process alone, without waiting for it to serve."""
        passwords = {"CLICKHOUSE_WRITER_PASSWORD": "writes-all", "CLICKHOUSE_READER_PASSWORD": "reads-all"}
        argv = [sys.executable, "-P", "-m", "local.clickhouse", "--home", str(self.home)]
        argv += ["--http-port", str(self.http_port), "--native-port", str(self.native_port)]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                argv,
                env=os.environ | passwords | {"PYTHONPATH": str(ROOT), "TZ": "UTC"} | env,
                cwd=self.home if self.home.is_dir() else ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def start(self) -> Server:
        """Starts and waits until a query is answered, 15 s at most."""
        self.home.mkdir(parents=True, exist_ok=True)
        self.process = self.spawn()
        deadline = time.monotonic() + 15
        while True:
            try:
                if self.ask("SELECT 1").text == "1\n":
                    return self
            except httpx.TransportError:
                pass
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise AssertionError(f"the server did not start: {self.log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ends the process; gives its exit code."""
        assert self.process
        if self.process.poll() is None:
            os.killpg(self.process.pid, number)
        return self.process.wait(15)

    def ask(
        self,
        sql: str | bytes,
        body: bytes | Iterator[bytes] | None = None,
        *,
        user: str = "floodgate",
        password: str | None = None,
        headers: dict[str, str] | None = None,
        **parameters: Any,
    ) -> httpx.Response:
        """One POST: `sql` in the body, or in the address where there is a `body` of rows."""
        key = PASSWORDS.get(user, "") if password is None else password
        parameters |= {} if body is None else {"query": sql}
        return self.client.post(
            f"http://127.0.0.1:{self.http_port}/",
            params=parameters,
            content=sql if body is None else body,
            headers={"X-ClickHouse-User": user, "X-ClickHouse-Key": key} | (headers or {}),
        )

    def text(self, sql: str, **parameters: Any) -> str:
        """The answer of a statement that must succeed."""
        response = self.ask(sql, **parameters)
        assert response.status_code == 200, response.text
        return response.text.strip()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that most tests share; each makes its own tables."""
    one = Server(tmp_path_factory.mktemp("clickhouse") / "home").start()
    yield one
    assert one.stop() == 0
    assert "Traceback" not in one.log.read_text()


@pytest.fixture
def other_server(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Makes servers on folders of their own; they are ended after the test."""
    made: list[Server] = []

    def make(home: Path | None = None) -> Server:
        made.append(Server(home or tmp_path / f"home{len(made)}"))
        return made[-1]

    yield make
    for one in made:
        if one.process:
            one.stop(signal.SIGKILL)


@pytest.fixture
def table(server: Server, request: pytest.FixtureRequest) -> str:
    """A landing table as the contracts make it: keyed by event, with required fields as constraints."""
    name = "landing." + request.node.name.split("[")[0]
    server.text("CREATE DATABASE IF NOT EXISTS landing")
    server.text(f"DROP TABLE IF EXISTS {name} SYNC")
    server.text(
        f"""CREATE TABLE {name} (
            event_id UUID, name String, total Decimal(18, 2), at DateTime64(3, 'UTC'), _offset UInt64,
            _landed_at DateTime64(3, 'UTC') DEFAULT now64(3),
            CONSTRAINT name_is_given CHECK length(name) BETWEEN 1 AND 20
        ) ENGINE = ReplacingMergeTree(_offset) ORDER BY event_id SETTINGS non_replicated_deduplication_window = 100"""
    )
    return name
