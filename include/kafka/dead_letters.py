"""Dead letters: the records that a connector could not land, with the reason in their headers."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

import msgspec
from confluent_kafka import KafkaError as Cause
from confluent_kafka import Message

from include.connections import Endpoint
from include.contracts import Contract
from include.kafka import redrives
from include.kafka.client import producer
from include.kafka.errors import Trouble
from include.kafka.reading import records
from include.kafka.redrives import Headers, Place

PREFIX = "__connect.errors."
LONGEST_KIND = 160


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One rejected record; topic, partition and offset are those it was rejected from."""

    topic: str
    partition: int
    offset: int
    connector: str
    stage: str
    exception: str
    reason: str
    key: bytes | None
    value: bytes | None
    #: The record's own time in its topic, ms since 1970: a connector keeps it, and tells not when it rejected.
    at_ms: int
    #: All of them, those of the record and those that tell why.
    headers: Headers = ()

    @property
    def place(self) -> Place:
        """The one record it is about, however many connectors rejected it."""
        return self.topic, self.partition, self.offset

    @property
    def times(self) -> int:
        """How often it was sent again by now."""
        count = dict(self.headers).get(redrives.COUNT) or b""
        return int(count) if count.isdigit() else 0

    @property
    def origin(self) -> str:
        """The place of its first rejection, as text."""
        first = dict(self.headers).get(redrives.OF) or b""
        return first.decode() if re.fullmatch(rb"[\w.-]+/\d+/\d+", first) else redrives.text(self.place)

    @property
    def kind(self) -> str:
        """The reason without what differs from record to record: quotations, numbers, a word in brackets."""
        line = self.reason.partition("\n")[0][: 10 * LONGEST_KIND]
        for differing in (r"'[^']*'?", r'"[^"]*"?', r"(?<=\()[^()\s]+(?=\))", r"\b\d+(\.\d+)*\b"):
            line = re.sub(differing, "…", line)
        return line[:LONGEST_KIND]


def read(endpoint: Endpoint, contract: Contract, since: datetime | None = None) -> Iterator[DeadLetter]:
    """Every dead letter of a domain, redriven or not, one for each connector that rejected; raises KafkaError.

    With `since`, of records that are not older than that.
    """
    letters = map(_letter, records(endpoint, contract.dead_letters, since=since))
    return letters if since is None else (one for one in letters if one.at_ms >= since.timestamp() * 1000)


def arrived(
    endpoint: Endpoint, contracts: Iterable[Contract], starts: Mapping[str, int], since: datetime
) -> tuple[dict[str, list[DeadLetter]], dict[str, int]]:
    """The letters of these domains that came since a look, and for the next one where each partition ends.

    `starts`: what that look gave, `topic/partition` -> offset. Of a partition that is not in there, the letters of
    records that are not older than `since`. Raises KafkaError.
    """
    domains = {contract.dead_letters: contract.domain for contract in contracts}
    found: dict[str, list[DeadLetter]] = {domain: [] for domain in domains.values()}
    known = {(name.rpartition("/")[0], int(name.rpartition("/")[2])): at for name, at in starts.items()}
    ends: dict[tuple[str, int], int] = {}
    for message in records(endpoint, *domains, since=since, starts=known, ends=ends) if domains else ():
        letter, place = _letter(message), (message.topic() or "", message.partition() or 0)
        if place in known or letter.at_ms >= since.timestamp() * 1000:
            found[domains[place[0]]].append(letter)
    return found, {f"{topic}/{number}": at for (topic, number), at in sorted(ends.items())}


def write(endpoint: Endpoint, contract: Contract, who: str, letters: Iterable[tuple[bytes, str]]) -> None:
    """Sets values aside that `who` refused before they came to a topic, each with its reason; raises KafkaError.

    They have no place that they were rejected from: each is counted by its own. A repeat may write them twice.
    """
    trouble = Trouble(endpoint)
    client = producer(endpoint, {"acks": "all", "enable.idempotence": True, "message.timeout.ms": 30_000}, trouble)
    errors: list[Cause] = []
    for value, reason in letters:
        told = {"connector.name": who, "stage": "SOURCE", "exception.message": reason}
        client.produce(
            contract.dead_letters,
            value=value,
            headers=[(PREFIX + name, text.encode()) for name, text in told.items()],
            on_delivery=lambda error, _: errors.append(error) if error else None,
        )
    client.flush()
    if errors:
        raise trouble.explain(f"writing to {contract.dead_letters}", errors[0])


def rejected(endpoint: Endpoint, contract: Contract) -> Iterator[DeadLetter]:
    """The dead letters that are still to be dealt with: neither sent again nor parked; raises KafkaError."""
    done = redrives.read(endpoint)
    return (letter for letter in read(endpoint, contract) if letter.place not in done)


def parked(endpoint: Endpoint, contract: Contract) -> Iterator[DeadLetter]:
    """The dead letters that were sent again often enough, one for each record; raises KafkaError."""
    return map(_letter, records(endpoint, contract.parked, missing_ok=True))


def count(endpoint: Endpoint, contract: Contract) -> dict[str, int]:
    """Topic -> distinct records rejected by any connector, and not dealt with since; raises KafkaError."""
    places: defaultdict[str, set[Place]] = defaultdict(set)
    for letter in rejected(endpoint, contract):
        places[letter.topic].add(letter.place)
    return {topic: len(found) for topic, found in places.items()}


def _letter(message: Message) -> DeadLetter:
    given: Headers = tuple(message.headers() or ())  # type: ignore[arg-type]
    headers = dict(given)

    def told(name: str) -> str:
        return (headers.get(PREFIX + name) or b"").decode(errors="replace").strip()

    partition, offset = told("partition"), told("offset")
    is_whole = bool(told("topic")) and partition.isdecimal() and offset.isdecimal()
    # A letter without its headers was put there by hand: its own place keeps it countable.
    place = (told("topic"), int(partition), int(offset)) if is_whole else _own_place(message)
    return DeadLetter(
        topic=place[0],
        partition=place[1],
        offset=place[2],
        connector=told("connector.name"),
        stage=told("stage"),
        exception=told("exception.class.name"),
        reason=told("exception.message") or "no reason given",
        key=message.key(),
        value=message.value(),
        at_ms=message.timestamp()[1],
        headers=given,
    )


def _own_place(message: Message) -> Place:
    return message.topic() or "", int(message.partition() or 0), int(message.offset() or 0)
