"""docs/benchmarks.md, as the benchmarks write it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable

from benchmarks import burst, demo, gate, memory, parse, transform, watching, whole
from benchmarks.budgets import BUDGETS
from benchmarks.results import Measured
from local.place import ROOT

PATH = ROOT / "docs" / "benchmarks.md"

HEAD = """\
# Benchmarks

Written by `python -m benchmarks --write`; `make bench` prints the same figures as JSON. Ratios are taken within one
run, one side beside the other, and carry over to other machines better than seconds do. What is measured more than once
is a median. Each row says when it was measured and the machine's load average then: what else ran at the time.

"""


def write(measured: Iterable[Measured]) -> None:
    """Writes the page."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores shared with other work, Python {platform.python_version()}"
    PATH.write_text(f"{HEAD}The machine: {machine}.\n\n{table(measured)}\n{notes()}")


def notes() -> str:
    """How each is measured, as its module says."""
    modules = (parse, burst, gate, watching, demo, transform, whole, memory)
    return "\n".join(["## How", "", *(f"- {' '.join((module.__doc__ or '').split())}" for module in modules)]) + "\n"


def table(measured: Iterable[Measured]) -> str:
    """A row a figure, in the order of the budgets."""
    order = list(BUDGETS)
    rows = ["| what | measured | budget | met | when (UTC), load |", "| --- | ---: | ---: | --- | --- |"]
    for figure, at, load in sorted(
        ((one.figure, one.at, one.load) for one in measured), key=lambda one: order.index(one[0].of)
    ):
        budget = BUDGETS[figure.of]
        subject = f" (`{figure.subject}`)" if figure.subject else ""
        met = {True: "yes", False: "**no**", None: ""}[figure.met]
        rows.append(
            f"| {budget.what}{subject} | {figure.text} | {budget.text} | {met} | {at:%Y-%m-%d %H:%M}, {load:.1f} |"
        )
    return "\n".join(rows) + "\n"
