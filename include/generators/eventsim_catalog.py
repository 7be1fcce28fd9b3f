"""What the music service has and who comes to it: songs by popularity, places, names and browsers."""

from __future__ import annotations

import functools
import statistics

import msgspec
import numpy as np

from include.generators.draws import Draws, Floats, Ints


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FIRST = _words(
    "Paper Silver Velvet Hollow Electric Midnight Wooden Crystal Golden Broken Silent Northern Neon Distant Amber "
    "Copper Lunar Scarlet Winter Burning Empty Gentle Iron Little Marble Open Quiet Rapid Salt Tidal"
)
_SECOND = _words(
    "Rivers Lanterns Engines Mirrors Harbors Orchards Satellites Sparrows Wolves Gardens Anchors Arrows Bridges "
    "Candles Deserts Echoes Feathers Glaciers Horizons Islands Jackets Kites Letters Mountains Needles Oceans "
    "Pilots Quarries Ribbons Shadows Tigers Umbrellas Valleys Windows Yards Zeppelins"
)
_BANDS = ("The {} {}", "{} {}", "{} {} Trio", "DJ {} {}", "{} & the {}")
_TITLES = ("{} {}", "{} {} Tonight", "Under {} {}", "Waltz of {} {}", "{} {}, Pt. 2", "Leaving {} {}", "Like {} {}")

FEMALE = _words(
    "Mary Linda Susan Karen Nancy Lisa Sandra Ashley Emily Donna Michelle Amanda Melissa Laura Rebecca Sharon Cynthia "
    "Kathleen Amy Angela Brenda Emma Olivia Ava Sophia Isabella Mia Chloe Zoe Layla Grace Hannah Lily Aria Nora"
)
MALE = _words(
    "James Robert John Michael David William Richard Joseph Thomas Charles Daniel Matthew Anthony Mark Donald Steven "
    "Paul Andrew Joshua Kenneth Kevin Brian George Noah Liam Mason Ethan Logan Lucas Aiden Caleb Owen Isaac Leo Max"
)
LAST = _words(
    "Smith Johnson Williams Brown Jones Garcia Miller Davis Rodriguez Martinez Hernandez Lopez Gonzalez Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Perez Thompson White Harris Sanchez Clark Ramirez Lewis Robinson "
    "Walker Young Allen King Wright Scott Torres Nguyen Hill Flores Green Adams Nelson Baker Hall Rivera Campbell "
    "Mitchell Carter Roberts O'Brien"
)

#: City, zip, state, latitude, longitude, weight (about its people in 10,000).
CITIES: tuple[tuple[str, str, str, float, float, int], ...] = (
    ("New York", "10001", "NY", 40.7506, -73.9972, 840),
    ("Los Angeles", "90012", "CA", 34.0614, -118.2385, 390),
    ("Chicago", "60601", "IL", 41.8858, -87.6229, 270),
    ("Houston", "77002", "TX", 29.7594, -95.3594, 230),
    ("Phoenix", "85003", "AZ", 33.4511, -112.0777, 160),
    ("Philadelphia", "19107", "PA", 39.9518, -75.1587, 158),
    ("San Antonio", "78205", "TX", 29.4237, -98.4925, 145),
    ("San Diego", "92101", "CA", 32.7185, -117.1593, 138),
    ("Dallas", "75201", "TX", 32.7904, -96.8044, 130),
    ("Jacksonville", "32202", "FL", 30.3299, -81.6517, 95),
    ("Austin", "78701", "TX", 30.2713, -97.7426, 96),
    ("San Jose", "95113", "CA", 37.3337, -121.8907, 100),
    ("Columbus", "43215", "OH", 39.9671, -83.0044, 90),
    ("Charlotte", "28202", "NC", 35.229, -80.8419, 88),
    ("Indianapolis", "46204", "IN", 39.7715, -86.157, 88),
    ("San Francisco", "94103", "CA", 37.7725, -122.4147, 87),
    ("Seattle", "98101", "WA", 47.6114, -122.3305, 74),
    ("Denver", "80202", "CO", 39.7491, -104.9946, 71),
    ("Washington", "20001", "DC", 38.9109, -77.0163, 69),
    ("Nashville", "37203", "TN", 36.1504, -86.7916, 69),
    ("El Paso", "79901", "TX", 31.7584, -106.4783, 68),
    ("Boston", "02108", "MA", 42.3576, -71.0684, 68),
    ("Portland", "97204", "OR", 45.5181, -122.6745, 65),
    ("Las Vegas", "89101", "NV", 36.1721, -115.1224, 64),
    ("Detroit", "48226", "MI", 42.3333, -83.0484, 64),
    ("Memphis", "38103", "TN", 35.144, -90.048, 63),
    ("Louisville", "40202", "KY", 38.2529, -85.7515, 63),
    ("Baltimore", "21202", "MD", 39.2998, -76.6075, 59),
    ("Milwaukee", "53202", "WI", 43.0506, -87.8968, 58),
    ("Albuquerque", "87102", "NM", 35.0818, -106.6482, 56),
    ("Tucson", "85701", "AZ", 32.2139, -110.9694, 54),
    ("Fresno", "93721", "CA", 36.7377, -119.7843, 54),
    ("Kansas City", "64106", "MO", 39.1052, -94.5699, 51),
    ("Atlanta", "30303", "GA", 33.7525, -84.3888, 50),
    ("Omaha", "68102", "NE", 41.2589, -95.9409, 49),
    ("Miami", "33130", "FL", 25.7672, -80.2059, 44),
    ("Minneapolis", "55401", "MN", 44.9835, -93.2683, 43),
    ("New Orleans", "70112", "LA", 29.9605, -90.0753, 38),
    ("Tampa", "33602", "FL", 27.9614, -82.4597, 38),
    ("Cleveland", "44113", "OH", 41.4816, -81.7018, 37),
    ("Honolulu", "96813", "HI", 21.3179, -157.8521, 35),
    ("Newark", "07102", "NJ", 40.732, -74.1765, 31),
    ("Saint Paul", "55102", "MN", 44.9372, -93.1209, 31),
    ("Anchorage", "99501", "AK", 61.2116, -149.8761, 29),
    ("Pittsburgh", "15222", "PA", 40.4477, -79.9933, 30),
    ("Cincinnati", "45202", "OH", 39.1072, -84.5014, 31),
    ("Boise", "83702", "ID", 43.6322, -116.2052, 23),
    ("Salt Lake City", "84101", "UT", 40.7559, -111.8967, 20),
    ("Birmingham", "35203", "AL", 33.521, -86.8066, 20),
    ("Providence", "02903", "RI", 41.82, -71.4158, 19),
    ("Little Rock", "72201", "AR", 34.7483, -92.2819, 20),
    ("Sioux Falls", "57104", "SD", 43.5514, -96.7375, 19),
    ("Jackson", "39201", "MS", 32.2935, -90.1867, 15),
    ("Hartford", "06103", "CT", 41.7672, -72.676, 12),
    ("Manchester", "03101", "NH", 42.9929, -71.4633, 11),
    ("Billings", "59101", "MT", 45.7744, -108.5005, 12),
    ("Charleston", "29401", "SC", 32.7795, -79.9371, 15),
    ("Portland", "04101", "ME", 43.6606, -70.2589, 7),
    ("Burlington", "05401", "VT", 44.484, -73.2199, 4),
    ("Cheyenne", "82001", "WY", 41.1438, -104.7962, 6),
)

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{} Safari/537.36"
AGENTS: tuple[tuple[str, int], ...] = (
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + _CHROME.format("120.0.0.0"), 30),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) " + _CHROME.format("120.0.0.0"), 14),
    ("Mozilla/5.0 (X11; Linux x86_64) " + _CHROME.format("119.0.0.0"), 4),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:121.0) Gecko/20100101 Firefox/121.0", 9),
    ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10.15; rv:121.0) Gecko/20100101 Firefox/121.0", 3),
    ("Mozilla/5.0 (X11; Ubuntu; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", 2),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 "
        "Safari/605.1.15",
        10,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_2 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.2 "
        "Mobile/15E148 Safari/604.1",
        18,
    ),
    ("Mozilla/5.0 (Linux; Android 14; Pixel 8) " + _CHROME.format("120.0.0.0 Mobile"), 8),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) " + _CHROME.format("120.0.0.0") + " Edg/120.0.0.0", 5),
)


