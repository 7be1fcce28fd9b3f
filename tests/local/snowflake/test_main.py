"""Life and death of the process: each test has a place of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from snowflake.connector.errors import DatabaseError, Error

from tests.local.running import a_place
from tests.local.snowflake.service_process import Running
from tests.local.snowflake.test_storage import COPY, staged


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Running]:
    mine = Running(a_place(tmp_path / "home"))
    yield mine
    if mine.process and mine.process.poll() is None:
        mine.stop(signal.SIGKILL)


def test_kill_9_and_restart_lose_nothing(own: Running, tmp_path: Path) -> None:
    own.start()
    stale = own.connect()
    cursor = stale.cursor()
    run = lambda text: cursor.execute(text).fetchall()  # noqa: E731
    run("create schema landing")
    run("create table orders (record_metadata variant, record_content variant)")
    run("create view names as select record_content:id::varchar as name from orders")
    run("create stage st")
    name = staged(run, tmp_path, "a", 50)
    run(COPY.format(name))
    run("create temporary table tmp as select 1 as a")
    acknowledged: list[int] = []

    def write() -> None:
        with own.connect(schema="LANDING") as connection:
            connection.cursor().execute("create table n (n number)")
            try:
                for n in range(10_000):
                    connection.cursor().execute(f"insert into n values ({n})")
                    acknowledged.append(n)
            except Error:
                return

    writer = threading.Thread(target=write)
    writer.start()
    time.sleep(1)
    own.stop(signal.SIGKILL)
    own.start()
    writer.join(20)
    assert acknowledged, "nothing was written before the kill"

    began = time.monotonic()
    with pytest.raises(DatabaseError) as caught:
        stale.cursor().execute("select 1")
    assert caught.value.errno == 390111
    assert time.monotonic() - began < 1

    with own.connect(schema="LANDING") as connection:
        cursor = connection.cursor()
        found = {n for (n,) in run("select n from n")}
        assert set(acknowledged) <= found
        assert len(found) <= len(acknowledged) + 1
        assert run(COPY.format(name))[0][1] == "LOAD_SKIPPED"
        assert run("select count(*), min(name) from names") == [(50, "a-0")]
        assert run("show tables like 'TMP'") == []

    assert own.stop() < 6
    assert own.process is not None
    assert own.process.returncode == 0
    assert not list(own.place.data("snowflake").glob("*.wal")), "a clean end leaves no write-ahead log"
    own.start()
    with own.connect(schema="LANDING") as connection:
        cursor = connection.cursor()
        assert run(COPY.format(name))[0][1] == "LOAD_SKIPPED"
        assert run("select count(*) from orders") == [(50,)]
    assert own.log() == ""


def refused(running: Running) -> str:
    process = running.spawn()
    assert process.wait(20) == 1
    lines = running.log().strip().splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_a_second_process_is_refused_and_sigterm_ends_the_first_in_mid_query(own: Running) -> None:
    own.start()
    assert "another process serves" in refused(Running(a_place(own.place.home)))
    os.truncate(own.place.log("snowflake"), 0)
    connection = own.connect()
    failed = threading.Event()

    def ask() -> None:
        try:
            connection.cursor().execute(
                "select count(*) from table(generator(rowcount => 100000000)) a, table(generator(rowcount => 100000000)) b"
            )
        except Error:
            failed.set()

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    time.sleep(0.7)
    assert own.stop() < 6
    assert own.process is not None and own.process.returncode == 0, own.log()


def test_a_taken_port_says_so(own: Running, running: Running, tmp_path: Path) -> None:
    own.place.ports["snowflake"] = running.place.ports["snowflake"]
    assert f"port {running.place.ports['snowflake']}" in refused(Running(own.place))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def test_a_full_disk_is_an_error_and_no_loss(small_disk: Path) -> None:
    place = a_place(small_disk / "home")
    full = Running(place).start()
    try:
        with full.connect() as connection:
            cursor = connection.cursor()
            cursor.execute("create table t (n number, s varchar)")
            cursor.execute("insert into t values (1, 'kept')")
            began = time.monotonic()
            with pytest.raises(Error) as caught:
                cursor.execute(
                    "insert into t select seq4(), sha2(seq4()::varchar) from table(generator(rowcount => 300000))"
                )
            assert time.monotonic() - began < 10
            assert "disk" in str(caught.value).lower(), caught.value
    finally:
        if full.process and full.process.poll() is None:
            full.stop()
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    again = Running(place)
    try:
        again.start()
        with again.connect() as connection:
            assert connection.cursor().execute("select n, s from t").fetchall() == [(1, "kept")]
    finally:
        again.stop()


def test_a_full_disk_at_the_start_says_so(small_disk: Path) -> None:
    running = Running(a_place(small_disk / "home"))
    running.service.prepare()
    running.place.log("snowflake")
    free = os.statvfs(small_disk).f_bavail * os.statvfs(small_disk).f_frsize
    (small_disk / "filler").write_bytes(b"x" * free)
    process = subprocess.run(
        running.service.argv, env={**os.environ, **running.service.env}, capture_output=True, text=True, timeout=20
    )
    assert process.returncode == 1
    assert len(process.stderr.strip().splitlines()) == 1, process.stderr
    assert "free space" in process.stderr
