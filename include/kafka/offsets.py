"""Where topics end and how far a group has read; committed records only, throughout."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import msgspec
from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka import KafkaError as Cause
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from include.connections import Endpoint
from include.kafka.client import CALL_S, admin, consumer, metadata
from include.kafka.errors import Trouble, topic_missing

Partition = tuple[str, int]

#: How long to look for a record behind a group's offset before the difference is believed.
LOOK_S = 5.0
_NOT_YET = (Cause.NOT_COORDINATOR, Cause.COORDINATOR_LOAD_IN_PROGRESS)


def watermarks(endpoint: Endpoint, topics: Iterable[str]) -> dict[Partition, tuple[int, int]]:
    """First offset and the one after the last committed of each partition; raises KafkaError.

    Their difference is no count of records: each commit takes an offset, and compaction leaves holes.
    """
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    places = partitions(client, trouble, topics)
    lows, highs = (offsets(client, trouble, places, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
    return {partition: (lows[partition], highs[partition]) for partition in places}


class Extent(msgspec.Struct, frozen=True):
    """What a partition has: its first offset; the end of what readers of committed records may see now, for a
    transaction that is still open holds back all that comes after its beginning; and the end of the log."""

    first: int
    readable: int
    end: int


def extents(endpoint: Endpoint, topics: Iterable[str]) -> dict[Partition, Extent]:
    """The extent of each partition of the topics; raises KafkaError."""
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    places = partitions(client, trouble, topics)
    first, readable = (offsets(client, trouble, places, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
    end = offsets(client, trouble, places, OffsetSpec.latest(), committed_only=False)
    return {place: Extent(first[place], readable[place], end[place]) for place in places}


def lag(endpoint: Endpoint, group: str, topics: Iterable[str]) -> dict[Partition, int]:
    """Offsets between what a group has committed and the end, for every partition of the topics.

    0 means that nothing is left to read: marks of transactions behind the last record are not counted. What a group
    has never committed, it has all to read. Raises KafkaError.
    """
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    places = partitions(client, trouble, topics)
    highs = offsets(client, trouble, places, OffsetSpec.latest())
    starts = committed(endpoint, group, places)
    missing = [partition for partition in places if partition not in starts]
    starts |= offsets(client, trouble, missing, OffsetSpec.earliest()) if missing else {}
    behind = {partition: max(0, highs[partition] - starts[partition]) for partition in places}
    waiting = {partition: (starts[partition], highs[partition]) for partition, left in behind.items() if left}
    return behind | {partition: 0 for partition, at in look_behind(endpoint, waiting).items() if at is None}


def partitions(
    client: AdminClient, trouble: Trouble, topics: Iterable[str], *, missing_ok: bool = False
) -> list[Partition]:
    """Every partition of the topics, in order; raises KafkaError, for a missing topic unless that is fine."""
    names = list(topics)
    there = metadata(client, trouble).topics if names else {}
    if missing_ok:
        names = [name for name in names if name in there]
    for name in names:
        if name not in there:
            raise topic_missing(name)
    return [(name, number) for name in names for number in sorted(there[name].partitions)]


def offsets(
    client: AdminClient, trouble: Trouble, places: list[Partition], spec: OffsetSpec, *, committed_only: bool = True
) -> dict[Partition, int]:
    """The first offset, or the one after the last committed record (or after the last of all), of each partition;
    raises KafkaError."""
    if not places:
        return {}
    asked = {TopicPartition(*place): spec for place in places}
    level = IsolationLevel.READ_COMMITTED if committed_only else IsolationLevel.READ_UNCOMMITTED
    futures = client.list_offsets(asked, isolation_level=level, request_timeout=CALL_S)
    try:
        return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}
    except KafkaException as error:
        raise trouble.explain("reading the ends of topics", error) from error


def committed(endpoint: Endpoint, group: str, places: list[Partition]) -> dict[Partition, int]:
    """The next offset that a group will read, of those partitions where it ever committed one; raises KafkaError."""
    # Not by the admin client's list_consumer_group_offsets: while the group's coordinator is still loading, that call
    # ends the whole process (librdkafka issue 5040).
    trouble = Trouble(endpoint)
    client = consumer(endpoint, {"group.id": group}, trouble)
    until = time.monotonic() + CALL_S
    try:
        while True:
            try:
                found = client.committed([TopicPartition(*place) for place in places], timeout=CALL_S)
                break
            except KafkaException as error:
                # The first who asks a young broker finds nobody in charge of groups yet.
                if error.args[0].code() not in _NOT_YET or time.monotonic() > until:
                    raise trouble.explain(f"reading how far group {group} is", error) from error
                time.sleep(0.2)
    finally:
        client.close()
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}


def look_behind(endpoint: Endpoint, stretches: Mapping[Partition, tuple[int, int]]) -> dict[Partition, datetime | None]:
    """The time of the first committed record from the one offset on and before the other, None where there is none, of
    each partition where some seconds were enough to tell; raises KafkaError."""
    if not stretches:
        return {}
    trouble = Trouble(endpoint)
    # An end is told when the broker has waited so long for more: half a second by default.
    client = consumer(endpoint, {"fetch.message.max.bytes": 1024, "fetch.wait.max.ms": 20}, trouble)
    found: dict[Partition, datetime | None] = {}
    try:
        client.assign([TopicPartition(*partition, first) for partition, (first, _) in stretches.items()])
        until = time.monotonic() + LOOK_S
        while len(found) < len(stretches) and time.monotonic() < until:
            for message in client.consume(len(stretches) - len(found), timeout=0.1):
                partition = (message.topic() or "", int(message.partition() or 0))
                error = message.error()
                if error is None:
                    at = datetime.fromtimestamp(message.timestamp()[1] / 1000, UTC)
                    # What came since the end was read is no sign that anything stands.
                    found.setdefault(partition, at if (message.offset() or 0) < stretches[partition][1] else None)
                elif error.code() == Cause._PARTITION_EOF:
                    found.setdefault(partition, None)
        return found
    except KafkaException as error:
        raise trouble.explain("looking for records that wait", error) from error
    finally:
        client.close()
