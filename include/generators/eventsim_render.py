"""Pages as events of the four topics: bytes put together from parts that sessions, users, pages and songs share."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from include.contracts.event import Event
from include.generators.draws import Ints
from include.generators.eventsim_catalog import AGENTS, CITIES, FEMALE, LAST, MALE, Songs
from include.generators.eventsim_pages import machine
from include.generators.eventsim_people import PLACES, TRAITS, People, Sessions
from include.generators.eventsim_sessions import NAME, Pages
from include.generators.keyed import Keys, draw

TOPICS = ("page_view_events", "listen_events", "auth_events", "status_change_events")
VIEW, LISTEN, AUTH, STATUS = range(4)
#: Events made at a time: what a long history holds of them in memory.
BATCH = 16_384
#: A session's number is its user's, week and place: this many bits for the latter two.
_NUMBER_BITS = 18

EVENT = b'{"event_id":"%b%b","ts":%d%b%b,"itemInSession":%d%b}'

_HEX4 = np.array([b"%04x" % number for number in range(1 << 16)], "S4").view(np.uint8).reshape(-1, 4)
# Where the last 16 digits of an id stand in its last 17 characters.
_DIGITS = np.array([0, 1, 2, 3, *range(5, 17)])


class Rows(msgspec.Struct, frozen=True):
    """Events before they are bytes, in the order of time: page (a place in Pages), topic, and whether it shows who."""

    page: Ints
    topic: Ints
    shown: NDArray[np.bool_]
    #: The state whose auth and level the event has, and for a login 1 where it succeeded.
    state: Ints
    success: Ints

    def __getitem__(self, part: slice) -> Rows:
        return Rows(*(column[part] for column in msgspec.structs.astuple(self)))


def rows(pages: Pages, from_ms: int, to_ms: int) -> Rows:
    """The events of the pages that lie in a window.

    Every page is a page view; a song is a listen, too; a login says whether it succeeded, which the next page shows;
    a page is a change of status where registration, another level or the cancellation shows first.
    """
    tables = machine()
    wanted = np.flatnonzero((pages.time_ms >= from_ms) & (pages.time_ms < to_ms))
    state = pages.state[wanted]
    # A login is never a session's last page, and a change never its first: the neighbours are of the same session.
    succeeded = tables.shown[pages.state[np.minimum(wanted + 1, len(pages.state) - 1)]]
    before = pages.state[np.maximum(wanted - 1, 0)]
    kind, kind_before = tables.kind_of[state], tables.kind_of[before]
    changed = (pages.item[wanted] > 0) & _is_change()[kind_before, kind]
    parts = [(wanted, VIEW), (wanted[tables.is_song[state]], LISTEN)]
    parts += [(wanted[tables.is_login[state]], AUTH), (wanted[changed], STATUS)]
    page = np.concatenate([places for places, _ in parts])
    topic = np.repeat([number for _, number in parts], [len(places) for places, _ in parts])
    order = np.lexsort((topic, page, pages.time_ms[page]))
    page, topic = page[order], topic[order]
    success = np.zeros(len(pages.state) + 1, np.int64)
    success[wanted] = succeeded & tables.is_login[state]
    state = pages.state[page]
    shown = np.where(topic == AUTH, success[page] == 1, tables.shown[state])
    return Rows(page, topic, shown, state, success[page])


@functools.cache
def _is_change() -> NDArray[np.bool_]:
    """By the kinds of visit of two pages in a row: whether the later is a change of the user's status."""
    tables = machine()
    auth, level = zip(*(kind.rsplit(" ", 1) for kind in tables.kinds), strict=True)
    count = len(tables.kinds)
    change = np.zeros((count, count), bool)
    for a in range(count):
        for b in range(count):
            registers = tables.guest_kinds[a] and not tables.guest_kinds[b]
            cancels = tables.gone_kinds[b] and not tables.gone_kinds[a]
            change[a, b] = registers or cancels or (level[a] != level[b] and auth[a] == auth[b])
    return change


def render(
    made: Rows, pages: Pages, sessions: Sessions, people: People, registered: Ints, catalog: Songs
) -> Iterator[Event]:
    """The events, in batches so that few are in memory at once. `registered`: of each session's user, in ms."""
    parts = _SessionParts(sessions, people, registered)
    heads = _heads()
    for first in range(0, len(made.page), BATCH):
        batch = made[first : first + BATCH]
        page = batch.page
        session = pages.session[page]
        parts.prepare(session)
        places = (session * 2 + batch.shown).tolist()
        item = pages.item[page]
        is_song = machine().is_song[batch.state] & (batch.topic <= LISTEN)
        columns = zip(
            map(parts.prefixes.__getitem__, session.tolist()),
            _names(sessions.keys[session], item * len(TOPICS) + batch.topic),
            times := pages.time_ms[page].tolist(),
            map(parts.tails.__getitem__, places),
            map(heads.__getitem__, ((batch.topic * 2 + batch.success) * len(machine().states) + batch.state).tolist()),
            item.tolist(),
            map(catalog.fragments.__getitem__, np.where(is_song, pages.song[page], -1).tolist()),
            strict=True,
        )
        values = [EVENT % row for row in columns]
        keys = map(parts.keys.__getitem__, places)
        yield from map(Event, map(TOPICS.__getitem__, batch.topic.tolist()), keys, values, times)


