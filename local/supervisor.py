"""Runs the services of one place in the order of their health and ends all of them together. One supervisor a place.

It says what it does in `log/supervisor.log` and how things stand in `run/status.json`; SIGTERM ends the stack in order.
"""

from __future__ import annotations

import fcntl
import importlib
import json
import os
import signal
import threading
import time
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from local import environment, preflight, private, processes
from local.keeper import Keeper, Pace
from local.logfile import LogFile
from local.place import Place, PlaceError
from local.service import Service

PACE = Pace()
ORPHANS_WITHIN_S = 10.0
MODULES = ("postgres", "kafka", "clickhouse", "snowflake", "slack", "connect", "airflow")


def services(place: Place, only: Iterable[str] = ()) -> list[Service]:
    """Every service of the stack, or those of the named modules or services and what they need.

    Raises PlaceError for a name that is none.
    """
    by_name: dict[str, Service] = {}
    groups: dict[str, list[str]] = {}
    for name in MODULES:
        module = importlib.import_module(f"local.{name}")
        made = module.services(place) if hasattr(module, "services") else (module.service(place),)
        by_name |= {service.name: service for service in made}
        groups[name] = [service.name for service in made]
    wanted = list(only) or list(by_name)
    chosen: set[str] = set()
    while wanted:
        name = wanted.pop()
        if name in by_name and name not in chosen:
            chosen.add(name)
            wanted += by_name[name].needs
        elif name in groups and name not in by_name:
            wanted += groups[name]
        elif name not in by_name:
            raise PlaceError(f"There is no service {name!r}: choose among {', '.join(sorted({*by_name, *groups}))}.")
    return [service for service in by_name.values() if service.name in chosen]


class Supervisor:
    """The services given, run until SIGTERM or SIGINT."""

    def __init__(self, place: Place, stack: Sequence[Service], pace: Pace = PACE) -> None:
        self.place, self.pace = place, pace
        self.run_folder = place.home / "run"
        self._log = LogFile(place.log("supervisor"))
        self._ended = threading.Event()
        self._written = threading.Lock()
        self._once_ready: set[str] = set()
        self._first_seen: dict[str, float] = {}
        self.keepers = {
            service.name: Keeper(service, place, self._blocked_by, self._changed, pace) for service in stack
        }

    def run(self) -> int:
        """Runs the stack; 0 after an orderly end, 1 where something is left. Raises PlaceError at a false start."""
        lock = self._take_lock()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, lambda *_: self._ended.set())
        self._end_orphans()
        stack = [keeper.service for keeper in self.keepers.values()]
        preflight.check_disk(self.place.home)
        preflight.check_ports({port: service.name for service in stack for port in service.ports})
        me = {"pid": os.getpid(), "born": processes.birth(os.getpid())}
        private.write(self.run_folder / "supervisor.json", json.dumps(me))
        self._say(f"starting {', '.join(self.keepers)} at {self.place.home}")
        self._changed()
        for keeper in self.keepers.values():
            keeper.start()
        self._ended.wait()
        left = self._stop()
        os.close(lock)
        return 1 if left else 0

    def _take_lock(self) -> int:
        self.run_folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self.run_folder / "supervisor.lock", os.O_RDWR | os.O_CREAT, 0o600)
        for _ in range(20):  # someone may be asking just now whether we run
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return lock
            except BlockingIOError:
                time.sleep(0.05)
        raise PlaceError(f"A stack is already running at {self.place.home}: `floodgate down` ends it.")

    def _end_orphans(self) -> None:
        """Ends what a supervisor that was killed has left."""
        left = remains(self.place)
        if left:
            self._say(f"ending what an earlier run left: {', '.join(map(processes.describe, left))}")
            processes.end(left, within_s=ORPHANS_WITHIN_S)
        for record in self.run_folder.glob("*.json"):
            record.unlink(missing_ok=True)

    def _blocked_by(self, service: Service) -> str | None:
        """The need that is not ready, as words; None where the service may start.

        A service that was ready once waits half a minute at most: it shall come back although another stays broken.
        """
        for need in service.needs:
            keeper = self.keepers.get(need)
            if keeper is not None and keeper.state.state != "ready":
                since = self._first_seen.setdefault(f"{service.name}>{need}", time.monotonic())
                if service.name not in self._once_ready or time.monotonic() - since < self.pace.failed_pause_s:
                    return f"{need} to be ready"
            else:
                self._first_seen.pop(f"{service.name}>{need}", None)
        return None

    def _changed(self) -> None:
        with self._written:
            states = [keeper.as_dict() for keeper in self.keepers.values()]
            fresh = {state["name"] for state in states if state["state"] == "ready"} - self._once_ready
            self._once_ready |= fresh
            if fresh:
                environment.write(self.place)  # a service that has just begun may have made a key that clients need
            private.write(self.run_folder / "status.json", json.dumps(self._status(states)))

    def _status(self, states: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "home": str(self.place.home),
            "supervisor": os.getpid(),
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "services": states,
        }

    def _stop(self) -> list[str]:
        """Ends the services, those that nothing needs first; gives what is left, as words."""
        self._say("ending the stack")
        waiting = dict(self.keepers)
        while waiting:
            needed = {need for keeper in waiting.values() for need in keeper.service.needs}
            level = [name for name in waiting if name not in needed] or list(waiting)
            for name in level:
                waiting[name].stop()
            for name in level:
                keeper = waiting.pop(name)
                keeper.join(keeper.service.stop_within_s + 15)
        processes.end(remains(self.place), within_s=self.pace.leftovers_s)
        left = what_is_left(self.place, [keeper.service for keeper in self.keepers.values()])
        self._changed()
        (self.run_folder / "supervisor.json").unlink(missing_ok=True)
        self._say("ended" if not left else "ended, but " + " ".join(left))
        return left

    def _say(self, text: str) -> None:
        self._log.write(f"{datetime.now(UTC).isoformat(timespec='seconds')} {text}\n".encode())


def remains(place: Place) -> list[Any]:
    """Every process of this place's stack (psutil), found by the records, by the mark, and by descent; not this one."""
    records = (place.home / "run").glob("*.json")
    recorded = [process for record in records for who in processes.recorded(record) if (process := who.find())]
    return processes.family([*recorded, *processes.marked(place.home)])


def what_is_left(place: Place, stack: Iterable[Service]) -> list[str]:
    """Sentences on processes and ports that outlived the stack; empty when all is gone."""
    left = [f"{processes.describe(process)} is still there." for process in remains(place)]
    return left + preflight.ports_in_use({port: service.name for service in stack for port in service.ports})
