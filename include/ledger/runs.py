"""Arithmetic on runs of offsets. A run is (first, last), both included; a list of runs is sorted, and no two touch."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence

Run = tuple[int, int]


def joined(runs: Iterable[Run]) -> list[Run]:
    """Runs in any order, overlapping or not, as a list of runs."""
    found: list[Run] = []
    for first, last in sorted(runs):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def size(runs: Iterable[Run]) -> int:
    """How many offsets they hold."""
    return sum(last - first + 1 for first, last in runs)


def within(runs: Sequence[Run], first: int, last: int) -> list[Run]:
    """The part of the runs from first to last."""
    start = bisect_left(runs, first, key=lambda run: run[1])
    end = bisect_right(runs, last, key=lambda run: run[0])
    return [(max(first, one), min(last, other)) for one, other in runs[start:end]]


def common(these: Iterable[Run], those: Sequence[Run]) -> list[Run]:
    """What is in both."""
    return [run for first, last in these for run in within(those, first, last)]


def without(these: Iterable[Run], those: Sequence[Run]) -> list[Run]:
    """What is in these and not in those."""
    left: list[Run] = []
    for first, last in these:
        at = first
        for one, other in within(those, first, last):
            if one > at:
                left.append((at, one - 1))
            at = other + 1
        if at <= last:
            left.append((at, last))
    return left
