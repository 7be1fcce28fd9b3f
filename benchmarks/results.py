"""Figures as they were measured, kept until the same is measured again: a page may come from several runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from benchmarks.budgets import BUDGETS, Figure
from local.place import ROOT

PATH = ROOT / "benchmarks" / "results" / "figures.json"


class Measured(msgspec.Struct, frozen=True):
    """A figure, when it was measured (UTC), and the machine's load average of the minute before."""

    figure: Figure
    at: datetime
    load: float


def now(figure: Figure) -> Measured:
    """The figure as of this moment."""
    return Measured(figure, datetime.now(UTC).replace(microsecond=0), round(os.getloadavg()[0], 1))


def keep(fresh: Iterable[Measured], path: Path = PATH) -> list[Measured]:
    """Puts these in place of what is kept under the same budgets; gives all that is kept then."""
    new = list(fresh)
    again = {one.figure.of for one in new}
    everything = [one for one in kept(path) if one.figure.of not in again] + new
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(everything)))
    return everything


def kept(path: Path = PATH) -> list[Measured]:
    """What was kept; not what has no budget any more."""
    if not path.exists():
        return []
    found = msgspec.json.decode(path.read_bytes(), type=list[Measured])
    return [one for one in found if one.figure.of in BUDGETS]
