import hashlib
import json
import re
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import jsonschema
import numpy as np
import pytest

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.generators import Event, Window, bootstrap, events, shard_of
from include.generators.clickstream import CHUNK, MOST_S
from include.generators.clickstream_visitors import CHANNEL_WEIGHTS, CHANNELS, NETWORKS
from include.generators.clickstream_walks import FAILS, LONGEST, PHONES, WEIGHTS, Shopping, walk
from include.generators.draws import Draws, dmy

CONTRACT = load("clickstream")
SEED = 7
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
GOLDEN = "67973fc7c3daf28a04446fce3887bf604f12651f991cf6660b94e3c23324c30d"


def window(number=0, steps=1, step=STEP):
    return Window(START + number * step, START + (number + steps) * step)


def scheduled(number=0, steps=1, **options):
    return list(events(CONTRACT, window(number, steps), seed=SEED, **options))


def own(size, shard="size-test", **options):
    return list(events(CONTRACT, window(), seed=SEED, size=size, shard=shard, **options))


def records(made):
    return [json.loads(event.value, parse_float=Decimal) for event in made]


def sessions(made):
    found = defaultdict(list)
    for record in records(made):
        found[record["session_id"]].append(record)
    return found


def moment(text):
    return datetime.strptime(text, "%d/%m/%Y %H:%M:%S.%f").replace(tzinfo=UTC)


def complaints(made):
    validator = jsonschema.Draft202012Validator(
        json_schema(CONTRACT.topic("clickstream")), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    return [error.message for event in made for error in validator.iter_errors(json.loads(event.value))]


def test_every_event_keeps_the_contract():
    assert complaints([*scheduled(steps=30), *own(3000)]) == []
    assert list(bootstrap(CONTRACT)) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (rb'"event_time":"(..)/(..)/', rb'"event_time":"\2-\1-'),
        (rb'"session_id":".', b'"session_id":"G'),
        (rb'"channel":"', b'"channel":"x'),
    ],
)
def test_a_record_that_breaks_the_contract_is_seen(old, new):
    event = scheduled()[0]
    assert complaints([Event(event.topic, event.key, re.sub(old, new, event.value), 0)])


def test_the_same_window_gives_the_same_bytes():
    assert scheduled() == scheduled()
    assert own(50) == own(50)
    assert scheduled() != scheduled(1)


def test_a_window_written_down_once():
    """The golden burst: a change here changes the ids of every window that was ever produced."""
    lines = b"\n".join(event.topic.encode() + event.key + event.value for event in scheduled())
    assert hashlib.sha256(lines).hexdigest() == GOLDEN


def test_a_window_alone_is_what_it_is_in_a_longer_run():
    """However the time is cut: by the schedule, by an hour, across the cells that sessions are drawn by."""
    together = scheduled(steps=60)
    assert together == [event for number in range(60) for event in scheduled(number)]
    uneven = [0, 37, 61, 119, 601, 3600, 5000, 7200]
    cut = [
        event
        for first, last in pairwise(uneven)
        for event in events(
            CONTRACT, Window(START + timedelta(seconds=first), START + timedelta(seconds=last)), seed=SEED
        )
    ]
    assert cut == together
    ids = Counter(record["event_id"] for record in records(together))
    assert max(ids.values()) == 1


