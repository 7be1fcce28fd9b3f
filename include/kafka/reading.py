"""Reads what a topic holds now, from its first committed record to its last."""

from __future__ import annotations

import time
from collections.abc import Iterator

from confluent_kafka import OFFSET_BEGINNING, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Cause

from include.connections import Endpoint
from include.kafka.client import CALL_S, consumer, metadata
from include.kafka.errors import Trouble, topic_missing

AT_ONCE = 10_000


def records(endpoint: Endpoint, topic: str) -> Iterator[Message]:
    """Every committed record of a topic, in order within each partition; raises KafkaError."""
    trouble = Trouble(endpoint)
    client = consumer(endpoint, {}, trouble)
    try:
        found = metadata(client, trouble, topic).topics.get(topic)
        if found is None or found.error is not None:
            raise topic_missing(topic)
        # Ends are told by the broker's own mark: offsets do not count records, compaction and commits leave holes.
        left = set(found.partitions)
        client.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
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
