"""Processes of one place: who they are, how to find all of them again, how to end them.

A process is known by its pid and its birth, so that a recycled pid is never hit. Every service is started with a mark
in its environment (`<home>|<service>`); whatever it starts inherits the mark, in any session, and is found.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import signal
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

MARK = "FLOODGATE_KEPT"


@dataclass(frozen=True)
class Identity:
    """A process and its birth: the pid alone says nothing once it was used again."""

    pid: int
    born: str

    def find(self) -> psutil.Process | None:
        """The process, if it is still this one and not a zombie."""
        try:
            process = psutil.Process(self.pid)
            if birth(self.pid) == self.born and process.status() != psutil.STATUS_ZOMBIE:
                return process
        except psutil.Error:
            pass
        return None


def birth(pid: int) -> str | None:
    """A text that no other process of the same pid has ever had; None where there is no such process."""
    try:
        if sys.platform == "linux":  # ticks since the boot: a corrected clock does not move them
            stat = Path(f"/proc/{pid}/stat").read_text()
            return f"{_boot()}:{stat.rpartition(')')[2].split()[19]}"
        return f"{psutil.Process(pid).create_time():.2f}"
    except (OSError, psutil.Error):
        return None


def identity(pid: int) -> Identity | None:
    """The identity of a living process."""
    born = birth(pid)
    return Identity(pid, born) if born else None


@functools.cache
def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()[:8]


def recorded(record: Path) -> list[Identity]:
    """Who a run/<service>.json names; empty where the file is missing or torn."""
    try:
        return [Identity(**entry) for entry in json.loads(record.read_text())["processes"]]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def mark(home: Path, service: str) -> dict[str, str]:
    """What to add to the environment of a service, so that all it starts is found again.

    SPT_NOENV: Airflow renames its processes, which would overwrite the very memory the mark is read from.
    """
    return {MARK: f"{home}|{service}", "SPT_NOENV": "1"}


def marked(home: Path, service: str | None = None) -> list[psutil.Process]:
    """Every process with this place's mark (of one service, or of any); never this one, nor those that started it."""
    wanted = f"{home}|{service}" if service else f"{home}|"
    spared = _self_and_parents()
    found = []
    for process in psutil.process_iter():
        if process.pid in spared:
            continue
        try:
            value = _mark_of(process)
            fits = value == wanted if service else value.startswith(wanted)
            if fits and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (OSError, psutil.Error):
            continue  # gone meanwhile, or another user's
    return found


def _mark_of(process: psutil.Process) -> str:
    if sys.platform != "linux":
        return process.environ().get(MARK, "")
    entries = Path(f"/proc/{process.pid}/environ").read_bytes().split(b"\0")
    start = f"{MARK}=".encode()
    return next((os.fsdecode(entry[len(start) :]) for entry in entries if entry.startswith(start)), "")


def _self_and_parents() -> set[int]:
    try:
        return {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    except psutil.Error:
        return {os.getpid()}


def family(processes: Iterable[psutil.Process]) -> list[psutil.Process]:
    """The processes and all that descend from them, each once, never this one or those that started it."""
    spared = _self_and_parents()
    found: dict[int, psutil.Process] = {}
    for process in processes:
        try:
            members = [process, *process.children(recursive=True)]
        except psutil.Error:
            members = [process]
        found.update({member.pid: member for member in members if member.pid not in spared})
    return list(found.values())


def end(
    processes: Iterable[psutil.Process], polite: int | None = signal.SIGTERM, within_s: float = 3.0
) -> list[psutil.Process]:
    """Ends processes: a polite signal, then SIGKILL after `within_s` (at once where it is None); gives survivors."""
    left = list(processes)
    if polite is not None:
        for process in left:
            _signal(process, polite)
        _, left = psutil.wait_procs(left, timeout=within_s)
    for process in left:
        _signal(process, signal.SIGKILL)
    _, left = psutil.wait_procs(left, timeout=3)
    return [process for process in left if _alive(process)]


def _signal(process: psutil.Process, number: int) -> None:
    with contextlib.suppress(psutil.Error):
        process.send_signal(number)  # psutil compares the start time before it signals


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def describe(process: psutil.Process) -> str:
    """`pid 123 (java -Xmx512m ...)`, at most 100 characters of command."""
    try:
        command = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        command = "command not readable"
    return f"pid {process.pid} ({command if len(command) <= 100 else command[:97] + '...'})"
