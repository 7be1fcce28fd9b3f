"""A place's stack seen from outside: begin it, wait for it, read how it stands, end it, forget its data."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from local import holding, preflight, processes, supervisor
from local.logfile import tail
from local.place import Place, PlaceError
from local.supervisor import remains, services

STOP_WITHIN_S = 150.0
KEPT_AT_RESET = ("secrets.json",)


def running(place: Place) -> bool:
    """Whether a supervisor of this place lives: it holds a lock, which the kernel lets go of at its death."""
    try:
        lock = os.open(_run(place) / "supervisor.lock", os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return False
    except BlockingIOError:
        return True
    finally:
        os.close(lock)


def status(place: Place) -> dict[str, Any]:
    """What status.json says: `services` (name, state, pid, since, restarts, waiting_for, ports), `supervisor`, `at`.

    Where no supervisor lives, every service is `stopped`, whatever the file last said; never started: no services.
    """
    try:
        known: dict[str, Any] = json.loads((_run(place) / "status.json").read_text())
    except (OSError, ValueError):
        known = {"home": str(place.home), "supervisor": None, "at": None, "services": []}
    if not running(place):
        known["supervisor"] = None
        for service in known["services"]:
            service |= {"state": "stopped", "pid": None, "waiting_for": None}
    return known


def start(place: Place, only: Sequence[str] = (), command: Sequence[str] | None = None) -> bool:
    """Starts a supervisor of its own session and waits until it has begun; False where one lives already.

    Raises PlaceError: environment missing, port in use, disk full, unknown service.
    """
    if running(place):
        return False
    if not place.emulators_python.exists():
        raise PlaceError(f"The local services' environment {place.emulators_python} is missing: run `make setup`.")
    preflight.check_disk(place.home)
    orphans = remains(place)
    if orphans:
        processes.end(orphans, within_s=supervisor.ORPHANS_WITHIN_S)
    if command is None:
        stack = services(place, only)
        preflight.check_ports({port: service.name for service in stack for port in service.ports})
        names = [word for name in only for word in ("--only", name)]
        command = [str(place.emulators_python), "-m", "local", "up", *names]
    (_run(place) / "status.json").unlink(missing_ok=True)
    holding.release_all(place)
    log = place.log("supervisor")
    begun_at = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            cwd=place.root,
            env={**os.environ, **_own_environment(place)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline = time.monotonic() + 30
    while not (_run(place) / "status.json").exists():
        if child.poll() is not None:
            with log.open("rb") as output:
                output.seek(begun_at)
                said = output.read().decode(errors="replace").strip()
            raise PlaceError(
                said.splitlines()[-1] if said else f"The supervisor ended with {child.returncode}; see {log}."
            )
        if time.monotonic() > deadline:
            raise PlaceError(f"The supervisor did not begin within 30 s; see {log}.")
        time.sleep(0.05)
    return True


def _own_environment(place: Place) -> dict[str, str]:
    return {"PYTHONPATH": str(place.root), "PYTHONUNBUFFERED": "1", **processes.mark(place.home, "supervisor")}


def watch(place: Place, every_s: float = 0.3) -> Iterator[dict[str, Any]]:
    """The status again and again, the last one when all are ready that are not held, one has failed, or no supervisor
    lives."""
    while True:
        now = status(place)
        yield now
        states = {service["state"] for service in now["services"] if service["waiting_for"] != holding.WORDS}
        if states <= {"ready"} or "failed" in states or now["supervisor"] is None:
            return
        time.sleep(every_s)


def stop(place: Place) -> list[str]:
    """Ends the stack and whatever an earlier one left; gives sentences on what could not be ended, best none.

    The supervisor gets the time that its services may take; one that does not end in time is killed, with all it has.
    """
    ports = {port: service["name"] for service in status(place)["services"] for port in service["ports"]}
    living = _living_supervisor(place)
    if living is not None:
        processes.end([living], within_s=STOP_WITHIN_S)
    processes.end(remains(place), within_s=supervisor.ORPHANS_WITHIN_S)
    holding.release_all(place)
    left = [f"{processes.describe(process)} is still there." for process in remains(place)]
    if not left:
        for record in _run(place).glob("*.json"):
            if processes.recorded(record) or record.name == "supervisor.json":
                record.unlink(missing_ok=True)
    return left + preflight.ports_in_use(ports)


def hold(place: Place, name: str, within_s: float = 60.0) -> None:
    """Ends a service and keeps it down until `release`, or until the stack goes down; waits until it has ended.

    Raises PlaceError: no such service runs here, or it has not ended in time (it is held all the same).
    """
    _service(place, name)
    holding.hold(place, name)
    _until(place, name, lambda now: now["state"] == "stopped", within_s, "has not ended")


def release(place: Place, name: str, within_s: float = 180.0) -> None:
    """Lets a held service be started again and waits until it is ready; raises PlaceError as `hold` does."""
    holding.release(place, name)
    _until(place, name, lambda now: now["state"] == "ready", within_s, "is not ready")


def freeze(place: Place, name: str) -> int:
    """Stops every process of a service where it stands (SIGSTOP), as one that hangs; gives how many. PlaceError."""
    return _signal(place, name, signal.SIGSTOP)


def thaw(place: Place, name: str) -> int:
    """Lets a service that was frozen go on (SIGCONT); gives the number of its processes. Raises PlaceError."""
    return _signal(place, name, signal.SIGCONT)


def _signal(place: Place, name: str, number: signal.Signals) -> int:
    _service(place, name)
    found = processes.family(processes.marked(place.home, name))
    for process in found:
        with contextlib.suppress(psutil.Error):
            process.send_signal(number)
    return len(found)


def _service(place: Place, name: str) -> dict[str, Any]:
    known = status(place)
    if known["supervisor"] is None:
        raise PlaceError(f"No stack runs at {place.home}: `floodgate up` starts it.")
    found = next((service for service in known["services"] if service["name"] == name), None)
    if found is None:
        raise PlaceError(f"The stack at {place.home} has no service {name!r}.")
    return dict(found)


def _until(place: Place, name: str, holds: Callable[[dict[str, Any]], bool], within_s: float, otherwise: str) -> None:
    deadline = time.monotonic() + within_s
    while not holds(_service(place, name)):
        if time.monotonic() > deadline:
            raise PlaceError(f"{name} {otherwise} after {within_s:.0f} s: see `floodgate logs {name}`.")
        time.sleep(0.1)


def _living_supervisor(place: Place) -> Any:
    try:
        known = json.loads((_run(place) / "supervisor.json").read_text())
        return processes.Identity(known["pid"], known["born"]).find() if running(place) else None
    except (OSError, ValueError, KeyError):
        return None


def reset(place: Place) -> list[str]:
    """Ends the stack and removes what it kept: data, logs, keys; the passwords stay. Gives what could not be ended.

    Nothing is removed while a process is left; raises PlaceError where the folder does not look like a place's.
    """
    if not (place.home / "secrets.json").exists() or place.home in (Path.home(), place.root):
        raise PlaceError(f"{place.home} does not look like the folder of a local stack: nothing was removed.")
    if left := stop(place):
        return left
    for entry in place.home.iterdir():
        if entry.name in KEPT_AT_RESET:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return []


def last_words(place: Place, name: str, lines: int = 15) -> str:
    """The end of a service's log."""
    return tail(place.log(name), lines)


def _run(place: Place) -> Path:
    return place.home / "run"
