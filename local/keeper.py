"""Keeps one service alive: starts it when its needs are ready, asks after its health, restarts it, ends all it started.

States: `starting` (alive or about to be, not answering yet; `waiting_for` says what for), `ready`, `restarting` (died,
a pause before the next start), `failed` (died too often or could not be prepared; tried again each half minute),
`stopped` (at the end, or as long as somebody holds it: see `holding`).
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from local import holding, logfile, preflight, private, processes
from local.place import Place, PlaceError
from local.service import Service, ServiceError

TETHER = Path(__file__).with_name("tether.py")
# A service of ours is configured by its place alone: a setting of the user's other Airflow or Python would leak in.
FOREIGN = ("AIRFLOW", "DBT_", "PYTHON", "VIRTUAL_ENV", processes.MARK, "KAFKA_", "PG")


class Pace(NamedTuple):
    """How long to wait for what, in seconds (tests are in more of a hurry)."""

    pauses_s: tuple[float, ...] = (0, 1, 2, 5, 10)
    failed_pause_s: float = 30
    fast_s: float = 30
    look_s: float = 2
    look_while_starting_s: float = 0.5
    tick_s: float = 0.25
    leftovers_s: float = 2


@dataclass
class State:
    """What status.json says of a service; `since` is UTC, ISO 8601."""

    name: str
    ports: list[int]
    state: str = "starting"
    pid: int | None = None
    since: str | None = None
    restarts: int = 0
    waiting_for: str | None = None


class Keeper(threading.Thread):
    """One service's life, in a thread of its own: the kernel ends the tethered child with this thread."""

    def __init__(
        self,
        service: Service,
        place: Place,
        blocked_by: Callable[[Service], str | None],
        changed: Callable[[], None],
        pace: Pace,
    ) -> None:
        super().__init__(name=service.name, daemon=True)
        self.service, self.place, self.pace = service, place, pace
        self.state = State(service.name, list(service.ports))
        self._blocked_by, self._changed = blocked_by, changed
        self._ending = threading.Event()
        self._child: subprocess.Popen[bytes] | None = None
        self._log = logfile.LogFile(place.log(service.name))
        self._record = place.home / "run" / f"{service.name}.json"
        self._recorded = ""
        self._deaths = 0  # fast ones, in a row
        self._was_ready = False

    def stop(self) -> None:
        """Asks the thread to end its service; `join` waits for it."""
        self._ending.set()

    def as_dict(self) -> dict[str, Any]:
        """The state as status.json has it."""
        return asdict(self.state)

    def run(self) -> None:
        """Starts, watches, restarts; returns after `stop`, with nothing of the service left."""
        while not self._ending.is_set():
            if self._held():
                self._rest()
                continue
            begun = time.monotonic()
            self._was_ready = False
            try:
                reason = self._one_life()
                lasted = self._was_ready and time.monotonic() - begun > self.pace.fast_s
                self._deaths = 1 if lasted else self._deaths + 1
            except (ServiceError, PlaceError) as error:
                self._deaths = len(self.pace.pauses_s)  # a sentence with a cure: no use to hurry
                reason = str(error)
            except Exception as error:  # the supervisor outlives what a service's module gets wrong
                self._deaths += 1
                reason = f"{type(error).__name__}: {error}"
            self._end_all()
            if not self._ending.is_set() and not self._held():
                self._pause(reason)
        self._tell("stopped", None)
        self._log.close()

    def _held(self) -> bool:
        return holding.is_held(self.place, self.service.name)

    def _over(self) -> bool:
        """Whether the service is to be down, for good or as long as it is held."""
        return self._ending.is_set() or self._held()

    def _rest(self) -> None:
        """Waits while the service is held; its deaths before count no more, for it begins afresh."""
        self._say(holding.WORDS)
        self._tell("stopped", holding.WORDS)
        while not self._ending.wait(self.pace.tick_s) and self._held():
            pass
        self._deaths = 0

    def _one_life(self) -> str:
        """One start to its end; gives why it ended."""
        self._tell("starting", None)
        while (need := self._blocked_by(self.service)) and not self._over():
            self._tell("starting", need)
            self._ending.wait(self.pace.tick_s)
        if self._over():
            return ""
        self._tell("starting", "its preparation")
        self.service.prepare()
        if self._over():
            return ""
        preflight.check_ports(dict.fromkeys(self.service.ports, self.service.name))
        child = self._spawn()
        started = time.monotonic()
        self._tell("starting", "its first answer", pid=child.pid)
        return self._watch(child, started)

    def _watch(self, child: subprocess.Popen[bytes], started: float) -> str:
        answered = next_look = next_record = started
        while child.poll() is None:
            if self._ending.wait(self.pace.tick_s) or self._held():
                return ""
            now = time.monotonic()
            if now < next_look:
                continue
            wanting = self._look()
            now = time.monotonic()
            if now >= next_record:  # to find a family costs more than to ask after health
                self._remember(child)
                next_record = now + 5 * self.pace.look_s
            if wanting is None:
                answered = now
                self._was_ready = True
                self._tell("ready", None, pid=child.pid)
            else:
                if self._blocked_by(self.service):
                    answered = now  # silent because of another: a restart would cure nothing
                self._tell("starting", wanting, pid=child.pid)
            if now - answered > self.service.start_within_s:
                return f"did not answer for {self.service.start_within_s:.0f} s ({wanting})"
            next_look = now + (self.pace.look_while_starting_s if wanting else self.pace.look_s)
        code = child.returncode
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code}{self._last_words()}"

    def _last_words(self) -> str:
        """The last line the child said, for a sentence; its output may still be on its way for a moment."""
        self._ending.wait(0.1)
        said = [line.strip() for line in logfile.tail(self._log.path, 10).splitlines()]
        lines = [line for line in said if line and not line.startswith("[supervisor")]
        return f": {lines[-1][:200]}" if lines else ""

    def _look(self) -> str | None:
        try:
            return self.service.ready()
        except Exception as error:
            return f"an answer ({type(error).__name__}: {error})"

    def _spawn(self) -> subprocess.Popen[bytes]:
        service = self.service
        env = {name: text for name, text in os.environ.items() if not name.startswith(FOREIGN)}
        env |= {"PYTHONUNBUFFERED": "1", **service.env, **processes.mark(self.place.home, service.name)}
        tether = [sys.executable, "-I", "-S", str(TETHER), str(int(service.stop_signal)), str(os.getpid())]
        self._say(f"starting: {' '.join(service.argv)}")
        child = subprocess.Popen(
            [*tether, *service.argv],
            env=env,
            cwd=service.cwd or self.place.root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._child = child
        self._remember(child)
        threading.Thread(
            target=self._log.copy, args=(child.stdout,), name=f"{service.name} output", daemon=True
        ).start()
        return child

    def _remember(self, child: subprocess.Popen[bytes]) -> None:
        """Writes who the service and its descendants are, for the day on which the supervisor itself is killed."""
        try:
            members = processes.family([psutil.Process(child.pid)])
        except psutil.Error:
            return
        known = [asdict(who) for member in members if (who := processes.identity(member.pid))]
        text = json.dumps({"service": self.service.name, "group": child.pid, "processes": known})
        if text != self._recorded:
            private.write(self._record, text)
            self._recorded = text

    def _end_all(self) -> None:
        """Ends the child (politely where it lives) and everything it left, in whatever session."""
        child, self._child = self._child, None
        relatives = []
        if child is not None and child.returncode is None:
            relatives = [one for one in processes.family([psutil.Process(child.pid)]) if one.pid != child.pid]
            self._say(f"ending pid {child.pid}")
            _signal_group(child, self.service.stop_signal)
            try:
                child.wait(self.service.stop_within_s)
            except subprocess.TimeoutExpired:
                self._say(f"did not end within {self.service.stop_within_s:.0f} s: killing it")
                _signal_group(child, signal.SIGKILL)
                child.wait()
        recorded = [process for who in processes.recorded(self._record) if (process := who.find())]
        leftovers = processes.family([*relatives, *recorded, *processes.marked(self.place.home, self.service.name)])
        survivors = processes.end(leftovers, within_s=self.pace.leftovers_s)
        if survivors:
            self._say(f"could not be ended: {', '.join(map(processes.describe, survivors))}")
        else:
            self._record.unlink(missing_ok=True)
            self._recorded = ""

    def _pause(self, reason: str) -> None:
        pauses = self.pace.pauses_s
        failed = self._deaths >= len(pauses)
        pause = self.pace.failed_pause_s if failed else pauses[max(0, self._deaths - 1)]
        self._say(f"{reason}; next start in {pause:.0f} s")
        hint = reason if reason.endswith(".") else f"{reason}; see `floodgate logs {self.service.name}`"
        self._tell("failed" if failed else "restarting", hint)
        until = time.monotonic() + pause
        while not self._over() and (left := until - time.monotonic()) > 0:
            self._ending.wait(min(left, self.pace.tick_s))
        if not self._over():
            self.state.restarts += 1

    def _tell(self, state: str, waiting_for: str | None, pid: int | None = None) -> None:
        now = self.state
        if state != now.state or pid != now.pid:
            now.since = datetime.now(UTC).isoformat(timespec="seconds")
        elif waiting_for == now.waiting_for:
            return
        now.state, now.waiting_for, now.pid = state, waiting_for, pid
        self._changed()

    def _say(self, text: str) -> None:
        self._log.write(f"[supervisor {datetime.now(UTC).isoformat(timespec='seconds')}] {text}\n".encode())


def _signal_group(child: subprocess.Popen[bytes], number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, number)  # not reaped yet, so the number is still the child's
