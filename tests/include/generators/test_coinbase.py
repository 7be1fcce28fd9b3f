import hashlib
import json
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise

import jsonschema
import pytest

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.contracts.paths import value
from include.generators import Window, bootstrap, burst, events, shard_of
from include.generators.coinbase import AWAY, TOPIC
from include.generators.coinbase_products import OFFSET, PRODUCTS, listed

CONTRACT = load("coinbase")
SEED = 7
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
GOLDEN = "8052cc8a1bbba8d1ce0a7a2d5d8193459fb2160c806509727f65d51a57f4a827"
MARKET = {product.name.decode() for product in PRODUCTS}


def window(number=0, start=START):
    return Window(start + number * STEP, start + (number + 1) * STEP)


def scheduled(at=None):
    return list(events(CONTRACT, at or window(), seed=SEED))


def own(size, shard="size-test", **options):
    return list(events(CONTRACT, window(), seed=SEED, size=size, shard=shard, **options))


def read(made):
    return [json.loads(event.value) for event in made]


def by_product(made):
    found = defaultdict(list)
    for row in read(made):
        found[row["product_id"]].append(row)
    return found


def missing(made):
    """Numbers that are left out between the first and the last of each product."""
    found = 0
    for rows in by_product(made).values():
        numbers = {row["sequence"] for row in rows}
        found += max(numbers) - min(numbers) + 1 - len(numbers)
    return found


def test_every_event_keeps_the_contract():
    made = [*scheduled(), *own(2000)]
    validator = jsonschema.Draft202012Validator(json_schema(CONTRACT.topic(TOPIC)))
    assert [error.message for row in read(made) for error in validator.iter_errors(row)] == []
    assert {event.topic for event in made} == {TOPIC}
    assert all(event.key.decode() == row["product_id"] for event, row in zip(made, read(made), strict=True))


def test_the_same_window_gives_the_same_bytes():
    assert scheduled() == scheduled()
    assert own(100) == own(100)
    assert scheduled() != scheduled(window(1))


def test_a_window_written_down_once():
    """The golden burst: a change here changes the ids of every window that was ever produced."""
    lines = b"\n".join(event.value for event in scheduled())
    assert hashlib.sha256(lines).hexdigest() == GOLDEN


def test_a_window_alone_is_what_it_is_in_a_longer_one():
    whole = scheduled(Window(START - timedelta(minutes=90), START + timedelta(minutes=30)))
    parts = [event for number in range(-45, 15) for event in scheduled(window(number))]
    assert parts == whole
    odd = [Window(START + timedelta(seconds=a), START + timedelta(seconds=b)) for a, b in ((0, 7), (7, 61), (61, 120))]
    assert [event for at in odd for event in scheduled(at)] == scheduled()


def test_no_day_needs_the_one_before():
    """Midnight, and the edge of a stretch of days, are no edges of the market."""
    for midnight in (datetime(2024, 5, 2, tzinfo=UTC), datetime.fromtimestamp(77 * 256 * 86400, UTC)):
        around = scheduled(Window(midnight - timedelta(minutes=10), midnight + timedelta(minutes=10)))
        for rows in by_product(around).values():
            assert all(b["sequence"] - a["sequence"] == 1 for a, b in pairwise(rows))
            assert all(abs(float(b["price"]) / float(a["price"]) - 1) < 0.02 for a, b in pairwise(rows))


def test_numbers_grow_by_one_over_windows():
    rows = by_product([event for number in range(30) for event in scheduled(window(number))])
    assert rows.keys() == MARKET
    for product in rows.values():
        assert all(b["sequence"] - a["sequence"] == 1 == b["trade_id"] - a["trade_id"] for a, b in pairwise(product))
        assert all(a["time"] <= b["time"] for a, b in pairwise(product))
        assert OFFSET < product[-1]["sequence"] < 1 << 53


def test_events_lie_in_their_window_in_the_order_of_time():
    for made in (scheduled(), own(5000)):
        assert all(window().start_ms <= event.time_ms < window().end_ms for event in made)
        assert all(a.time_ms <= b.time_ms for a, b in pairwise(made))
        for event, row in zip(made, read(made), strict=True):
            assert datetime.fromisoformat(row["time"]).timestamp() * 1000 == pytest.approx(event.time_ms)


def test_offers_are_apart_and_prices_within_the_day():
    for row in read([*scheduled(), *own(5000)]):
        bid, ask, price = (Decimal(row[name]) for name in ("best_bid", "best_ask", "price"))
        assert 0 < bid < ask
        assert price == (ask if row["side"] == "buy" else bid)
        assert Decimal(row["low_24h"]) <= price <= Decimal(row["high_24h"])
        assert Decimal(row["low_24h"]) <= Decimal(row["open_24h"]) <= Decimal(row["high_24h"])
        assert 0 < Decimal(row["last_size"]) <= Decimal(row["volume_24h"]) <= Decimal(row["volume_30d"])


