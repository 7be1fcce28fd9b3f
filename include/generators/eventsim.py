"""A music service: users come, register, listen, upgrade, downgrade, cancel; each of their pages is an event or two.

A window's events are those of one service that has been there since its first day: what the window before left off
goes on in this one. Yet nothing is remembered. Who somebody is by then costs a draw for each session before; pages
are drawn for the weeks that the window touches alone (docs/decisions/0020). So any window, of two minutes or a year,
is the same alone and as a part of a longer one. A burst of a size is a service of its own, a week of it pressed into
the window.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np

from include.contracts import Contract
from include.contracts.event import BurstId, Event, Window
from include.generators.draws import DAY_MS, Ints
from include.generators.eventsim_catalog import Songs, songs
from include.generators.eventsim_pages import machine, settings
from include.generators.eventsim_people import (
    NEVER,
    PLACES,
    WEEK_MS,
    Lives,
    People,
    Population,
    Sessions,
    gather,
    origin_ms,
)
from include.generators.eventsim_render import render, rows
from include.generators.eventsim_sessions import Pages, registrations, walk
from include.generators.size import HISTORY, SCHEDULED, burst_size

#: There is nothing before the first burst; a window before any.
OPENING = Window(datetime(2023, 1, 1, tzinfo=UTC), datetime(2023, 1, 2, tzinfo=UTC))

#: Sessions walked at a time: what a long window holds in memory.
SESSIONS_AT_ONCE = 24_000

Number = float | int | None


def events(
    contract: Contract,
    window: Window,
    *,
    seed: int,
    size: int | None = None,
    shard: str = SCHEDULED,
    users: int | None = None,
    growth: Number = None,
    attrition: Number = None,
) -> Iterator[Event]:
    """What happened in the window to the service that so many users were there from the first day.

    `users`, and a year's `growth` and `attrition` as shares: else as configured. With a `size` and a shard: so many
    events of a service of the shard's own. Raises ValueError at once, before the first event.
    """
    population = _population(users, growth, attrition)
    if size is not None:
        burst_size(contract, window, seed=seed, size=size, shard=shard)
        return _pressed(window, seed, size, shard)
    return _history(seed, population, window.start_ms, window.end_ms)


def burst(
    contract: Contract,
    window: Window,
    *,
    seed: int,
    size: int | None = None,
    shard: str = SCHEDULED,
    **options: str | Number,
) -> tuple[BurstId, Iterator[Event]]:
    """The events and the burst's name. With `from` and `to` (days) a shard is its part of that time, else of `window`.

    Shards `<name>-of-<n>.<i>` are the i-th of n parts of the time; their events together are those of the whole.
    """
    days = options.pop("from", None), options.pop("to", None)
    if (days[0] is None) != (days[1] is None):
        raise ValueError("a history has a first day, from, and the day after its last, to: give both or none")
    if days[0] is not None and days[1] is not None:
        if size is not None:
            raise ValueError("a history is as large as its users and days make it: give no size")
        whole = Window(_day(str(days[0])), _day(str(days[1])))
        window, shard = _part(whole, shard), f"{HISTORY}{shard}"
    given = {name: value for name, value in options.items() if value is not None}
    if given:
        shard += "".join(f"-{name}-{value}" for name, value in sorted(given.items()))
    made = events(contract, window, seed=seed, size=size, shard=shard, **given)  # type: ignore[arg-type]
    return BurstId(contract.domain, window, shard), made


def bootstrap(contract: Contract) -> Iterator[Event]:
    """Nothing: users introduce themselves."""
    return iter(())


def _population(users: int | None, growth: Number, attrition: Number) -> Population:
    given = settings()
    return Population(
        given.users if users is None else int(users),
        float(given.growth if growth is None else growth),
        float(given.attrition if attrition is None else attrition),
    )


def _day(text: str) -> datetime:
    try:
        day = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no day: give one like 2024-01-31") from None
    return (day if day.tzinfo else day.replace(tzinfo=UTC)).replace(microsecond=0)


def _part(whole: Window, shard: str) -> Window:
    """The part of the time that a shard `...of-<n>...<i>` is; the whole of any other."""
    name, _, number = shard.rpartition(".")
    count = next((word for word in name.partition("of-")[2].split("-") if word), "1")
    if not (number.isdecimal() and count.isdecimal() and int(number) < int(count)):
        return whole
    seconds = [whole.seconds * part // int(count) for part in (int(number), int(number) + 1)]
    return Window(*(whole.start + timedelta(seconds=after) for after in seconds))


def _history(seed: int, population: Population, from_ms: int, to_ms: int, group: str = "") -> Iterator[Event]:
    given = settings()
    from_ms = max(from_ms, origin_ms(given))
    if from_ms >= to_ms or not population.users:
        return
    people = gather(seed, population, to_ms, group=group)
    catalog = songs(seed, given.songs, given.artists, given.song_exponent)
    registered = _Registrations(people, catalog)
    step = max(DAY_MS, int(SESSIONS_AT_ONCE / len(people.ids) * given.session_every_s * 1000))
    lives = Lives(people)
    for start in range(from_ms, to_ms, step):
        end = min(start + step, to_ms)
        # The weeks that the window touches: the next window may touch the same, so these are gone through by a copy.
        lives.pass_to(np.maximum((start - people.base_ms) // WEEK_MS, 0))
        ahead = lives.copy()
        sessions = ahead.sessions(np.maximum((end - 1 - people.base_ms) // WEEK_MS + 1, 0))
        pages = walk(sessions, people, catalog)
        made = rows(pages, start, end)
        if len(made.page):
            yield from render(made, pages, sessions, people, registered.of(ahead, sessions, pages), catalog)


class _Registrations:
    """When users registered: on page where they did, looked up once for each who came after the first day."""

    def __init__(self, people: People, catalog: Songs) -> None:
        self.people, self.catalog = people, catalog
        self._known = people.registered_ms.copy()

    def of(self, lives: Lives, sessions: Sessions, pages: Pages) -> Ints:
        """By session; of who has not registered by then, when the session first showed them all the same."""
        new = np.zeros(len(self._known), bool)
        new[sessions.who] = True
        new &= self.people.newcomer & (self._known == 0) & (lives.registered_in < NEVER)
        if new.any():
            whom = np.flatnonzero(new)
            self._known[whom] = registrations(self.catalog, self.people, lives, whom)
        who, number = sessions.who, sessions.week * PLACES + sessions.place
        known = ~self.people.newcomer[who] | (lives.registered_in[who] <= number)
        shown = np.flatnonzero(machine().shown[pages.state] & ~known[pages.session])
        first = np.full(len(who), np.iinfo(np.int64).max)
        np.minimum.at(first, pages.session[shown], pages.time_ms[shown])
        return np.where(known, self._known[who], first)


def _pressed(window: Window, seed: int, size: int, shard: str) -> Iterator[Event]:
    """The first `size` events of a week of a service of the shard's own, in the window's time instead of a week's."""
    if not size:
        return
    given, users = settings(), 20 + size // 9
    catalog = songs(seed, given.songs, given.artists, given.song_exponent)
    from_ms = origin_ms(given)
    while True:
        people = gather(seed, Population(users, 0, 0), from_ms, group=f"{window}/{shard}")
        lives = Lives(people)
        sessions = lives.sessions(np.maximum((from_ms + WEEK_MS - 1 - people.base_ms) // WEEK_MS + 1, 0))
        pages = walk(sessions, people, catalog)
        made = rows(pages, from_ms, from_ms + WEEK_MS)
        if len(made.page) >= size:
            break
        users *= 2
    moments = window.start_ms + (pages.time_ms - from_ms) * (window.end_ms - window.start_ms) // WEEK_MS
    pressed = Pages(pages.session, pages.item, pages.state, pages.song, moments)
    yield from render(made[:size], pressed, sessions, people, people.registered_ms[sessions.who], catalog)
