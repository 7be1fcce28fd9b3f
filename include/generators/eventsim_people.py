"""Who there is, and which kind of visitor each is by when: the same whoever asks, about whatever time.

A user's time is cut into weeks of their own, each beginning at a moment of the week that is theirs. How many sessions a
week has, when they are due and as what each ends are draws by user, week and place. So somebody's state after years
costs one draw a session, and a session's pages are drawn only where its week is asked about.
"""

from __future__ import annotations

import functools
from datetime import UTC, datetime

import msgspec
import numpy as np
from numpy.typing import NDArray

from include.generators.draws import DAY_MS, Draws, Floats, Ints
from include.generators.eventsim_pages import Settings, machine, settings, slope
from include.generators.keyed import Keys, draw, fractions, key

WEEK_MS = 7 * DAY_MS
YEAR_MS = 365.25 * DAY_MS
MONDAY_MS = 4 * DAY_MS  # 1970-01-05
#: Sessions of a week at most, less one; weeks and places share a session's number.
PLACES = 64
#: Ids of those who were there on the first day are below it.
MOST_USERS = 1_000_000
#: Later than any week.
NEVER = 1 << 40

# Numbers of a user's draws; those of weeks come after.
_PHASE, _KIND, _STAY, _SINCE, TRAITS, _WEEKS = 0, 1, 2, 3, 4, 16
# Numbers of a week's draws; those of its sessions' times and of its sessions come after.
_COUNT, _TIMES, _SESSIONS = 0, 1, 1 + PLACES


class Population(msgspec.Struct, frozen=True):
    """How many users there are on the first day, and a year's growth and attrition as shares of them."""

    users: int
    growth: float
    attrition: float

    def __post_init__(self) -> None:
        if not 0 <= self.users <= MOST_USERS:
            raise ValueError(f"{self.users} users: give 0 to {MOST_USERS:,}")
        if not (0 <= self.attrition <= 5 and -self.attrition <= self.growth <= 5):
            raise ValueError(
                f"growth {self.growth} and attrition {self.attrition}: give shares a year up to 5, attrition 0 or "
                "more, growth not below minus attrition"
            )


class People(msgspec.Struct, frozen=True):
    """Users as columns: id, key, when their first week begins, the last week they come, their first kind of visit."""

    ids: Ints
    keys: Keys
    base_ms: Ints
    last_week: Ints
    kinds: Ints
    newcomer: NDArray[np.bool_]
    #: Registration of those who were there on the first day; 0 for those who come later and register in a session.
    registered_ms: Ints


class Sessions(msgspec.Struct, frozen=True):
    """Sessions as columns, ordered by user, week and place: place of the user among the people, week, place, key, kinds
    of visit at its start and end, and when it is due (ms after its week begins)."""

    who: Ints
    week: Ints
    place: Ints
    keys: Keys
    kinds: Ints
    ends: Ints
    due_ms: Ints


def origin_ms(given: Settings) -> int:
    """The first day."""
    day = given.origin
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000


@functools.lru_cache(maxsize=4)
def _busy() -> tuple[Floats, float]:
    """Sums of the damping up to each minute's start, as shares of a week's, and sessions a week on average."""
    given = settings()
    rate = slope(given)
    sums = np.concatenate([[0.0], np.cumsum(rate)])
    return sums / sums[-1], float(rate.mean()) * WEEK_MS / 1000 / given.session_every_s


def _at_share(share: Floats) -> Ints:
    """When in a week (ms from Monday) that share of its sessions has begun."""
    sums, _ = _busy()
    minute = np.minimum(np.searchsorted(sums, share, side="right") - 1, len(sums) - 2)
    inside = (share - sums[minute]) / (sums[minute + 1] - sums[minute])
    return np.minimum(((minute + inside) * 60_000).astype(np.int64), WEEK_MS - 1)


def _share_at(week_ms: Ints) -> Floats:
    sums, _ = _busy()
    return np.interp(week_ms / 60_000, np.arange(len(sums)), sums)


