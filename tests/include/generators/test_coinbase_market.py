"""Whether the market moves like one: what is known of returns in every market, asked of 20 days by minutes."""

import functools
from datetime import UTC, datetime

import numpy as np
import pytest

from include.generators.coinbase_market import CLOSES, OPENS, STRETCH, day, levels, numbers_before, volume
from include.generators.coinbase_products import PRODUCTS

SEED = 7
FIRST = int(datetime(2024, 5, 1, tzinfo=UTC).timestamp()) // 86400
DAYS = 20


@functools.cache
def returns(minutes=1):
    closes = np.concatenate([day(SEED, FIRST + n).candles.closes for n in range(DAYS)], axis=1)
    return np.diff(np.log(closes[:, ::minutes].astype(float)), axis=1)


def autocorrelation(rows, lag):
    """Of each row."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    return (centred[:, lag:] * centred[:, :-lag]).mean(axis=1) / (centred**2).mean(axis=1)


def kurtosis(rows):
    centred = rows - rows.mean(axis=1, keepdims=True)
    return (centred**4).mean(axis=1) / (centred**2).mean(axis=1) ** 2


def walk():
    """A market of even chance, which has none of it: what the questions below must be able to tell apart."""
    return np.random.default_rng(1).normal(size=(len(PRODUCTS), 1440 * DAYS))


def test_tails_are_fat():
    assert (kurtosis(returns()) > 5).all()
    assert (np.abs(kurtosis(walk()) - 3) < 0.3).all()


@pytest.mark.parametrize(("lag", "least"), [(1, 0.15), (5, 0.1), (30, 0.05), (60, 0.04)])
def test_volatility_clusters(lag, least):
    assert (autocorrelation(np.abs(returns()), lag) > least).all()
    assert (np.abs(autocorrelation(np.abs(walk()), lag)) < 0.02).all()


def test_returns_themselves_tell_nothing_of_the_next():
    for lag in (1, 2, 5, 30):
        assert (np.abs(autocorrelation(returns(), lag)) < 0.05).all()


def test_products_move_together():
    together = np.corrcoef(returns(60))
    others = together[~np.eye(len(PRODUCTS), dtype=bool)]
    assert others.min() > 0.3 and others.max() < 0.95
    assert np.abs(np.corrcoef(walk())[0, 1:]).max() < 0.05


def test_more_is_traded_where_prices_move():
    counts = np.concatenate([day(SEED, FIRST + n).candles.counts for n in range(DAYS)], axis=1)
    for moved, traded in zip(np.abs(returns()), counts[:, 1:], strict=True):
        assert np.corrcoef(moved, traded)[0, 1] > 0.2


def test_some_minutes_are_empty_and_have_neither_price_nor_volume():
    made = day(SEED, FIRST).candles
    empty = made.counts == 0
    assert 0 < empty[-1].sum() < 200
    assert (made.volumes[empty] == 0).all() and (made.volumes[~empty] > 0).all()


def test_candles_can_be_had_from_their_trades():
    made = day(SEED, FIRST).candles
    there = made.counts > 0
    top, bottom = np.maximum(made.opens, made.closes), np.minimum(made.opens, made.closes)
    assert (made.highs >= top)[there].all() and (made.lows <= bottom)[there].all() and (made.lows > 0).all()
    few = (made.counts > 0) & (made.counts < 3)
    assert (made.highs[few] == top[few]).all() and (made.lows[few] == bottom[few]).all()
    one = made.counts == 1
    assert (made.highs[one] == made.lows[one]).all()
    three = made.counts == 3
    assert three.any() and not ((made.highs > top) & (made.lows < bottom))[three].any()


def test_a_day_is_the_sum_of_its_minutes():
    for number in range(FIRST, FIRST + 8):
        made = day(SEED, number)
        assert (made.candles.counts.sum(axis=1) == day(SEED, number + 1).before - made.before).all()
        assert (made.candles.volumes.sum(axis=1) == volume(SEED, number)).all()


def test_days_of_the_week_differ():
    per_day = np.diff([numbers_before(SEED, FIRST + n)[0] for n in range(700)])
    weekend = np.array([(FIRST + n + 3) % 7 > 4 for n in range(699)])
    assert per_day.min() > 0
    assert per_day[weekend].mean() < 0.9 * per_day[~weekend].mean()
    assert numbers_before(SEED, CLOSES).max() < 1 << 40 and numbers_before(SEED, OPENS + 1).min() > 0


def test_prices_stay_within_reach_for_80_years():
    market = np.array([levels(SEED, number)[0] for number in range(OPENS + 1, CLOSES, 16)])
    own = np.array([levels(SEED, number)[1][0] for number in range(OPENS + 1, CLOSES, 16)])
    assert np.abs(market).max() < 1.5 and np.abs(own).max() < 1.8
    assert (market.std(), own.std(axis=0).min()) > (0.1, 0.05)


def test_days_join():
    for number in (FIRST, STRETCH * 77 - 1, STRETCH * 77):
        (_, end), own, _ = levels(SEED, number)
        (start, _), next_own, _ = levels(SEED, number + 1)
        assert end == start and (own[1] == next_own[0]).all()
        closes, opens = day(SEED, number).candles.closes[:, -1], day(SEED, number + 1).candles.opens[:, 0]
        assert np.abs(opens / closes - 1).max() < 0.01
