"""The shop's fixtures: shops, products and customers, drawn once from the seed and dated before any burst.

Prices come from plain draws, so that making orders needs no Faker, whose import alone takes longer than a burst.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from include.contracts import Contract
from include.contracts.event import Event, Window
from include.generators.draws import Draws, Ints, iso

SHOPS, PRODUCTS, CUSTOMERS = 5, 100, 50
#: When shops opened, products were listed and customers registered, in this order.
OPENING = Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 4, tzinfo=UTC))
DAY_MS = 86_400_000

KINDS = {
    "Shirts": ("Shirt", "Blouse", "Polo", "Henley"),
    "Trousers": ("Chinos", "Jeans", "Shorts", "Leggings"),
    "Knitwear": ("Jumper", "Cardigan", "Vest", "Turtleneck"),
    "Jackets": ("Parka", "Blazer", "Raincoat", "Bomber"),
    "Dresses": ("Dress", "Skirt", "Gown", "Jumpsuit"),
    "Shoes": ("Sneaker", "Boot", "Loafer", "Sandal"),
    "Bags": ("Backpack", "Tote", "Satchel", "Pouch"),
    "Accessories": ("Scarf", "Belt", "Hat", "Gloves"),
}
COLORS = ("black", "white", "navy", "olive", "sand", "burgundy", "teal", "mustard", "grey", "rose")
MATERIALS = ("cotton", "linen", "wool", "leather", "denim", "silk", "polyester", "canvas")
SIZES = ("S", "M", "L", "XL")

Record = dict[str, Any]


@functools.lru_cache(maxsize=8)
def prices_cents(seed: int) -> Ints:
    """Price of each product in cents; product n stands at n - 1. Ends in 99, 49 or 00, from 4.00 to 399.99."""
    draws = Draws(seed, "ecommerce", "prices")
    # The square makes cheap products the many and dear ones the few.
    whole = 4 + (draws.fractions(PRODUCTS) ** 2 * 396).astype(np.int64)
    return whole * 100 + np.array([99, 49, 0])[draws.picks(PRODUCTS, (6, 3, 1))]


def bootstrap(contract: Contract) -> Iterator[Event]:
    """Every shop, product and customer as one event each, the same at each call."""
    if contract.burst is None:
        raise ValueError(f"contract {contract.domain} has no burst, so there is no seed to draw its shops from")
    for topic, records in catalog(contract.burst.seed).items():
        for record, created_ms in records:
            value = msgspec.json.encode(record)
            yield Event(topic, str(record["id"]).encode(), value, created_ms)


@functools.lru_cache(maxsize=8)
def catalog(seed: int) -> dict[str, list[tuple[Record, int]]]:
    """Topic -> records with their time in ms, drawn with Faker from the seed."""
    from faker import Faker

    fake = Faker("en_US")
    fake.seed_instance(seed)
    return {
        "shops": _dated(seed, "shops", 0, [_shop(fake, n) for n in range(1, SHOPS + 1)]),
        "products": _dated(seed, "products", 1, _products(fake, seed)),
        "customers": _dated(seed, "customers", 2, [_customer(fake, n) for n in range(1, CUSTOMERS + 1)]),
    }


def _dated(seed: int, topic: str, day: int, records: list[Record]) -> list[tuple[Record, int]]:
    draws = Draws(seed, "ecommerce", "bootstrap", topic)
    ids = draws.uuids(len(records))
    times = np.sort(draws.integers(len(records), 0, DAY_MS - 1)) + OPENING.start_ms + day * DAY_MS
    return [
        ({"event_id": event_id.decode(), **record, "created_at": created_at.decode()}, created_ms)
        for event_id, record, created_at, created_ms in zip(ids, records, iso(times), times.tolist(), strict=True)
    ]


def _shop(fake: Any, number: int) -> Record:
    return {"id": number, "name": fake.company(), **_place(fake)}


def _place(fake: Any) -> Record:
    return {
        "city": fake.city(),
        "state": fake.state_abbr(include_territories=False),
        "zipcode": fake.zipcode(),
    }


def _customer(fake: Any, number: int) -> Record:
    first, last = fake.first_name(), fake.last_name()
    # The number keeps two customers of one name apart.
    email = f"{first}.{last}.{number}@example.com".lower().replace(" ", "")
    return {
        "id": number,
        "name": f"{first} {last}",
        "email": email,
        "address": fake.street_address(),
        **_place(fake),
    }


def _products(fake: Any, seed: int) -> list[Record]:
    draws = Draws(seed, "ecommerce", "products")
    vendors = [fake.unique.company() for _ in range(12)]
    categories = list(KINDS)
    columns = [
        draws.integers(PRODUCTS, 0, len(choices) - 1).tolist()
        for choices in (categories, range(4), vendors, COLORS, MATERIALS, SIZES, range(SHOPS))
    ]
    prices = prices_cents(seed).tolist()
    products = []
    for number, (category, kind, vendor, color, material, size, shop) in enumerate(zip(*columns, strict=True), start=1):
        noun = KINDS[categories[category]][kind]
        title = f"{COLORS[color].capitalize()} {MATERIALS[material]} {noun.lower()}"
        products.append(
            {
                "id": number,
                "shop_id": shop + 1,
                "title": title,
                "category": categories[category],
                "vendor": vendors[vendor],
                "price": msgspec.Raw(b"%d.%02d" % divmod(prices[number - 1], 100)),
                "description": f"{title} by {vendors[vendor]}. {fake.sentence(10)}",
                "color": COLORS[color],
                "size": SIZES[size],
                "material": MATERIALS[material],
            }
        )
    return products
