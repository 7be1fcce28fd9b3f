"""Row ids of generated tables: a pure function of the burst's name, and exact as a JSON number.

Real ids count up, which needs a memory; these take a stretch of numbers from the second the window starts in. Bursts of
one window share its stretch, each in a block found by its name.
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


def first_row_id(window: Window, shard: str, rows: int) -> int:
    """The first of `rows` ids in a row; raises ValueError where the window has not so many.

    Shards that differ in a number after a last dot ("size-1000.0", "size-1000.1") lie side by side and never overlap;
    others are apart but for a chance of `rows` in the window's seconds times IDS_PER_S.
    """
    start_s = window.start_ms // 1000 - EPOCH_S
    block = 1 << max(rows - 1, 1).bit_length()
    blocks = window.seconds * IDS_PER_S // block
    if not 0 <= start_s < REPLAYED // IDS_PER_S - window.seconds:
        raise ValueError(f"window {window} is outside 2020 to 2054, for which row ids are made")
    name, _, number = shard.rpartition(".")
    if not number.isdecimal():
        name, number = shard, "0"
    if int(number) >= blocks:
        raise ValueError(f"{rows} rows in shard {shard!r} do not fit a window of {window.seconds} s: make it longer")
    digest = hashlib.blake2b(f"{window}/{name}".encode(), digest_size=8).digest()
    return start_s * IDS_PER_S + (int.from_bytes(digest, "big") + int(number)) % blocks * block
