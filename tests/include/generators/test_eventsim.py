import hashlib
import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import jsonschema
import pytest

from include.contracts.json_schema import json_schema
from include.generators import BurstId, Event, Window, bootstrap, burst, events, opening, shard_of
from include.generators.eventsim_pages import settings
from tests.include.generators.eventsim_year import (
    CONTRACT,
    END,
    OPTIONS,
    SEED,
    START,
    made,
    person,
    records,
    sessions,
)

NOON = datetime(2025, 5, 1, 12, tzinfo=UTC)
STEP = timedelta(minutes=2)
GOLDEN = "b2b43fa4b93341a84b42bbb435f05013cd5282f882cf8c915bfca3deac422ada"


def at(start, length=STEP, **options):
    return list(events(CONTRACT, Window(start, start + length), seed=SEED, **{**OPTIONS, **options}))


def complaints(found):
    validators = {topic.name: jsonschema.Draft202012Validator(json_schema(topic)) for topic in CONTRACT.topics}
    return [error.message for event in found for error in validators[event.topic].iter_errors(json.loads(event.value))]


def test_every_event_keeps_the_contract():
    found = at(START, timedelta(days=60))
    found = [event for n, event in enumerate(found) if n % 20 == 0 or event.topic.startswith(("auth", "status"))]
    assert {event.topic for event in found} == {topic.name for topic in CONTRACT.topics}
    assert complaints(found) == []
    broken = [Event(found[0].topic, b"", found[0].value.replace(b'"level":"', b'"level":"un'), 0)]
    assert complaints(broken)


def test_the_same_window_gives_the_same_bytes():
    hour = timedelta(hours=1)
    assert at(NOON, hour) == at(NOON, hour)
    assert at(NOON, hour) != at(NOON + hour, hour)
    other = list(events(CONTRACT, Window(NOON, NOON + hour), seed=SEED + 1, **OPTIONS))
    assert not {event.value for event in other} & {event.value for event in at(NOON, hour)}


def test_a_window_written_down_once():
    """The golden burst: a change here changes the ids of every window that was ever produced."""
    found = list(events(CONTRACT, Window(NOON, NOON + STEP), seed=SEED))
    lines = b"\n".join(event.topic.encode() + event.key + event.value for event in found)
    assert hashlib.sha256(lines).hexdigest() == GOLDEN


@pytest.mark.parametrize("length", [STEP, timedelta(hours=7), timedelta(days=9)])
def test_a_window_alone_is_the_part_of_a_longer_one(length):
    """Whatever the length and wherever it begins: windows in a row hold what the years hold, each event once."""
    for begin in (START, NOON, END - length):
        window = Window(begin, begin + length)
        expected = [event for event in made() if window.start_ms <= event.time_ms < window.end_ms]
        assert at(begin, length) == expected


def test_bursts_in_a_row_go_on_where_the_last_ended():
    begin, hour = NOON.replace(hour=20), timedelta(hours=1)
    row = [event for number in range(30) for event in at(begin + number * STEP)]
    assert row == at(begin, hour)
    assert len(row) > 10


def test_ids_are_one_of_a_kind_and_times_in_order():
    ids = Counter(record["event_id"] for topic in records().values() for record in topic)
    assert len(ids) == len(made())
    times = [event.time_ms for event in made()]
    assert times == sorted(times)
    assert all(record["ts"] == event.time_ms for event in made()[:500] for record in [json.loads(event.value)])


def test_the_parts_of_a_history_are_its_events_in_order():
    options = {"from": "2024-03-01", "to": "2024-03-11", **OPTIONS}
    window = Window(NOON, NOON + STEP)
    name, whole = burst(CONTRACT, window, seed=SEED, **options)
    whole = list(whole)
    assert name.window == Window(datetime(2024, 3, 1, tzinfo=UTC), datetime(2024, 3, 11, tzinfo=UTC))
    assert whole == at(name.window.start, timedelta(days=10))
    shards = [burst(CONTRACT, window, seed=SEED, shard=shard_of(None, part, shards=3), **options) for part in range(3)]
    assert [event for _, part in shards for event in part] == whole
    assert len({str(shard) for shard, _ in shards} | {str(name)}) == 4
    fewer, _ = burst(CONTRACT, window, seed=SEED, **{**options, "users": 30})
    assert str(fewer) != str(name)


