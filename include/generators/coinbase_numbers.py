"""Arithmetic that gives the same last bit everywhere: nothing here asks a library for more than IEEE 754 promises.

numpy's exp, log and sums differ in the last place between processors and versions, and one such place, rounded, is
another price. So sums run from left to right or over whole numbers, and exp is a polynomial.
"""

from __future__ import annotations

import numpy as np

from include.generators.draws import Draws, Floats, Ints

_LN2 = 0.6931471805599453
# The part of ln 2 whose products with small whole numbers are exact, and the rest.
_LN2_HIGH, _LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10
#: Below any weight that is not 0.
_LEAST = 1e-300
_FACTORS = tuple(1.0 / float(np.prod(np.arange(1, n + 1, dtype=float))) for n in range(13, -1, -1))


def exp(x: Floats) -> Floats:
    """e to the x, within 1e-15 of it; x from -700 to 700."""
    powers = np.rint(x / _LN2)
    rest = (x - powers * _LN2_HIGH) - powers * _LN2_LOW
    value = np.full_like(rest, _FACTORS[0])
    for factor in _FACTORS[1:]:
        value = value * rest + factor
    return np.ldexp(value, powers.astype(np.int32))


def normals(draws: Draws, n: int) -> Floats:
    """`n` draws that are nearly normal, deviation 1, none beyond 3.5: sums of four even ones."""
    four = draws.fractions(4 * n).reshape(4, n)
    return (four[0] + four[1] + four[2] + four[3] - 2.0) * 1.7320508075688772  # type: ignore[no-any-return]


def shared(totals: Ints, weights: Floats) -> Ints:
    """Whole numbers in proportion to `weights` (..., n), which add up to `totals` (...): none where a weight is 0, and
    none at all where all of them are."""
    edges = np.cumsum(weights, axis=-1)
    parts = edges / np.maximum(edges[..., -1:], _LEAST)
    cut = np.floor(totals[..., None] * parts).astype(np.int64)
    return np.diff(cut, axis=-1, prepend=0)


def bridge(start: Floats, end: Floats, steps: Floats, variances: Floats) -> Floats:
    """Where a walk from `start` (...) to `end` (...) is after each of its steps (..., n), given each step's variance
    and a normal draw for it. Which way it takes is chance; where it ends is not."""
    walk = np.cumsum(steps * np.sqrt(variances), axis=-1)
    clock = np.cumsum(variances, axis=-1)
    clock /= clock[..., -1:]
    path: Floats = start[..., None] + walk + clock * (end - start - walk[..., -1])[..., None]
    path[..., -1] = end
    return path
