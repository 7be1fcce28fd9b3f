"""Row ids of generated tables: a pure function of the burst's name, and exact as a JSON number.

Real ids count up, which needs a memory; these take a stretch of numbers from the second the window starts in. Bursts of
one window share its stretch, each in a place found by its name.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

from include.contracts.event import Window

EPOCH_S = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp())
#: Ids of one second of a window: 4 million. From 2020 to 2054 they stay below 2**52.
IDS_PER_S = 1 << 22
#: Ids from here up belong to rows that were read from files.
REPLAYED = 1 << 52
#: Parts of a window's ids: shards of one name and other numbers are in parts of their own.
LANES = 64


def first_row_id(window: Window, shard: str, rows: int) -> int:
    """The first of `rows` ids in a row; raises ValueError where the window has not so many.

    Shards that differ in a number after a last dot only ("size-1000.0", "size-1000.1") never overlap; others of one
    window do by chance, once in some 100,000 pairs of a thousand rows.
    """
    start_s = window.start_ms // 1000 - EPOCH_S
    if not 0 <= start_s < REPLAYED // IDS_PER_S - window.seconds:
        raise ValueError(f"window {window} is outside 2020 to 2054, for which row ids are made")
    name, _, number = shard.rpartition(".")
    if not number.isdecimal():
        name, number = shard, "0"
    lane_size = window.seconds * IDS_PER_S // LANES
    if rows > lane_size or int(number) >= LANES:
        raise ValueError(
            f"{rows:,} rows in shard {shard!r} do not fit a window of {window.seconds} s: make the window longer, or "
            f"share the size among up to {LANES} shards"
        )
    place = int.from_bytes(hashlib.blake2b(f"{window}/{name}".encode(), digest_size=8).digest(), "big")
    lane, offset = (place + int(number)) % LANES, (place >> 8) % (lane_size - rows + 1)
    return start_s * IDS_PER_S + lane * lane_size + offset
