"""How far groups have read, and where their topics end: few calls, however many groups and however long the topics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from confluent_kafka import KafkaException
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from include.connections import Endpoint
from include.kafka.client import admin
from include.kafka.errors import Trouble
from include.kafka.offsets import Partition, committed, offsets, partitions

#: A broker that does not answer a first question within this is away; without it every later call waits its time-out.
SOON_S = 5.0


def reachable(endpoint: Endpoint) -> None:
    """Raises KafkaError where no broker answers soon."""
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    try:
        client.list_topics(timeout=SOON_S)
    except KafkaException as error:
        client.poll(0)
        raise trouble.explain("asking Kafka for its topics", error) from error


def progress(endpoint: Endpoint, groups: Mapping[str, Iterable[str]]) -> dict[str, dict[Partition, tuple[int, int]]]:
    """Group -> partition -> (next offset to read, log end); -1 for a partition that the group never committed.

    The difference is no count: marks of transactions take offsets, too. Topics that are missing are left out. Raises
    KafkaError.
    """
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    wanted = {group: list(topics) for group, topics in groups.items()}
    there = partitions(client, trouble, {topic for topics in wanted.values() for topic in topics}, missing_ok=True)
    ends = offsets(client, trouble, there, OffsetSpec.latest())
    found = {}
    for group, topics in wanted.items():
        mine = [partition for partition in there if partition[0] in topics]
        at = committed(endpoint, group, mine) if mine else {}
        found[group] = {partition: (at.get(partition, -1), ends[partition]) for partition in mine}
    return found
