"""Topics as the contracts want them: made where missing, compared where not, never destroyed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

import msgspec
from confluent_kafka import KafkaError as Cause
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic, ResourceType  # type: ignore[attr-defined]

from include.connections import Endpoint
from include.contracts import Contract, load
from include.contracts.loader import PLATFORM
from include.kafka.client import CALL_S, admin, metadata
from include.kafka.errors import KafkaError, Trouble

#: Largest record of a topic: Confluent Cloud's default.
MOST_BYTES = 2_097_164
#: A dead letter is a record of the largest size with headers that tell why, a stack trace among them.
MOST_DEAD_LETTER_BYTES = 2 * MOST_BYTES


class Wanted(msgspec.Struct, frozen=True):
    """A topic as it should be."""

    name: str
    partitions: int
    config: dict[str, str]


def wanted(contracts: Iterable[Contract]) -> tuple[Wanted, ...]:
    """Every topic that these contracts need: their own, their dead letters, those that are parked, and the
    receipts of bursts and redrives."""
    by_domain = {contract.domain: contract for contract in contracts}
    by_domain.setdefault(PLATFORM, load(PLATFORM))
    topics = []
    for contract in by_domain.values():
        for topic in contract.topics:
            config = {"cleanup.policy": topic.cleanup, "max.message.bytes": str(MOST_BYTES)}
            if topic.cleanup == "delete":
                config["retention.ms"] = str(topic.retention_s * 1000)
            topics.append(Wanted(topic.name, topic.partitions, config))
        kept_s = max(topic.retention_s for topic in contract.topics)
        config = {"cleanup.policy": "delete", "max.message.bytes": str(MOST_DEAD_LETTER_BYTES)}
        config["retention.ms"] = str(kept_s * 1000)
        topics.append(Wanted(contract.dead_letters, 1, config))
        if contract.domain != PLATFORM:  # its own records are not redriven, so none is ever parked
            topics.append(Wanted(contract.parked, 1, config))
    return tuple(topics)


def ensure(endpoint: Endpoint, contracts: Iterable[Contract]) -> list[str]:
    """Makes the topics that are missing; a line for each, "created ..." or, where one is otherwise, "drift: ...".

    Nothing that exists is changed: partitions added would move keys, and settings may have been changed by a person on
    purpose. Safe to repeat. Raises KafkaError.
    """
    trouble = Trouble(endpoint)
    client = admin(endpoint, trouble)
    there = {name: len(topic.partitions) for name, topic in metadata(client, trouble).topics.items()}
    topics = wanted(contracts)
    missing = [topic for topic in topics if topic.name not in there]
    lines = _created(client, trouble, missing)
    return lines + _drift(client, trouble, [topic for topic in topics if topic.name in there], there)


def _created(client: AdminClient, trouble: Trouble, topics: list[Wanted]) -> list[str]:
    if not topics:
        return []
    # -1: as many copies as the broker makes by default, one on a laptop and three in the cloud.
    new = [NewTopic(topic.name, topic.partitions, -1, config=topic.config) for topic in topics]
    lines = []
    for topic, future in zip(topics, client.create_topics(new, operation_timeout=CALL_S).values(), strict=True):
        try:
            future.result(timeout=2 * CALL_S)
        except KafkaException as error:
            # Someone else made it since: that is what was wanted.
            if error.args[0].code() == Cause.TOPIC_ALREADY_EXISTS:
                continue
            raise trouble.explain(f"making topic {topic.name}", error) from error
        lines.append(f"created {topic.name} ({topic.partitions} partitions, {topic.config['cleanup.policy']})")
    _wait_for(client, trouble, {topic.name for topic in topics})
    return lines


def _wait_for(client: AdminClient, trouble: Trouble, names: set[str]) -> None:
    """Until every broker's answer has the topics with a leader each: a producer would fail before."""
    until = time.monotonic() + CALL_S
    while True:
        topics = metadata(client, trouble).topics
        ready = {name for name, topic in topics.items() if all(p.leader >= 0 for p in topic.partitions.values())}
        if names <= ready:
            return
        if time.monotonic() > until:
            missing = ", ".join(sorted(names - ready))
            raise KafkaError(
                f"topics {missing} were made but have no leader after {CALL_S:.0f} s: see the broker's log"
            )
        time.sleep(0.1)


def _drift(client: AdminClient, trouble: Trouble, topics: list[Wanted], there: Mapping[str, int]) -> list[str]:
    if not topics:
        return []
    resources = [ConfigResource(ResourceType.TOPIC, topic.name) for topic in topics]
    lines = []
    for topic, future in zip(topics, client.describe_configs(resources).values(), strict=True):
        try:
            config = future.result(timeout=CALL_S)
        except KafkaException as error:
            raise trouble.explain(f"reading the settings of topic {topic.name}", error) from error
        if there[topic.name] != topic.partitions:
            lines.append(
                f"drift: {topic.name} has {there[topic.name]} partitions, the contract says {topic.partitions}: "
                "change the contract, or add partitions by hand when no burst of old windows will be run again"
            )
        for name, value in topic.config.items():
            found = config[name].value if name in config else None
            if found != value:
                lines.append(
                    f"drift: {topic.name} has {name}={found}, the contract says {value}: "
                    "set it on the topic, or change the contract"
                )
    return lines
