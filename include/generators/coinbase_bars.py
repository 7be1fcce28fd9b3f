"""Bars: stretches of one product's trades whose candle is known, with what a ticker tells of the time before them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from include.contracts.event import Window
from include.generators.coinbase_market import (
    MINUTES,
    SMALLEST,
    Candles,
    Day,
    candles,
    day,
    day_of,
    levels,
    volume,
)
from include.generators.coinbase_numbers import shared
from include.generators.coinbase_products import PRODUCTS
from include.generators.draws import DAY_MS, Draws, Ints

MINUTE_MS = 60_000
#: Trades of all products in a bar, about: what a burst of any size holds in memory at a time.
BAR = 32_768
#: Minutes whose bars are made at a time.
TOGETHER = 60
_HIGHEST = 1 << 62


class Bars(NamedTuple):
    """One column a field, one row a bar; prices in a product's smallest steps, volumes in UNITs.

    `before`: trades of the product before the bar. The 24 hours end where the bar begins, the 30 days as well: a trade
    adds itself and those before it in its bar.
    """

    products: Ints
    starts_ms: Ints
    lengths_ms: Ints
    before: Ints
    counts: Ints
    volumes: Ints
    opens: Ints
    highs: Ints
    lows: Ints
    closes: Ints
    opens_24h: Ints
    highs_24h: Ints
    lows_24h: Ints
    volumes_24h: Ints
    volumes_30d: Ints


def minutes(seed: int, first: int, last: int) -> Iterator[Bars]:
    """The market's bars from minute `first` (since 1970) to before `last`, those of up to an hour at a time, minute by
    minute."""
    while first < last:
        number, place = divmod(first, MINUTES)
        n = min(last - first, TOGETHER, MINUTES - place)
        today, past = day(seed, number), _past(seed, number)
        made, columns = today.candles, slice(place, place + n)
        starts = np.arange(first, first + n) * MINUTE_MS
        before = today.before[:, None] + np.cumsum(made.counts, axis=1) - made.counts
        fields = made._asdict() | past._asdict()
        yield _kept(
            Bars(
                products=np.tile(np.arange(len(PRODUCTS)), n),
                starts_ms=starts.repeat(len(PRODUCTS)),
                lengths_ms=np.full(n * len(PRODUCTS), MINUTE_MS),
                before=before[:, columns].T.reshape(-1),
                **{name: column[:, columns].T.reshape(-1) for name, column in fields.items()},
            )
        )
        first += n


class _Past(NamedTuple):
    """What was before each minute of a day, by product."""

    opens_24h: Ints
    highs_24h: Ints
    lows_24h: Ints
    volumes_24h: Ints
    volumes_30d: Ints


_PASTS: dict[tuple[int, int], _Past] = {}


def _past(seed: int, number: int) -> _Past:
    key = seed, number
    if key not in _PASTS:
        if len(_PASTS) > 4:
            _PASTS.clear()
        _PASTS[key] = _past_of(day(seed, number), day(seed, number - 1), seed, number)
    return _PASTS[key]


def _past_of(today: Day, yesterday: Day, seed: int, number: int) -> _Past:
    """The 1440 minutes before each minute: what is left of yesterday from that minute on, and today up to it."""
    a, b = _traded(yesterday.candles), _traded(today.candles)
    whole = sum((volume(seed, number - back) for back in range(1, 30)), start=np.zeros(len(PRODUCTS), np.int64))
    month_ago = volume(seed, number - 30)[:, None] * np.arange(MINUTES, 0, -1) // MINUTES
    return _Past(
        opens_24h=_next(np.concatenate([a.opens, b.opens], axis=1))[:, :MINUTES],
        highs_24h=np.maximum(_from_here(np.maximum, a.highs), _before(np.maximum, b.highs, -1)),
        lows_24h=np.minimum(_from_here(np.minimum, a.lows), _before(np.minimum, b.lows, _HIGHEST)),
        volumes_24h=_from_here(np.add, a.volumes) + _before(np.add, b.volumes, 0),
        volumes_30d=month_ago + whole[:, None] + _before(np.add, b.volumes, 0),
    )


def _traded(made: Candles) -> Candles:
    """Without the prices of minutes that had no trade."""
    empty = made.counts == 0
    return made._replace(
        opens=np.where(empty, -1, made.opens),
        highs=np.where(empty, -1, made.highs),
        lows=np.where(empty, _HIGHEST, made.lows),
    )


def _from_here(what: np.ufunc, values: Ints) -> Ints:
    return what.accumulate(values[:, ::-1], axis=1)[:, ::-1]  # type: ignore[no-any-return]


def _before(what: np.ufunc, values: Ints, nothing: int) -> Ints:
    first = np.full((len(values), 1), nothing)
    return np.concatenate([first, what.accumulate(values, axis=1)[:, :-1]], axis=1)


def _next(opens: Ints) -> Ints:
    """Each minute's open; of one without trades that of the next that has some."""
    n = opens.shape[1]
    places = np.minimum.accumulate(np.where(opens < 0, n - 1, np.arange(n))[:, ::-1], axis=1)[:, ::-1]
    return np.take_along_axis(opens, places, axis=1)


