"""Ways through the phone shop: what a visitor does, in which order, and what it makes of the cart.

Every event has a weight; the next one is drawn among those that are possible then. What is possible, the events before
it and the cart say: nothing is taken out of an empty cart, nobody pays before the checkout.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import accumulate
from typing import NamedTuple, TypeVar

from include.generators.draws import Draws

T = TypeVar("T")

WEIGHTS = {
    "Search": 85,
    "Checkout": 75,
    "AddToCart": 70,
    "Login": 70,
    "CompleteOrder": 65,
    "DeleteFromCart": 55,
    "IncreaseQuantity": 40,
    "DecreaseQuantity": 40,
    "Logout": 30,
    "AddPromoCode": 25,
}

#: Walks drawn for a seed; each session takes one of them.
WALKS = 2048
SHORTEST, LONGEST = 1, 30
#: Different phones in a cart, and pieces of each, at most.
MOST_PHONES, MOST_PIECES = 5, 9
#: Of orders: those that fail; the cart stays then, and the visitor may try again.
FAILS = 0.06

PROMOS = ("HELLO5", "SPRING10", "BLACKFRIDAY", "STUDENT", "TRADEIN")

#: Maker, names of its phones, price in cents of the first; each further one costs a tenth more.
_LINES = (
    ("Apple", ("iPhone 13", "iPhone 14", "iPhone 15", "iPhone 15 Pro", "iPhone 16", "iPhone 16 Pro"), 59900),
    ("Samsung", ("Galaxy A15", "Galaxy A55", "Galaxy S23", "Galaxy S24", "Galaxy S24 Ultra", "Galaxy Z Flip6"), 19900),
    ("Google", ("Pixel 7a", "Pixel 8", "Pixel 8 Pro", "Pixel 9"), 39900),
    ("Xiaomi", ("Redmi 13C", "Redmi Note 13", "Xiaomi 13T", "Xiaomi 14"), 12950),
    ("OnePlus", ("Nord 3", "Nord 4", "OnePlus 12"), 34900),
    ("Motorola", ("moto g54", "moto g84", "edge 50"), 15990),
    ("Sony", ("Xperia 10 V", "Xperia 5 V", "Xperia 1 VI"), 37999),
    ("Nokia", ("G22", "G42", "XR21"), 14949),
    ("HUAWEI", ("nova 11", "P60 Pro"), 29929),
    ("OPPO", ("A78", "Reno10"), 18999),
)


class Phone(NamedTuple):
    """What the shop sells; `cents` is the price of one."""

    name: str
    cents: int


#: Product n stands at n - 1; the first are the most wanted.
PHONES = tuple(
    Phone(f"{maker} {name}", cents * (10 + place) // 10)
    for place in range(6)
    for maker, names, cents in _LINES
    for name in names[place : place + 1]
)
POPULARITY = tuple(1000 // (place + 3) for place in range(len(PHONES)))
QUERIES = tuple(
    text for phone in PHONES for text in (phone.name.lower(), f"{phone.name.partition(' ')[2].lower()} case")
)


class Step(NamedTuple):
    """One event of a walk: whether somebody is logged in, and the record's last part."""

    logged_in: bool
    rendered: bytes


