"""A market ticker: one event a trade, as an exchange tells it of the products it lists.

A scheduled burst (shard "0", no size) holds the market's trades of its window, the same whether the window is asked for
alone or in a longer one. A burst with a size, or another shard, lists coins of its own and trades them in its window:
the market's products have one row of numbers only. In such a burst numbers can be left out, and a reader's connection
can drop.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain, repeat

import numpy as np
from numpy.typing import NDArray

from include.contracts import Contract
from include.contracts.event import Event, Window
from include.generators import coinbase_bars
from include.generators.coinbase_bars import MINUTE_MS, Bars
from include.generators.coinbase_market import check_open, day_of
from include.generators.coinbase_products import PRODUCTS, Product, listed
from include.generators.coinbase_text import rendered
from include.generators.coinbase_trades import Trades, drawn_for, trades
from include.generators.draws import Draws, Floats
from include.generators.row_ids import first_row_id
from include.generators.size import SCHEDULED, burst_size

__all__ = ["OPENING", "bootstrap", "events"]

TOPIC = "coinbase_ticker"
OPENING = Window(datetime(2020, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=2))

#: Trades that a connection misses while it is away, at most.
AWAY = 10


def events(
    contract: Contract,
    window: Window,
    *,
    seed: int,
    size: int | None = None,
    shard: str = SCHEDULED,
    holes: int = 0,
    reconnections: int = 0,
) -> Iterator[Event]:
    """The trades of a window: the market's, else `size` (by default a draw from the contract's) of coins of its own.

    `holes`: so many trades are left out, one by one. `reconnections`: so often a reader loses its connection, and up to
    AWAY trades in a row, of whatever coins. The same burst without them is whole again. Raises ValueError at once,
    before the first event.
    """
    drawn = burst_size(contract, window, seed=seed, size=size, shard=shard)
    for moment_ms in (window.start_ms, window.end_ms - 1):
        check_open(day_of(moment_ms))
    if shard == SCHEDULED:
        if holes or reconnections:
            raise ValueError("holes and reconnections need a burst of their own, not the scheduled one: give it a size")
        minutes = coinbase_bars.minutes(seed, window.start_ms // MINUTE_MS, -(-window.end_ms // MINUTE_MS))
        return _market(seed, window, minutes)
    if min(holes, reconnections) < 0:
        raise ValueError(f"{holes} holes, {reconnections} reconnections: give 0 or more")
    if (asked := holes + reconnections * AWAY) > drawn // 4:
        raise ValueError(
            f"{holes} holes and {reconnections} reconnections need a burst of {4 * asked:,} trades or more"
        )
    path = (seed, "coinbase", window, shard)
    bars = coinbase_bars.listed(path, seed, window, drawn, first_row_id(window, shard, drawn) - 1)
    whole = _listed(path, listed(window, shard), bars)
    return _broken(path, whole, drawn, holes, reconnections) if asked else whole


def bootstrap(contract: Contract) -> Iterator[Event]:
    """Nothing: a market has no first trade that everything else needs."""
    return iter(())


def _market(seed: int, window: Window, made: Iterator[Bars]) -> Iterator[Event]:
    return chain.from_iterable(
        _in_time_order(PRODUCTS, _inside(window, trades(bars, _by_minute(seed, bars)))) for bars in made
    )


def _by_minute(seed: int, bars: Bars) -> Floats:
    """Each minute has draws of its own, so that it is the same in every window that it is in."""
    minutes, firsts = np.unique(bars.starts_ms // MINUTE_MS, return_index=True)
    sizes = np.add.reduceat(bars.counts, firsts).tolist()
    drawn = [
        drawn_for(Draws(seed, "coinbase", "minute", minute), n)
        for minute, n in zip(minutes.tolist(), sizes, strict=True)
    ]
    return np.concatenate(drawn, axis=1)


def _inside(window: Window, made: Trades) -> Trades:
    inside = (made.times_ms >= window.start_ms) & (made.times_ms < window.end_ms)
    return made if inside.all() else made.only(inside)


def _listed(path: tuple[object, ...], products: tuple[Product, ...], made: Iterator[Bars]) -> Iterator[Event]:
    return chain.from_iterable(
        _in_time_order(products, trades(bars, drawn_for(Draws(*path, "bar", number), int(bars.counts.sum()))))
        for number, bars in enumerate(made)
        if len(bars.counts)
    )


def _in_time_order(products: tuple[Product, ...], made: Trades) -> Iterator[Event]:
    keys: list[bytes] = []
    values: list[bytes] = []
    times = []
    for place, product in enumerate(products):
        mine: NDArray[np.int64] = np.flatnonzero(made.products == place)
        if len(mine):
            own = made.only(mine)
            keys += [product.name] * len(mine)
            values += rendered(product, own)
            times.append(own.times_ms)
    if not times:
        return iter(())
    moments = np.concatenate(times)
    order = np.argsort(moments, kind="stable")
    places = order.tolist()
    return map(
        Event, repeat(TOPIC), map(keys.__getitem__, places), map(values.__getitem__, places), moments[order].tolist()
    )


def _broken(
    path: tuple[object, ...], whole: Iterator[Event], size: int, holes: int, reconnections: int
) -> Iterator[Event]:
    """Leaves out what was asked for, from the middle half of the burst: before and after it there are numbers."""
    draws = Draws(*path, "broken")
    drops = size // 4 + np.arange(reconnections) * (size // 2) // max(reconnections, 1)
    away = draws.integers(reconnections, 1, AWAY)
    lost = {place for drop, n in zip(drops.tolist(), away.tolist(), strict=True) for place in range(drop, drop + n)}
    while len(lost) < holes + int(away.sum()):
        lost.add(int(draws.integers(1, size // 4, size // 4 * 3)[0]))
    return (event for place, event in enumerate(whole) if place not in lost)
