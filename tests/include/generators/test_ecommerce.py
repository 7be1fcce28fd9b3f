import hashlib
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import jsonschema
import pytest

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.generators import BurstId, Event, Window, bootstrap, burst, events, opening, shard_of
from include.generators.ecommerce import CHUNK, FOLLOWERS, LOOK_BACK_MS
from include.generators.ecommerce_catalog import catalog

CONTRACT = load("ecommerce")
SEED = 7
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
GOLDEN = "2f1f4b554696d9e46ff5f52c50b537302f1495c9027135d18a615bb7972dbe38"


def window(number=0, length=STEP):
    return Window(START + number * length, START + (number + 1) * length)


def scheduled(number=0, **options):
    return list(events(CONTRACT, window(number), seed=SEED, **options))


def own(size, shard="size-test", **options):
    return list(events(CONTRACT, window(), seed=SEED, size=size, shard=shard, **options))


def records(made, topic):
    return [json.loads(event.value, parse_float=Decimal) for event in made if event.topic == topic]


def complaints(made):
    validators = {
        topic.name: jsonschema.Draft202012Validator(
            json_schema(topic), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
        )
        for topic in CONTRACT.topics
    }
    return [error.message for event in made for error in validators[event.topic].iter_errors(json.loads(event.value))]


def test_every_event_keeps_the_contract():
    made = [*bootstrap(CONTRACT), *scheduled(), *own(300)]
    assert {event.topic for event in made} == {topic.name for topic in CONTRACT.topics}
    assert complaints(made) == []


def test_a_record_that_breaks_the_contract_is_seen():
    event = next(event for event in scheduled() if event.topic == "orders")
    broken = Event(event.topic, event.key, event.value.replace(b'"quantity":', b'"quantity":9'), 0)
    assert complaints([broken])


def test_the_same_window_gives_the_same_bytes():
    assert scheduled() == scheduled()
    assert own(50) == own(50)
    assert scheduled() != scheduled(1)


def test_a_window_written_down_once():
    """The golden burst: a change here changes the ids of every window that was ever produced."""
    lines = b"\n".join(event.topic.encode() + event.key + event.value for event in scheduled())
    assert hashlib.sha256(lines).hexdigest() == GOLDEN


def test_the_size_is_drawn_within_the_contract():
    least, most = CONTRACT.burst.size
    sizes = {len(records(scheduled(number), "orders")) for number in range(60)}
    assert min(sizes) >= least
    assert max(sizes) <= most
    assert len(sizes) > 10


def test_events_lie_in_their_window_and_in_the_order_of_time():
    for made in (scheduled(), own(300)):
        times = [event.time_ms for event in made]
        assert times == sorted(times)
        assert window().start_ms <= times[0] <= times[-1] < window().end_ms
        stated = [json.loads(event.value) for event in made]
        moments = [datetime.fromisoformat(one.get("created_at") or one["modified_at"]) for one in stated]
        assert [round(moment.timestamp() * 1000) for moment in moments] == times


def test_totals_are_price_times_quantity_to_the_cent():
    prices = {one["id"]: one["price"] for one in records(bootstrap(CONTRACT), "products")}
    made = own(500)  # of another seed than the catalog's: the prices are those of the products that are there
    orders = records(made, "orders")
    assert len(orders) == 500
    for order in orders:
        assert order["total_price"] == prices[order["product_id"]] * order["quantity"]
        assert order["total_price"].as_tuple().exponent == -2


def test_wrong_totals_differ_in_nothing_else():
    right, wrong = own(30, "bad-totals"), own(30, "bad-totals", wrong_totals=4)
    assert [(a.topic, a.key, a.time_ms) for a in right] == [(b.topic, b.key, b.time_ms) for b in wrong]
    changed = [(json.loads(a.value), json.loads(b.value)) for a, b in zip(right, wrong, strict=True) if a != b]
    assert len(changed) == 4
    for a, b in changed:
        assert abs(a["total_price"] - b["total_price"]) >= 1
        assert {**a, "total_price": 0} == {**b, "total_price": 0}


def test_windows_in_a_row_have_each_follower_once():
    windows = 100
    assert windows * STEP.total_seconds() * 1000 > LOOK_BACK_MS + 600_000
    made = [event for number in range(windows) for event in scheduled(number)]
    ids = Counter(json.loads(event.value)["event_id"] for event in made)
    assert max(ids.values()) == 1
    early = {one["id"] for one in records([e for number in range(5) for e in scheduled(number)], "orders")}
    for status, topic in enumerate(FOLLOWERS):
        following = [one for one in records(made, topic) if one["order_id"] in early]
        assert sorted(one["order_id"] for one in following) == sorted(early)
        assert {(one["status"], one["revision_number"]) for one in following} == {(status, status + 1)}