@dataclass(slots=True)
class Shopping:
    """A visit so far: who is logged in, what is in the cart, how far the order is."""

    logged_in: bool = False
    #: Product -> pieces, and -> those of them that came by IncreaseQuantity and are still there.
    cart: dict[int, int] = field(default_factory=dict)
    raised: dict[int, int] = field(default_factory=dict)
    checked_out: bool = False
    promoted: bool = False

    def possible(self) -> list[str]:
        """The events that can come next, in the order of WEIGHTS."""
        can = {
            "Search": True,
            "Checkout": bool(self.cart),
            "AddToCart": len(self.cart) < MOST_PHONES,
            "Login": not self.logged_in,
            "CompleteOrder": self.checked_out,
            "DeleteFromCart": bool(self.cart),
            "IncreaseQuantity": any(pieces < MOST_PIECES for pieces in self.cart.values()),
            "DecreaseQuantity": bool(self.raised),
            "Logout": self.logged_in,
            "AddPromoCode": self.checked_out and not self.promoted,
        }
        return [name for name in WEIGHTS if can[name]]

    def do(self, name: str, fraction: float) -> bytes:
        """Does it, and gives its metadata as JSON; `fraction`, 0 to 1, decides what is left to decide."""
        if name == "Search":
            return b'{"query":"%b"}' % QUERIES[int(fraction * len(QUERIES))].encode()
        if name in ("Login", "Logout"):
            self.logged_in = name == "Login"
            return b"{}"
        if name == "Checkout":
            self.checked_out = True
            return b"{%b}" % self._totals()
        if name == "AddPromoCode":
            self.promoted = True
            return b'{"promo_code":"%b",%b}' % (PROMOS[int(fraction * len(PROMOS))].encode(), self._totals())
        if name == "CompleteOrder":
            return self._order(fraction)
        product = self._change(name, fraction)
        return b'{"product_id":%d,"quantity":%d,%b}' % (product, self.cart.get(product, 0), self._totals())

    def _order(self, fraction: float) -> bytes:
        totals = self._totals()
        if fraction < FAILS:
            return b'{%b,"status":"Failed"}' % totals
        self.cart, self.raised, self.checked_out, self.promoted = {}, {}, False, False
        return b'{%b,"status":"Success"}' % totals

    def _change(self, name: str, fraction: float) -> int:
        """Changes the pieces of one phone in the cart; says which."""
        if name == "AddToCart":
            left = [product for product in range(1, len(PHONES) + 1) if product not in self.cart]
            product = _weighted(left, [POPULARITY[product - 1] for product in left], fraction)
            self.cart[product] = 1
            return product
        chosen = {
            "DeleteFromCart": list(self.cart),
            "IncreaseQuantity": [product for product, pieces in self.cart.items() if pieces < MOST_PIECES],
            "DecreaseQuantity": list(self.raised),
        }[name]
        product = chosen[int(fraction * len(chosen))]
        if name == "IncreaseQuantity":
            self.cart[product] += 1
            self.raised[product] = self.raised.get(product, 0) + 1
        elif name == "DecreaseQuantity":
            self.cart[product] -= 1
            self.raised[product] -= 1
            if not self.raised[product]:
                del self.raised[product]
        else:
            del self.cart[product]
            self.raised.pop(product, None)
            self.checked_out = self.checked_out and bool(self.cart)  # there is nothing left to pay
        return product

    def _totals(self) -> bytes:
        cents = sum(PHONES[product - 1].cents * pieces for product, pieces in self.cart.items())
        return b'"cart_items":%d,"total_amount":%d.%02d' % (sum(self.cart.values()), *divmod(cents, 100))


@functools.lru_cache(maxsize=4)
def walks(seed: int) -> list[list[Step]]:
    """The walks of a seed. Sessions are short or long: half of them have eight events or fewer."""
    draws = Draws(seed, "clickstream", "walks")
    lengths = (SHORTEST + (LONGEST - SHORTEST + 1) * draws.fractions(WALKS) ** 2).astype(int).tolist()
    fractions = draws.fractions(2 * sum(lengths)).tolist()
    found = []
    for length in lengths:
        found.append(walk(fractions[: 2 * length]))
        del fractions[: 2 * length]
    return found


def walk(fractions: list[float]) -> list[Step]:
    """One visit; two numbers from 0 to 1 an event: which one comes, and what of."""
    visit, steps = Shopping(), []
    for which, what in zip(fractions[::2], fractions[1::2], strict=True):
        possible = visit.possible()
        name = _weighted(possible, [WEIGHTS[one] for one in possible], which)
        was_logged_in = visit.logged_in
        metadata = visit.do(name, what)
        # A logout is still the doing of who was logged in.
        known = visit.logged_in or was_logged_in
        steps.append(Step(known, b'"event_name":"%b","metadata":%b}' % (name.encode(), metadata)))
    return steps


def _weighted(choices: list[T], weights: list[int], fraction: float) -> T:
    edges = list(accumulate(weights))
    place = fraction * edges[-1]
    return next(choice for choice, edge in zip(choices, edges, strict=True) if place < edge)
