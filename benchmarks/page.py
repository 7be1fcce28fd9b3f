"""docs/benchmarks.md, as a run of the benchmarks writes it."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence

from benchmarks import burst, demo, gate, memory, parse, transform
from benchmarks.budgets import BUDGETS, Figure
from local.place import ROOT

PATH = ROOT / "docs" / "benchmarks.md"

HEAD = """\
# Benchmarks

Written by `python -m benchmarks --write`; `make bench` prints the same figures as JSON. Ratios are taken within one
run, one side beside the other, and carry over to other machines better than seconds do. What is measured more than once
is a median.

"""


def write(figures: Sequence[Figure], load: Sequence[float], day: str) -> None:
    """Writes the page; `load`: the load averages of a minute before and after, `day`: when."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores shared with other work, Python {platform.python_version()}"
    loads = " before, ".join(f"{one:.1f}" for one in load)
    PATH.write_text(f"{HEAD}Measured on {day}: {machine}; load {loads} after.\n\n{table(figures)}\n{notes()}")


def notes() -> str:
    """How each is measured, as its module says."""
    modules = (parse, burst, gate, demo, transform, memory)
    return "\n".join(["## How", "", *(f"- {' '.join((module.__doc__ or '').split())}" for module in modules)]) + "\n"


def table(figures: Sequence[Figure]) -> str:
    """A row a figure, in the order of the budgets."""
    rows = ["| what | measured | budget | met |", "| --- | ---: | ---: | --- |"]
    for of, budget in BUDGETS.items():
        for figure in figures:
            if figure.of == of:
                subject = f" (`{figure.subject}`)" if figure.subject else ""
                met = {True: "yes", False: "**no**", None: ""}[figure.met]
                rows.append(f"| {budget.what}{subject} | {figure.text} | {budget.text} | {met} |")
    return "\n".join(rows) + "\n"