class Songs(msgspec.Struct, frozen=True):
    """The songs in the order of their popularity: milliseconds, a part of an event each, and summed shares of plays.

    `fragments` has an empty one at its end, which -1 finds: no song.
    """

    durations_ms: Ints
    fragments: list[bytes]
    shares: Floats


@functools.lru_cache(maxsize=4)
def songs(seed: int, count: int, artists: int, exponent: float) -> Songs:
    """The catalogue of a seed. No two songs have both artist and title in common; many share a title."""
    draws = Draws(seed, "eventsim", "songs")
    bands = _names(draws, artists, _BANDS)
    # The square gives some artists many songs, and most of them few.
    by = (draws.fractions(count) ** 2 * artists).astype(np.int64).tolist()
    titles = _titles(draws, by)
    # About a bell around four minutes, from one and a half to nine.
    spread = (draws.fractions(count) + draws.fractions(count) + draws.fractions(count) - 1.5) * 60
    durations = (np.clip(240 + spread * 1.3 + draws.picks(count, (9, 1)) * 180, 90, 540) * 1000).astype(np.int64)
    fragments = [
        b',"artist":%b,"song":%b,"duration":%d.%03d'
        % (msgspec.json.encode(bands[band]), msgspec.json.encode(title), *divmod(duration, 1000))
        for band, title, duration in zip(by, titles, durations.tolist(), strict=True)
    ]
    weights = np.arange(1, count + 1) ** -exponent
    return Songs(durations, [*fragments, b""], np.cumsum(weights) / weights.sum())


def _names(draws: Draws, count: int, forms: tuple[str, ...]) -> list[str]:
    """So many different names."""
    there = [form.format(a, b) for form in forms for a in _FIRST for b in _SECOND]
    if count > len(there):
        raise ValueError(f"{count} artists: there are names for {len(there)}")
    order = np.argsort(draws.fractions(len(there)), kind="stable")
    return [there[place] for place in order[:count].tolist()]


def _titles(draws: Draws, by: list[int]) -> list[str]:
    picked = zip(
        draws.integers(len(by), 0, len(_TITLES) - 1).tolist(),
        draws.integers(len(by), 0, len(_FIRST) - 1).tolist(),
        draws.integers(len(by), 0, len(_SECOND) - 1).tolist(),
        strict=True,
    )
    taken: set[tuple[int, str]] = set()
    titles = []
    for band, (form, first, second) in zip(by, picked, strict=True):
        title = base = _TITLES[form].format(_FIRST[first], _SECOND[second])
        again = 1
        while (band, title) in taken:
            again += 1
            title = f"{base} (Take {again})"
        taken.add((band, title))
        titles.append(title)
    return titles


@functools.cache
def gaps_ms(mean_s: float, spread: float, entries: int = 1 << 14) -> Ints:
    """A log-normal of that mean as equally likely values in milliseconds, in order."""
    normal = statistics.NormalDist(np.log(mean_s * 1000) - spread * spread / 2, spread)
    return np.exp([normal.inv_cdf((place + 0.5) / entries) for place in range(entries)]).astype(np.int64)
