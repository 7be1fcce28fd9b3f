"""Which page follows which: the configured probabilities, and the same given how a session will end.

A user's kind of visit (auth and level) changes within sessions only. How a session ends is drawn first, from the exact
probabilities that follow from the moves; its pages are drawn later, where they are needed, from the moves given that
end. Both together have the configured probabilities, and who a user is after years costs one draw a session.
"""

from __future__ import annotations

import functools
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import yaml
from numpy.typing import NDArray

from include.generators.draws import Floats, Ints
from include.generators.keyed import Keys, fractions

FILE = Path(__file__).with_suffix("").with_name("eventsim.yaml")
#: Next pages of one page at most, the end of the session among them: a power of two, cut from a draw's first bits.
COLUMNS, _COLUMN_BITS = 16, 4
#: Instead of a page: the session is over.
END = -1

Weights = dict[str, float]


class Visit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A kind of visit: weights of the first page, and the moves from each page."""

    start: Weights
    moves: dict[str, Weights]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The configuration file; what each figure means stands there."""

    users: int
    origin: Any
    growth: float
    attrition: float
    page_gap_s: float
    page_gap_spread: float
    session_every_s: float
    redirect_s: float
    session_pause_s: float
    night_damping: float
    weekend_damping: float
    weekend_offset_min: int
    weekend_slope_min: int
    songs: int
    artists: int
    song_exponent: float
    auths: Weights
    levels: Weights
    newcomer: str
    shown: list[str]
    gone: str
    pages: dict[str, tuple[str, int]]
    visits: dict[str, Visit]


class State(msgspec.Struct, frozen=True):
    """A page as one kind of visit sees it."""

    page: str
    method: str
    status: int
    auth: str
    level: str


@functools.cache
def settings() -> Settings:
    """The configuration; raises ValueError for what is no number, no page or no probability."""
    return checked(msgspec.convert(yaml.safe_load(FILE.read_text()), Settings))


def checked(given: Settings) -> Settings:
    """The same settings; raises ValueError where pages are unknown or probabilities exceed 1."""
    for kind, visit in given.visits.items():
        for page, moves in visit.moves.items():
            where = f"{FILE.name}: visits.{kind}.moves.{page}"
            if not all(0 <= chance <= 1 for chance in moves.values()) or sum(moves.values()) > 1 + 1e-9:
                raise ValueError(f"{where}: probabilities must be from 0 to 1 and 1 together at most")
            if len(moves) >= COLUMNS:
                raise ValueError(f"{where}: {len(moves)} moves; there is room for {COLUMNS - 1}")
            for name in moves:
                there, _, target = name.rpartition("/")
                if target not in given.pages or (there or kind) not in given.visits:
                    raise ValueError(f"{where}: {name!r} is no page")
        if unknown := visit.start.keys() - given.pages.keys():
            raise ValueError(f"{FILE.name}: visits.{kind}.start: {', '.join(sorted(unknown))} is no page")
    return given


