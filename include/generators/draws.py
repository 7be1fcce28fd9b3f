"""Random draws that are a function of a path (seed, domain, window, shard, ...) alone, made in bulk.

Only the raw stream of numpy's generator is used: numpy keeps that one the same in every version, which it does not
promise of its distributions. So the same window gives the same bytes after an upgrade, too.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

DAY_MS = 86_400_000

_HEX = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint8).reshape(256, 2)
_TWO_DIGITS = np.frombuffer(b"".join(b"%02d" % number for number in range(100)), np.uint8).reshape(100, 2)
# Where the 32 hexadecimal digits of a UUID stand among its 36 characters.
_UUID_PLACES = np.array([i for i in range(36) if i not in (8, 13, 18, 23)])


class Draws:
    """A stream of draws for one path; every call goes on where the last one ended."""

    def __init__(self, *path: object) -> None:
        digest = hashlib.blake2b("/".join(map(str, path)).encode(), digest_size=16).digest()
        self._bits = np.random.PCG64(int.from_bytes(digest, "big"))

    def _raw(self, n: int) -> NDArray[np.uint64]:
        return self._bits.random_raw(n)  # type: ignore[no-any-return]

    def integers(self, n: int, least: int, most: int) -> Ints:
        """`n` whole numbers, both ends included; the span is below 2**32."""
        span = np.uint64(most - least + 1)
        return ((self._raw(n) >> np.uint64(32)) * span >> np.uint64(32)).astype(np.int64) + least

    def fractions(self, n: int) -> Floats:
        """`n` numbers from 0 up to, not including, 1."""
        return (self._raw(n) >> np.uint64(11)).astype(np.float64) * 2.0**-53

    def picks(self, n: int, weights: Sequence[float]) -> Ints:
        """`n` indexes into `weights`, each as often as its weight says."""
        edges = np.cumsum(weights)
        return np.searchsorted(edges[:-1] / edges[-1], self.fractions(n), side="right").astype(np.int64)

    def uuids(self, n: int) -> list[bytes]:
        """`n` UUIDs of version 4 as text."""
        text = np.full((n, 36), ord("-"), np.uint8)
        text[:, _UUID_PLACES] = _HEX[self._raw(2 * n).astype("<u8").view(np.uint8)].reshape(n, 32)
        text[:, 14] = ord("4")
        text[:, 19] = np.frombuffer(b"89ab", np.uint8)[text[:, 19] & 3]
        return text.reshape(-1).view("S36").tolist()  # type: ignore[no-any-return]

    def hexes(self, n: int) -> list[bytes]:
        """`n` texts of 64 hexadecimal digits."""
        text = _HEX[self._raw(4 * n).astype("<u8").view(np.uint8)]
        return text.reshape(-1).view("S64").tolist()  # type: ignore[no-any-return]


def dmy(times_us: Ints) -> list[bytes]:
    """Times since 1970 in us as text in UTC, e.g. 31/05/2024 12:00:00.123456."""
    if not len(times_us):
        return []
    days, rest = np.divmod(times_us, 1000 * DAY_MS)
    first = int(days.min())
    dates = np.datetime_as_string(np.arange(first, int(days.max()) + 1).astype("datetime64[D]")).astype("S10")
    digits = dates.view(np.uint8).reshape(-1, 10)[days - first]
    text = np.empty((len(times_us), 26), np.uint8)
    text[:] = np.frombuffer(b"00/00/0000 00:00:00.000000", np.uint8)
    text[:, 0:2], text[:, 3:5], text[:, 6:10] = digits[:, 8:10], digits[:, 5:7], digits[:, 0:4]
    seconds, us = np.divmod(rest, 1_000_000)
    parts = (seconds // 3600, seconds // 60 % 60, seconds % 60, us // 10_000, us // 100 % 100, us % 100)
    for place, part in zip((11, 14, 17, 20, 22, 24), parts, strict=True):
        text[:, place : place + 2] = _TWO_DIGITS[part]
    return text.reshape(-1).view("S26").tolist()  # type: ignore[no-any-return]


def iso(times_ms: Ints) -> list[bytes]:
    """Times since 1970 in ms as ISO 8601 text in UTC, e.g. 2024-05-01T12:00:00.123Z."""
    if not len(times_ms):
        return []
    days, rest = np.divmod(times_ms, DAY_MS)
    first = int(days.min())
    dates = np.datetime_as_string(np.arange(first, int(days.max()) + 1).astype("datetime64[D]")).astype("S10")
    text = np.empty((len(times_ms), 24), np.uint8)
    text[:, :10] = dates.view(np.uint8).reshape(-1, 10)[days - first]
    text[:, 10:] = np.frombuffer(b"T00:00:00.000Z", np.uint8)
    seconds, ms = np.divmod(rest, 1000)
    text[:, 11:13] = _TWO_DIGITS[seconds // 3600]
    text[:, 14:16] = _TWO_DIGITS[seconds // 60 % 60]
    text[:, 17:19] = _TWO_DIGITS[seconds % 60]
    text[:, 20] += (ms // 100).astype(np.uint8)
    text[:, 21:23] = _TWO_DIGITS[ms % 100]
    return text.reshape(-1).view("S24").tolist()  # type: ignore[no-any-return]