def _poisson(mean: float) -> Floats:
    """Summed chances of 0, 1, 2, ..."""
    most = int(mean + 12 * mean**0.5 + 24)
    logs = np.cumsum(np.log(mean / np.arange(1, most + 1))) if mean > 0 else np.full(most, -np.inf)
    return np.cumsum(np.exp(np.concatenate([[0.0], logs]) - mean))


def gather(seed: int, population: Population, until_ms: int, *, group: str = "") -> People:
    """Everybody who has come by then. A `group` of its own (a burst of a size) has ids and lives of its own."""
    given, pages = settings(), machine()
    first_ms, base = origin_ms(given), key(seed, "eventsim", "users", group)
    numbers = np.arange(1, population.users + 1)
    keys = draw(base, numbers)
    shares = fractions(draw(keys, _KIND))
    weights = [
        given.auths.get(kind.rsplit(" ", 1)[0], 0) * given.levels.get(kind.rsplit(" ", 1)[1], 0) for kind in pages.kinds
    ]
    edges = np.cumsum(weights) / sum(weights)
    phase = (fractions(draw(keys, _PHASE)) * WEEK_MS).astype(np.int64)
    since = (-np.log(1 - fractions(draw(keys, _SINCE))) * 180 * DAY_MS).astype(np.int64)
    founders = People(
        ids=numbers + (_own_ids(seed, group) if group else 0),
        keys=keys,
        base_ms=first_ms - phase,
        last_week=_last_week(keys, phase, population),
        kinds=np.searchsorted(edges[:-1], shares, side="right").astype(np.int64),
        newcomer=np.zeros(len(keys), bool),
        registered_ms=first_ms - 60_000 - since,
    )
    return founders if group else _joined(founders, _newcomers(seed, population, first_ms, until_ms))


def _own_ids(seed: int, *path: object) -> int:
    """The last id before those of a group: a million's room each, apart from one another but for chance."""
    return (1 + int(key(seed, "eventsim", "ids", *path)[0] % np.uint64(9999))) * MOST_USERS


