"""What visitors of the fashion shop do: walks over pages, carts, bookings, and the rows these leave in two tables."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from include.generators.change_events import Change
from include.generators.draws import Draws, iso

CLICKS, TRANSACTIONS = "streaming.public.clicks", "streaming.public.transactions"

#: From a page to the next, with weights. BOOKING ends a session; "" is a visitor who leaves.
NEXT = {
    "HOMEPAGE": {"SCROLL": 30, "CLICK": 25, "SEARCH": 20, "PROMO_PAGE": 8, "ITEM_DETAIL": 10, "": 7},
    "SCROLL": {"SCROLL": 20, "CLICK": 35, "HOMEPAGE": 15, "ITEM_DETAIL": 20, "": 10},
    "CLICK": {"CLICK": 20, "ITEM_DETAIL": 35, "SCROLL": 15, "HOMEPAGE": 15, "": 15},
    "SEARCH": {"ITEM_DETAIL": 45, "CLICK": 25, "SCROLL": 20, "": 10},
    "ITEM_DETAIL": {"ADD_TO_CART": 45, "SCROLL": 20, "HOMEPAGE": 15, "": 20},
    "PROMO_PAGE": {"SCROLL": 40, "SEARCH": 30, "HOMEPAGE": 20, "": 10},
    "ADD_TO_CART": {"BOOKING": 50, "ITEM_DETAIL": 25, "PROMO_PAGE": 10, "ADD_PROMO": 15},
    "ADD_PROMO": {"BOOKING": 95, "": 5},
}
#: The first walk of each part of a burst, so that no normal burst lacks a booking of several items.
FIRST = ("HOMEPAGE", "SEARCH", "ITEM_DETAIL", "ADD_TO_CART", "ITEM_DETAIL", "ADD_TO_CART", "ADD_PROMO", "BOOKING")
WALKS, LONGEST = 1024, 40
MOST_ITEMS = 3

SOURCES, SOURCE_WEIGHTS = (b"MOBILE", b"WEB"), (9, 1)
METHODS, METHOD_WEIGHTS = (b"Credit Card", b"OVO", b"Debit Card", b"Gopay", b"LinkAja"), (36, 21, 17, 15, 11)
KEYWORDS = (b"T-Shirt", b"Dress", b"Jeans", b"Jacket", b"Sneakers", b"Batik", b"Hijab", b"Sandals", b"Watch", b"Bag")
PROMOS = (b"WEEKENDSERU", b"LIBURDONG", b"WEEKENDMANTAP")
FEES = (0, 5000, 10000, 10000, 15000, 25000)
PRODUCTS, CUSTOMERS = 4000, 20000

#: Of bookings: payment fails at first; of those, it succeeds later. Of clicks and bookings: written twice.
FAILS, RECOVERS, DOUBLED = 0.06, 0.5, 0.02
RECOVERY_MS = 20_000

CLICK = b'{"id":%d,"session_id":"%b","event_name":"%b","event_id":"%b","traffic_source":"%b",%b,"created_at":"%b"}'
DETAILS = (
    b'"product_id":%b,"quantity":%b,"item_price":%b,"payment_status":%b,"search_keywords":%b,"promo_code":%b,'
    b'"promo_amount":%b'
)
LINE = (
    b'{"id":%d,"customer_id":%d,"booking_id":"%b","session_id":"%b","payment_method":"%b","payment_status":"%b",'
    b'"promo_amount":%d,"promo_code":%b,"shipment_fee":%d,"shipment_location_lat":%b,"shipment_location_lon":%b,'
    b'"total_amount":%d,"product_id":%d,"quantity":%d,"item_price":%d,"created_at":"%b"}'
)
NULL = b"null"
PLAIN = DETAILS % ((NULL,) * 7)
PAID = {status: DETAILS % (NULL, NULL, NULL, b'"%b"' % status, NULL, NULL, NULL) for status in (b"Success", b"Failed")}
SEARCHED = [DETAILS % (NULL, NULL, NULL, NULL, b'"%b"' % word, NULL, NULL) for word in KEYWORDS]


@dataclass
class Rows:
    """The next free row id of each table."""

    clicks: int
    transactions: int

    def click(self) -> int:
        """Takes one."""
        self.clicks += 1
        return self.clicks - 1

    def line(self) -> int:
        """Takes one."""
        self.transactions += 1
        return self.transactions - 1


@functools.lru_cache(maxsize=8)
def walks(seed: int) -> list[tuple[str, ...]]:
    """Walks that a session may take, drawn once: pages in order."""
    draws = Draws(seed, "fashion", "walks")
    found = []
    for _ in range(WALKS):
        walk = ["HOMEPAGE"]
        for fraction in draws.fractions(LONGEST - 1).tolist():
            follows = NEXT[walk[-1]]
            if walk.count("ADD_TO_CART") == MOST_ITEMS and walk[-1] == "ITEM_DETAIL":
                follows = {"HOMEPAGE": 1, "": 2}
            at = fraction * sum(follows.values())
            page = next(page for page, edge in zip(follows, np.cumsum([*follows.values()]), strict=True) if at < edge)
            # A promotion is added to a cart, and once.
            if not page:
                break
            walk.append(page)
            if page == "BOOKING":
                break
        found.append(tuple(walk))
    return found


@functools.lru_cache(maxsize=8)
def prices(seed: int) -> list[int]:
    """Price in IDR of each product; product n stands at n - 1."""
    return (50_000 + Draws(seed, "fashion", "prices").fractions(PRODUCTS) ** 2 * 550_000).astype(np.int64).tolist()  # type: ignore[no-any-return]


def sessions(
    path: tuple[object, ...], seed: int, start_ms: int, end_ms: int, clicks: int, rows: Rows
) -> list[Change]:
    """The changes of `clicks` clicks from `start_ms` up to, not including, `end_ms`; takes its row ids from `rows`."""
    taken = _walks_taken(path, seed, clicks)
    draws = Draws(*path, "sessions")
    n = len(taken)
    starts = draws.fractions(n) * 0.7
    spans = (1 - starts) * (0.3 + 0.7 * draws.fractions(n))
    lengths = np.array([len(walk) for walk in taken], np.int64)
    firsts = np.cumsum(lengths) - lengths
    steps = np.arange(clicks) - np.repeat(firsts, lengths)
    # A click falls somewhere in its own share of the session's span, so that the pages keep their order.
    fractions = (steps + draws.fractions(clicks)) / np.repeat(lengths, lengths)
    fractions = np.repeat(starts, lengths) + np.repeat(spans, lengths) * fractions
    times = start_ms + (fractions * (end_ms - start_ms)).astype(np.int64)
    clock = list(zip(times.tolist(), iso(times), Draws(*path, CLICKS).uuids(clicks), strict=True))
    columns = zip(
        taken,
        firsts.tolist(),
        Draws(*path, "session ids").uuids(n),
        [SOURCES[pick] for pick in draws.picks(n, SOURCE_WEIGHTS).tolist()],
        draws.fractions(n).tolist(),
        strict=True,
    )
    book = Book(path, seed, n, end_ms, rows)
    changes: list[Change] = []
    for number, (walk, first, session_id, source, doubled) in enumerate(columns):
        cart = book.cart(number)
        for page, (time_ms, created_at, event_id) in zip(walk, clock[first : first + len(walk)], strict=True):
            details = PLAIN
            if page == "SEARCH":
                details = SEARCHED[cart.keyword]
            elif page == "ADD_TO_CART":
                details = cart.add()
            elif page == "ADD_PROMO":
                details = cart.promote()
            elif page == "BOOKING":
                details = PAID[cart.status]
            row_id = rows.click()
            row = CLICK % (row_id, session_id, page.encode(), event_id, source, details, created_at)
            changes.append(Change(time_ms, CLICKS, row_id, None, row))
            if page == "BOOKING":
                changes += book.lines(cart, session_id, time_ms, created_at)
                if cart.recovers_ms is not None:
                    paid = row.replace(PAID[b"Failed"], PAID[b"Success"])
                    changes.append(Change(cart.recovered_ms(time_ms, end_ms), CLICKS, row_id, row, paid))
        if number == 0 or doubled < DOUBLED:
            # The last click was written twice: the copy is deleted when that is seen.
            copy_id = rows.click()
            copy = row.replace(b'"id":%d,' % row_id, b'"id":%d,' % copy_id, 1)
            changes.append(Change(time_ms, CLICKS, copy_id, None, copy))
            changes.append(Change(min(time_ms + 500, end_ms - 1), CLICKS, copy_id, copy, None))
    return changes


def _walks_taken(path: tuple[object, ...], seed: int, clicks: int) -> Sequence[tuple[str, ...]]:
    """Walks with so many clicks together, the last one cut short; the first is FIRST."""
    pool = walks(seed)
    draws = Draws(*path, "walks")
    taken, left = [], clicks
    picks: list[int] = []
    walk = FIRST
    while left > 0:
        taken.append(walk[:left])
        left -= len(walk)
        if not picks:
            picks = draws.integers(64, 0, WALKS - 1).tolist()
        walk = pool[picks.pop()]
    return taken
