"""Reads what a topic holds now, from its first committed record, or from a time on, to its last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Cause

from include.connections import Endpoint
from include.kafka.client import CALL_S, consumer, metadata
from include.kafka.errors import Trouble, topic_missing

AT_ONCE = 10_000


def records(
    endpoint: Endpoint, topic: str, *, missing_ok: bool = False, since: datetime | None = None
) -> Iterator[Message]:
    """Every committed record of a topic, in order within each partition; raises KafkaError, for a missing topic, too,
    unless that is fine: a topic that came with a later version is there when prepare has run again.

    With `since`, from the first record of that time or later on; what follows may be older, as its producer says.
    """
    trouble = Trouble(endpoint)
    # The broker tells a partition's end when it has waited so long for more.
    client = consumer(endpoint, {"fetch.wait.max.ms": 20}, trouble)
    try:
        found = metadata(client, trouble, topic).topics.get(topic)
        if found is None or found.error is not None:
            if missing_ok:
                return
            raise topic_missing(topic)
        # Ends are told by the broker's own mark: offsets do not count records, compaction and commits leave holes.
        left = set(found.partitions)
        client.assign(_starts(client, topic, left, since))
        heard = time.monotonic()
        while left:
            for message in client.consume(AT_ONCE, timeout=0.2):
                heard = time.monotonic()
                error = message.error()
                if error is None:
                    # What comes after a partition's end was written since the reading began.
                    if message.partition() in left:
                        yield message
                elif error.code() == Cause._PARTITION_EOF:
                    left -= {message.partition()}
                elif not error.retriable():
                    raise trouble.explain(f"reading {topic}", error)
            if time.monotonic() - heard > CALL_S:
                raise trouble.explain(f"reading {topic}", Cause(Cause._TIMED_OUT, "no record and no end came"))
    except KafkaException as error:
        raise trouble.explain(f"reading {topic}", error) from error
    finally:
        client.close()


def _starts(client: Consumer, topic: str, partitions: Iterable[int], since: datetime | None) -> list[TopicPartition]:
    """Where to begin in each partition: at its end where it has nothing of that time. Raises KafkaException."""
    if since is None:
        return [TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in partitions]
    since_ms = max(0, int(since.timestamp() * 1000))
    return client.offsets_for_times([TopicPartition(topic, partition, since_ms) for partition in partitions], CALL_S)
