"""Replays files of real clicks and transactions as change events: one create a row.

A row's identity is the content of its file and its place in it: the same file replayed again, in whatever windows,
makes the same row ids and log positions, and so counts once. The bursts of a replay are named by the files and by the
time or the part replayed, not by today's clock: the same replay again replaces its receipts. A file that is replayed at
several speeds leaves receipts of each, although its events still count once.
"""

from __future__ import annotations

import heapq
import math
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path

import numpy as np

from include.contracts import Contract
from include.contracts.event import BurstId, Event, Window
from include.generators.change_events import Change, written
from include.generators.draws import iso
from include.generators.fashion_csv import ReplayError, Table
from include.generators.fashion_csv import read as read_table
from include.generators.row_ids import REPLAYED

__all__ = ["Replay", "ReplayError", "read"]

CLICKS, TRANSACTIONS = "streaming.public.clicks", "streaming.public.transactions"
#: Rows of each file in one part of a replay at full speed.
PART = 50_000
#: Where the windows of replays lie in their bursts' names: before any real one.
ORIGIN = datetime(2020, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Replay:
    """Files that were read and found good."""

    domain: str
    tables: tuple[Table, ...]
    part_rows: int = PART

    @property
    def name(self) -> str:
        """Names the files' content: the shard of its bursts."""
        return "replay-" + "-".join(table.digest[:10] for table in self.tables)

    @property
    def rows(self) -> dict[str, int]:
        """Topic -> rows, which is events."""
        return {table.topic: len(table.rows) for table in self.tables}

    @property
    def parts(self) -> int:
        """How many parts the replay at full speed has; at least one."""
        return max(1, *(-(-len(table.rows) // self.part_rows) for table in self.tables))

    @property
    def lasts(self) -> timedelta:
        """From its start to its last event at speed 1, in whole seconds, rounded up."""
        longest = max((table.at_ms[-1] for table in self.tables if table.rows), default=0)
        return timedelta(seconds=-(-longest // 1000))

    def ends(self, start: datetime, speed: float | str) -> datetime:
        """When the last event of a replay begun at `start` is due; raises ValueError."""
        return start + self.lasts / float(_factor(speed))

    def within(self, window: Window, *, start: datetime, speed: float | str) -> tuple[BurstId, Iterator[Event]]:
        """The burst of what is due in a window of a replay begun at `start`: windows in a row miss and repeat nothing.

        `speed` 60 brings an hour's waits into a minute. Raises ValueError.
        """
        factor = _factor(speed)
        start_ms = _whole_ms(start)
        shift = timedelta(milliseconds=window.start_ms - start_ms)
        burst = BurstId(
            self.domain,
            Window(ORIGIN + shift, ORIGIN + shift + timedelta(seconds=window.seconds)),
            f"{self.name}-x{factor.numerator}" + (f"-{factor.denominator}" if factor.denominator > 1 else ""),
        )
        edges = [math.ceil((edge - start_ms) * factor) for edge in (window.start_ms, window.end_ms)]
        ranges = [(bisect_left(table.at_ms, edges[0]), bisect_left(table.at_ms, edges[1])) for table in self.tables]
        return burst, self._events(ranges, start_ms, factor)

    def part(self, number: int = 0, *, start: datetime) -> tuple[BurstId, Iterator[Event]]:
        """The burst of one part at full speed: events bear the times they would at speed 1 from `start` on.

        Raises ValueError for a part that is not there.
        """
        if not 0 <= number < self.parts:
            raise ValueError(f"part {number} of {self.name}: there are parts 0 to {self.parts - 1}")
        burst = BurstId(self.domain, Window(ORIGIN, ORIGIN + timedelta(seconds=1)), f"{self.name}.{number}")
        ranges = [(number * self.part_rows, (number + 1) * self.part_rows) for _ in self.tables]
        return burst, self._events(ranges, _whole_ms(start), Fraction(1))

    def _events(self, ranges: list[tuple[int, int]], start_ms: int, factor: Fraction) -> Iterator[Event]:
        streams = [_creates(table, *rows, start_ms, factor) for table, rows in zip(self.tables, ranges, strict=True)]
        return heapq.merge(*streams, key=lambda event: event.time_ms)


def read(
    contract: Contract, *, clicks: Path | None = None, transactions: Path | None = None, part_rows: int = PART
) -> Replay:
    """The replay of one file or two; raises ReplayError at the first mistake in either."""
    files = {topic: path for topic, path in ((CLICKS, clicks), (TRANSACTIONS, transactions)) if path is not None}
    if not files:
        raise ReplayError("no file to replay: give one of clicks, of transactions, or both")
    tables = tuple(read_table(Path(path), contract.topic(topic)) for topic, path in files.items())
    return Replay(contract.domain, tables, part_rows)


def _creates(table: Table, first: int, last: int, start_ms: int, factor: Fraction) -> Iterator[Event]:
    # The digest's first 28 bits, then the row: MOST_ROWS of them.
    base = REPLAYED + (int(table.digest[:7], 16) << 24)
    times = [start_ms + int(at_ms / factor) for at_ms in table.at_ms[first:last]]
    rows = zip(table.rows[first:last], times, iso(np.array(times, np.int64)), strict=True)
    for row_id, (row, time_ms, created_at) in enumerate(rows, start=base + first):
        after = b'{"id":%d,%b,"created_at":"%b"}' % (row_id, row, created_at)
        yield from written(Change(time_ms, table.topic, row_id, None, after), row_id, time_ms)


def _factor(speed: float | str) -> Fraction:
    try:
        factor = Fraction(1) if speed == "max" else Fraction(str(speed))
    except (ValueError, ZeroDivisionError):
        factor = Fraction(0)
    if factor <= 0:
        raise ValueError(f"speed {speed!r}: give a number above 0, or max")
    return factor


def _whole_ms(start: datetime) -> int:
    if start.tzinfo is None or start.microsecond:
        raise ValueError(f"start {start.isoformat()}: give a whole second with its time zone")
    return int(start.timestamp()) * 1000
