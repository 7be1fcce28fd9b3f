"""Of a look of watch_ingestion: records that were rejected lately.

A letter has its record's own time, and none of its own: a sink that catches up rejects what is hours old. So each look
remembers where the dead letter topics ended, and a later one reads on from there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

import msgspec

from include.connections import Endpoint
from include.contracts import Contract


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """Where each partition of the dead letter topics ended at a look: `topic/partition` -> the next offset."""

    at: datetime
    ends: dict[str, int]


class Rejected(msgspec.Struct, frozen=True, kw_only=True):
    """By domain: topic -> distinct records, and the reasons; and what is to be remembered."""

    counts: dict[str, dict[str, int]]
    reasons: dict[str, list[str]]
    marks: list[Mark]


def look(
    kafka: Endpoint, contracts: Iterable[Contract], marks: Sequence[Mark], now: datetime, lately: timedelta
) -> Rejected:
    """What was rejected within `lately`, and whatever came since the last look, if that is longer ago. Raises
    KafkaError."""
    from include.kafka import dead_letters

    letters, ends = dead_letters.arrived(kafka, contracts, start(marks, now, lately), now - lately)
    counts: dict[str, dict[str, int]] = {}
    for domain, found in letters.items():
        counts[domain] = {}
        for topic, *_ in {letter.place for letter in found}:
            counts[domain][topic] = counts[domain].get(topic, 0) + 1
    reasons = {domain: sorted({letter.reason for letter in found}) for domain, found in letters.items()}
    return Rejected(counts=counts, reasons=reasons, marks=kept(marks, Mark(at=now, ends=ends), lately))


def start(marks: Sequence[Mark], now: datetime, lately: timedelta) -> dict[str, int]:
    """Where to begin: at the youngest mark that is so old, else at the oldest; empty before the first look."""
    old = [mark for mark in marks if mark.at <= now - lately]
    return dict((old[-1:] or [*marks[:1]])[0].ends) if marks else {}


def kept(marks: Sequence[Mark], now: Mark, lately: timedelta) -> list[Mark]:
    """The marks that a later look may begin at, in their order."""
    old = [mark for mark in marks if mark.at <= now.at - lately]
    return [*old[-1:], *marks[len(old) :], now]
