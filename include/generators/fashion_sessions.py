"""Sessions of the fashion shop: walks over its pages in time, as changes of its two tables."""

from __future__ import annotations

import functools
from itertools import count

import numpy as np

from include.generators.change_events import Change
from include.generators.draws import Draws, Ints, iso
from include.generators.fashion_visitors import MOST_ITEMS, TRANSACTIONS, copied, row_changes, visitors

CLICKS = "streaming.public.clicks"

#: From a page to the next, with weights. BOOKING ends a session; b"" is a visitor who leaves.
NEXT = {
    b"HOMEPAGE": {b"SCROLL": 30, b"CLICK": 25, b"SEARCH": 20, b"PROMO_PAGE": 8, b"ITEM_DETAIL": 10, b"": 7},
    b"SCROLL": {b"SCROLL": 20, b"CLICK": 35, b"HOMEPAGE": 15, b"ITEM_DETAIL": 20, b"": 10},
    b"CLICK": {b"CLICK": 20, b"ITEM_DETAIL": 35, b"SCROLL": 15, b"HOMEPAGE": 15, b"": 15},
    b"SEARCH": {b"ITEM_DETAIL": 45, b"CLICK": 25, b"SCROLL": 20, b"": 10},
    b"ITEM_DETAIL": {b"ADD_TO_CART": 45, b"SCROLL": 20, b"HOMEPAGE": 15, b"": 20},
    b"PROMO_PAGE": {b"SCROLL": 40, b"SEARCH": 30, b"HOMEPAGE": 20, b"": 10},
    b"ADD_TO_CART": {b"BOOKING": 50, b"ITEM_DETAIL": 25, b"PROMO_PAGE": 10, b"ADD_PROMO": 15},
    b"ADD_PROMO": {b"BOOKING": 95, b"": 5},
}
#: From a page of an item when no more fits into the cart.
FULL = {b"HOMEPAGE": 1, b"": 2}
#: The first walk of each part of a burst, so that no normal burst lacks a booking of several items.
FIRST = (
    b"HOMEPAGE", b"SEARCH", b"ITEM_DETAIL", b"ADD_TO_CART", b"ITEM_DETAIL", b"ADD_TO_CART", b"ADD_PROMO", b"BOOKING",
)  # fmt: skip
WALKS, LONGEST = 1024, 40

CLICK = b'{"id":%d,"session_id":"%b","event_name":"%b","event_id":"%b","traffic_source":"%b",%b,"created_at":"%b"}'

Walk = tuple[bytes, ...]


def sessions(
    path: tuple[object, ...], seed: int, span: tuple[int, int], clicks: int, ids: tuple[count[int], count[int]]
) -> list[Change]:
    """The changes that `clicks` clicks make within `span` (ms; its end excluded).

    `ids` are the free row ids of clicks and of transactions: each row takes the next.
    """
    end_ms, (click_ids, line_ids) = span[1], ids
    walks = _walks_taken(path, seed, clicks)
    times = _times(path, span, walks)
    columns = zip(times.tolist(), iso(times), Draws(*path, "clicks").uuids(clicks), strict=True)
    changes: list[Change] = []
    for visitor, walk in zip(visitors(path, seed, len(walks)), walks, strict=True):
        for page, (time_ms, created_at, event_id) in zip(walk, columns, strict=False):
            row_id = next(click_ids)
            details = visitor.details(page)
            row = CLICK % (row_id, visitor.session_id, page, event_id, visitor.source, details, created_at)
            if page != b"BOOKING":
                changes.append(Change(time_ms, CLICKS, row_id, None, row))
                continue
            changes += row_changes(visitor, CLICKS, [(row_id, row)], time_ms, end_ms)
            lines = visitor.lines(created_at, line_ids)
            changes += row_changes(visitor, TRANSACTIONS, lines, time_ms, end_ms)
            if visitor.is_doubled:
                changes += copied(TRANSACTIONS, *lines[-1], next(line_ids), time_ms, end_ms)
        if visitor.is_doubled:
            changes += copied(CLICKS, row_id, row, next(click_ids), time_ms, end_ms)
    return changes


def _times(path: tuple[object, ...], span: tuple[int, int], walks: list[Walk]) -> Ints:
    """A time for each click: sessions begin anywhere in the first part of the span, and end within it."""
    draws = Draws(*path, "times")
    lengths = np.array([len(walk) for walk in walks], np.int64)
    clicks = int(lengths.sum())
    starts = draws.fractions(len(walks)) * 0.7
    shares = (1 - starts) * (0.3 + 0.7 * draws.fractions(len(walks))) / lengths
    steps = np.arange(clicks) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    # Each click falls into its own share of the session, so that the pages keep their order.
    places = np.repeat(starts, lengths) + np.repeat(shares, lengths) * (steps + draws.fractions(clicks))
    return span[0] + (places * (span[1] - span[0])).astype(np.int64)


def _walks_taken(path: tuple[object, ...], seed: int, clicks: int) -> list[Walk]:
    """Walks with so many clicks together, the last one cut short; the first is FIRST."""
    pool, draws = _pool(seed), Draws(*path, "walks")
    taken: list[Walk] = []
    picks: list[int] = []
    walk: Walk = FIRST
    while clicks > 0:
        taken.append(walk[:clicks])
        clicks -= len(walk)
        picks = picks or draws.integers(256, 0, WALKS - 1).tolist()
        walk = pool[picks.pop()]
    return taken


@functools.lru_cache(maxsize=8)
def _pool(seed: int) -> list[Walk]:
    """The walks that visitors take, drawn once."""
    draws = Draws(seed, "fashion", "walks")
    return [_walk(draws.fractions(LONGEST - 1).tolist()) for _ in range(WALKS)]


def _walk(fractions: list[float]) -> Walk:
    walk = [b"HOMEPAGE"]
    for fraction in fractions:
        is_full = walk[-1] == b"ITEM_DETAIL" and walk.count(b"ADD_TO_CART") == MOST_ITEMS
        follows = FULL if is_full else NEXT[walk[-1]]
        edges = np.cumsum([*follows.values()])
        page = [*follows][int(np.searchsorted(edges, fraction * edges[-1], side="right"))]
        if page:
            walk.append(page)
        if page in (b"", b"BOOKING"):
            break
    return tuple(walk)