def test_a_session_goes_on_in_the_next_windows():
    found = sessions(scheduled(steps=60))
    spans = [
        {int((moment(one["event_time"]) - START).total_seconds() // 120) for one in some} for some in found.values()
    ]
    assert sum(len(span) > 1 for span in spans) > len(spans) / 3
    lasts = [moment(some[-1]["event_time"]) - moment(some[0]["event_time"]) for some in found.values()]
    assert max(lasts) < timedelta(seconds=MOST_S)
    assert max(lasts) > timedelta(minutes=20)


def test_sessions_that_were_never_begun_do_not_go_on():
    since = [event for number in range(8) for event in scheduled(number, since=START)]
    begun = sessions(since)
    whole = sessions(scheduled(steps=8))
    assert set(begun) < set(whole)
    assert all(begun[session] == whole[session] for session in begun)
    before = {record["session_id"] for record in records(scheduled(-15, 15))}
    assert set(whole) - set(begun) <= before
    assert not set(begun) & before


def test_events_lie_in_their_window_and_in_the_order_of_time():
    for made in (scheduled(steps=5), own(300)):
        times = [event.time_ms for event in made]
        assert times == sorted(times)
        stated = [moment(record["event_time"]) for record in records(made)]
        assert stated == sorted(stated)
        assert [int(one.timestamp() * 1_000_000) // 1000 for one in stated] == times
    assert all(window().start_ms <= event.time_ms < window().end_ms for event in own(300))


def test_a_window_has_about_as_many_events_as_the_contract_says():
    least, most = CONTRACT.burst.size
    counts = [len(scheduled(number)) for number in range(60)]
    assert least <= sum(counts) / len(counts) <= most + LONGEST
    assert len(set(counts)) > 20


@pytest.mark.parametrize("size", [0, 1, 20, 2 * CHUNK + 3])
def test_a_burst_of_a_size_has_so_many_events(size):
    made = own(size)
    assert len(made) == size
    assert all(window().start_ms <= event.time_ms < window().end_ms for event in made)
    ids = {record["event_id"] for record in records(made)}
    assert len(ids) == size
    assert not ids & {record["event_id"] for record in records(scheduled(steps=3))}


def test_shards_of_a_window_are_other_events():
    parts = [own(40, shard_of(40, index)) for index in range(3)]
    assert len({record["event_id"] for part in parts for record in records(part)}) == 120


def test_what_cannot_be_made_is_refused_before_the_first_event():
    with pytest.raises(ValueError, match="needs one of its own"):
        events(CONTRACT, window(), seed=SEED, size=5)


# ------------------------------------------------------------------------------------------------------ believable

BIG = own(60_000)


def shopped(some):
    """What a cart must be after each event of a session, by the events alone; a complaint for each that is otherwise."""
    cart, checked_out, logged_in = {}, False, False
    for record in some:
        name, meta = record["event_name"], record["metadata"]
        product = meta.get("product_id")
        if name == "AddToCart":
            if product in cart:
                yield f"added twice: {record}"
            cart[product] = 1
        elif name in ("IncreaseQuantity", "DecreaseQuantity", "DeleteFromCart"):
            if product not in cart:
                yield f"not in the cart: {record}"
                continue
            cart[product] += {"IncreaseQuantity": 1, "DecreaseQuantity": -1}.get(name, -cart[product])
            if name != "DeleteFromCart" and cart[product] < 1:
                yield f"below one: {record}"
        elif name == "Checkout":
            checked_out = True
            if not cart:
                yield f"checkout of nothing: {record}"
        elif name in ("AddPromoCode", "CompleteOrder") and not checked_out:
            yield f"before the checkout: {record}"
        if name == "Login":
            logged_in = True
        if name in ("Login", "Logout") and (not logged_in or not record["user_id"]):
            yield f"nobody is logged in: {record}"
        if bool(record["user_id"]) != logged_in:
            yield f"who it is: {record}"
        if name == "Logout":
            logged_in = False
        cart = {one: pieces for one, pieces in cart.items() if pieces > 0}
        if "total_amount" in meta:
            cents = sum(PHONES[one - 1].cents * pieces for one, pieces in cart.items())
            if (meta["cart_items"], meta["total_amount"] * 100) != (sum(cart.values()), cents):
                yield f"total: {record}"
        if "quantity" in meta and meta["quantity"] != cart.get(product, 0):
            yield f"quantity: {record}"
        if name == "CompleteOrder" and meta["status"] == "Success":
            cart, checked_out = {}, False
        checked_out = checked_out and bool(cart)


def test_carts_are_never_below_zero_and_totals_are_the_carts():
    assert [line for some in sessions([*BIG, *scheduled(-20, 100)][:60_000]).values() for line in shopped(some)] == []


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("Checkout", {"metadata": {"cart_items": 1, "total_amount": Decimal("0.01")}}),
        ("CompleteOrder", {"event_name": "DeleteFromCart", "metadata": {"product_id": 999}}),
        ("AddToCart", {"user_id": 12345678}),
    ],
)
def test_a_session_that_cannot_be_is_seen(name, change):
    some = next(
        some
        for some in sessions(BIG).values()
        if not any(one["user_id"] for one in some) and name in {one["event_name"] for one in some}
    )
    spoiled = [one | change if one["event_name"] == name else one for one in some]
    assert list(shopped(some)) == []
    assert list(shopped(spoiled))


def chi_squared(observed, expected):
    """How far counts are from what was expected of them, in standard deviations of the chi-squared distribution."""
    degrees = len(expected) - 1
    statistic = sum((observed.get(name, 0) - count) ** 2 / count for name, count in expected.items())
    return (statistic - degrees) / (2 * degrees) ** 0.5


def by_weights(weights):
    """For each set of events that can come next, how often each came, and how often it should have."""
    fractions = Draws("test", "walks").fractions(2 * 25 * 3000).tolist()
    seen = defaultdict(Counter)
    for number in range(3000):
        visit = Shopping()
        for step in walk(fractions[50 * number : 50 * number + 50]):
            record = json.loads(b"{" + step.rendered)
            possible = tuple(visit.possible())
            seen[possible][record["event_name"]] += 1
            follow(visit, record)
    for possible, counts in seen.items():
        total = sum(weights[name] for name in possible)
        yield counts, {name: counts.total() * weights[name] / total for name in possible}


def follow(visit, record):
    """Brings a visit to where the record leaves it."""
    name, product = record["event_name"], record["metadata"].get("product_id")
    if name in ("Login", "Logout"):
        visit.logged_in = name == "Login"
    elif name == "Checkout":
        visit.checked_out = True
    elif name == "AddPromoCode":
        visit.promoted = True
    elif name == "CompleteOrder" and record["metadata"]["status"] == "Success":
        visit.cart, visit.raised, visit.checked_out, visit.promoted = {}, {}, False, False
    elif name == "AddToCart":
        visit.cart[product] = 1
    elif name == "DeleteFromCart":
        del visit.cart[product]
        visit.raised.pop(product, None)
        visit.checked_out = visit.checked_out and bool(visit.cart)
    elif name in ("IncreaseQuantity", "DecreaseQuantity"):
        step = 1 if name == "IncreaseQuantity" else -1
        visit.cart[product] += step
        visit.raised[product] = visit.raised.get(product, 0) + step
        if not visit.raised[product]:
            del visit.raised[product]


def worst(weights):
    """The greatest deviation among the sets of possible events that were met often enough to judge."""
    found = [
        chi_squared(counts, expected)
        for counts, expected in by_weights(weights)
        if len(expected) > 1 and min(expected.values()) >= 5
    ]
    assert len(found) > 8
    return max(found)


def test_events_come_by_their_weights_among_those_that_are_possible():
    assert worst(WEIGHTS) < 5
    assert worst(WEIGHTS | {"Checkout": 60}) > 5


def test_channels_come_by_their_weights():
    came = Counter(some[0]["channel"] for some in sessions(BIG).values())
    total = came.total()
    expected = {
        name.decode(): total * weight / sum(CHANNEL_WEIGHTS)
        for name, weight in zip(CHANNELS, CHANNEL_WEIGHTS, strict=True)
    }
    assert chi_squared(came, expected) < 5
    assert chi_squared(came, dict.fromkeys(expected, total / 5)) > 5


def test_a_session_is_one_visitor():
    for some in sessions(BIG).values():
        assert len({(one["ip"], one["user_agent"], one["channel"]) for one in some}) == 1
        assert len({one["user_id"] for one in some} - {0}) <= 1
        assert some[0]["user_id"] == 0 or some[0]["event_name"] == "Login"


def test_sessions_are_short_mostly_and_some_are_long():
    lengths = [len(some) for some in sessions(BIG).values()]
    assert 6 <= np.median(lengths) <= 10
    assert max(lengths) == LONGEST
    found = sessions(scheduled(steps=120)).values()
    pauses = [
        (moment(b["event_time"]) - moment(a["event_time"])).total_seconds() for some in found for a, b in pairwise(some)
    ]
    assert 8 < np.median(pauses) < 20
    assert min(pauses) > 0.4
    assert np.mean(pauses) > 1.8 * np.median(pauses)


def test_few_phones_are_wanted_by_many():
    added = Counter(one["metadata"]["product_id"] for one in records(BIG) if one["event_name"] == "AddToCart")
    ranked = [count for _, count in added.most_common()]
    assert len(added) == len(PHONES)
    assert sum(ranked[:8]) > 0.4 * sum(ranked)
    assert added[1] > 4 * added[len(PHONES)]


def test_some_orders_fail():
    orders = Counter(one["metadata"]["status"] for one in records(BIG) if one["event_name"] == "CompleteOrder")
    assert abs(orders["Failed"] / orders.total() - FAILS) < 0.02


def test_addresses_are_of_the_countries_that_they_are_drawn_for():
    """By the table that the enrichment asks; tables of countries change a little from month to month."""
    iptocc = pytest.importorskip("iptocc")
    found = Counter(iptocc.country_code(list({one["ip"] for one in records(BIG)})))
    total = found.total()
    for country, (weight, _) in NETWORKS.items():
        assert abs(found[country] / total - weight / sum(w for w, _ in NETWORKS.values())) < 0.03, country


def test_times_are_written_as_the_pages_write_them():
    at = int(datetime(2024, 2, 29, 7, 5, 9, 120_045, UTC).timestamp()) * 1_000_000 + 120_045
    assert dmy(np.array([at, at + 86_400_000_000])) == [b"29/02/2024 07:05:09.120045", b"01/03/2024 07:05:09.120045"]
    assert dmy(np.array([], np.int64)) == []
