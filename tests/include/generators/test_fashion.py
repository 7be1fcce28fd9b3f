import hashlib
import json
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import jsonschema
import pytest

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.generators import Event, Window, bootstrap, burst, events, shard_of
from include.generators.change_events import Change, change_events
from include.generators.fashion import CHUNK

CONTRACT = load("fashion")
CLICKS, TRANSACTIONS = "streaming.public.clicks", "streaming.public.transactions"
SEED = 7
START = datetime(2024, 5, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
GOLDEN = "a3a036d93f1cf75689996a12960d77e454f02d03859cde6f4cfc39cf4a44c4e7"


def window(number=0):
    return Window(START + number * STEP, START + (number + 1) * STEP)


def scheduled(number=0):
    return list(events(CONTRACT, window(number), seed=SEED))


def own(size, shard="size-test"):
    return list(events(CONTRACT, window(), seed=SEED, size=size, shard=shard))


def changes(made):
    return [(event.topic, json.loads(event.value)) for event in made if event.value is not None]


def latest(made, topic):
    """Rows as they are in the end: what staging makes of the events."""
    rows = {}
    for event in made:
        if event.topic == topic and event.value is not None:
            rows[event.key] = json.loads(event.value)["after"]
    return [row for row in rows.values() if row is not None]


def test_every_event_keeps_the_contract():
    made = [*scheduled(), *own(500)]
    validators = {topic.name: jsonschema.Draft202012Validator(json_schema(topic)) for topic in CONTRACT.topics}
    assert [e.message for topic, value in changes(made) for e in validators[topic].iter_errors(value)] == []
    assert {event.topic for event in made} == {CLICKS, TRANSACTIONS}


def test_the_same_window_gives_the_same_bytes():
    assert scheduled() == scheduled()
    assert own(100) == own(100)
    assert scheduled() != scheduled(1)


def test_a_window_written_down_once():
    """The golden burst: a change here changes the ids of every window that was ever produced."""
    lines = b"\n".join(event.topic.encode() + event.key + (event.value or b"") for event in scheduled())
    assert hashlib.sha256(lines).hexdigest() == GOLDEN


@pytest.mark.parametrize("number", range(30))
def test_each_burst_has_every_kind_of_change_in_both_tables(number):
    kinds = Counter()
    for event in scheduled(number):
        kinds[event.topic, json.loads(event.value)["op"] if event.value else "tombstone"] += 1
    assert {kind for topic, kind in kinds if topic == CLICKS} == {"c", "u", "d", "tombstone"}
    assert {kind for topic, kind in kinds if topic == TRANSACTIONS} == {"c", "u", "d", "tombstone"}


def test_the_size_counts_clicks():
    least, most = CONTRACT.burst.size
    assert all(least <= len(latest(scheduled(number), CLICKS)) <= most for number in range(20))
    for size in (0, 1, 7, 2 * CHUNK + 5):
        assert len(latest(own(size), CLICKS)) == size


def test_a_row_is_created_first_and_its_changes_tell_all_of_it():
    rows = defaultdict(dict)
    for event in own(3000):
        if event.value is None:
            assert rows[event.topic].pop(event.key) is None
            continue
        value = json.loads(event.value)
        before = rows[event.topic].get(event.key)
        assert value["before"] == before
        assert value["op"] == ("c" if before is None else "d" if value["after"] is None else "u")
        assert {row["id"] for row in (value["before"], value["after"]) if row} == {json.loads(event.key)["id"]}
        rows[event.topic][event.key] = value["after"]
    assert None not in rows[CLICKS].values()


def test_every_delete_is_followed_by_its_tombstone():
    made = own(3000)
    for event, follows in pairwise(made):
        is_delete = event.value is not None and json.loads(event.value)["op"] == "d"
        assert is_delete == (follows.value is None)
        assert follows.value is not None or follows.key == event.key


def test_log_positions_rise_with_time_over_windows():
    made = [value for number in range(5) for _, value in changes(scheduled(number))]
    positions = [value["source"]["lsn"] for value in made]
    assert all(a < b for a, b in pairwise(positions))
    assert positions[-1] < 1 << 53
    assert [value["ts_ms"] for value in made] == sorted(value["ts_ms"] for value in made)


def test_events_lie_in_their_window():
    for event in own(5000):
        assert window().start_ms <= event.time_ms < window().end_ms
        if event.value is not None:
            value = json.loads(event.value)
            assert event.time_ms == value["ts_ms"] >= value["source"]["ts_ms"] >= window().start_ms


def test_an_event_is_told_apart_by_row_and_position():
    parts = [scheduled(0), scheduled(1), own(3000), own(100, shard_of(100, 0)), own(100, shard_of(100, 1))]
    made = [value for part in parts for _, value in changes(part)]
    ids = {((v["after"] or v["before"])["id"], v["source"]["table"], v["source"]["lsn"]) for v in made}
    assert len(ids) == len(made)
    rows = [{(topic, (v["after"] or v["before"])["id"]) for topic, v in changes(part)} for part in parts]
    assert len(set().union(*rows)) == sum(map(len, rows))


def test_a_booking_is_its_sessions_cart_and_has_one_total():
    made = own(4000)
    clicks, lines = latest(made, CLICKS), latest(made, TRANSACTIONS)
    carts = defaultdict(Counter)
    booked = {}
    for click in clicks:
        if click["event_name"] == "ADD_TO_CART":
            carts[click["session_id"]][click["product_id"], click["quantity"], click["item_price"]] += 1
        if click["event_name"] == "BOOKING":
            assert click["session_id"] not in booked
            booked[click["session_id"]] = click["payment_status"]
    bookings = defaultdict(list)
    for line in lines:
        bookings[line["booking_id"]].append(line)
    assert len(bookings) == len(booked) > 100
    assert Counter(map(len, bookings.values())).keys() == {1, 2, 3}
    for items in bookings.values():
        (total,) = {item["total_amount"] for item in items}
        (session,) = {item["session_id"] for item in items}
        assert Counter((i["product_id"], i["quantity"], i["item_price"]) for i in items) == carts[session]
        assert {item["payment_status"] for item in items} == {booked[session]}
        goods = sum(item["quantity"] * item["item_price"] for item in items)
        assert total == goods - items[0]["promo_amount"] + items[0]["shipment_fee"]
    assert Counter(booked.values())["Failed"] > 0


def test_sessions_begin_at_the_homepage_and_keep_their_order():
    sessions = defaultdict(list)
    for click in sorted(latest(own(3000), CLICKS), key=lambda click: (click["created_at"], click["id"])):
        sessions[click["session_id"]].append(click["event_name"])
    assert all(pages[0] == "HOMEPAGE" for pages in sessions.values())
    assert all("BOOKING" not in pages[:-1] for pages in sessions.values())
    assert all("ADD_TO_CART" in pages for pages in sessions.values() if pages[-1] == "BOOKING")


def test_more_than_a_millisecond_has_room_for_is_refused():
    many = [Change(START_MS, CLICKS, number, None, b"{}") for number in range(2049)]
    with pytest.raises(ValueError, match="make the burst smaller"):
        list(change_events(many, START_MS + 1))
    assert len(list(change_events(many[:2048], START_MS + 1))) == 2048


START_MS = window().start_ms


def test_too_many_rows_for_a_window_are_refused_at_once():
    with pytest.raises(ValueError, match="make the window longer"):
        events(CONTRACT, window(), seed=SEED, size=10**9, shard="x")
    with pytest.raises(ValueError, match="needs one of its own"):
        events(CONTRACT, window(), seed=SEED, size=10)


def test_there_is_nothing_before_the_first_session():
    assert list(bootstrap(CONTRACT)) == []
    name, made = burst(CONTRACT, window(), seed=SEED)
    assert str(name) == "fashion/20240501T120000Z/120/0"
    assert list(made) == scheduled()


def test_a_tombstone_has_a_key_and_no_value():
    create, delete, tombstone = change_events(
        [Change(START_MS, CLICKS, 5, None, b'{"id":5}'), Change(START_MS, CLICKS, 5, b'{"id":5}', None)], START_MS + 100
    )
    assert (json.loads(create.value)["op"], json.loads(delete.value)["op"]) == ("c", "d")
    assert tombstone == Event(CLICKS, b'{"id":5}', None, START_MS + 40)
