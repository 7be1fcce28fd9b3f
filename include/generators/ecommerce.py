"""An online shop: orders, and the parcels that follow them for up to three hours.

A scheduled burst (shard "0", no size) holds its window's orders and the shipments, dispatches and completions of this
and earlier windows' orders whose time falls into the window: they are drawn again from those windows' names, so windows
in a row hold each exactly once. A burst with a size, or another shard, holds its own orders with all that follows them,
squeezed into its own window; nothing of it shows in any other.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import datetime
from itertools import repeat
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.contracts import Contract
from include.contracts.event import Event, Window
from include.generators.draws import Draws, Ints, iso
from include.generators.ecommerce_catalog import CUSTOMERS, OPENING, PRODUCTS, bootstrap, prices_cents
from include.generators.size import SCHEDULED, burst_size

__all__ = ["OPENING", "bootstrap", "events"]

#: Orders drawn at a time: what a big burst holds in memory.
CHUNK = 8192

MOST_PIECES = 10
CARRIERS = 5
#: Cents of the cheapest parcel of each shipping method.
METHODS = (495, 895, 1995)
PARCEL_STEPS, PARCEL_STEP = 20, 50

#: Least and most ms from order to shipment, from there to dispatch, from there to completion.
DELAYS_MS = ((1_000, 20_000), (180_000, 3_600_000), (900_000, 7_200_000))
LOOK_BACK_MS = sum(most for _, most in DELAYS_MS)

FOLLOWERS = ("shipments", "shipment_dispatches", "shipment_completions")
ORDER = b'{"event_id":"%b","id":"%b",%b,"customer_id":%d,"created_at":"%b"}'
FOLLOWER = b'{"event_id":"%b","order_id":"%b","revision_number":%d,"status":%d,%b,"modified_at":"%b"}'


class Orders(NamedTuple):
    """Orders of one window, or of a part of it, as columns in the order of their times."""

    path: tuple[object, ...]
    times: Ints
    ids: list[bytes]
    products: Ints
    customers: Ints
    pieces: Ints
    parcels: Ints
    #: One column for each of FOLLOWERS.
    follows: tuple[Ints, ...]


def events(
    contract: Contract,
    window: Window,
    *,
    seed: int,
    size: int | None = None,
    shard: str = SCHEDULED,
    since: datetime | None = None,
    wrong_totals: int = 0,
) -> Iterator[Event]:
    """The burst of a window: by default a draw from the contract's size in orders, else `size` orders.

    `since`: orders of windows that began before it were never produced, so nothing follows from them.
    `wrong_totals`: so many of the orders have a total that is not price times quantity; all else, ids included, is the
    same, so that the same burst without it sets them right. Raises ValueError at once, before the first event.
    """
    drawn = burst_size(contract, window, seed=seed, size=size, shard=shard)
    if wrong_totals and shard == SCHEDULED:
        raise ValueError(f"wrong totals need a shard of their own, not {SCHEDULED!r}, the scheduled burst's")
    if not 0 <= wrong_totals <= drawn:
        raise ValueError(f"wrong_totals is {wrong_totals}, but the burst has {drawn} orders: give 0 to {drawn}")
    if shard == SCHEDULED:
        return _scheduled(contract, window, seed, since)
    return _contained(contract, window, seed, drawn, shard, wrong_totals)


def _scheduled(contract: Contract, window: Window, seed: int, since: datetime | None) -> Iterator[Event]:
    batches = []
    steps = -(-LOOK_BACK_MS // (window.seconds * 1000))
    for step in range(steps, -1, -1):
        before = window.earlier(step)
        if step and since is not None and before.start < since:
            continue
        size = burst_size(contract, before, seed=seed, size=None, shard=SCHEDULED)
        orders = _remembered((seed, "ecommerce", before, SCHEDULED), before.start_ms, before.end_ms, size)
        if step == 0:
            batches.append(_order_events(orders, _catalog_seed(contract)))
        for number, times in enumerate(orders.follows):
            batches.append(_follower_events(orders, number, (times >= window.start_ms) & (times < window.end_ms)))
    yield from _in_time_order(batches)


def _catalog_seed(contract: Contract) -> int:
    """The seed of the products that are there: whatever seed draws the orders, these are their prices."""
    assert contract.burst is not None  # noqa: S101 - bootstrap() refuses such a contract, so there would be no products
    return contract.burst.seed


def _contained(
    contract: Contract, window: Window, seed: int, left: int, shard: str, wrong_totals: int
) -> Iterator[Event]:
    # The first half is for orders, so that what follows the last one has room, too.
    chunks = max(1, -(-left // CHUNK))
    edges = [window.start_ms + (window.end_ms - window.start_ms) // 2 * chunk // chunks for chunk in range(chunks + 1)]
    for chunk in range(chunks):
        path = (seed, "ecommerce", window, shard, chunk)
        orders = _orders(path, edges[chunk], max(edges[chunk + 1], edges[chunk] + 1), min(left, CHUNK))
        orders = orders._replace(follows=_squeezed(orders, window.end_ms))
        everything = np.ones(len(orders.ids), bool)
        wrong = min(wrong_totals, len(orders.ids))
        batches = [_order_events(orders, _catalog_seed(contract), wrong)]
        batches += [_follower_events(orders, number, everything) for number in range(len(FOLLOWERS))]
        yield from _in_time_order(batches)
        left -= CHUNK
        wrong_totals -= wrong


def _orders(path: tuple[object, ...], start_ms: int, end_ms: int, size: int) -> Orders:
    draws = Draws(*path)
    times = np.sort(draws.integers(size, start_ms, end_ms - 1))
    follows, last = [], times
    for least, most in DELAYS_MS:
        last = last + draws.integers(size, least, most)
        follows.append(last)
    return Orders(
        path=path,
        times=times,
        ids=draws.uuids(size),
        products=draws.integers(size, 0, PRODUCTS - 1),
        customers=draws.integers(size, 1, CUSTOMERS),
        pieces=draws.integers(size, 1, MOST_PIECES),
        parcels=draws.integers(size, 0, CARRIERS * len(METHODS) * PARCEL_STEPS - 1),
        follows=tuple(follows),
    )


#: Windows in a row look back on the same ones.
_remembered = functools.lru_cache(maxsize=256)(_orders)


def _squeezed(orders: Orders, end_ms: int) -> tuple[Ints, ...]:
    """The followers' times, brought nearer to the order where the last would fall out of the window."""
    room = end_ms - 1 - orders.times
    factor = np.minimum(1.0, room / (orders.follows[-1] - orders.times))
    return tuple(orders.times + ((times - orders.times) * factor).astype(np.int64) for times in orders.follows)