class Machine:
    """The moves as tables. A kind of visit and a page of one (a state) are numbers: places in `kinds` and `states`."""

    def __init__(self, given: Settings) -> None:
        self.kinds = list(given.visits)
        names = [
            (kind, page)
            for kind, visit in given.visits.items()
            for page in given.pages
            if page in visit.moves or page in visit.start or _target(given, kind, page)
        ]
        number = {name: place for place, name in enumerate(names)}
        self.states = [State(page, *given.pages[page], *kind.rsplit(" ", 1)) for kind, page in names]
        self.kind_of = np.array([self.kinds.index(kind) for kind, _ in names])
        count = len(names)
        self.moves = np.zeros((count, count))
        self.starts = np.zeros((len(self.kinds), count))
        for kind, visit in given.visits.items():
            for page, weight in visit.start.items():
                self.starts[self.kinds.index(kind), number[kind, page]] = weight / sum(visit.start.values())
            for page, moves in visit.moves.items():
                for name, chance in moves.items():
                    there, _, target = name.rpartition("/")
                    self.moves[number[kind, page], number[there or kind, target]] = chance
        # How likely a session that is at a page ends as each kind; rounded, so that every machine has the same tables.
        leaving = np.maximum(1 - self.moves.sum(axis=1), 0)
        last = np.zeros((count, len(self.kinds)))
        last[np.arange(count), self.kind_of] = leaving
        self.ends = np.round(np.linalg.solve(np.eye(count) - self.moves, last), 12)
        chances = self.starts @ self.ends
        totals = chances.sum(axis=1, keepdims=True)
        self._outcomes = np.cumsum(chances / np.where(totals, totals, 1), axis=1)
        self._rows = count + len(self.kinds)
        self._cut, self._own, self._other = self._tables(last)

        self.status = np.array([state.status for state in self.states])
        self.is_song = np.array([state.page == "NextSong" for state in self.states])
        self.is_login = np.array([state.page == "Login" for state in self.states])
        self.shown = np.array([state.auth in given.shown for state in self.states])
        self.gone_kinds = np.array([kind.startswith(given.gone + " ") for kind in self.kinds])
        self.guest_kinds = np.array([kind == given.newcomer for kind in self.kinds])

    def ends_as(self, kinds: Ints, drawn: Keys) -> Ints:
        """As which kind of visit a session ends that begins as one of `kinds`."""
        return (fractions(drawn)[:, None] >= self._outcomes[kinds, :-1]).sum(axis=1)

    def first(self, kinds: Ints, ends: Ints, drawn: Keys) -> Ints:
        """The first state of sessions that begin and end as these kinds."""
        return self._pick(ends * self._rows + len(self.states) + kinds, drawn)

    def next(self, states: Ints, ends: Ints, drawn: Keys) -> Ints:
        """The state after each, or END. Only the upper half of a draw's bits counts."""
        return self._pick(ends * self._rows + states, drawn)

    def _pick(self, rows: Ints, drawn: Keys) -> Ints:
        upper = (drawn >> np.uint64(32)).astype(np.int64)
        place = rows * COLUMNS + (upper >> (32 - _COLUMN_BITS))
        own = (upper & ((1 << (32 - _COLUMN_BITS)) - 1)) < self._cut[place]
        return np.where(own, self._own[place], self._other[place])

    def _tables(self, last: Floats) -> tuple[Ints, Ints, Ints]:
        """Alias tables: for each end and each state or start, COLUMNS columns of two choices and where to cut."""
        size = len(self.kinds) * self._rows * COLUMNS
        tables = (np.zeros(size, np.int64), np.full(size, END, np.int64), np.full(size, END, np.int64))
        for end in range(len(self.kinds)):
            likely = self.ends[:, end]
            for row in range(self._rows):
                if row < len(self.states):
                    weights = np.append(self.moves[row] * likely, last[row, end])
                else:
                    weights = np.append(self.starts[row - len(self.states)] * likely, 0.0)
                if weights.sum() > 0:
                    where = slice((end * self._rows + row) * COLUMNS, (end * self._rows + row + 1) * COLUMNS)
                    for table, column in zip(tables, _alias(weights), strict=True):
                        table[where] = column
        return tables


def _target(given: Settings, kind: str, page: str) -> bool:
    return any(f"{kind}/{page}" in moves for visit in given.visits.values() for moves in visit.moves.values())


def _alias(weights: Floats) -> tuple[Ints, Ints, Ints]:
    """Cuts, own choices and others of one row (Walker's method); the last weight is that of END."""
    choices = np.flatnonzero(weights)
    scaled = [float(share) for share in weights[choices] / weights.sum() * COLUMNS] + [0.0] * (COLUMNS - len(choices))
    names = [END if choice == len(weights) - 1 else int(choice) for choice in choices]
    names += [names[0]] * (COLUMNS - len(choices))
    other = list(range(COLUMNS))
    small = [place for place, share in enumerate(scaled) if share < 1]
    large = [place for place, share in enumerate(scaled) if share >= 1]
    while small and large:
        less, more = small.pop(), large[-1]
        other[less] = more
        scaled[more] -= 1 - scaled[less]
        if scaled[more] < 1:
            small.append(large.pop())
    full = 1 << (32 - _COLUMN_BITS)
    # What is left over stands alone in its column, up to rounding.
    for place in (*small, *large):
        scaled[place] = 1.0
    cuts = np.array([round(share * full) for share in scaled])
    return cuts, np.array(names), np.array([names[place] for place in other])


@functools.cache
def machine() -> Machine:
    """The tables of the configuration file."""
    return Machine(settings())


def slope(given: Settings) -> NDArray[np.float64]:
    """How likely a session begins, against the busiest time, in each minute of a week from Monday 00:00 UTC."""
    minutes = np.arange(7 * 1440)
    # Least at three in the night, greatest at three in the afternoon.
    day = 1 - given.night_damping * (1 + np.cos(2 * np.pi * (minutes - 180) / 1440)) / 2
    down = 5 * 1440 - given.weekend_offset_min
    up = 7 * 1440 - given.weekend_offset_min
    corners = [(0, 1.0)]
    if up + given.weekend_slope_min > 7 * 1440:
        over = up + given.weekend_slope_min - 7 * 1440
        corners = [(0, 1 - over / given.weekend_slope_min), (over, 1.0)]
    corners += [(down, 1.0), (down + given.weekend_slope_min, 0.0), (up, 0.0)]
    corners += [(min(up + given.weekend_slope_min, 7 * 1440), corners[0][1])]
    assert all(a <= b for (a, _), (b, _) in pairwise(corners))  # noqa: S101 - offsets and slopes of hours, not days
    weekday = np.interp(minutes, [corner[0] for corner in corners], [corner[1] for corner in corners])
    return day * (1 - given.weekend_damping * (1 - weekday))
