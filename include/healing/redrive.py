"""Redrive: which dead letters are sent to their topics again, parked, or left and why; and the doing of it."""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from include.connections import Endpoint
from include.contracts import domains, load
from include.healing.fixes import FIXES, unchanged
from include.kafka import dead_letters, redrives
from include.kafka.dead_letters import DeadLetter
from include.kafka.redrives import Outgoing, Place
from include.kafka.topics import MOST_BYTES

#: How often a record is sent again before it is parked.
AT_MOST = 3
#: One redrive is one transaction, and ends before the broker would give it up.
MOST_RECORDS, MOST_RECORDS_BYTES = 100_000, 256_000_000
#: Room for the record's frame and the two headers that are added.
_FRAME = 1_000
#: Kinds of reasons told one by one.
_TOLD = 100

Does = Literal["send", "park", "leave"]


class RedriveError(Exception):
    """A redrive that cannot be done as asked; the text says what to ask instead."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Which dead letters of a domain are dealt with, and how; None leaves a filter or the fix away."""

    domain: str
    topic: str | None = None
    reason: str | None = None
    connector: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    fix: str | None = None
    at_most: int = AT_MOST

    def takes(self, letter: DeadLetter) -> bool:
        """Whether the filters choose it; a reason by any part of it, `until` excluded."""
        at = datetime.fromtimestamp(letter.at_ms / 1000, UTC)
        return (
            self.topic in (None, letter.topic)
            and (self.reason or "").casefold() in letter.reason.casefold()
            and self.connector in (None, letter.connector)
            and (self.since is None or self.since <= at)
            and (self.until is None or at < self.until)
        )


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What is done with one record. `value`: what is sent, the fix applied."""

    letter: DeadLetter
    does: Does
    why: str = ""
    value: bytes | None = None


class Line(msgspec.Struct, kw_only=True):
    """Records of a topic that were rejected for one kind of reason and are dealt with alike; `first` is one's place."""

    does: Does
    first: str
    topic: str = "others"
    reason: str = "others"
    why: str = ""
    records: int = 0


class Told(msgspec.Struct, kw_only=True):
    """What a redrive of a domain does, or did."""

    domain: str
    send: int = 0
    park: int = 0
    leave: int = 0
    lines: list[Line] = []

    def add(self, step: Step) -> None:
        """Counts a step."""
        setattr(self, step.does, getattr(self, step.does) + 1)
        line = self._line(step.letter.topic, step.letter.kind, step.does, step.why)
        if line is None and len(self.lines) >= _TOLD:
            line = self._line("others", "others", step.does, "")
        if line is None:
            line = Line(does=step.does, first=redrives.text(step.letter.place))
            if len(self.lines) < _TOLD:
                line.topic, line.reason, line.why = step.letter.topic, step.letter.kind, step.why
            self.lines.append(line)
        line.records += 1

    def _line(self, *alike: str) -> Line | None:
        return next((one for one in self.lines if (one.topic, one.reason, one.does, one.why) == alike), None)


def orders(
    *,
    now: datetime,
    domain: str | None = None,
    topic: str | None = None,
    reason: str | None = None,
    connector: str | None = None,
    since: str | None = None,
    until: str | None = None,
    fix: str | None = None,
    at_most: int = AT_MOST,
) -> list[Order]:
    """What a person asked for, one order a domain: the one named, or all, or the one of the topic. RedriveError."""
    if fix and fix not in FIXES:
        raise RedriveError(f"there is no fix {fix!r}: {', '.join(FIXES)}")
    if at_most < 0:
        raise RedriveError(f"at most {at_most} times is no number of times: 0 parks what it finds, {AT_MOST} is usual")
    if domain and domain not in domains():
        raise RedriveError(f"there are no dead letters of {domain!r} to send again: {', '.join(domains())} have some")
    asked = [domain] if domain else list(domains())
    if topic:
        # What was put into the dead letters by hand has no other topic than theirs.
        asked = [name for name in asked if topic in _topics(name) or topic == load(name).dead_letters]
        if not asked:
            known = ", ".join(one for name in domains() for one in _topics(name))
            raise RedriveError(f"there is no topic {topic!r}{f' in {domain}' if domain else ''}: {known}")
    return [
        Order(
            domain=name,
            topic=topic or None,
            reason=reason or None,
            connector=connector or None,
            since=moment(since, now),
            until=moment(until, now),
            fix=fix or None,
            at_most=at_most,
        )
        for name in asked
    ]


