"""Sessions page by page: all at once, one page of each a step; then when each page is, within the user's week."""

from __future__ import annotations

import msgspec
import numpy as np

from include.generators.draws import Floats, Ints
from include.generators.eventsim_catalog import Songs, gaps_ms
from include.generators.eventsim_pages import machine, settings
from include.generators.eventsim_people import PLACES, WEEK_MS, Lives, People, Sessions
from include.generators.keyed import Keys, draw, fractions

# Numbers of a session's draws: 0 is its end; then its name, its first page, the pages after; songs stand apart.
NAME, _FIRST, _PAGES, _SONGS = 1, 2, 3, 1 << 40


class Pages(msgspec.Struct, frozen=True):
    """Pages as columns, in the order of their sessions: session (a place in `sessions`), item, state, song or -1, and
    when, in ms."""

    session: Ints
    item: Ints
    state: Ints
    song: Ints
    time_ms: Ints


def walk(sessions: Sessions, people: People, catalog: Songs) -> Pages:
    """Every page of the sessions. They must be whole weeks of users: sessions of a week make room for one another."""
    session, item, state, bits = _paths(sessions)
    given, pages = settings(), machine()
    song = np.full(len(state), -1, np.int64)
    plays = np.flatnonzero(pages.is_song[state])
    drawn = fractions(draw(sessions.keys[session[plays]], _SONGS + item[plays]))
    song[plays] = np.searchsorted(catalog.shares, drawn, side="right")

    table = gaps_ms(given.page_gap_s, given.page_gap_spread)
    bits_kept = np.uint64(32 - (len(table) - 1).bit_length())
    gap = table[((bits & np.uint64(0xFFFFFFFF)) >> bits_kept).astype(np.int64)]
    gap[pages.status[state] == 307] = int(given.redirect_s * 1000)
    # The next song starts when this one is over; whoever goes to another page does so while it plays.
    follows = plays[:-1][(np.diff(plays) == 1) & (item[plays[1:]] > 0)]
    gap[follows] = catalog.durations_ms[song[follows]]

    first = np.flatnonzero(item == 0)
    since = np.cumsum(gap) - gap
    since -= np.repeat(since[first], np.diff(np.append(first, len(item))))
    last = np.append(first[1:], len(item)) - 1
    start, factor = _placed(sessions, people, since[last], int(given.session_pause_s * 1000))
    stretched = since if (factor == 1).all() else (since * factor[session]).astype(np.int64)
    return Pages(session, item, state, song, start[session] + stretched)


def _paths(sessions: Sessions) -> tuple[Ints, Ints, Ints, Keys]:
    """Session, item, state and the draw of each page, by session and item."""
    pages, count = machine(), len(sessions.who)
    active = np.arange(count)
    states = pages.first(sessions.kinds, sessions.ends, draw(sessions.keys, _FIRST))
    keys, ends = sessions.keys, sessions.ends
    steps: list[tuple[Ints, Ints, Keys]] = []
    lengths = np.zeros(count, np.int64)
    while len(active):
        bits = draw(keys, _PAGES + len(steps))
        steps.append((active, states, bits))
        lengths[active] += 1
        states = pages.next(states, ends, bits)
        on = np.flatnonzero(states >= 0)
        active, states, keys, ends = active[on], states[on], keys[on], ends[on]
    first = np.cumsum(lengths) - lengths
    state = np.empty(int(lengths.sum()), np.int64)
    drawn = np.empty(len(state), np.uint64)
    for step, (who, at, bits) in enumerate(steps):
        place = first[who] + step
        state[place] = at
        drawn[place] = bits
    session = np.repeat(np.arange(count), lengths)
    return session, np.arange(len(state)) - first[session], state, drawn


def _placed(sessions: Sessions, people: People, lasts: Ints, pause: int) -> tuple[Ints, Floats]:
    """When each session starts, and by what its times are shortened, which is 1 unless a week is fuller than a week.

    A session starts when it is due or, where the one before still lasts, a pause after it. All of a week's end a pause
    before the week does, so that no week has to know of another: the last are moved forward where needed.
    """
    new = np.flatnonzero(np.diff((sessions.who << 20) + sessions.week, prepend=-1))
    row = np.repeat(np.arange(len(new)), np.diff(np.append(new, len(lasts))))
    column = np.arange(len(lasts)) - new[row]
    shape = len(new), int(column.max(initial=-1)) + 1
    there = np.zeros(shape, bool)
    there[row, column] = True
    starts, long = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    starts[row, column], long[row, column] = sessions.due_ms, lasts
    room = WEEK_MS - pause * there.sum(axis=1)
    factor = np.minimum(1.0, room / np.maximum(long.sum(axis=1), 1))
    long = np.where(factor[:, None] < 1, (long * factor[:, None]).astype(np.int64), long)
    earliest = np.zeros(shape[0], np.int64)
    for place in range(shape[1]):
        starts[:, place] = np.maximum(starts[:, place], earliest)
        earliest = np.where(there[:, place], starts[:, place] + long[:, place] + pause, earliest)
    latest = np.full(shape[0], WEEK_MS - pause)
    for place in reversed(range(shape[1])):
        moved = np.minimum(starts[:, place], latest - long[:, place])
        starts[:, place] = np.where(there[:, place], moved, starts[:, place])
        latest = np.where(there[:, place], moved - pause, latest)
    base = people.base_ms[sessions.who] + sessions.week * WEEK_MS
    return base + starts[row, column], factor[row]


def registrations(seed_songs: Songs, people: People, lives: Lives, whom: Ints) -> Ints:
    """When these newcomers registered, each of whom has: the page that says so, in a week that is past."""
    pages = machine()
    some = People(*(column[whom] for column in msgspec.structs.astuple(people)))
    again = Lives(some)
    number = lives.registered_in[whom]
    again.pass_to(number // PLACES)
    sessions = again.sessions(number // PLACES + 1)
    walked = walk(sessions, some, seed_songs)
    right = (sessions.week * PLACES + sessions.place)[walked.session] == number[sessions.who[walked.session]]
    shown = np.flatnonzero(right & pages.shown[walked.state])
    who = sessions.who[walked.session[shown]]
    times = np.full(len(whom), np.iinfo(np.int64).max)
    np.minimum.at(times, who, walked.time_ms[shown])
    return times
