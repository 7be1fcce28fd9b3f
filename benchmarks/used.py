"""CPU seconds of services: of their processes, and of those that have ended in them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import psutil

from local import processes
from local.place import Place


def cpu_s(place: Place, services: Iterable[str]) -> dict[str, float]:
    """Service -> seconds, user and system, since it was started. Of what ended, its parent keeps the seconds."""
    return {name: sum(map(_of, processes.marked(place.home, name))) for name in services}


def _of(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.Error):  # gone meanwhile
        return float(sum(process.cpu_times()[:4]))  # own and those of children that have ended, user and system
    return 0.0


def more(later: dict[str, float], earlier: dict[str, float]) -> dict[str, float]:
    """What was used between two readings."""
    return {name: later[name] - earlier[name] for name in later}
