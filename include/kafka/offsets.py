"""Where topics end and how far a group has read; committed records only, throughout."""

from __future__ import annotations

import time
from collections.abc import Iterable

from confluent_kafka import IsolationLevel, KafkaException, TopicPartition
from confluent_kafka import KafkaError as Cause
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from include.connections import Endpoint
from include.kafka.client import CALL_S, admin, consumer, metadata
from include.kafka.errors import Trouble, topic_missing

Partition = tuple[str, int]

#: How long to look for a record behind a group's offset before the difference is believed.
LOOK_S = 5.0


def watermarks(endpoint: Endpoint, topics: Iterable[str]) -> dict[Partition, tuple[int, int]]:
    """First offset and the one after the last committed of each partition; raises KafkaError.

    Their difference is no count of records: each commit takes an offset, and compaction leaves holes.
    """
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    partitions = _partitions(client, trouble, topics)
    lows, highs = (_offsets(client, trouble, partitions, spec) for spec in (OffsetSpec.earliest(), OffsetSpec.latest()))
    return {partition: (lows[partition], highs[partition]) for partition in partitions}


def lag(endpoint: Endpoint, group: str, topics: Iterable[str]) -> dict[Partition, int]:
    """Offsets between what a group has committed and the end, for every partition of the topics.

    0 means that nothing is left to read: marks of transactions behind the last record are not counted. What a group
    has never committed, it has all to read. Raises KafkaError.
    """
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    partitions = _partitions(client, trouble, topics)
    highs = _offsets(client, trouble, partitions, OffsetSpec.latest())
    starts = _committed(endpoint, group, partitions)
    missing = [partition for partition in partitions if partition not in starts]
    starts |= _offsets(client, trouble, missing, OffsetSpec.earliest()) if missing else {}
    behind = {partition: max(0, highs[partition] - starts[partition]) for partition in partitions}
    waiting = {partition: starts[partition] for partition, left in behind.items() if left}
    return behind | dict.fromkeys(_read_to_the_end(endpoint, waiting), 0)


def _partitions(client: AdminClient, trouble: Trouble, topics: Iterable[str]) -> list[Partition]:
    names = list(topics)
    there = metadata(client, trouble).topics if names else {}
    for name in names:
        if name not in there:
            raise topic_missing(name)
    return [(name, number) for name in names for number in sorted(there[name].partitions)]


def _offsets(
    client: AdminClient, trouble: Trouble, partitions: list[Partition], spec: OffsetSpec
) -> dict[Partition, int]:
    if not partitions:
        return {}
    asked = {TopicPartition(*partition): spec for partition in partitions}
    futures = client.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED, request_timeout=CALL_S)
    try:
        return {(place.topic, place.partition): future.result().offset for place, future in futures.items()}
    except KafkaException as error:
        raise trouble.explain("reading the ends of topics", error) from error


def _committed(endpoint: Endpoint, group: str, partitions: list[Partition]) -> dict[Partition, int]:
    # Not by the admin client's list_consumer_group_offsets: while the group's coordinator is still loading, that call
    # ends the whole process (librdkafka issue 5040).
    trouble = Trouble(endpoint)
    client = consumer(endpoint, {"group.id": group}, trouble)
    try:
        found = client.committed([TopicPartition(*partition) for partition in partitions], timeout=CALL_S)
    except KafkaException as error:
        raise trouble.explain(f"reading how far group {group} is", error) from error
    finally:
        client.close()
    return {(place.topic, place.partition): place.offset for place in found if place.offset >= 0}


def _read_to_the_end(endpoint: Endpoint, starts: dict[Partition, int]) -> set[Partition]:
    """Those partitions in which no committed record is at the offset or after it."""
    if not starts:
        return set()
    trouble = Trouble(endpoint)
    client = consumer(endpoint, {"fetch.message.max.bytes": 1024}, trouble)
    ended: set[Partition] = set()
    left = set(starts)
    try:
        client.assign([TopicPartition(*partition, offset) for partition, offset in starts.items()])
        until = time.monotonic() + LOOK_S
        while left and time.monotonic() < until:
            for message in client.consume(len(left), timeout=0.1):
                partition = (message.topic() or "", int(message.partition() or 0))
                error = message.error()
                if error is not None and error.code() == Cause._PARTITION_EOF and partition in left:
                    ended.add(partition)
                left.discard(partition)
        return ended
    except KafkaException as error:
        raise trouble.explain("looking for records that wait", error) from error
    finally:
        client.close()
