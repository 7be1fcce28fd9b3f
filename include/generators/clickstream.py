"""A phone shop's visitors: sessions that go on for up to half an hour, event by event.

Sessions are drawn by cells of two minutes of event time, whatever the window: a scheduled burst (shard "0", no size)
holds what falls into its window of the sessions that began in its cells and in those of the half hour before. So
windows in a row hold each event exactly once, and a long one holds what the short ones in it do. A burst with a size,
or another shard, holds sessions of its own, squeezed into its window; nothing of it shows in any other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import NamedTuple

import numpy as np

from include.contracts import Contract
from include.contracts.event import Event, Window
from include.generators.clickstream_visitors import CHANNEL_WEIGHTS, CHANNELS, VISITORS, visitors
from include.generators.clickstream_walks import WALKS, walks
from include.generators.draws import Draws, Ints, dmy
from include.generators.size import SCHEDULED, burst_size

__all__ = ["OPENING", "bootstrap", "events"]

OPENING = Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 2, tzinfo=UTC))

TOPIC = "clickstream"
CELL_S = 120
#: No session lasts longer.
MOST_S = 1800
#: Least us between two events, and what comes on top at most; half of the pauses are below 17 s.
LEAST_US, MORE_US = 1_500_000, 240_000_000
#: Events drawn at a time of a burst with a size: what it holds in memory.
CHUNK = 16_384

RECORD = b'{"event_id":"%b",%b%b%b%b","event_time":"%b",%b%b'


class Made(NamedTuple):
    """Events in the order of their sessions, with their times in us since 1970."""

    times: Ints
    events: list[Event]


def bootstrap(contract: Contract) -> Iterator[Event]:
    """Nothing: nobody was in the shop before the first session."""
    return iter(())


def events(
    contract: Contract,
    window: Window,
    *,
    seed: int,
    size: int | None = None,
    shard: str = SCHEDULED,
    since: datetime | None = None,
) -> Iterator[Event]:
    """The burst of a window: by default what its cells' sessions do in it, else `size` events.

    A cell begins as many sessions as have, together, about so many events as the contract draws. `since`: sessions that
    began before it were never produced, so they do not go on either. Raises ValueError before the first event.
    """
    drawn = burst_size(contract, window, seed=seed, size=size, shard=shard)
    if shard == SCHEDULED:
        return _scheduled(contract, window, seed, since)
    return _contained(window, seed, drawn, shard)


def _scheduled(contract: Contract, window: Window, seed: int, since: datetime | None) -> Iterator[Event]:
    start_us, end_us = window.start_ms * 1000, window.end_ms * 1000
    first = (window.start_ms // 1000 - MOST_S) // CELL_S
    times, waiting = np.empty(0, np.int64), list[Event]()
    for cell in range(first, -(-window.end_ms // (1000 * CELL_S))):
        began = datetime.fromtimestamp(cell * CELL_S, UTC)
        made = _cell(contract, seed, cell) if since is None or began >= since else Made(times[:0], [])
        inside = (made.times >= start_us) & (made.times < end_us)
        times = np.concatenate([times, made.times[inside]])
        waiting += [made.events[place] for place in np.flatnonzero(inside).tolist()]
        # Nothing earlier than the next cell can come any more.
        order = np.argsort(times, kind="stable")
        ready = int(np.searchsorted(times[order], (cell + 1) * CELL_S * 1_000_000))
        yield from (waiting[place] for place in order[:ready].tolist())
        kept = np.sort(order[ready:])
        times, waiting = times[kept], [waiting[place] for place in kept.tolist()]


@functools.lru_cache(maxsize=64)
def _cell(contract: Contract, seed: int, cell: int) -> Made:
    """All events of the sessions that begin in a cell."""
    start = datetime.fromtimestamp(cell * CELL_S, UTC)
    at = Window(start, start + timedelta(seconds=CELL_S))
    size = burst_size(contract, at, seed=seed, size=None, shard=SCHEDULED)
    return _sessions((seed, TOPIC, at, SCHEDULED), seed, size, (at.start_ms * 1000, at.end_ms * 1000), None)


def _contained(window: Window, seed: int, left: int, shard: str) -> Iterator[Event]:
    # Sessions begin in the first nine tenths, so that there is room for the last one, too.
    chunks = max(1, -(-left // CHUNK))
    room_us = (window.end_ms - window.start_ms) * 900
    edges = [window.start_ms * 1000 + room_us * chunk // chunks for chunk in range(chunks + 1)]
    for chunk in range(chunks if left else 0):
        path = (seed, TOPIC, window, shard, chunk)
        size = min(left - chunk * CHUNK, CHUNK)
        made = _sessions(path, seed, size, (edges[chunk], edges[chunk + 1]), window.end_ms * 1000, exactly=True)
        order = np.argsort(made.times, kind="stable")
        yield from (made.events[place] for place in order.tolist())


def _sessions(
    path: tuple[object, ...],
    seed: int,
    size: int,
    begin_us: tuple[int, int],
    end_us: int | None,
    *,
    exactly: bool = False,
) -> Made:
    """Sessions that begin in a stretch and have `size` events together, or `exactly` so many, the last cut short.

    They are over before `end_us` where that is given. At least one begins.
    """
    draws = Draws(*path)
    pool = walks(seed)
    taken = draws.integers(max(size, 1), 0, WALKS - 1)
    lengths = _lengths(seed)[taken]
    sessions = int(np.searchsorted(np.cumsum(lengths), size)) + 1
    taken, lengths = taken[:sessions], lengths[:sessions].copy()
    if exactly:
        lengths[-1] -= int(lengths.sum()) - size
    count = int(lengths.sum())
    times = _times(draws, lengths, begin_us, end_us)
    who = draws.integers(sessions, 0, VISITORS - 1).tolist()
    channels = draws.picks(sessions, CHANNEL_WEIGHTS).tolist()
    ids = Draws(*path, "sessions").hexes(sessions)
    known = visitors(seed)
    event_ids, stamps = Draws(*path, "events").uuids(count), dmy(times)
    values, keys, place = [], list[bytes](), 0
    for walk, length, visitor, channel, session in zip(
        taken.tolist(), lengths.tolist(), who, channels, ids, strict=True
    ):
        head, tail, user = known.heads[visitor], known.tails[visitor], known.users[visitor]
        came = _CHANNELS[channel]
        for step in pool[walk][:length]:
            named = user if step.logged_in else b"0"
            values.append(RECORD % (event_ids[place], head, named, tail, session, stamps[place], came, step.rendered))
            place += 1
        keys += [session] * length
    return Made(times, list(map(Event, repeat(TOPIC), keys, values, (times // 1000).tolist())))


_CHANNELS = [b'"channel":"%b",' % channel for channel in CHANNELS]


@functools.lru_cache(maxsize=4)
def _lengths(seed: int) -> Ints:
    return np.array([len(walk) for walk in walks(seed)], np.int64)


def _times(draws: Draws, lengths: Ints, begin_us: tuple[int, int], end_us: int | None) -> Ints:
    """When each event of sessions of these lengths happens, in us: pauses are short mostly, and sometimes long."""
    starts = draws.integers(len(lengths), 0, (begin_us[1] - begin_us[0]) // 1000 - 1) * 1000 + begin_us[0]
    starts = starts + draws.integers(len(lengths), 0, 999)
    # By multiplication alone: its last digit is the same on every machine, that of a logarithm is not.
    pauses = LEAST_US + (MORE_US * (draws.fractions(int(lengths.sum())) ** 2) ** 2).astype(np.int64)
    firsts = np.cumsum(lengths) - lengths
    pauses[firsts] = 0
    run = np.cumsum(pauses)
    since = run - np.repeat(run[firsts], lengths)
    lasts = since[firsts + lengths - 1]
    room = np.full(len(lengths), MOST_S * 1_000_000 - 1, np.int64)
    if end_us is not None:
        room = np.minimum(room, end_us - 1 - starts)
    factors = np.minimum(1.0, room / np.maximum(lasts, 1))
    return np.repeat(starts, lengths) + (since * np.repeat(factors, lengths)).astype(np.int64)
