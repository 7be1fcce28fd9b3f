"""Random draws by name, in any order: the n-th draw of a key is a function of both, for whole columns of keys at once.

Where `Draws` is a stream that must be read from its start, these are looked up: what the 7th session of user 4,711 is,
without the six before it. A key is 64 bits; keys of parts come from keys of wholes. The mixing is that of SplitMix64.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from include.generators.draws import Floats, Ints

Keys = NDArray[np.uint64]

_STEP = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def key(*path: object) -> Keys:
    """The key of a path, as a column of one."""
    digest = hashlib.blake2b("/".join(map(str, path)).encode(), digest_size=8).digest()
    return np.frombuffer(digest, ">u8").astype(np.uint64)


def draw(keys: Keys, number: int | Ints) -> Keys:
    """The draw of that number of each key: 64 bits, which are a key again."""
    # Widths wrap on purpose. In place, because a burst makes millions of these.
    z = keys + np.asarray(number).astype(np.uint64) * _STEP + _STEP
    z ^= z >> np.uint64(30)
    z *= _FIRST
    z ^= z >> np.uint64(27)
    z *= _SECOND
    z ^= z >> np.uint64(31)
    return z


def fractions(drawn: Keys) -> Floats:
    """Draws as numbers from 0 up to, not including, 1."""
    return (drawn >> np.uint64(11)).astype(np.float64) * 2.0**-53
