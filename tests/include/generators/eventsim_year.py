"""Two years of a small music service, made once, as the tests of its believability read them."""

from __future__ import annotations

import functools
from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import msgspec

from include.contracts import load
from include.generators import Event, Window, events

CONTRACT = load("eventsim")
SEED, USERS = 11, 300
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
OPTIONS: dict[str, Any] = {"users": USERS, "growth": 0.2, "attrition": 0.2}


@functools.cache
def made() -> list[Event]:
    return list(events(CONTRACT, Window(START, END), seed=SEED, **OPTIONS))


@functools.cache
def records() -> dict[str, list[dict[str, Any]]]:
    """Topic -> records in the order of time."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for event in made():
        found[event.topic].append(msgspec.json.decode(event.value or b""))
    return found


@functools.cache
def sessions() -> dict[int, list[dict[str, Any]]]:
    """Session -> its page views in order."""
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for record in records()["page_view_events"]:
        found[record["sessionId"]].append(record)
    return found


def person(session_id: int) -> int:
    """Whose session it is, also where the events do not say: the upper bits of its number."""
    return session_id >> 18
