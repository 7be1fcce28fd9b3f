"""Dead letters: the records that a connector could not land, with the reason in their headers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec
from confluent_kafka import Message

from include.connections import Endpoint
from include.contracts import Contract
from include.kafka.reading import records

PREFIX = "__connect.errors."


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
    #: When it was rejected, ms since 1970.
    at_ms: int

    @property
    def place(self) -> tuple[str, int, int]:
        """The one record it is about, however many connectors rejected it."""
        return self.topic, self.partition, self.offset


def read(endpoint: Endpoint, contract: Contract) -> Iterator[DeadLetter]:
    """Every dead letter of a domain, one for each connector that rejected a record; raises KafkaError."""
    return map(_letter, records(endpoint, contract.dead_letters))


def count(endpoint: Endpoint, contract: Contract) -> dict[str, int]:
    """Topic -> distinct records rejected by any connector; raises KafkaError."""
    places: defaultdict[str, set[tuple[str, int, int]]] = defaultdict(set)
    for letter in read(endpoint, contract):
        places[letter.topic].add(letter.place)
    return {topic: len(found) for topic, found in places.items()}


def _letter(message: Message) -> DeadLetter:
    headers: dict[str, bytes | None] = dict(message.headers() or ())  # type: ignore[arg-type]

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
    )


def _own_place(message: Message) -> tuple[str, int, int]:
    return message.topic() or "", int(message.partition() or 0), int(message.offset() or 0)
