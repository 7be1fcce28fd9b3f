"""What is traded: the products of the market, and coins that are listed for one burst alone."""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from include.contracts.event import Window


class Product(NamedTuple):
    """One product.

    `price` in USD is what it moves around, `decimals` those of a price, `trades` how many on a day, `size` the mean of
    one in whole coins. `beta`: how strongly it follows the market; `own`: deviation of a day's logarithmic return that
    is its own. `offset`: its sequence less its trade id.
    """

    name: bytes
    price: float
    decimals: int
    trades: int
    size: float
    beta: float
    own: float
    offset: int


#: Far beyond what a real exchange has come to, so that no generated record has the id of a real one; exact in JSON.
OFFSET = 5_000_000_000_000_000

PRODUCTS = (
    Product(b"BTC-USD", 62_000, 2, 86_400, 0.02, 1.0, 0.008, OFFSET),
    Product(b"ETH-USD", 3_100, 2, 72_000, 0.35, 1.2, 0.014, OFFSET),
    Product(b"SOL-USD", 150, 2, 40_320, 6, 1.4, 0.022, OFFSET),
    Product(b"XRP-USD", 0.52, 4, 28_800, 900, 1.1, 0.022, OFFSET),
    Product(b"DOGE-USD", 0.14, 5, 20_160, 1_000, 1.3, 0.028, OFFSET),
    Product(b"ADA-USD", 0.45, 4, 11_520, 900, 1.2, 0.022, OFFSET),
    Product(b"LINK-USD", 14, 3, 8_640, 25, 1.25, 0.024, OFFSET),
    Product(b"LTC-USD", 75, 2, 5_760, 4, 1.0, 0.018, OFFSET),
)

_LETTERS = b"ABCDEFGHJKLMNPQRSTUVWXYZ"


def listed(window: Window, shard: str) -> tuple[Product, ...]:
    """Coins of a burst of its own: they trade as the market's products do, under names that the burst's name gives.

    A burst beside the schedule must not give the market's products a second set of numbers.
    """
    digest = hashlib.blake2b(f"{window}/{shard}".encode(), digest_size=5 * len(PRODUCTS)).digest()
    named = (digest[place : place + 5] for place in range(0, len(digest), 5))
    return tuple(
        product._replace(
            name=b"X" + bytes(_LETTERS[byte % len(_LETTERS)] for byte in letters) + b"%d-USD" % number, offset=0
        )
        for number, (letters, product) in enumerate(zip(named, PRODUCTS, strict=True))
    )