def _last_week(keys: Keys, phase: Ints, population: Population) -> Ints:
    if not population.attrition:
        return np.full(len(keys), NEVER)
    stay = -np.log(1 - fractions(draw(keys, _STAY))) / population.attrition * YEAR_MS
    return np.minimum((stay + phase) // WEEK_MS, NEVER).astype(np.int64)


def _newcomers(seed: int, population: Population, first_ms: int, until_ms: int) -> People:
    """Those who arrive week by week; how many follows from the population, so they differ from another's."""
    named = (population.users, population.growth, population.attrition)
    replaced = population.users * (population.growth + population.attrition)
    arrivals = [np.zeros(0, np.int64)]
    for week in range(max(0, -(-(until_ms - first_ms) // WEEK_MS))):
        mean = replaced * np.exp(population.growth * (week + 0.5) * WEEK_MS / YEAR_MS) * WEEK_MS / YEAR_MS
        draws = Draws(seed, "eventsim", "newcomers", *named, week)
        count = int(np.searchsorted(_poisson(float(mean)), draws.fractions(1)[0], side="right"))
        start = first_ms + week * WEEK_MS
        phase = (start - MONDAY_MS) % WEEK_MS
        moments = _at_share((draws.fractions(count) + _share_at(np.array([phase]))) % 1.0)
        arrivals.append(np.sort(start + (moments - phase) % WEEK_MS))
    times = np.concatenate(arrivals)
    times = times[times < until_ms]
    keys = draw(key(seed, "eventsim", "newcomers", *named), np.arange(len(times)))
    return People(
        ids=_own_ids(seed, *named) + 1 + np.arange(len(times)),
        keys=keys,
        base_ms=times,
        last_week=_last_week(keys, np.zeros(len(times), np.int64), population),
        kinds=np.full(len(times), machine().kinds.index(settings().newcomer)),
        newcomer=np.ones(len(times), bool),
        registered_ms=np.zeros(len(times), np.int64),
    )


def _joined(a: People, b: People) -> People:
    columns = zip(msgspec.structs.astuple(a), msgspec.structs.astuple(b), strict=True)
    return People(*(np.concatenate(pair) for pair in columns))


class Lives:
    """The people's kinds of visit, followed week by week; never asked about weeks before those it has gone through."""

    def __init__(self, people: People) -> None:
        self.people = people
        self.kinds = people.kinds.copy()
        #: The week that each has not gone through yet, of those of their own.
        self.week = np.zeros(len(people.ids), np.int64)
        #: Number (week and place) of the session in which a newcomer registered.
        self.registered_in = np.full(len(people.ids), NEVER)
        self._counts = _poisson(_busy()[1])

    def copy(self) -> Lives:
        """The same lives, to be followed apart."""
        other = Lives(self.people)
        other.kinds, other.week = self.kinds.copy(), self.week.copy()
        other.registered_in = self.registered_in.copy()
        return other

    def pass_to(self, weeks: Ints) -> None:
        """Goes through what comes before these weeks, one for each of the people."""
        self._through(weeks, None)

    def sessions(self, weeks: Ints) -> Sessions:
        """The sessions from the weeks gone through to these, not included; goes through them."""
        found: list[tuple[Ints, ...]] = []
        self._through(weeks, found)
        none = tuple(np.zeros(0, np.int64) for _ in range(6))
        who, week_of, place, kinds, ends, due = (np.concatenate(column) for column in zip(none, *found, strict=True))
        order = np.lexsort((place, week_of, who))
        who, week_of, place = who[order], week_of[order], place[order]
        keys = draw(draw(self.people.keys[who], _WEEKS + week_of), _SESSIONS + place)
        return Sessions(who, week_of, place, keys, kinds[order], ends[order], due[order])

    def _through(self, weeks: Ints, found: list[tuple[Ints, ...]] | None) -> None:
        for week in range(int(self.week.min(initial=NEVER)), int(weeks.max(initial=0))):
            self._pass(week, np.flatnonzero((self.week <= week) & (week < weeks)), found)
        self.week = np.maximum(self.week, weeks)

    def _pass(self, week: int, who: Ints, found: list[tuple[Ints, ...]] | None) -> None:
        pages, people = machine(), self.people
        who = who[(people.last_week[who] >= week) & ~pages.gone_kinds[self.kinds[who]]]
        keys = draw(people.keys[who], _WEEKS + week)
        counts = np.minimum(np.searchsorted(self._counts, fractions(draw(keys, _COUNT)), side="right"), PLACES - 1)
        if week == 0:
            counts = np.where(people.newcomer[who], np.maximum(counts, 1), counts)
        due = None if found is None else self._due(week, who, keys, int(counts.max(initial=0)), counts)
        for place in range(int(counts.max(initial=0))):
            here = np.flatnonzero((counts > place) & ~pages.gone_kinds[self.kinds[who]])
            now, kinds = who[here], self.kinds[who[here]]
            ends = pages.ends_as(kinds, draw(draw(keys[here], _SESSIONS + place), 0))
            joined = pages.guest_kinds[kinds] & ~pages.guest_kinds[ends]
            self.registered_in[now[joined]] = week * PLACES + place
            self.kinds[now] = ends
            if found is not None and due is not None:
                of = np.full(len(now), week), np.full(len(now), place)
                found.append((now, *of, kinds, ends, due[here, place]))

    def _due(self, week: int, who: Ints, keys: Keys, most: int, counts: NDArray[np.int64]) -> Ints:
        """When the sessions of a week are due, in order; a newcomer's first at once."""
        shares = fractions(draw(keys[:, None], _TIMES + np.arange(most)[None, :]))
        shares[np.arange(most)[None, :] >= counts[:, None]] = 2.0
        shares.sort(axis=1)
        phase = (self.people.base_ms[who] - MONDAY_MS) % WEEK_MS
        due: Ints = (_at_share((shares + _share_at(phase)[:, None]) % 1.0) - phase[:, None]) % WEEK_MS
        if week == 0 and most:
            due[self.people.newcomer[who], 0] = 0
        return due
