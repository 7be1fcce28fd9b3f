"""The broker's jars: what the lock says, what is accepted into the cache, and what is told when they cannot be had."""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from local.kafka import jars
from local.place import ROOT, Place
from local.service import ServiceError
from tests.local import running

SHARED_LIST = ROOT.parent / "shared" / "data" / "kafka-jars.lock"
CONTENT = b"not really a jar, but bytes all the same"
JAR = jars.Jar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


class Mirror(SimpleHTTPRequestHandler):
    """A company's mirror: a folder in Maven's layout; counts what it is asked."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a mirror that jgo is told to ask instead of its default; empty at first."""
    folder = tmp_path / "mirror"
    folder.mkdir()
    Mirror.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Mirror, directory=str(folder)))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    use_mirror(tmp_path, monkeypatch, server.server_port)
    yield folder
    server.shutdown()
    server.server_close()


def use_mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = http://127.0.0.1:{port}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))


def put(folder: Path, content: bytes) -> None:
    (folder / JAR.path).parent.mkdir(parents=True)
    (folder / JAR.path).write_bytes(content)


def nobody(_: str) -> None:
    return None


@pytest.mark.parametrize(
    ("service", "count", "size", "parts"),
    [("kafka", 46, 45_035_715, {"broker"}), ("connect_runtime", 59, 36_720_007, {"connect", "file"})],
)
def test_the_lock_is_what_maven_resolved(service: str, count: int, size: int, parts: set[str]) -> None:
    locked = jars.locked(service)
    assert len(locked) == count
    assert sum(jar.size for jar in locked) == size
    if not SHARED_LIST.exists():
        pytest.skip("the list to compare with is not here")
    rows = [line.split() for line in SHARED_LIST.read_text().splitlines()]
    assert {str(jar.path): (jar.sha256, jar.size) for jar in locked} == {
        path: (sha256, int(size)) for path, sha256, size, used_by in rows if parts & set(used_by.split(","))
    }


def test_no_jar_is_there_in_two_versions() -> None:
    versions: dict[tuple[str, str], set[str]] = {}
    for jar in {*jars.locked("kafka"), *jars.locked("connect_runtime")}:
        versions.setdefault((jar.group, jar.artifact), set()).add(jar.version)
    assert {name for name, found in versions.items() if len(found) > 1} == set()


def test_the_broker_does_without_the_jars_of_kafka_connect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked(monkeypatch, tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put(tmp_path / "floodgate" / "jars", CONTENT)
    monkeypatch.setattr(Place, "emulators_python", tmp_path / "none")
    place = running.a_place(tmp_path / "home")
    assert jars.ensure(place, "kafka") == (JAR,)
    with pytest.raises(ServiceError, match="is missing: run `make setup`"):
        jars.ensure(place, "connect_runtime")


def test_a_jar_comes_from_the_mirror_of_the_user(mirror: Path, tmp_path: Path) -> None:
    put(mirror, CONTENT)
    said: list[str] = []
    jars.fetch([JAR], tmp_path / "cache", said.append)
    assert (tmp_path / "cache" / JAR.path).read_bytes() == CONTENT
    assert said == ["jars: 1 of 1, 0.0 of 0.0 MB"]
    assert sorted(entry.name for entry in (tmp_path / "cache").iterdir()) == [".lock", "org"]


def test_wrong_bytes_are_refused_and_not_kept(mirror: Path, tmp_path: Path) -> None:
    put(mirror, CONTENT[::-1])
    with pytest.raises(ServiceError, match=r"org.example:thing:1.0 came with sha256 \w{12}.. and the lock .* not kept"):
        jars.fetch([JAR], tmp_path / "cache", nobody)
    assert jars.missing([JAR], tmp_path / "cache") == [JAR]
    assert not (tmp_path / "cache" / JAR.path).exists()


def test_a_damaged_jar_in_the_cache_is_fetched_again(mirror: Path, tmp_path: Path) -> None:
    put(mirror, CONTENT)
    put(tmp_path / "cache", CONTENT[::-1])
    assert jars.missing([JAR], tmp_path / "cache") == [JAR]
    jars.fetch([JAR], tmp_path / "cache", nobody)
    assert jars.missing([JAR], tmp_path / "cache") == []


def test_the_users_own_maven_folder_is_asked_first(mirror: Path, tmp_path: Path) -> None:
    put(tmp_path / "maven", CONTENT)
    jars.fetch([JAR], tmp_path / "cache", nobody)
    assert (tmp_path / "cache" / JAR.path).read_bytes() == CONTENT
    assert (tmp_path / "maven" / JAR.path).exists()
    assert Mirror.asked == []


def test_no_network_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_mirror(tmp_path, monkeypatch, running.free_ports(1)[0])
    with pytest.raises(ServiceError, match=r"thing:1.0 could not be fetched \(ConnectionError.*connect to the network"):
        jars.fetch([JAR], tmp_path / "cache", nobody)


def test_a_jar_the_mirror_does_not_have_says_so(mirror: Path, tmp_path: Path) -> None:
    with pytest.raises(ServiceError, match=r"thing:1.0 could not be fetched .*name a mirror under \[repositories\]"):
        jars.fetch([JAR], tmp_path / "cache", nobody)


def test_a_full_disk_says_how_much_to_free(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(mirror, CONTENT)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**6, 10**6, 10))
    with pytest.raises(ServiceError, match=r"The disk of .*cache is full: free \d+ MB there, or set XDG_CACHE_HOME"):
        jars.fetch([JAR], tmp_path / "cache", nobody)


def test_a_disk_that_fills_up_meanwhile_is_told_too(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(mirror, CONTENT)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ServiceError, match=r"The disk of .*cache is full"):
        jars.fetch([JAR], tmp_path / "cache", nobody)


def test_a_complete_cache_asks_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked(monkeypatch, tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    put(tmp_path / "floodgate" / "jars", CONTENT)
    # A program that fetches would have to be started, and there is none.
    monkeypatch.setattr(Place, "emulators_python", tmp_path / "none")
    place = running.a_place(tmp_path / "home")
    assert jars.ensure(place, "kafka") == (JAR,)
    (tmp_path / "floodgate" / "jars" / JAR.path).unlink()
    with pytest.raises(ServiceError, match="is missing: run `make setup`"):
        jars.ensure(place, "kafka")


def test_what_the_fetching_program_says_reaches_the_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, python_that: Callable[[str], Path]
) -> None:
    locked(monkeypatch, tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(Place, "emulators_python", python_that("echo 'error: The line is cut.' >&2; exit 1"))
    with pytest.raises(ServiceError, match=r"^The line is cut\.$"):
        jars.ensure(running.a_place(tmp_path / "home"), "kafka")


@pytest.fixture
def python_that(tmp_path: Path) -> Callable[[str], Path]:
    """A program in Python's place that does what the shell is told."""

    def make(script: str) -> Path:
        program = tmp_path / "python"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        return program

    return make


def locked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A lock that names JAR alone."""
    (tmp_path / "jars.lock").write_text(f"# a comment\n{JAR} {JAR.sha256} {JAR.size}\n")
    monkeypatch.setitem(jars.LOCKS, "kafka", tmp_path / "jars.lock")
