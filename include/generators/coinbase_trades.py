"""The trades within bars: they begin at the bar's open, end at its close, reach its high and its low, and their sizes
add up to its volume. All sums run over whole numbers, so a bar's trades are the same whatever other bars are beside it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from include.generators.coinbase_bars import Bars
from include.generators.coinbase_market import SMALLEST
from include.generators.draws import Draws, Floats, Ints

#: Even draws that one trade takes.
_DRAWS = 9
_STEP = 1 << 20
#: What a bar's last trade is away from the bar's end, in the unit of the gaps between trades.
_TAIL = 2_000


class Trades(NamedTuple):
    """One column a field, one row a trade, bar by bar. `products` are places among the products; `numbers` count a
    product's trades from 1; prices in smallest steps, sizes and volumes in UNITs."""

    products: Ints
    times_ms: Ints
    numbers: Ints
    prices: Ints
    sizes: Ints
    buys: NDArray[np.bool_]
    spreads: Ints
    bid_sizes: Ints
    ask_sizes: Ints
    opens_24h: Ints
    highs_24h: Ints
    lows_24h: Ints
    volumes_24h: Ints
    volumes_30d: Ints

    def only(self, rows: Ints | NDArray[np.bool_] | slice) -> Trades:
        """Some of them."""
        return Trades(*(column[rows] for column in self))  # type: ignore[arg-type]


def drawn_for(draws: Draws, n: int) -> Floats:
    """What `n` trades in a row take of chance."""
    return draws.fractions(_DRAWS * n).reshape(_DRAWS, n)


def trades(bars: Bars, drawn: Floats) -> Trades:
    """Every trade of the bars, each of which has one at least; `drawn`: as drawn_for() gives it, in their order."""
    counts = bars.counts
    n = int(counts.sum())
    of = np.repeat(np.arange(len(counts)), counts)
    starts = np.cumsum(counts) - counts
    places = np.arange(n) - starts[of]
    segments = _Segments(of, starts)

    prices = _prices(bars, segments, places, drawn[0] + drawn[1] - 1.0)
    sizes = _sizes(bars, segments, places, drawn[2])
    mean = (SMALLEST[bars.products] * 1000)[of]
    highs = np.maximum(segments.greatest(prices), bars.highs_24h[of])
    lows = np.minimum(-segments.greatest(-prices), bars.lows_24h[of])
    so_far = segments.sums(sizes)
    return Trades(
        products=bars.products[of],
        times_ms=_times(bars, segments, places, drawn[3], drawn[4]),
        numbers=bars.before[of] + places + 1,
        prices=prices,
        sizes=sizes,
        # In a rising minute more are bought than sold.
        buys=drawn[5] < np.where(bars.closes > bars.opens, 0.6, 0.4)[of],
        spreads=1 + (0.6 / (drawn[6] + 0.1)).astype(np.int64),
        bid_sizes=_quoted(mean, drawn[7]),
        ask_sizes=_quoted(mean, drawn[8]),
        opens_24h=bars.opens_24h[of],
        highs_24h=highs,
        lows_24h=lows,
        volumes_24h=bars.volumes_24h[of] + so_far,
        volumes_30d=bars.volumes_30d[of] + so_far,
    )


class _Segments:
    """Running figures that begin anew with each bar."""

    def __init__(self, of: Ints, starts: Ints) -> None:
        self.of, self.starts = of, starts

    def sums(self, values: Ints) -> Ints:
        """Each value added to those before it in its bar."""
        running = np.cumsum(values)
        return running - (running[self.starts] - values[self.starts])[self.of]  # type: ignore[no-any-return]

    def greatest(self, values: Ints) -> Ints:
        """The greatest up to each value, of values within 2**40."""
        apart = self.of * (1 << 42)
        return np.maximum.accumulate(values + apart) - apart  # type: ignore[no-any-return]

    def totals(self, running: Ints) -> Ints:
        """What running sums have come to at the end of each one's bar."""
        ends = np.append(self.starts[1:], len(running)) - 1
        return running[ends][self.of]  # type: ignore[no-any-return]


def _prices(bars: Bars, segments: _Segments, places: Ints, chance: Floats) -> Ints:
    of, starts = segments.of, segments.starts
    opens, closes, highs, lows = (column[of] for column in (bars.opens, bars.closes, bars.highs, bars.lows))
    walk = segments.sums(np.rint(chance * _STEP).astype(np.int64))
    first, steps = walk[starts][of], np.maximum(bars.counts - 1, 1)
    walk = walk - first
    way = places / steps[of]
    # A walk of n even steps goes about 0.4 sqrt(n) far; it is fitted to the candle.
    scale = ((bars.highs - bars.lows) / (_STEP * 0.4 * np.sqrt(steps)))[of]
    path = opens + way * (closes - opens) + scale * (walk - way * segments.totals(walk))
    prices = np.clip(np.rint(path).astype(np.int64), lows, highs)
    last = starts + bars.counts - 1
    prices[starts] = bars.opens
    prices[last] = bars.closes
    three = bars.counts == 3
    # Of three trades the middle one reaches what the candle has beyond open and close, above or below.
    beyond = np.where(bars.highs > np.maximum(bars.opens, bars.closes), bars.highs, bars.lows)
    prices[starts[three] + 1] = beyond[three]
    many = bars.counts > 3
    inner = bars.counts[many] - 2
    high = _within(chance[starts[many]], inner)
    low = (high + 1 + _within(chance[last[many]], inner - 1)) % inner
    prices[starts[many] + 1 + high] = bars.highs[many]
    prices[starts[many] + 1 + low] = bars.lows[many]
    return prices


def _within(chance: Floats, most: Ints) -> Ints:
    """Whole numbers from 0 to below `most`, of chances from -1 to below 1."""
    return np.minimum(((chance + 1.0) * 0.5 * most).astype(np.int64), most - 1)


def _sizes(bars: Bars, segments: _Segments, places: Ints, chance: Floats) -> Ints:
    """Few large trades, many small ones."""
    of = segments.of
    running = segments.sums((10_000 / (chance + 0.01)).astype(np.int64))
    least = SMALLEST[bars.products]
    rest = (bars.volumes - bars.counts * least)[of]
    cut = np.floor(rest * (running / segments.totals(running))).astype(np.int64)
    before = np.concatenate([[0], cut[:-1]])
    before[segments.starts] = 0
    return cut - before + least[of]  # type: ignore[no-any-return]


def _times(bars: Bars, segments: _Segments, places: Ints, chance: Floats, burst: Floats) -> Ints:
    """Most trades follow the one before at once, the others after a while."""
    gaps = (1_000 / (chance + 0.05) * np.where(burst < 0.6, 0.02, 1.0)).astype(np.int64)
    running = segments.sums(gaps)
    return bars.starts_ms[segments.of] + bars.lengths_ms[segments.of] * running // (segments.totals(running) + _TAIL)


def _quoted(mean: Ints, chance: Floats) -> Ints:
    return (mean * (0.05 / (chance + 0.02))).astype(np.int64) + 1
