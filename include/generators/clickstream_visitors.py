"""Who visits the phone shop: where they come from and what with. Drawn once by seed, and picked from ever after."""

from __future__ import annotations

import functools
from dataclasses import dataclass

from include.generators.draws import Draws

CHANNELS = (b"Organic search", b"Direct", b"Social media", b"Referral", b"Other")
CHANNEL_WEIGHTS = (40, 25, 18, 10, 7)

#: Visitors who come again and again: each has an address, a browser, and the account they log in with.
VISITORS = 20_000
#: Accounts count from 1; more than one visitor may use one.
USERS = 12_000

#: Country -> weight, and the first two numbers of addresses that providers there have had for long (first, last of the
#: second number).
NETWORKS: dict[str, tuple[int, tuple[tuple[int, int, int], ...]]] = {
    "US": (26, ((12, 1, 120), (73, 1, 250), (98, 160, 200))),
    "DE": (10, ((84, 130, 180), (87, 130, 180), (91, 0, 60))),
    "GB": (9, ((81, 128, 140), (86, 128, 180))),
    "FR": (8, ((90, 0, 100), (86, 192, 250))),
    "IN": (8, ((49, 32, 47), (117, 192, 250))),
    "BR": (7, ((177, 32, 60), (187, 0, 60))),
    "JP": (6, ((126, 0, 250), (60, 64, 150))),
    "IT": (5, ((79, 0, 60), (87, 0, 30))),
    "ES": (5, ((83, 32, 63), (79, 144, 159))),
    "AU": (4, ((1, 120, 158), (58, 160, 175))),
    "NL": (3, ((77, 160, 175), (86, 80, 95))),
    "CA": (4, ((70, 24, 30), (99, 224, 250))),
    "SE": (2, ((78, 64, 77), (81, 224, 235))),
    "ID": (3, ((36, 64, 95), (125, 160, 165))),
}

_CHROME = "AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0"
_SAFARI = "AppleWebKit/605.1.15 (KHTML, like Gecko) Version/{} {}Safari/{}"
_ANDROID = "Mozilla/5.0 (Linux; Android {}; {}) " + _CHROME + " Mobile Safari/537.36"
_IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS {} like Mac OS X) " + _SAFARI
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) "
_MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) "

#: What browsers say of themselves, and how often.
AGENTS: tuple[tuple[int, str], ...] = (
    *((5, _IPHONE.format(os, version, "Mobile/15E148 ", "604.1"))
      for os, version in (("15_6", "15.6"), ("16_5", "16.5"), ("17_2", "17.2"), ("17_4", "17.4"), ("18_1", "18.1"))),
    *((3, _ANDROID.format(*one)) for one in (
        (14, "SM-S918B", 124), (14, "SM-S928B", 126), (13, "SM-A546B", 120), (13, "SM-G991B", 119),
        (12, "SM-A125F", 114), (14, "Pixel 8", 125), (14, "Pixel 7a", 124), (13, "Pixel 6", 118),
    )),
    *((2, _ANDROID.format(*one)) for one in (
        (13, "2201117TG", 117), (12, "M2101K6G", 115), (13, "23049PCD8G", 121), (11, "Redmi Note 8", 112),
        (13, "CPH2385", 118), (12, "CPH2211", 113), (10, "VOG-L29", 110), (10, "ELE-L29", 109),
        (13, "moto g82 5G", 120), (12, "moto g(60)", 116), (13, "ONEPLUS A6013", 118), (13, "XQ-CT54", 121),
        (12, "Nokia G21", 114),
    )),
    (9, _WINDOWS + _CHROME.format(124) + " Safari/537.36"),
    (6, _WINDOWS + _CHROME.format(126) + " Safari/537.36"),
    (4, _WINDOWS + _CHROME.format(125) + " Safari/537.36 Edg/125.0.0.0"),
    (4, "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:126.0) Gecko/20100101 Firefox/126.0"),
    (4, _MAC + _SAFARI.format("17.4", "", "605.1.15")),
    (4, _MAC + _CHROME.format(124) + " Safari/537.36"),
    (1, "Mozilla/5.0 (X11; Linux x86_64; rv:125.0) Gecko/20100101 Firefox/125.0"),
    (2, "Mozilla/5.0 (iPad; CPU OS 17_4 like Mac OS X) " + _SAFARI.format("17.4", "Mobile/15E148 ", "604.1")),
    (1, "Mozilla/5.0 (Linux; Android 14; SAMSUNG SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
        "SamsungBrowser/24.0 Chrome/117.0.0.0 Mobile Safari/537.36"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Visitors:
    """The visitors as columns. `heads` is the beginning of each one's records, `tails` what stands before the time."""

    heads: list[bytes]
    tails: list[bytes]
    users: list[bytes]


@functools.lru_cache(maxsize=4)
def visitors(seed: int) -> Visitors:
    """Everybody who may come, in the order of their numbers."""
    draws = Draws(seed, "clickstream", "visitors")
    countries = [*NETWORKS]
    places = draws.picks(VISITORS, [NETWORKS[country][0] for country in countries]).tolist()
    nets = draws.integers(VISITORS, 0, (1 << 20) - 1).tolist()
    hosts = draws.integers(VISITORS, 0, (1 << 16) - 1).tolist()
    agents = draws.picks(VISITORS, [weight for weight, _ in AGENTS]).tolist()
    users = draws.integers(VISITORS, 1, USERS).tolist()
    heads, tails = [], []
    for place, net, host, agent in zip(places, nets, hosts, agents, strict=True):
        networks = NETWORKS[countries[place]][1]
        first, least, most = networks[net % len(networks)]
        second = least + net // len(networks) % (most - least + 1)
        heads.append(b'"ip":"%d.%d.%d.%d","user_id":' % (first, second, host >> 8, 1 + (host & 255) % 254))
        tails.append(b',"user_agent":"%b","session_id":"' % AGENTS[agent][1].encode())
    return Visitors(heads, tails, [b"%d" % user for user in users])