def _names(keys: Keys, numbers: Ints) -> list[bytes]:
    """The last 16 digits of event ids with their dash: one of a kind within a session, whose name is the first 16."""
    # Odd multiples of odd numbers never meet: the mixing is a bijection of what goes in, so ids of a session differ.
    drawn = draw(draw(keys, NAME), numbers)
    text = np.full((len(keys), 17), ord("-"), np.uint8)
    text[:, _DIGITS] = _HEX4[drawn.astype(">u8").view(">u2")].reshape(-1, 16)
    text[:, 0] = np.frombuffer(b"89ab", np.uint8)[text[:, 0] & 3]
    return text.reshape(-1).view("S17").tolist()  # type: ignore[no-any-return]


@functools.cache
def _heads() -> list[bytes]:
    """What topic, success and state decide: for each topic, failure and success, and each state."""
    heads = []
    for topic in range(len(TOPICS)):
        for success in (b"false", b"true"):
            for state in machine().states:
                page, auth, level = (msgspec.json.encode(text) for text in (state.page, state.auth, state.level))
                if topic == VIEW:
                    method = state.method.encode()
                    head = b',"page":%b,"auth":%b,"method":"%b","status":%d' % (page, auth, method, state.status)
                elif topic == AUTH:
                    head = b',"success":%b' % success
                else:
                    head = b',"auth":%b' % auth
                heads.append(head + b',"level":%b' % level)
    return heads


class _SessionParts:
    """What all events of a session have in common, made when its first is: start of the id; key and fields without the
    user and with."""

    def __init__(self, sessions: Sessions, people: People, registered: Ints) -> None:
        self.sessions, self.people, self.registered = sessions, people, registered
        count = len(sessions.who)
        self._ready = np.zeros(count, bool)
        self.prefixes: list[bytes] = [b""] * count
        self.tails: list[bytes] = [b""] * (2 * count)
        self.keys: list[bytes] = [b""] * (2 * count)

    def prepare(self, session: Ints) -> None:
        """Makes what is missing of these sessions."""
        new = np.unique(session[~self._ready[session]])
        if not len(new):
            return
        self._ready[new] = True
        who = self.sessions.who[new]
        ids = self.people.ids[who]
        numbers = (ids << _NUMBER_BITS) + self.sessions.week[new] * PLACES + self.sessions.place[new]
        names = draw(self.sessions.keys[new], NAME).tolist()
        traits, registered = draw(self.people.keys[who], TRAITS).tolist(), self.registered[new].tolist()
        rows = zip(new.tolist(), traits, ids.tolist(), numbers.tolist(), names, registered, strict=True)
        for place, drawn, user_id, number, name, since in rows:
            where, person = _user(drawn)
            digits = b"%016x" % name
            self.prefixes[place] = digits[:8] + b"-" + digits[8:12] + b"-8" + digits[13:] + b"-"
            tail = b',"sessionId":%d%b' % (number, where)
            self.tails[2 * place] = tail
            self.tails[2 * place + 1] = tail + b',"userId":%d%b,"registration":%d' % (user_id, person, since)
            self.keys[2 * place : 2 * place + 2] = (b"%d" % number, b"%d" % user_id)


@functools.lru_cache(maxsize=50_000)  # a long history asks again and again
def _user(drawn: int) -> tuple[bytes, bytes]:
    """Where a user of that draw is and with which browser; name and gender."""
    city = CITIES[_weighted()[0][drawn % 1024]]
    agent = AGENTS[_weighted()[1][(drawn >> 10) % 256]][0]
    female = bool(drawn >> 18 & 1)
    names = FEMALE if female else MALE
    first, last = names[(drawn >> 19) % 4096 % len(names)], LAST[(drawn >> 31) % 4096 % len(LAST)]
    encode = msgspec.json.encode
    where = b',"city":%b,"zip":%b,"state":%b,"userAgent":%b,"lon":%b,"lat":%b' % tuple(
        encode(part) for part in (city[0], city[1], city[2], agent, city[4], city[3])
    )
    person = b',"lastName":%b,"firstName":%b,"gender":"%b"' % (encode(last), encode(first), b"F" if female else b"M")
    return where, person


@functools.cache
def _weighted() -> tuple[list[int], list[int]]:
    """Cities and browsers, each as often as its weight says."""
    return _spread([city[5] for city in CITIES], 1024), _spread([agent[1] for agent in AGENTS], 256)


def _spread(weights: list[int], places: int) -> list[int]:
    edges = np.cumsum(weights) / sum(weights)
    return np.searchsorted(edges[:-1], (np.arange(places) + 0.5) / places, side="right").tolist()  # type: ignore[no-any-return]
