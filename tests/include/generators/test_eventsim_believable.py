"""Whether what the music service's users do has the configured distributions; each question seen to be answered no."""

import math
from collections import Counter, defaultdict
from datetime import UTC, datetime
from itertools import pairwise
from statistics import NormalDist

import msgspec
import numpy as np
import pytest

from include.generators.eventsim_pages import Machine, checked, machine, settings, slope
from tests.include.generators.eventsim_year import END, START, USERS, person, records, sessions

GIVEN, PAGES = settings(), machine()


def chi_squared(observed, chances):
    """Sum of squared differences over what was expected, with the degrees of freedom; rare choices are joined."""
    total, value, rest, seen, cells = sum(observed.values()), 0.0, 1.0, 0, 0
    for choice, chance in chances.items():
        if chance * total >= 8:
            value += (observed.get(choice, 0) - chance * total) ** 2 / (chance * total)
            rest, seen, cells = rest - chance, seen + observed.get(choice, 0), cells + 1
    if rest * total >= 8:
        value += (total - seen - rest * total) ** 2 / (rest * total)
        cells += 1
    return value, cells - 1


def likely(value, freedom, chance=1e-5):
    """Whether so great a chi-squared comes by chance at all (Wilson and Hilferty's approximation)."""
    third = 2 / (9 * freedom)
    return ((value / freedom) ** (1 / 3) - (1 - third)) / math.sqrt(third) < NormalDist().inv_cdf(1 - chance)


def transitions(pages_by_session):
    """State -> how often which state, or None for the end, came next."""
    found = defaultdict(Counter)
    for pages in pages_by_session:
        states = [(page["auth"] + " " + page["level"], page["page"]) for page in pages]
        for a, b in pairwise([*states, None]):
            found[a][b] += 1
    return found


def configured(kind, page, visits=None):
    moves = (visits or GIVEN.visits)[kind].moves.get(page, {})
    chances = {(name.rpartition("/")[0] or kind, name.rpartition("/")[2]): chance for name, chance in moves.items()}
    return {**chances, None: 1 - sum(moves.values())}


def unlike(found, visits=None):
    """Pages whose moves are not as configured."""
    wrong = []
    for (kind, page), observed in found.items():
        value, freedom = chi_squared(observed, configured(kind, page, visits))
        if freedom > 0 and not likely(value, freedom):
            wrong.append((kind, page))
    return wrong


@pytest.fixture(scope="module")
def whole():
    """Sessions that neither end of the time cuts, nor, by how long they could have gone on, hides."""
    first, last = START.timestamp() * 1000, (END.timestamp() - 4 * 86400) * 1000
    return [pages for pages in sessions().values() if pages[0]["itemInSession"] == 0 and first < pages[0]["ts"] < last]


def test_pages_follow_one_another_as_configured(whole):
    found = transitions(whole)
    assert sum(sum(counts.values()) for counts in found.values()) > 100_000
    assert all(move in configured(*state) for state, counts in found.items() for move in counts)
    assert unlike(found) == []
    home = GIVEN.visits["Logged In free"]
    other = msgspec.structs.replace(home, moves={**home.moves, "Home": {**home.moves["Home"], "NextSong": 0.57}})
    assert unlike(found, {**GIVEN.visits, "Logged In free": other}) == [("Logged In free", "Home")]


def test_first_pages_are_as_configured(whole):
    found = defaultdict(Counter)
    for pages in whole:
        found[pages[0]["auth"] + " " + pages[0]["level"]][pages[0]["page"]] += 1
    for kind, observed in found.items():
        start = GIVEN.visits[kind].start
        chances = {page: weight / sum(start.values()) for page, weight in start.items()}
        value, freedom = chi_squared(observed, chances)
        assert not freedom or likely(value, freedom)
        assert not freedom or not likely(*chi_squared(observed, {page: 1 / len(chances) for page in chances}))


def test_sessions_are_as_long_as_the_moves_make_them(whole):
    steps = np.linalg.inv(np.eye(len(PAGES.states)) - PAGES.moves)
    lengths = defaultdict(list)
    for pages in whole:
        lengths[pages[0]["auth"] + " " + pages[0]["level"]].append(len(pages))
    for kind in ("Logged In free", "Logged In paid", "Logged Out paid"):
        expected = float(PAGES.starts[PAGES.kinds.index(kind)] @ steps.sum(axis=1))
        found = np.array(lengths[kind])
        assert len(found) > 500
        assert abs(found.mean() - expected) < 4.5 * found.std() / math.sqrt(len(found))
    assert np.mean(lengths["Logged In paid"]) > 5 * np.mean(lengths["Logged In free"])


