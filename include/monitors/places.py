"""Whether a service that everything hangs on answers. Its being away explains what else is wrong meanwhile."""

from __future__ import annotations

from include.contracts.loader import PLATFORM
from include.monitors.verdict import Kind, Verdict

RULE = "place_away"
NAMES = {"connect": "Kafka Connect", "kafka": "Kafka", "clickhouse": "ClickHouse", "snowflake": "Snowflake"}
_MEANS = {
    "connect": "Nothing lands in either warehouse",
    "kafka": "Nothing can be produced and nothing lands",
    "clickhouse": "Nothing lands there; Kafka keeps it",
    "snowflake": "Nothing lands there; Kafka keeps it",
}


def away(place: str) -> str:
    """The fingerprint of that place's incident: the cause to name."""
    return f"{RULE}:{place}"


def judge(place: str, reason: str | None, *, owed: str = "") -> Verdict:
    """`reason`: why two looks in a row found it away; None where it answers. `owed`: what has still to be caught up
    although it answers again, so that the end is told when everything is there."""
    if reason is None and not owed:
        return _verdict(place, Kind.FINE, normal=f"{NAMES[place]} answers again, and nothing is owed.")
    if reason is None:
        return _verdict(place, Kind.FIRING, headline=f"{NAMES[place]} answers again.", does=owed)
    return _verdict(
        place,
        Kind.FIRING,
        headline=f"It does not answer. {_MEANS[place]}. {reason[:300]}",
        does="Floodgate looks each minute and catches up by itself when it is back.",
        act="Bring it back; what hangs on it is not told apart meanwhile.",
    )


def _verdict(place: str, kind: Kind, **words: str) -> Verdict:
    return Verdict(
        rule=RULE,
        subject=place,
        kind=kind,
        domain=PLATFORM,
        asset=f"place_{place}",
        **words,  # type: ignore[arg-type]
    )