def test_followers_follow_in_order():
    steps = defaultdict(list)
    for number in range(100):
        for event in scheduled(number, since=START):
            steps[event.key].append((event.time_ms, event.topic))
    full = [found for found in steps.values() if len(found) == 4]
    assert len(full) > 50
    for found in full:
        assert [topic for _, topic in sorted(found)] == ["orders", *FOLLOWERS]
        (ordered, created, dispatched, completed) = (time for time, _ in sorted(found))
        assert 1_000 <= created - ordered <= 20_000
        assert 180_000 <= dispatched - created <= 3_600_000
        assert 900_000 <= completed - dispatched <= 7_200_000


def test_nothing_follows_from_orders_that_were_never_produced():
    made = [event for number in range(5) for event in scheduled(number, since=START)]
    ordered = {event.key for event in made if event.topic == "orders"}
    assert {event.key for event in made} == ordered
    without = [event for number in range(5) for event in scheduled(number)]
    assert {event.key for event in without} > ordered


@pytest.mark.parametrize("size", [0, 1, 20, 2 * CHUNK + 3])
def test_a_burst_of_a_size_holds_all_that_follows(size):
    made = own(size)
    assert Counter(event.topic for event in made) == dict.fromkeys(["orders", *FOLLOWERS], size) if size else not made
    assert all(window().start_ms <= event.time_ms < window().end_ms for event in made)
    ids = {json.loads(event.value)["event_id"] for event in made}
    assert len(ids) == 4 * size
    assert not ids & {json.loads(event.value)["event_id"] for number in range(3) for event in scheduled(number)}


def test_shards_of_a_window_are_other_events():
    parts = [own(40, shard_of(40, index)) for index in range(3)]
    assert len({json.loads(event.value)["event_id"] for part in parts for event in part}) == 3 * 160


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"size": 5}, "needs one of its own"),
        ({"size": -1, "shard": "x"}, "give a size of 0 or more"),
        ({"wrong_totals": 1}, "wrong totals need a shard of their own"),
        ({"size": 5, "shard": "x", "wrong_totals": 6}, "give 0 to 5"),
    ],
)
def test_what_cannot_be_made_is_refused_before_the_first_event(options, text):
    with pytest.raises(ValueError, match=text):
        events(CONTRACT, window(), seed=SEED, **options)


def test_the_shop_opens_before_any_window():
    made = list(bootstrap(CONTRACT))
    assert Counter(event.topic for event in made) == {"shops": 5, "products": 100, "customers": 50}
    catalog.cache_clear()
    assert made == list(bootstrap(CONTRACT))
    name = opening(CONTRACT)
    assert str(name) == "ecommerce/20230101T000000Z/259200/bootstrap"
    assert all(name.window.start_ms <= event.time_ms < name.window.end_ms for event in made)
    assert len({customer["email"] for customer in records(made, "customers")}) == 50


def test_orders_name_what_the_bootstrap_made():
    made = [*bootstrap(CONTRACT), *own(2000)]
    ids = {topic: {one["id"] for one in records(made, topic)} for topic in ("products", "customers", "shops")}
    assert {order["product_id"] for order in records(made, "orders")} == ids["products"]
    assert {order["customer_id"] for order in records(made, "orders")} == ids["customers"]
    assert {product["shop_id"] for product in records(made, "products")} <= ids["shops"]


def test_a_burst_is_named_by_domain_window_and_shard():
    name, made = burst(CONTRACT, window(), seed=SEED)
    assert name == BurstId("ecommerce", window())
    assert str(name) == "ecommerce/20240501T120000Z/120/0"
    assert list(made) == scheduled()


def test_orders_are_made_without_faker():
    """Its import takes longer than a burst, and each task would pay it."""
    import subprocess
    import sys

    program = (
        "import sys; from datetime import *; from include.contracts import load; from include.generators import *\n"
        "at = datetime(2024, 5, 1, tzinfo=UTC); window = Window(at, at + timedelta(minutes=2))\n"
        "assert list(events(load('ecommerce'), window, seed=1)) and 'faker' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_times_of_a_chunked_burst_go_forward():
    orders = [event.time_ms for event in own(2 * CHUNK + 3) if event.topic == "orders"]
    assert all(a <= b for a, b in pairwise(orders))