def test_sessions_begin_less_often_at_night_and_at_weekends(whole):
    rate = slope(GIVEN)
    starts = [datetime.fromtimestamp(pages[0]["ts"] / 1000, UTC) for pages in whole]
    hours = Counter((start.weekday(), start.hour // 3) for start in starts)
    shares = {
        (day, part): rate[day * 1440 + part * 180 : day * 1440 + (part + 1) * 180].sum() / rate.sum()
        for day in range(7)
        for part in range(8)
    }
    assert likely(*chi_squared(hours, shares))
    assert not likely(*chi_squared(hours, dict.fromkeys(shares, 1 / len(shares))))
    by_day = Counter(start.weekday() for start in starts)
    assert 0.45 < by_day[5] / by_day[1] < 0.62
    nights, days = (
        sum(start.hour in part and start.weekday() < 4 for start in starts) for part in ({1, 2, 3, 4}, {13, 14, 15, 16})
    )
    assert 0.84 < nights / days < 0.97


def test_the_damping_is_as_configured():
    rate = slope(GIVEN)
    assert rate[1 * 1440 + 900] == pytest.approx(1)  # Tuesday, three in the afternoon
    assert rate[1 * 1440 + 180] == pytest.approx(1 - GIVEN.night_damping)
    assert rate[5 * 1440 + 900] == pytest.approx(1 - GIVEN.weekend_damping)
    friday = rate[4 * 1440 + 1260 : 5 * 1440 + 180] / rate[1 * 1440 + 1260 : 2 * 1440 + 180].repeat(1)[:360]
    assert np.all(np.diff(friday[:179]) < 0)


def test_a_pause_lies_between_the_sessions_of_a_user():
    ends = defaultdict(list)
    for session, pages in sessions().items():
        ends[person(session)].append((pages[0]["ts"], pages[-1]["ts"]))
    gaps = [b[0] - a[1] for one in ends.values() for a, b in pairwise(sorted(one))]
    assert min(gaps) >= GIVEN.session_pause_s * 1000
    # About exponential around the configured mean, which damping makes longer.
    mean = GIVEN.session_every_s / slope(GIVEN).mean() * 1000
    assert 0.9 < np.mean(gaps) / mean < 1.1
    assert 0.9 < np.std(gaps) / np.mean(gaps) < 1.1


def test_pages_are_as_far_apart_as_configured():
    gaps = [
        b["ts"] - a["ts"]
        for pages in sessions().values()
        for a, b in pairwise(pages)
        if a["status"] != 307 and not a["page"] == b["page"] == "NextSong"
    ]
    assert np.mean(gaps) == pytest.approx(GIVEN.page_gap_s * 1000, rel=0.03)
    logs = np.log(gaps)
    assert np.std(logs) == pytest.approx(GIVEN.page_gap_spread, rel=0.03)
    assert abs(np.mean((logs - logs.mean()) ** 3)) < 0.05  # no skew is left


def test_songs_are_played_by_their_rank():
    plays = Counter((one["artist"], one["song"]) for one in records()["listen_events"])
    counts = [count for _, count in plays.most_common(200)]
    ranks = np.log(np.arange(1, 201))
    fitted = np.polyfit(ranks[:100], np.log(counts[:100]), 1)[0]
    assert fitted == pytest.approx(-GIVEN.song_exponent, abs=0.08)
    titles = Counter(song for _, song in plays)
    assert max(titles.values()) > 1, "artists share titles, so a title alone is no key"


def test_who_is_a_guest_or_logged_out_stays_unnamed():
    personal = {"userId", "lastName", "firstName", "gender", "registration"}
    for record in records()["page_view_events"]:
        assert (personal & record.keys()) == (personal if record["auth"] in ("Logged In", "Cancelled") else set())
    for record in records()["auth_events"]:
        assert (personal & record.keys()) == (personal if record["success"] else set())
    assert {record["success"] for record in records()["auth_events"]} == {True, False}


def test_nothing_comes_after_a_cancellation():
    cancelled = {
        person(one["sessionId"]): one["ts"] for one in records()["page_view_events"] if one["auth"] == "Cancelled"
    }
    assert len(cancelled) > 2
    for record in (record for topic in records().values() for record in topic):
        assert record["ts"] <= cancelled.get(person(record["sessionId"]), math.inf)


def test_levels_change_where_a_change_of_status_says_so():
    level, changes = {}, defaultdict(list)
    for record in records()["page_view_events"]:
        who = person(record["sessionId"])
        if level.setdefault(who, record["level"]) != record["level"]:
            changes[who].append((record["ts"], record["level"]))
        level[who] = record["level"]
    told = defaultdict(list)
    for record in records()["status_change_events"]:
        told[person(record["sessionId"])].append(record)
    ups = Counter(level for one in changes.values() for _, level in one)
    assert min(ups["paid"], ups["free"]) > 5
    for who, changed in changes.items():
        assert {(one["ts"], one["level"]) for one in told[who]} >= set(changed)
    others = [
        one for who, some in told.items() for one in some if (one["ts"], one["level"]) not in set(changes.get(who, []))
    ]
    # What is no change of level is a cancellation, or a registration at the moment of registering.
    assert {one["auth"] for one in others} == {"Logged In", "Cancelled"}
    assert all(one["auth"] == "Cancelled" or one["registration"] == one["ts"] for one in others)


def test_users_who_come_later_begin_as_guests_and_register():
    later = {
        person(session): pages
        for session, pages in reversed(sessions().items())
        if person(session) > 1_000_000 and pages[0]["itemInSession"] == 0
    }
    assert len(later) > 60
    assert {pages[0]["auth"] for pages in later.values()} == {"Guest"}
    registered = [one for one in records()["status_change_events"] if one.get("registration") == one["ts"]]
    assert 0.5 < len(registered) / len(later) <= 1
    assert all(
        START.timestamp() * 1000 > one["registration"] for one in records()["listen_events"] if one["userId"] <= USERS
    )


def test_some_grow_away_and_more_come():
    """Growth and attrition of a fifth a year each: of the first users some leave, and twice as many arrive."""
    halfway = (START.timestamp() + END.timestamp()) / 2 * 1000
    arrived = {person(session) for session in sessions() if person(session) > 1_000_000}
    assert 2 * 0.4 * USERS * 0.75 < len(arrived) < 2 * 0.4 * USERS * 1.45
    silent = set(range(1, USERS + 1)) - {
        person(session) for session, pages in sessions().items() if pages[0]["ts"] > halfway + 8e9
    }
    assert 0.15 < len(silent) / USERS < 0.4


@pytest.mark.parametrize(
    ("page", "moves", "text"),
    [
        ("Home", {"Home": 0.6, "About": 0.5}, "1 together"),
        ("Home", {"Home": -0.1}, "from 0 to 1"),
        ("Home", {"Nowhere": 0.1}, "'Nowhere' is no page"),
        ("Home", {"Nobody free/Home": 0.1}, "is no page"),
        ("Home", {f"Page {n}": 0.01 for n in range(16)}, "there is room for 15"),
    ],
)
def test_a_configuration_that_cannot_be(page, moves, text):
    visit = msgspec.structs.replace(GIVEN.visits["Guest free"], moves={page: moves})
    with pytest.raises(ValueError, match=text):
        checked(msgspec.structs.replace(GIVEN, visits={**GIVEN.visits, "Guest free": visit}))


def test_another_configuration_makes_other_sessions():
    """A service in which every session is the page Home, once."""
    visits = {
        kind: msgspec.structs.replace(visit, start={"Home": 1.0}, moves={}) for kind, visit in GIVEN.visits.items()
    }
    tables = Machine(msgspec.structs.replace(GIVEN, visits=visits))
    kinds = np.arange(len(tables.kinds))
    bits = np.arange(len(kinds), dtype=np.uint64) << np.uint64(60)
    assert (tables.ends_as(kinds, bits) == kinds).all()
    first = tables.first(kinds, kinds, bits)
    assert {tables.states[state].page for state in first.tolist()} == {"Home"}
    assert (tables.next(first, kinds, bits) == -1).all()