def test_figures_of_24_hours_are_those_of_the_trades():
    """The 24 hours begin with the minute; every trade of them is asked for, on both sides of midnight."""
    end = datetime(2024, 5, 1, 9, 30, tzinfo=UTC)
    day = by_product(scheduled(Window(end - timedelta(hours=24), end + timedelta(minutes=1))))
    for rows in day.values():
        last = rows[-1]
        minute = datetime.fromisoformat(last["time"]).replace(second=0, microsecond=0)
        since = f"{minute - timedelta(hours=24):%Y-%m-%dT%H:%M}"
        inside = [row for row in rows if row["time"] >= since]
        prices = [Decimal(row["price"]) for row in inside]
        assert (prices[0], min(prices), max(prices)) == tuple(
            Decimal(last[name]) for name in ("open_24h", "low_24h", "high_24h")
        )
        assert sum(Decimal(row["last_size"]) for row in inside) == Decimal(last["volume_24h"])


def test_a_burst_of_its_own_trades_coins_of_its_own():
    parts = [own(3000), own(100, shard_of(100, 0)), own(100, shard_of(100, 1)), scheduled(), scheduled(window(1))]
    ids = [{tuple(value(row, path) for path in CONTRACT.topic(TOPIC).event_id) for row in read(part)} for part in parts]
    assert [len(one) for one in ids] == [len(part) for part in parts]
    assert len(set().union(*ids)) == sum(map(len, ids))
    names = [set(by_product(part)) for part in parts]
    assert names[0].isdisjoint(names[1] | names[2] | MARKET) and names[1].isdisjoint(names[2])
    for rows in by_product(parts[0]).values():
        assert all(b["sequence"] - a["sequence"] == 1 for a, b in pairwise(rows))


@pytest.mark.parametrize("size", [0, 1, 7, 100, 40_000, 100_001])
def test_the_size_counts_trades(size):
    made = own(size)
    assert len(made) == size and missing(made) == 0


def test_figures_of_a_coin_begin_with_its_first_trade():
    for rows in by_product(own(70_000)).values():
        assert rows[0]["open_24h"] == rows[0]["price"] == rows[0]["low_24h"] == rows[0]["high_24h"]
        assert {row["open_24h"] for row in rows} == {rows[0]["price"]}
        prices = [Decimal(row["price"]) for row in rows]
        assert (min(prices), max(prices)) == (Decimal(rows[-1]["low_24h"]), Decimal(rows[-1]["high_24h"]))
        assert sum(Decimal(row["last_size"]) for row in rows) == Decimal(rows[-1]["volume_24h"])


def test_holes_and_reconnections_come_when_asked_for():
    whole = own(2000)
    holes = own(2000, holes=20)
    assert missing(holes) == 20 == len(whole) - len(holes)
    back = own(2000, reconnections=3)
    lost = [place for place, event in enumerate(whole) if event not in set(back)]
    assert 3 <= missing(back) == len(lost) <= 3 * AWAY
    assert sum(b - a > 1 for a, b in pairwise(lost)) == 2
    # The same burst without them is the correction: what is there stays as it was.
    assert {event.value for event in [*back, *holes]} <= {event.value for event in whole}
    both = own(2000, holes=20, reconnections=3)
    assert len(whole) - len(both) == 20 + len(lost)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"holes": 1}, "give it a size"),
        ({"size": 100, "shard": "x", "holes": 30}, "need a burst of 120 trades or more"),
        ({"size": 100, "shard": "x", "holes": -1}, "give 0 or more"),
        ({"size": 100}, "needs one of its own"),
        ({"size": -1, "shard": "x"}, "give a size of 0 or more"),
        ({"size": 10**10, "shard": "x"}, "make the window longer"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options, words):
    with pytest.raises(ValueError, match=words):
        events(CONTRACT, window(), seed=SEED, **options)


@pytest.mark.parametrize("year", [2019, 2100])
def test_the_market_opens_in_2020_and_closes(year):
    with pytest.raises(ValueError, match="the market is made for 2020-01-02 to 2099-12-31"):
        events(CONTRACT, window(start=datetime(year, 5, 1, tzinfo=UTC)), seed=SEED)


def test_scheduled_bursts_are_about_as_large_as_the_contract_says():
    least, most = CONTRACT.burst.size
    sizes = [len(scheduled(window(number * 97))) for number in range(150)]
    assert sum(least <= size <= most for size in sizes) >= 147
    assert 250 < sum(sizes) / len(sizes) < 550


def test_there_is_nothing_before_the_first_trade():
    assert list(bootstrap(CONTRACT)) == []
    name, made = burst(CONTRACT, window(), seed=SEED)
    assert str(name) == "coinbase/20240501T120000Z/120/0"
    assert list(made) == scheduled()


def test_coins_are_named_by_their_burst():
    names = {coin.name for number in range(200) for coin in listed(window(number), "x")}
    assert len(names) == 200 * len(PRODUCTS)
