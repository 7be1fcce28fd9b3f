"""The market, day by day: for each product and minute how many trades, how much, and the minute's candle.

Any day is reached without the days before it. What needs a memory in a real market is drawn from the large to the
small: prices at every 256th day, between them a bridge of days, within a day a bridge of minutes; numbers and volumes
of a day, shared among its minutes. Trades are drawn last, within their minute's candle, so a figure of 24 hours needs
the minutes and not the trades (decision 0021).
"""

from __future__ import annotations

import functools
from datetime import UTC, date, datetime
from typing import NamedTuple

import numpy as np

from include.generators.coinbase_numbers import bridge, exp, normals, shared
from include.generators.coinbase_products import PRODUCTS
from include.generators.draws import DAY_MS, Draws, Floats, Ints

MINUTES = 1440
#: Sizes are whole numbers of this part of a coin.
UNIT = 100_000_000

#: Days since 1970 of the market's first day, and of the day after its last.
OPENS, CLOSES = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) // 86_400 for year in (2020, 2100))
#: Days between two prices that are drawn on their own.
STRETCH = 256
#: Deviation of the market's logarithm over a day, and of its level over years; so much a stretch moves it.
MARKET, LEVEL = 0.022, 0.25

#: Trades and movement by hour (UTC): quiet before Asia's morning, lively while America trades.
_HOURS = np.array([9, 9, 8, 7, 6, 6, 7, 8, 9, 10, 10, 10, 11, 14, 17, 18, 17, 15, 13, 12, 11, 10, 10, 9]) / 10.0
#: Trades by day of the week, from Monday; they add up to 7.
_WEEK = np.array([1.06, 1.06, 1.06, 1.06, 1.06, 0.85, 0.85])
_WEEK_BEFORE = np.concatenate([[0.0], np.cumsum(_WEEK)])[:7]
#: How much volatility differs between stretches of so many days, and of so many minutes: what makes it cluster.
_OF_DAYS = ((16, 0.3), (4, 0.25), (1, 0.2))
_OF_MINUTES = ((360, 0.4), (60, 0.45), (15, 0.45), (5, 0.35), (1, 0.35))

_PRICES = np.array([round(product.price * 10**product.decimals) for product in PRODUCTS], np.float64)
_BETAS = np.array([product.beta for product in PRODUCTS])
_OWN = np.array([product.own for product in PRODUCTS])
_TRADES = np.array([product.trades for product in PRODUCTS], np.float64)
_SIZES = np.array([product.size for product in PRODUCTS]) * UNIT
#: The smallest trade of each product.
SMALLEST = (_SIZES / 1000).astype(np.int64)


class Candles(NamedTuple):
    """Trades by product (row) and stretch of time (column). Prices are whole numbers of a product's smallest step,
    meaningful where `counts` is not 0; volumes are in UNITs."""

    counts: Ints
    volumes: Ints
    opens: Ints
    highs: Ints
    lows: Ints
    closes: Ints


class Day(NamedTuple):
    """A day's minutes, and how many trades each product had before it."""

    candles: Candles
    before: Ints


def check_open(number: int) -> None:
    """Raises ValueError where there is no trade on that day, or none the day before it."""
    if not OPENS < number < CLOSES:
        at = date.fromordinal(date(1970, 1, 1).toordinal() + number)
        raise ValueError(f"no trades on {at.isoformat()}: the market is made for 2020-01-02 to 2099-12-31")


@functools.lru_cache(maxsize=8)
def day(seed: int, number: int) -> Day:
    """The day of that number since 1970."""
    draws = Draws(seed, "coinbase", "day", number)
    counts = numbers_before(seed, number + 1) - numbers_before(seed, number)
    market, own, variance = levels(seed, number)
    lively = _HOURS.repeat(60) * exp(_clusters(draws, (1,), _OF_MINUTES, MINUTES))[0]
    each = exp(0.6 * _clusters(draws, (len(PRODUCTS),), _OF_MINUTES, MINUTES))
    made = candles(
        draws,
        counts=counts,
        volumes=volume(seed, number),
        market=market,
        own=own,
        clock=variance * lively / np.cumsum(lively)[-1],
        clocks=variance * lively * each / np.cumsum(lively * each, axis=-1)[:, -1:],
    )
    return Day(made, numbers_before(seed, number))


