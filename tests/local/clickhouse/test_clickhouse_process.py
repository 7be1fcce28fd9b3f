"""The process: what survives its sudden end, and how it says that it cannot start."""

from __future__ import annotations

import concurrent.futures
import os
import signal
import time
from pathlib import Path

import httpx
import psutil


def test_a_sudden_end_loses_no_acknowledged_insert(other_server):
    server = other_server().start()
    server.text("CREATE TABLE kept (worker UInt8, batch UInt32, row UInt8) ENGINE = MergeTree ORDER BY (worker, batch)")
    acknowledged: set[tuple[int, int]] = set()

    def insert(worker: int) -> None:
        for batch in range(100_000):
            rows = "".join(f"{worker},{batch},{row}\n" for row in range(50)).encode()
            try:
                answer = server.ask("INSERT INTO kept FORMAT CSV", rows)
            except httpx.TransportError:
                return
            assert answer.status_code == 200, answer.text
            acknowledged.add((worker, batch))

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        workers = [pool.submit(insert, worker) for worker in range(4)]
        deadline = time.monotonic() + 20
        while len(acknowledged) < 150 and time.monotonic() < deadline:
            time.sleep(0.01)
        server.stop(signal.SIGKILL)
        for worker in workers:
            worker.result()
    began = time.monotonic()
    server.start()
    assert time.monotonic() - began < 10
    found = server.text("SELECT worker, batch, count() FROM kept GROUP BY ALL").splitlines()
    landed = {(int(worker), int(batch)): int(count) for worker, batch, count in (line.split("\t") for line in found)}
    assert len(acknowledged) >= 150
    assert acknowledged - landed.keys() == set()
    assert set(landed.values()) == {50}  # whole batches only, acknowledged or not
    assert len(landed) - len(acknowledged) <= 4  # at most the one that each worker was sending


def test_sigterm_ends_it_cleanly_and_its_data_stay(other_server):
    server = other_server().start()
    server.text("CREATE TABLE kept (a Int8) ENGINE = MergeTree ORDER BY a")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(server.ask, "INSERT INTO kept SELECT 1 + sleep(1)")
        time.sleep(0.4)
        assert server.stop() == 0
        assert slow.result().status_code == 200  # what is in work is finished
    assert server.start().text("SELECT count() FROM kept") == "1"
    assert server.log.read_text() == ""  # normal operation logs nothing


def _last_words(server, **env: str) -> tuple[int, str]:
    process = server.spawn(**env)
    try:
        return process.wait(15), server.log.read_text().strip()
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def test_a_second_process_on_the_folder_is_refused(server, other_server):
    code, words = _last_words(other_server(server.home))
    assert (code, words.count("\n")) == (1, 0)
    assert words.endswith("serves the data folder " + str(server.home) + " already: end it, or use another folder")
    assert server.text("SELECT 1") == "1"


def test_a_port_in_use_is_named(server, other_server):
    second = other_server()
    second.native_port = server.native_port
    code, words = _last_words(second)
    assert (code, words.count("\n")) == (1, 0)
    assert f"port {server.native_port} of 127.0.0.1 cannot be used" in words


def test_a_folder_that_is_none_is_named(other_server, tmp_path: Path):
    (tmp_path / "file").write_text("")
    code, words = _last_words(other_server(tmp_path / "file"))
    assert (code, words.count("\n")) == (1, 0)
    assert f"the data folder {tmp_path / 'file'} cannot be used" in words


def test_missing_passwords_are_named(other_server):
    code, words = _last_words(other_server(), CLICKHOUSE_READER_PASSWORD="")
    assert (code, words) == (1, "clickhouse: no password in CLICKHOUSE_READER_PASSWORD: set it in the environment")


def test_it_listens_on_loopback_alone(server):
    found = psutil.Process(server.process.pid).net_connections("inet")
    listening = {connection.laddr for connection in found if connection.status == psutil.CONN_LISTEN}
    assert listening == {("127.0.0.1", server.http_port), ("127.0.0.1", server.native_port)}
