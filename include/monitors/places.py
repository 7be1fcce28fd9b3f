"""Whether a service that everything hangs on answers, and does what it is asked. That explains what else is wrong."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from include.contracts.loader import PLATFORM
from include.monitors.verdict import Kind, Verdict

RULE = "place_away"
REFUSES = "place_refuses"
NAMES = {"connect": "Kafka Connect", "kafka": "Kafka", "clickhouse": "ClickHouse", "snowflake": "Snowflake"}
_MEANS = {
    "connect": "Nothing lands in either warehouse",
    "kafka": "Nothing can be produced and nothing lands",
    "clickhouse": "Nothing lands there; Kafka keeps it",
    "snowflake": "Nothing lands there; Kafka keeps it",
}


class Trouble(msgspec.Struct, frozen=True):
    """Why a look found nothing; `away`: nobody answered, or not in order. Else it answered, and refused."""

    reason: str
    away: bool = True


def away(place: str) -> str:
    """The fingerprint of the incident that it does not answer."""
    return f"{RULE}:{place}"


def causes(place: str) -> tuple[str, str]:
    """The fingerprints of what can be wrong with it, either of which explains what hangs on it."""
    return away(place), f"{REFUSES}:{place}"


def cause(wrong: Iterable[str], *on: str) -> str:
    """Of the fingerprints of what is wrong, the one that explains what hangs on these places; empty where none does."""
    known = set(wrong)
    return next((name for place in on for name in causes(place) if name in known), "")


def judge(place: str, trouble: Trouble | None, *, owed: str = "") -> list[Verdict]:
    """`trouble`: what two looks in a row found; None where it does what it is asked. `owed`: what has still to be
    caught up although it answers again, so that the end is told when everything is there."""
    if trouble is None:
        fine = _verdict("place_refuses", place, Kind.FINE, normal=f"{NAMES[place]} does again what it is asked.")
        return [_answers(place, owed), fine]
    if not trouble.away:
        return [_answers(place, owed), _refuses(place, trouble.reason)]
    gone = _verdict(
        "place_away",
        place,
        Kind.FIRING,
        headline=f"It does not answer. {_MEANS[place]}. {trouble.reason[:300]}",
        does="Floodgate looks each minute and catches up by itself when it is back.",
        act="Bring it back; what hangs on it is not told apart meanwhile.",
    )
    return [gone, _verdict("place_refuses", place, Kind.BLIND)]


def _answers(place: str, owed: str) -> Verdict:
    if owed:
        return _verdict("place_away", place, Kind.FIRING, headline=f"{NAMES[place]} answers again.", does=owed)
    return _verdict("place_away", place, Kind.FINE, normal=f"{NAMES[place]} answers again, and nothing is owed.")


def _refuses(place: str, reason: str) -> Verdict:
    # A reason ends in what to do, which must not be cut off.
    told = reason if len(reason) <= 500 else f"{reason[:250]} ... {reason[-245:]}"
    return _verdict(
        "place_refuses",
        place,
        Kind.FIRING,
        headline=f"It answers, and does not do what the watch asks: {told.rstrip('.')}.",
        does="Floodgate looks each minute; what it cannot ask there it calls neither fine nor wrong.",
        act="Do what the reason says. `floodgate run prepare --wait` makes what is missing; a login, a right or a "
        "setting is to be mended in the connection or in the account.",
    )


def _verdict(rule: str, place: str, kind: Kind, **words: str) -> Verdict:
    return Verdict(
        rule=rule,
        subject=place,
        kind=kind,
        domain=PLATFORM,
        asset=f"place_{place}",
        **words,  # type: ignore[arg-type]
    )
