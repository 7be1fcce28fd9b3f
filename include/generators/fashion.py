"""A fashion shop's database: sessions that walk from HOMEPAGE to BOOKING, and the bookings' line items.

Each session lies whole within its window. Most changes are creates; a failed payment may succeed later (an update of
the booking's click and of its line items), and a row written twice by mistake is deleted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path

from include.contracts import Contract
from include.contracts.event import BurstId, Event, Window
from include.generators.change_events import change_events
from include.generators.fashion_csv import MOST_ROWS
from include.generators.fashion_replay import read
from include.generators.fashion_sessions import sessions
from include.generators.row_ids import first_row_id
from include.generators.size import SCHEDULED, burst_size

__all__ = ["OPENING", "bootstrap", "burst", "events"]

OPENING = Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 2, tzinfo=UTC))
#: Clicks drawn at a time, within a part of the window of their own: what a big burst holds in memory.
CHUNK = 2048
#: Most rows a table gets from one click: the click, its mistaken copy; the line items of a booking and a copy.
ROWS_PER_CLICK = 4


def bootstrap(contract: Contract) -> Iterator[Event]:
    """Nothing: the shop's tables are empty before the first session."""
    return iter(())


def events(
    contract: Contract, window: Window, *, seed: int, size: int | None = None, shard: str = SCHEDULED
) -> Iterator[Event]:
    """The burst of a window: `size` clicks, by default a draw from the contract's, and all that goes with them.

    Raises ValueError, for a size that does not fit the window or the shard before the first event.
    """
    drawn = burst_size(contract, window, seed=seed, size=size, shard=shard)
    first_id = first_row_id(window, shard, drawn * ROWS_PER_CLICK)
    return _changes(window, seed, shard, drawn, first_id)


def burst(
    contract: Contract,
    window: Window,
    *,
    seed: int,
    size: int | None = None,
    shard: str = SCHEDULED,
    clicks: str | Path | None = None,
    transactions: str | Path | None = None,
    speed: float | str = "max",
    replay_start: str | datetime | None = None,
) -> tuple[BurstId, Iterator[Event]]:
    """The burst of a window, generated, or replayed where files are given, and its name.

    A replay at "max" is all of the files at once, so dated that the last event falls to the window's start unless
    `replay_start` says when the first one does; at another speed it is what is due within the window of a replay that
    began at `replay_start`. Raises ValueError, ReplayError among them, before the first event.
    """
    if clicks is None and transactions is None:
        return BurstId(contract.domain, window, shard), events(contract, window, seed=seed, size=size, shard=shard)
    replay = read(
        contract,
        clicks=Path(clicks) if clicks else None,
        transactions=Path(transactions) if transactions else None,
        part_rows=MOST_ROWS,
    )
    start = datetime.fromisoformat(replay_start) if isinstance(replay_start, str) else replay_start
    if speed == "max":
        return replay.part(start=start or window.start - replay.lasts)
    if start is None:
        raise ValueError(f"a replay at speed {speed} needs replay_start: without it no window knows what is due in it")
    return replay.within(window, start=start, speed=speed)


def _changes(window: Window, seed: int, shard: str, size: int, first_id: int) -> Iterator[Event]:
    chunks = max(1, -(-size // CHUNK))
    edges = [window.start_ms + (window.end_ms - window.start_ms) * chunk // chunks for chunk in range(chunks + 1)]
    ids = count(first_id), count(first_id)
    for chunk in range(chunks):
        path = (seed, "fashion", window, shard, chunk)
        clicks = min(CHUNK, size - chunk * CHUNK)
        changes = sessions(path, seed, (edges[chunk], edges[chunk + 1]), clicks, ids)
        yield from change_events(changes, window.end_ms)