def test_a_scheduled_burst_bears_its_own_name():
    name, found = burst(CONTRACT, Window(NOON, NOON + STEP), seed=SEED)
    assert name == BurstId("eventsim", Window(NOON, NOON + STEP))
    assert list(found) == list(events(CONTRACT, name.window, seed=SEED))


@pytest.mark.parametrize("size", [0, 1, 20, 3000])
def test_a_burst_of_a_size_has_as_many_events_and_users_of_its_own(size):
    window, shard = Window(NOON, NOON + STEP), shard_of(size)
    found = list(events(CONTRACT, window, seed=SEED, size=size, shard=shard))
    assert len(found) == size == len({json.loads(event.value)["event_id"] for event in found})
    times = [event.time_ms for event in found]
    assert times == sorted(times)
    assert all(window.start_ms <= time < window.end_ms for time in times)
    assert complaints(found) == []
    there = {person(session) for session in sessions()}
    assert not {person(json.loads(event.value)["sessionId"]) for event in found} & there


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"users": -1}, "-1 users"),
        ({"users": 1_000_001}, "1,000,000"),
        ({"growth": -0.5, "attrition": 0.1}, "growth"),
        ({"attrition": -0.1}, "attrition"),
        ({"size": 5}, "shard '0'"),
        ({"size": -1, "shard": "x"}, "size of 0 or more"),
        ({"from": "2024-01-01"}, "both or none"),
        ({"from": "2024-01-01", "to": "soon"}, "'soon' is no day"),
        ({"from": "2024-01-02", "to": "2024-01-01"}, "is empty"),
        ({"from": "2024-01-01", "to": "2024-01-02", "size": 5, "shard": "x"}, "give no size"),
    ],
)
def test_what_cannot_be_made_is_said_at_once(given, text):
    with pytest.raises(ValueError, match=text):
        burst(CONTRACT, Window(NOON, NOON + STEP), seed=SEED, **given)


def test_nothing_happened_before_the_first_day_nor_without_users():
    assert at(START - timedelta(days=2), timedelta(days=1)) == []
    assert at(NOON, timedelta(days=1), users=0) == []
    assert list(bootstrap(CONTRACT)) == []
    assert opening(CONTRACT).window.end <= datetime.combine(settings().origin, datetime.min.time(), UTC)


def test_users_that_are_there_from_the_first_day_live_the_same_lives_among_fewer():
    few = at(START, timedelta(days=30), users=50, attrition=0, growth=0)
    all_of_them = {event.value for event in at(START, timedelta(days=30), attrition=0, growth=0)}
    assert few
    assert {event.value for event in few} <= all_of_them


def test_the_same_users_wherever_a_listener_shows():
    known = {}
    for record in records()["page_view_events"]:
        if "userId" in record:
            user = {name: record[name] for name in ("lastName", "firstName", "gender", "registration", "city", "zip")}
            assert known.setdefault(record["userId"], user) == user
    assert len({user["zip"] for user in known.values()} & {"02108", "07102", "02903"}) > 0  # zeros lead


def test_songs_start_when_the_last_one_is_over_and_redirects_lead_on_at_once():
    songs = redirects = 0
    for pages in sessions().values():
        for a, b in pairwise(pages):
            if a["page"] == b["page"] == "NextSong":
                assert b["ts"] - a["ts"] == round(a["duration"] * 1000)
                songs += 1
            elif a["status"] == 307:
                assert b["ts"] - a["ts"] == settings().redirect_s * 1000
                redirects += 1
    assert songs > 10_000
    assert redirects > 1_000
