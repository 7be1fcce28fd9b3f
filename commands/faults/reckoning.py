"""What became of a fault, reckoned from what was recorded: incidents, Slack's messages, counts. Pure.

Moments are seconds since 1970; messages are as the catcher has them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from include.incidents import Incident
from include.ledger.counts import Stream

#: `CRITICAL clickhouse-ecommerce: 1 of 1 tasks FAILED ...`: a word, the subject, the headline.
_OPENING = re.compile(r"([A-Z]+) (.+?): ")
#: Words of replies that open a thread again, and that end it.
_AGAIN, _NORMAL = "AGAIN", "NORMAL"


class Row(msgspec.Struct, kw_only=True):
    """A line of the table. Seconds count from the moment at which the fault was made; None: not within patience.

    `early` counts threads between the end of the trial before and this fault; `wrong` says what was not as it should
    be, one phrase each.
    """

    fault: str
    seen_after_s: float | None
    told_after_s: float | None
    healed_after_s: float | None
    missing: int | None
    twice: int | None
    threads: int
    early: int = 0
    wrong: list[str] = []


def seen(incidents: Mapping[str, Incident], rule: str, subject: str, made_at: float, now: float) -> float | None:
    """When the incident that was to follow was opened, or opened again; None while it was not."""
    for incident in incidents.values():
        if incident.rule == rule and fnmatchcase(incident.subject, subject):
            opened_at = incident.opened_at.timestamp()
            if opened_at >= made_at:
                return opened_at
            if incident.open:  # one of before, opened again: it was closed when the fault was made
                told_at = incident.told_at.timestamp()
                return told_at if told_at >= made_at else now
    return None


def openings(messages: Iterable[Mapping[str, Any]], since: float) -> list[tuple[float, str, str]]:
    """Moment, subject and thread of each thread that was begun after `since`, or opened again, in order."""
    found: dict[str, tuple[float, str, str]] = {}
    for message in _in_order(messages):
        at, thread = float(message["ts"]), str(message.get("thread_ts") or message["ts"])
        word, subject = _parsed(message)
        if at > since and (thread == message["ts"] or word == _AGAIN):
            found.setdefault(f"{message['channel']} {thread}", (at, subject, thread))
    return sorted(found.values())


def told(messages: Iterable[Mapping[str, Any]], subject: str, made_at: float) -> tuple[float, str] | None:
    """Moment and thread of the first opening since the fault that names its subject."""
    for at, named, thread in openings(messages, made_at):
        if fnmatchcase(named, subject):
            return at, thread
    return None


def healed(messages: Iterable[Mapping[str, Any]], thread: str, told_at: float) -> float | None:
    """When the thread's last word was that all is normal; None while it is not, or not any more."""
    ends: float | None = None
    for message in _in_order(messages):
        if message.get("thread_ts") != thread or float(message["ts"]) < told_at:
            continue
        word, _ = _parsed(message)
        if word in (_NORMAL, _AGAIN):
            ends = float(message["ts"]) if word == _NORMAL else None
    return ends


def missing(streams: Iterable[Stream]) -> int:
    """Events that were produced and have not landed, summed over topics and both warehouses."""
    return sum(
        max(0, (stream.produced or 0) - (landed or 0))
        for stream in streams
        for landed in (stream.clickhouse, stream.snowflake)
    )


def twice(streams: Iterable[Stream]) -> int:
    """Events that count beyond what was produced, summed likewise."""
    return sum(
        max(0, (landed or 0) - (stream.produced or 0))
        for stream in streams
        for landed in (stream.clickhouse, stream.snowflake)
    )


def reckon(
    fault: str,
    subject: str,
    *,
    quiet_at: float,
    made_at: float,
    seen_at: float | None,
    messages: Iterable[Mapping[str, Any]],
    streams: Iterable[Stream] | None,
    problems: Iterable[str] = (),
) -> Row:
    """The fault's line. `quiet_at`: the end of the trial before; `streams`: None where they could not be counted."""
    caught = list(messages)
    threads = [at for at, _, _ in openings(caught, quiet_at)]
    found = told(caught, subject, made_at)
    normal_at = healed(caught, found[1], found[0]) if found else None
    counted = None if streams is None else list(streams)
    row = Row(
        fault=fault,
        seen_after_s=_after(seen_at, made_at),
        told_after_s=_after(found[0] if found else None, made_at),
        healed_after_s=_after(normal_at, made_at),
        missing=None if counted is None else missing(counted),
        twice=None if counted is None else twice(counted),
        threads=sum(at >= made_at for at in threads),
        early=sum(at < made_at for at in threads),
    )
    row.wrong = [*problems, *_judged(row)]
    return row


def _judged(row: Row) -> Iterable[str]:
    if row.seen_after_s is None:
        yield "not seen"
    if row.told_after_s is None:
        yield "not told"
    if row.healed_after_s is None:
        yield "not healed"
    if row.missing is None or row.twice is None:
        yield "not counted"
    if row.missing:
        yield f"{row.missing} rows missing"
    if row.twice:
        yield f"{row.twice} rows twice"
    if row.threads != 1 and row.told_after_s is not None:
        yield f"{row.threads} threads"
    if row.early:
        yield f"{row.early} threads before it"


def _after(at: float | None, since: float) -> float | None:
    return None if at is None else round(at - since, 1)


def _in_order(messages: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return sorted(messages, key=lambda one: float(one["ts"]))


def _parsed(message: Mapping[str, Any]) -> tuple[str, str]:
    """Word and subject of a message; empty where it is none of Floodgate's."""
    matched = _OPENING.match(str(message.get("text", "")))
    return (matched[1], matched[2]) if matched else ("", "")
