"""Who visits the fashion shop: what a visitor searches for, puts into the cart and pays, and the rows of a booking."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np

from include.generators.change_events import Change
from include.generators.draws import Draws

TRANSACTIONS = "streaming.public.transactions"

SOURCES, SOURCE_WEIGHTS = (b"MOBILE", b"WEB"), (9, 1)
METHODS, METHOD_WEIGHTS = (b"Credit Card", b"OVO", b"Debit Card", b"Gopay", b"LinkAja"), (36, 21, 17, 15, 11)
KEYWORDS = (b"T-Shirt", b"Dress", b"Jeans", b"Jacket", b"Sneakers", b"Batik", b"Hijab", b"Sandals", b"Watch", b"Bag")
PROMOS = (b"WEEKENDSERU", b"LIBURDONG", b"WEEKENDMANTAP")
FEES = (0, 5000, 10000, 10000, 15000, 25000)
PRODUCTS, CUSTOMERS, PLACES = 4000, 20000, 500
MOST_ITEMS = 3

#: Of bookings: the payment fails at first; of those, it succeeds later. Of visitors: their last row is written twice.
FAILS, RECOVERS, DOUBLED = 0.06, 0.5, 0.02
#: Most ms until a failed payment succeeds; until a row written twice is deleted.
RECOVERY_MS, CLEANED_MS = 20_000, 500

DETAILS = (
    b'"product_id":%b,"quantity":%b,"item_price":%b,"payment_status":%b,"search_keywords":%b,"promo_code":%b,'
    b'"promo_amount":%b'
)
LINE = (
    b'{"id":%d,"customer_id":%d,"booking_id":"%b","session_id":"%b","payment_method":"%b","payment_status":"%b",'
    b'"promo_amount":%d,"promo_code":%b,"shipment_fee":%d,%b,"total_amount":%d,"product_id":%d,"quantity":%d,'
    b'"item_price":%d,"created_at":"%b"}'
)
NULL = b"null"
FAILED, SUCCESS = b'"payment_status":"Failed"', b'"payment_status":"Success"'
PLAIN = DETAILS % ((NULL,) * 7)
PAID = {status: PLAIN.replace(b'"payment_status":null', status) for status in (FAILED, SUCCESS)}


@dataclass(slots=True)
class Visitor:
    """One visitor: drawn beforehand, but for the cart, which the walk fills."""

    session_id: bytes
    booking_id: bytes
    customer: int
    source: bytes
    method: bytes
    keyword: bytes
    #: Product, pieces and price of what may come into the cart.
    choices: list[tuple[int, int, int]]
    promo: bytes
    promo_amount: int
    fee: int
    place: bytes
    status: bytes
    #: ms after a failed booking until its payment succeeds, if it does.
    recovers_after: int | None
    is_doubled: bool
    cart: list[tuple[int, int, int]] = field(default_factory=list)
    is_promoted: bool = False

    def details(self, page: bytes) -> bytes:
        """The fields that only some pages fill; puts things into the cart."""
        if page == b"SEARCH":
            return DETAILS % (NULL, NULL, NULL, NULL, self.keyword, NULL, NULL)
        if page == b"ADD_TO_CART":
            self.cart.append(self.choices[len(self.cart)])
            return DETAILS % (*(b"%d" % number for number in self.cart[-1]), NULL, NULL, NULL, NULL)
        if page == b"ADD_PROMO":
            self.is_promoted = True
            return DETAILS % (NULL, NULL, NULL, NULL, NULL, self.promo, b"%d" % self.promo_amount)
        return PAID[self.status] if page == b"BOOKING" else PLAIN

    def lines(self, created_at: bytes, ids: Iterator[int]) -> list[tuple[int, bytes]]:
        """Id and row of each line item; each has the total of all: items less promotion plus fee."""
        promo, promo_amount = (self.promo, self.promo_amount) if self.is_promoted else (NULL, 0)
        total = sum(pieces * price for _, pieces, price in self.cart) - promo_amount + self.fee
        status = self.status[18:-1]
        head = (self.customer, self.booking_id, self.session_id, self.method, status, promo_amount, promo, self.fee)
        rows = []
        for item in self.cart:
            row_id = next(ids)
            rows.append((row_id, LINE % (row_id, *head, self.place, total, *item, created_at)))
        return rows


def row_changes(
    visitor: Visitor, topic: str, rows: list[tuple[int, bytes]], time_ms: int, end_ms: int
) -> Iterator[Change]:
    """Creates of the rows, and their updates where a failed payment succeeds; none at `end_ms` or after."""
    for row_id, row in rows:
        yield Change(time_ms, topic, row_id, None, row)
    if visitor.recovers_after is not None:
        paid_ms = min(time_ms + visitor.recovers_after, end_ms - 1)
        for row_id, row in rows:
            if FAILED in row:
                yield Change(paid_ms, topic, row_id, row, row.replace(FAILED, SUCCESS))


def copied(topic: str, row_id: int, row: bytes, copy_id: int, time_ms: int, end_ms: int) -> tuple[Change, Change]:
    """A row written a second time by mistake, and deleted when that is seen."""
    copy = row.replace(b'"id":%d,' % row_id, b'"id":%d,' % copy_id, 1)
    return (
        Change(time_ms, topic, copy_id, None, copy),
        Change(min(time_ms + CLEANED_MS, end_ms - 1), topic, copy_id, copy, None),
    )


@functools.lru_cache(maxsize=8)
def prices(seed: int) -> list[int]:
    """Price in IDR of each product; product n stands at n - 1."""
    return (50_000 + Draws(seed, "fashion", "prices").fractions(PRODUCTS) ** 2 * 550_000).astype(np.int64).tolist()  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=8)
def places(seed: int) -> list[bytes]:
    """Places that parcels go to, as the two fields of a row: from Sumatra to Sulawesi."""
    draws = Draws(seed, "fashion", "places")
    latitudes, longitudes = draws.fractions(PLACES) * 10 - 8, draws.fractions(PLACES) * 26 + 98
    return [
        b'"shipment_location_lat":%.6f,"shipment_location_lon":%.6f' % place
        for place in zip(latitudes.tolist(), longitudes.tolist(), strict=True)
    ]


def visitors(path: tuple[object, ...], seed: int, n: int) -> list[Visitor]:
    """`n` visitors; the first one's payment fails and recovers, and the last row is doubled: no burst lacks these."""
    draws = Draws(*path, "visitors")
    table, towns = prices(seed), places(seed)
    products = draws.integers(n * MOST_ITEMS, 1, PRODUCTS).tolist()
    pieces = (1 + draws.picks(n * MOST_ITEMS, (90, 6, 2, 1, 1))).tolist()
    choices = [(product, piece, table[product - 1]) for product, piece in zip(products, pieces, strict=True)]
    fails, recovers = draws.fractions(n) < FAILS, draws.fractions(n) < RECOVERS
    doubled = draws.fractions(n) < DOUBLED
    fails[:1] = recovers[:1] = doubled[:1] = True
    delays = draws.integers(n, 1_000, RECOVERY_MS)
    columns = zip(
        count(0, MOST_ITEMS),
        Draws(*path, "sessions").uuids(n),
        Draws(*path, "bookings").uuids(n),
        draws.integers(n, 1, CUSTOMERS).tolist(),
        draws.picks(n, SOURCE_WEIGHTS).tolist(),
        draws.picks(n, METHOD_WEIGHTS).tolist(),
        draws.integers(n, 0, len(KEYWORDS) - 1).tolist(),
        draws.integers(n, 0, len(PROMOS) - 1).tolist(),
        draws.integers(n, 1_000, 15_000).tolist(),
        draws.integers(n, 0, len(FEES) - 1).tolist(),
        draws.integers(n, 0, PLACES - 1).tolist(),
        fails.tolist(),
        np.where(fails & recovers, delays, 0).tolist(),
        doubled.tolist(),
    )
    return [
        Visitor(
            session_id=session_id,
            booking_id=booking_id,
            customer=customer,
            source=SOURCES[source],
            method=METHODS[method],
            keyword=b'"%b"' % KEYWORDS[keyword],
            choices=choices[first : first + MOST_ITEMS],
            promo=b'"%b"' % PROMOS[promo],
            promo_amount=promo_amount,
            fee=FEES[fee],
            place=towns[place],
            status=FAILED if is_failed else SUCCESS,
            recovers_after=delay or None,
            is_doubled=is_doubled,
        )
        for (
            first, session_id, booking_id, customer, source, method, keyword, promo, promo_amount, fee, place,
            is_failed, delay, is_doubled,
        ) in columns
    ]  # fmt: skip
