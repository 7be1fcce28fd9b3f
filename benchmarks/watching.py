"""Both watches over five domains and the platform's own, twelve connectors, all of it well; contracts are copied.

A watch's task is measured as Airflow runs it: a process forked from one that has the scheduler's imports, from its
first own import to its end, as CPU seconds. Half of the minutes follow a burst of every domain, half do not, as in a
schedule of two minutes. The services' seconds are beyond those of an idle time. Questions and rows read are counted
with a history of 20,000 records and with one of 400,000, all of it of yesterday.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import copies, places, used
from benchmarks.budgets import Figure
from benchmarks.progress import say
from include import connections
from include.warehouses import clickhouse
from local.place import ROOT, Place

DOMAINS = 5
SMALL, LARGE = 20_000, 400_000
WATCHES = ("watch_connectors", "watch_ingestion")
SERVICES = ("kafka", "connect", "clickhouse", "snowflake")
#: Two minutes, one with a burst and one without, so many times.
PAIRS = 4
IDLE_S, SETTLE_S, LANDED_S = 20.0, 6.0, 300.0
BURST = timedelta(minutes=2)


class Minute(msgspec.Struct, frozen=True, kw_only=True):
    """One look of both watches: CPU seconds of their tasks by name and of the services, questions, rows read."""

    tasks: dict[str, float]
    services: dict[str, float]
    seconds: float
    questions: dict[str, int] = {}
    rows_read: int = 0


def measure() -> Iterator[Figure]:
    """Questions and rows with either history, CPU seconds with the large one."""
    with tempfile.TemporaryDirectory(prefix="floodgate-contracts-") as temporary:
        folder = Path(temporary)
        copies.write(folder, DOMAINS)
        with line(folder, SMALL) as watch:
            small = watch.counted()
        with line(folder, LARGE) as watch:
            large = watch.counted()
            minutes = watch.minutes(PAIRS)
            idle = watch.idle()
    for name in WATCHES:
        yield Figure("watch_task", statistics.mean(one.tasks[name] for one in minutes), name)
    yield Figure("watch_tasks", statistics.mean(sum(one.tasks.values()) for one in minutes))
    for name in SERVICES:
        asked = [one.services[name] - idle[name] * one.seconds for one in minutes]
        yield Figure("watch_service", max(0.0, statistics.mean(asked)), name)
    for place in (*SERVICES, "airflow"):
        yield Figure("watch_questions", sum(n for kind, n in large.questions.items() if kind.startswith(place)), place)
    yield Figure("watch_questions_ratio", sum(large.questions.values()) / sum(small.questions.values()))
    yield Figure("watch_rows_read", large.rows_read)
    yield Figure("watch_rows_ratio", large.rows_read / small.rows_read)


class Watch:
    """A line that runs, and the watches over it."""

    def __init__(self, place: Place, process: subprocess.Popen[str]) -> None:
        self.place, self._process = place, process
        self._stores: dict[str, Any] = {}
        self._expected: dict[str, int] = {}
        now = datetime.now(UTC).replace(second=0, microsecond=0)
        self._next = now - timedelta(minutes=now.minute % 2)

    def ask(self, do: str, **wish: Any) -> dict[str, Any]:
        """A wish fulfilled; raises RuntimeError where it was not."""
        assert self._process.stdin is not None  # noqa: S101 - see line()
        assert self._process.stdout is not None  # noqa: S101
        self._process.stdin.write(json.dumps({"do": do, **wish}) + "\n")
        self._process.stdin.flush()
        told = json.loads(self._process.stdout.readline() or '{"error": "it ended"}')
        if "error" in told:
            raise RuntimeError(f"{do} failed:\n{told['error']}")
        return dict(told)

    def earlier(self, windows: int) -> None:
        """Goes back by so many windows."""
        self._next -= windows * BURST

    def bursts(self, number: int) -> None:
        """So many bursts of every domain, until all of it has landed and no sink is behind."""
        first, self._next = self._next, self._next + number * BURST
        made = self.ask("bursts", first=first.isoformat(), last=self._next.isoformat())["answer"]
        self.landed(made)
        time.sleep(SETTLE_S)

    def landed(self, made: dict[str, int]) -> None:
        """Waits until so many events more are in both warehouses than at the call before."""
        self._expected = {topic: self._expected.get(topic, 0) + made.get(topic, 0) for topic in self._expected | made}
        begun = time.monotonic()
        while any(there != self._expected for there in self.ask("landed")["answer"].values()):
            if time.monotonic() - begun > LANDED_S:
                raise TimeoutError(f"{sum(made.values())} events have not landed in {LANDED_S} s")
            time.sleep(1)

    def look(self, *, counted: bool = False) -> Minute:
        """One minute: both watches, one after the other. Raises RuntimeError where anything is not well."""
        tasks, questions = {}, Counter[str]()
        begun, before = time.monotonic(), used.cpu_s(self.place, SERVICES)
        since = datetime.now(UTC)
        for name in WATCHES:
            told = self.ask("look", stores=self._stores, name=name, counted=counted)
            tasks[name] = told["cpu_s"]
            answer = told["answer"]
            self._stores = answer["stores"]
            questions.update(answer["counts"])
            if firing := answer["kinds"].get("firing"):
                raise RuntimeError(f"{name} was to find everything well, and found {firing}")
        services = used.more(used.cpu_s(self.place, SERVICES), before)
        seconds = time.monotonic() - begun
        said = ", ".join(f"{name} {cpu:.2f}" for name, cpu in (tasks | services).items())
        say(f"a look in {seconds:.1f} s; CPU s: {said}")
        questions.pop("kafka records", None)
        rows_read = self._rows_read(since) if counted else 0
        return Minute(
            tasks=tasks, services=services, seconds=seconds, questions=dict(questions), rows_read=rows_read
        )  # fmt: skip

    def counted(self) -> Minute:
        """A quiet minute's questions, once the watches know where everything is."""
        for _ in range(3):
            self.look()
        minute = self.look(counted=True)
        say(f"questions: {minute.questions}; rows that ClickHouse read: {minute.rows_read:,}")
        return minute

    def minutes(self, pairs: int) -> list[Minute]:
        """Minutes in pairs, one after a burst and one without."""
        found = []
        for _ in range(pairs):
            self.bursts(1)
            found += [self.look(), self.look()]
        return found

    def idle(self) -> dict[str, float]:
        """CPU seconds a second of the services while nobody asks them."""
        before = used.cpu_s(self.place, SERVICES)
        time.sleep(IDLE_S)
        return {name: cpu / IDLE_S for name, cpu in used.more(used.cpu_s(self.place, SERVICES), before).items()}

    def _rows_read(self, since: datetime) -> int:
        with clickhouse.connect(connections.from_env(connections.CLICKHOUSE)) as client:
            client.command("system flush logs")
            (row,) = client.query(
                "select sum(read_rows) as n from system.query_log where type = 'QueryFinish' "
                "and log_comment = 'watch_ingestion' and event_time_microseconds >= {since:DateTime64(6)}",
                {"since": since},
            )
        return int(row["n"])


@contextmanager
def line(folder: Path, rows: int) -> Iterator[Watch]:
    """The line of a folder's contracts on services of its own, with a history of so many records and fresh bursts."""
    with places.services(*SERVICES) as place:
        process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.watched", str(folder), "scheduler"],
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'config'}"},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        try:
            watch = Watch(place, process)
            assert process.stdout  # noqa: S101 - it is a pipe
            process.stdout.readline()
            watch.ask("line")
            say(f"{rows:,} records of yesterday")
            watch.landed(watch.ask("history", rows=rows)["answer"])
            # What the watches look back to, and some windows that are still to come, lest one be missed meanwhile.
            watch.earlier(6)
            watch.bursts(9)
            yield watch
        finally:
            process.kill()
            process.wait()