def candles(
    draws: Draws, *, counts: Ints, volumes: Ints, market: Floats, own: Floats, clock: Floats, clocks: Floats
) -> Candles:
    """The candles of n stretches of time in a row, from totals a product.

    `market`: the market's logarithm at start and end; `own`: the same of each product (2, p). `clock` (n) and `clocks`
    (p, n): the variance of each stretch, for the market's deviation of MARKET and each product's own.
    """
    shape = clocks.shape
    size = shape[0] * shape[1]
    together = bridge(market[:1], market[1:], normals(draws, shape[1])[None], MARKET**2 * clock[None])[0]
    apart = bridge(own[0], own[1], normals(draws, size).reshape(shape), _OWN[:, None] ** 2 * clocks)
    ends = _PRICES[:, None] * exp(_BETAS[:, None] * together + apart)
    first = _PRICES * exp(_BETAS * market[0] + own[0])
    closes = np.maximum(np.rint(ends), 1).astype(np.int64)
    before = np.concatenate([np.maximum(np.rint(first), 1).astype(np.int64)[:, None], closes[:, :-1]], axis=1)

    # Deviation within a stretch, in smallest steps; the first trade is a little away from the last one before it.
    moves = ends * np.sqrt((_BETAS[:, None] * MARKET) ** 2 * clock + _OWN[:, None] ** 2 * clocks)
    opens = np.maximum(before + np.rint(0.1 * moves * normals(draws, size).reshape(shape)).astype(np.int64), 1)
    above = np.rint(0.6 * moves * np.abs(normals(draws, size)).reshape(shape)).astype(np.int64)
    below = np.rint(0.6 * moves * np.abs(normals(draws, size)).reshape(shape)).astype(np.int64)

    # More trades where prices move; the product of two even draws makes some minutes empty.
    moved = np.sqrt(clocks)
    chance = draws.fractions(size).reshape(shape) * draws.fractions(size).reshape(shape)
    trades = shared(counts, moved * (0.1 + chance))
    sizes = trades * exp(0.5 * normals(draws, size)).reshape(shape)
    amounts = shared(volumes - counts * SMALLEST, sizes) + trades * SMALLEST[:, None]
    return _fitting(Candles(trades, amounts, opens, opens + above, np.maximum(opens - below, 1), closes))


def _fitting(made: Candles) -> Candles:
    """Candles that so few trades can have: one price of one trade, none beyond open and close of two, one of three."""
    opens = np.where(made.counts == 1, made.closes, made.opens)
    top, bottom = np.maximum(opens, made.closes), np.minimum(opens, made.closes)
    highs, lows = np.maximum(made.highs, top), np.minimum(made.lows, bottom)
    upward = (made.highs + made.lows) % 2 == 0
    highs = np.where((made.counts > 3) | ((made.counts == 3) & upward), highs, top)
    lows = np.where((made.counts > 3) | ((made.counts == 3) & ~upward), lows, bottom)
    return made._replace(opens=opens, highs=highs, lows=lows)


def numbers_before(seed: int, number: int) -> Ints:
    """Trades of each product before a day: a line with a little noise, so that no day needs those before it."""
    weeks, weekday = divmod(number + 3, 7)  # 1970 began on a Thursday
    whole = 7.0 * (weeks - (OPENS + 3) // 7) + _WEEK_BEFORE[weekday]
    noise = Draws(seed, "coinbase", "numbers", number).fractions(len(PRODUCTS))
    return np.floor(_TRADES * (whole + 0.25 * noise)).astype(np.int64)  # type: ignore[no-any-return]


def volume(seed: int, number: int) -> Ints:
    """What is traded of each product on a day, in UNITs."""
    counts = numbers_before(seed, number + 1) - numbers_before(seed, number)
    noise = normals(Draws(seed, "coinbase", "volume", number), len(PRODUCTS))
    return np.floor(counts * (_SIZES * exp(0.3 * noise))).astype(np.int64)  # type: ignore[no-any-return]


def levels(seed: int, number: int) -> tuple[Floats, Floats, float]:
    """Logarithms over a day: the market's at start and end (2), each product's own (2, p); and the day's variance."""
    index, place = divmod(number, STRETCH)
    market, own, variances = _stretch(seed, index)
    return market[place : place + 2], own[:, place : place + 2].T, float(variances[place])


@functools.lru_cache(maxsize=8)
def _stretch(seed: int, index: int) -> tuple[Floats, Floats, Floats]:
    draws = Draws(seed, "coinbase", "stretch", index)
    start, end = (_knot(seed, edge) for edge in (index, index + 1))
    variances = exp(_clusters(draws, (1,), _OF_DAYS, STRETCH))[0]
    market = bridge(start[:1], end[:1], normals(draws, STRETCH)[None], MARKET**2 * variances[None])[0]
    steps = normals(draws, len(PRODUCTS) * STRETCH).reshape(-1, STRETCH)
    own = bridge(start[1:], end[1:], steps, _OWN[:, None] ** 2 * variances)
    return np.concatenate([start[:1], market]), np.concatenate([start[1:, None], own], axis=1), variances


def _knot(seed: int, index: int) -> Floats:
    """The market's logarithm, and each product's own, where stretch `index` begins."""
    drawn = normals(Draws(seed, "coinbase", "knot", index), 1 + len(PRODUCTS))
    return LEVEL * drawn * np.concatenate([[1.0], _OWN / MARKET])


def _clusters(draws: Draws, rows: tuple[int], scales: tuple[tuple[int, float], ...], n: int) -> Floats:
    """Logarithms of variance (rows, n): for each scale one draw a stretch, so that what is near is alike."""
    total = np.zeros((*rows, n))
    for length, deviation in scales:
        stretches = -(-n // length)
        drawn = normals(draws, rows[0] * stretches).reshape(*rows, stretches)
        total += deviation * drawn.repeat(length, axis=-1)[:, :n]
    return total


def day_of(time_ms: int) -> int:
    """Days since 1970."""
    return time_ms // DAY_MS
