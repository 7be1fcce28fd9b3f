"""One running stack, driven as a user drives it: by `floodgate` and its --json."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]


class Failed(AssertionError):
    """A command that ended with another code than 0."""


class Stack:
    """A home and a port offset of its own."""

    def __init__(self, home: Path, offset: int) -> None:
        self.home = home
        self.offset = offset
        kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
        self.environ = kept | {"FLOODGATE_HOME": str(home), "FLOODGATE_PORT_OFFSET": str(offset), "NO_COLOR": "1"}

    def run(self, *arguments: str, within_s: float = 600) -> subprocess.CompletedProcess[str]:
        """A command's outcome, whatever its code."""
        return subprocess.run(
            [sys.executable, "-m", "commands", *arguments],
            cwd=ROOT,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )

    def floodgate(self, *arguments: str, within_s: float = 600) -> Any:
        """What a command says with --json; raises Failed with all it said."""
        done = self.run(*arguments, "--json", within_s=within_s)
        if done.returncode:
            raise Failed(
                f"floodgate {' '.join(arguments)}: {done.returncode}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            )
        return json.loads(done.stdout)

    def status(self) -> dict[str, Any]:
        """`status --json`."""
        return dict(self.floodgate("status"))

    def streams(self) -> dict[str, dict[str, Any]]:
        """Topic -> its counts."""
        return {stream["topic"]: stream for stream in self.status()["streams"]}

    def dag(self, dag: str, conf: dict[str, Any] | None = None) -> dict[str, Any]:
        """Runs a DAG to its end; the outcome may be failed."""
        done = self.run("run", dag, "--conf", json.dumps(conf or {}), "--wait", "--json")
        first, _ = json.JSONDecoder().raw_decode(done.stdout)
        return dict(first)

    def query(self, warehouse: str, sql: str) -> list[dict[str, Any]]:
        """Rows; column names in lower case in both."""
        return [{name.lower(): value for name, value in row.items()} for row in self.floodgate("query", warehouse, sql)]

    def variables(self) -> dict[str, str]:
        """What `.floodgate/env` holds."""
        lines = (self.home / "env").read_text().splitlines()
        pairs = (line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))
        return {name: value.strip("'") for name, value in pairs}

    def kill(self, service: str) -> int:
        """kill -9 of a service's process group; gives the pid that was."""
        pid = next(one["pid"] for one in self.status()["services"] if one["name"] == service)
        os.killpg(pid, signal.SIGKILL)
        return int(pid)

    def until(self, done: Callable[[], bool], within_s: float, otherwise: str) -> None:
        """Asks again and again."""
        deadline = time.monotonic() + within_s
        while not done():
            assert time.monotonic() < deadline, f"after {within_s:.0f} s: {otherwise}"
            time.sleep(1)

    def until_ready(self, service: str, other_than: int, within_s: float = 90) -> None:
        """Waits until the supervisor has brought a killed service back."""

        def back() -> bool:
            found = next(one for one in self.status()["services"] if one["name"] == service)
            return found["state"] == "ready" and found["pid"] != other_than

        self.until(back, within_s, f"{service} is not back")

    def until_landed(self, domain: str, within_s: float = 120) -> dict[str, dict[str, Any]]:
        """Waits until everything produced of a domain is in both warehouses, once; gives its streams."""
        found: dict[str, dict[str, Any]] = {}

        def whole() -> bool:
            nonlocal found
            found = {name: s for name, s in self.streams().items() if s["domain"] == domain}
            return all(s["produced"] == s["clickhouse"] == s["snowflake"] for s in found.values())

        try:
            self.until(whole, within_s, "not everything landed")
        except AssertionError as error:
            raise AssertionError(f"{error}: {json.dumps(found, indent=1)}") from None
        return found