def listed(path: tuple[object, ...], seed: int, window: Window, size: int, before: int) -> Iterator[Bars]:
    """The bars of a burst of its own: `size` trades of coins that are first traded in it; `before`: what their numbers
    begin after."""
    n = max(1, -(-window.seconds // 60), -(-size // BAR))
    edges = window.start_ms + np.arange(n + 1) * (window.seconds * 1000) // n
    draws = Draws(*path, "listed")
    popular = np.array([float(product.trades) for product in PRODUCTS])
    counts = shared(np.array([size]), popular[None])[0]
    market, own, variance = levels(seed, day_of(window.start_ms))
    lasting = variance * np.diff(edges) / DAY_MS
    clocks = np.repeat(lasting[None], len(PRODUCTS), axis=0) * (0.1 + 1.8 * draws.fractions(n))
    mean = np.array([product.size for product in PRODUCTS])
    made = candles(
        draws,
        counts=counts,
        volumes=counts * SMALLEST + (counts * mean * 100_000_000).astype(np.int64),
        # Begins where the market was that morning, and ends a little away from there.
        market=np.array([market[0], market[0] + 0.1 * (market[1] - market[0])]),
        own=np.stack([own[0], own[0] + 0.1 * (own[1] - own[0])]),
        clock=lasting,
        clocks=clocks,
    )
    yield from _together(made, edges, before)


def _together(made: Candles, edges: Ints, before: int) -> Iterator[Bars]:
    """The bars of candles that nothing was before, about BAR trades at a time."""
    a = _traded(made)
    known = np.where(np.maximum.accumulate(a.opens, axis=1) < 0, -1, _next(a.opens)[:, :1])
    fields = made._asdict() | {
        "before": before + np.cumsum(made.counts, axis=1) - made.counts,
        "opens_24h": known,
        "highs_24h": _before(np.maximum, a.highs, -1),
        "lows_24h": _before(np.minimum, a.lows, _HIGHEST),
        "volumes_24h": _before(np.add, made.volumes, 0),
        "volumes_30d": _before(np.add, made.volumes, 0),
    }
    running = np.cumsum(made.counts.sum(axis=0))
    cuts = np.flatnonzero(np.diff(running // BAR, prepend=0)) + 1
    for first, end in itertools.pairwise(sorted({0, *cuts.tolist(), len(running)})):
        columns = slice(first, end)
        yield _kept(
            Bars(
                products=np.tile(np.arange(len(PRODUCTS)), end - first),
                starts_ms=edges[first:end].repeat(len(PRODUCTS)),
                lengths_ms=np.diff(edges)[columns].repeat(len(PRODUCTS)),
                **{name: column[:, columns].T.reshape(-1) for name, column in fields.items()},
            )
        )


def _kept(bars: Bars) -> Bars:
    """Without the bars that have no trade."""
    there = bars.counts > 0
    return Bars(*(column[there] for column in bars))