def moment(text: str | None, now: datetime) -> datetime | None:
    """`90s`, `15m`, `1h`, `2d` before now, or a time as 2026-01-31T12:00, in UTC unless it says. RedriveError."""
    if not text:
        return None
    if match := re.fullmatch(r"(\d{1,6})([smhd])", text.strip()):
        return now - timedelta(seconds=int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400}[match[2]])
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError:
        raise RedriveError(f"{text!r} is no time: say 90s, 15m, 1h, 2d, or 2026-01-31T12:00") from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def plan(letters: Iterable[DeadLetter], done: Container[Place], order: Order) -> Iterator[Step]:
    """One step for each record that the order takes and that was not dealt with before. Pure.

    Two connectors that rejected a record make one step: the first letter that the filters take.
    """
    topics = set(_topics(order.domain))
    seen: set[Place] = set()
    count = size = 0
    for letter in letters:
        if letter.place in done or letter.place in seen or not order.takes(letter):
            continue
        seen.add(letter.place)
        step = _step(letter, topics, order)
        if step.does != "leave":
            count += 1
            size += _bytes(letter, step.value if step.does == "send" else letter.value)
            if count > MOST_RECORDS or size > MOST_RECORDS_BYTES:
                step = Step(letter=letter, does="leave", why="enough for one transaction: redrive again for the rest")
        yield step


def _step(letter: DeadLetter, topics: set[str], order: Order) -> Step:
    def leave(why: str) -> Step:
        return Step(letter=letter, does="leave", why=why)

    if letter.times >= order.at_most:
        return Step(letter=letter, does="park", why=f"was sent again {letter.times} of {order.at_most} times")
    if letter.topic not in topics:
        return leave(f"tells no topic of {order.domain} that it came from")
    value = letter.value
    if order.fix:
        if value is None:
            return leave("is a tombstone, which has nothing to fix")
        value = FIXES[order.fix](load(order.domain).topic(letter.topic), value, letter.at_ms)
        if value is None:
            return leave(f"{order.fix} cannot fix it")
        assert letter.value is not None  # noqa: S101 - asked above
        if unchanged(letter.value, value):
            return leave(f"{order.fix} finds nothing to fix: redrive it without")
    if _bytes(letter, value) > MOST_BYTES:
        return leave("is too large to be sent again with its headers")
    return Step(letter=letter, does="send", value=value)


def look(kafka: Endpoint, order: Order) -> Told:
    """What a redrive would do now; changes nothing. Raises KafkaError."""
    told = Told(domain=order.domain)
    # What is dealt with meanwhile is told once too often, never left out.
    done = redrives.read(kafka)
    for step in plan(dead_letters.read(kafka, load(order.domain)), done, order):
        told.add(step)
    return told


def redrive(kafka: Endpoint, order: Order, *, now: datetime) -> Told:
    """Carries the order out in one transaction, all of it or nothing, and says what was done. Raises KafkaError."""
    told = Told(domain=order.domain)

    def outgoing(done: Container[Place]) -> Iterator[Outgoing]:
        for step in plan(dead_letters.read(kafka, load(order.domain)), done, order):
            told.add(step)
            if step.does != "leave":
                yield _outgoing(step, order)

    redrives.produce(kafka, outgoing, now=now)
    return told


def _outgoing(step: Step, order: Order) -> Outgoing:
    letter = step.letter
    times = letter.times + (step.does == "send")
    own = (redrives.COUNT, redrives.OF)
    if step.does == "park":
        headers = letter.headers  # whoever looks there wants to know why
    else:
        kept = [pair for pair in letter.headers if pair[0] not in own and not pair[0].startswith(dead_letters.PREFIX)]
        headers = (*kept, (redrives.COUNT, str(times).encode()), (redrives.OF, letter.origin.encode()))
    return Outgoing(
        domain=order.domain,
        place=letter.place,
        origin=letter.origin,
        times=times,
        fix=order.fix if step.does == "send" else None,
        topic=letter.topic if step.does == "send" else load(order.domain).parked,
        partition=letter.partition if step.does == "send" else 0,
        key=letter.key,
        value=step.value if step.does == "send" else letter.value,
        headers=headers,
        at_ms=letter.at_ms,
    )


def _topics(domain: str) -> list[str]:
    return [topic.name for topic in load(domain).topics]


def _bytes(letter: DeadLetter, value: bytes | None) -> int:
    """What a record takes at most when it is sent: its parts and a frame. A fix may have made it larger."""
    kept = sum(len(name) + len(given or b"") for name, given in letter.headers if not name.startswith("__connect"))
    return len(letter.key or b"") + len(value or b"") + kept + _FRAME
