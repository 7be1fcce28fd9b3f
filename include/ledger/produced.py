"""Kafka's side of the ledger: receipts, records, dead letters and ends of topics, each read from a time on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec

from include.connections import Endpoint
from include.connectors.render import names
from include.contracts import Contract
from include.kafka import dead_letters, receipts, redrives
from include.kafka.offsets import Extent, extents
from include.kafka.reading import records
from include.ledger.comparing import Rejection
from include.ledger.entries import Partition
from include.ledger.promises import Held, Promise, by_receipts, by_records
from include.ledger.runs import Run, joined


class Promised(msgspec.Struct, frozen=True):
    """What was produced, and how far each partition goes."""

    promises: list[Promise]
    extents: Mapping[Partition, Extent]


def promised(kafka: Endpoint, contracts: Iterable[Contract], since: datetime) -> Promised:
    """What the receipts of these contracts promise, of bursts that ended at `since` or later. Raises KafkaError."""
    some = list(contracts)
    domains = {contract.domain for contract in some}
    # In this order: a burst that is produced meanwhile must not look like one that Kafka has lost.
    found = receipts.read(kafka, since)
    ends = extents(kafka, [topic.name for contract in some for topic in contract.topics])
    return Promised(by_receipts(one for one in found.values() if one.domain in domains), ends)


def held(kafka: Endpoint, contracts: Iterable[Contract], since: datetime) -> dict[Partition, list[Held]]:
    """Every committed record of the contracts' topics that is not older than `since`. Raises KafkaError.

    Reads them all: this is for a person who asks, and for topics without receipts.
    """
    since_ms = int(since.timestamp() * 1000)
    found: defaultdict[Partition, list[Held]] = defaultdict(list)
    for contract in contracts:
        for topic in contract.topics:
            for record in records(kafka, topic.name, since=since):
                at_ms = record.timestamp()[1]
                if at_ms >= since_ms:
                    one = Held(int(record.offset() or 0), at_ms, record.value() is None)
                    found[topic.name, int(record.partition() or 0)].append(one)
    return dict(found)


def rejected(kafka: Endpoint, contracts: Iterable[Contract], since: datetime) -> dict[Partition, list[Rejection]]:
    """Records not older than `since` that connectors set aside, and what redrives did with them. Raises KafkaError."""
    some = list(contracts)
    found: dict[tuple[str, int, int], Rejection] = {}
    letters, _ = dead_letters.arrived(kafka, some, {}, since)
    for contract in some:
        topics = {topic.name for topic in contract.topics}
        meant_for = {connector: warehouse for warehouse, connector in names(contract).items()}
        for letter in letters[contract.domain]:
            if letter.topic in topics:
                before = found.get(letter.place)
                warehouses = {meant_for[letter.connector]} if letter.connector in meant_for else set()
                found[letter.place] = Rejection(
                    letter.offset, letter.at_ms, frozenset(warehouses | (before.warehouses if before else set()))
                )
    by_partition: defaultdict[Partition, list[Rejection]] = defaultdict(list)
    done = redrives.read(kafka, since) if found else {}
    for (topic, partition, offset), rejection in sorted(found.items()):
        redrive = done.get((topic, partition, offset))
        if redrive and not redrive.parked:
            sent_to = (redrive.to_topic, redrive.to_partition, redrive.to_offset)
            rejection = msgspec.structs.replace(rejection, sent_to=sent_to)
        by_partition[topic, partition].append(rejection)
    return dict(by_partition)


def by_kafka(found: Mapping[Partition, list[Held]], contracts: Iterable[Contract]) -> list[Promise]:
    """What Kafka itself promises of contracts that have no receipts."""
    topics = {topic.name for contract in contracts for topic in contract.topics}
    return [promise for place, some in found.items() if place[0] in topics for promise in by_records(place, some)]


def events(found: Mapping[Partition, list[Held]]) -> dict[Partition, list[Run]]:
    """The offsets of events, tombstones left out."""
    return {
        place: joined((one.offset, one.offset) for one in some if not one.tombstone) for place, some in found.items()
    }