@functools.lru_cache(maxsize=8)
def _lines(seed: int) -> list[bytes]:
    """The part of an order that product and pieces decide, for each pair of them."""
    return [
        b'"product_id":%d,"quantity":%d,"total_price":%d.%02d' % (product, pieces, *divmod(price * pieces, 100))
        for product, price in enumerate(prices_cents(seed).tolist(), start=1)
        for pieces in range(1, MOST_PIECES + 1)
    ]


@functools.cache
def _parcels() -> list[bytes]:
    """The part of a follower that stays the same over a parcel's life, for each carrier, method and cost."""
    return [
        b'"vendor_id":%d,"shipping_method_id":%d,"cost":%d.%02d'
        % (carrier, method, *divmod(least + step * PARCEL_STEP, 100))
        for carrier in range(1, CARRIERS + 1)
        for method, least in enumerate(METHODS, start=1)
        for step in range(PARCEL_STEPS)
    ]


Batch = tuple[Ints, list[Event]]


def _order_events(orders: Orders, catalog_seed: int, wrong_totals: int = 0) -> Batch:
    lines = _lines(catalog_seed)
    places = (orders.products * MOST_PIECES + orders.pieces - 1).tolist()
    texts = [lines[place] for place in places]
    for i in range(wrong_totals):
        # Another number of pieces in the total than in the quantity: off by at least one whole price.
        product, pieces = divmod(places[i], MOST_PIECES)
        other = lines[product * MOST_PIECES + (pieces + 1) % MOST_PIECES]
        texts[i] = texts[i].rpartition(b":")[0] + b":" + other.rpartition(b":")[2]
    event_ids = Draws(*orders.path, "orders").uuids(len(orders.ids))
    columns = zip(event_ids, orders.ids, texts, orders.customers.tolist(), iso(orders.times), strict=True)
    return orders.times, _events("orders", orders.ids, [ORDER % row for row in columns], orders.times)


def _follower_events(orders: Orders, number: int, chosen: NDArray[np.bool_]) -> Batch:
    rows = np.flatnonzero(chosen)
    if not len(rows):
        return rows, []
    topic, times = FOLLOWERS[number], orders.follows[number][rows]
    # All ids are drawn although few may be chosen: an event's id must not depend on the window that asks.
    event_ids = Draws(*orders.path, topic).uuids(len(orders.ids))
    parcels, picked = _parcels(), rows.tolist()
    ids = [orders.ids[row] for row in picked]
    columns = zip(
        [event_ids[row] for row in picked],
        ids,
        repeat(number + 1),
        repeat(number),
        [parcels[parcel] for parcel in orders.parcels[rows].tolist()],
        iso(times),
    )
    return times, _events(topic, ids, [FOLLOWER % row for row in columns], times)


def _events(topic: str, keys: list[bytes], values: list[bytes], times: Ints) -> list[Event]:
    return list(map(Event, repeat(topic), keys, values, times.tolist()))


def _in_time_order(batches: list[Batch]) -> Iterator[Event]:
    together = [event for _, events in batches for event in events]
    order = np.argsort(np.concatenate([times for times, _ in batches]), kind="stable")
    return (together[place] for place in order.tolist())
