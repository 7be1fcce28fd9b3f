"""Reads stretches of a partition again, by a reader that belongs to no connector's group and commits nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from confluent_kafka import KafkaError as Cause
from confluent_kafka import KafkaException, Message, TopicPartition

from include.connections import Endpoint
from include.kafka.client import CALL_S, consumer
from include.kafka.errors import KafkaError, Trouble

#: A group of its own: the connector's is never moved.
GROUP = "floodgate-heal"
AT_ONCE = 5_000
NEAR = 500


def read(endpoint: Endpoint, topic: str, partition: int, ranges: Iterable[tuple[int, int]]) -> Iterator[Message]:
    """The committed records at these offsets (first and last of each stretch), in order. Raises KafkaError, also where
    retention has taken one: then Kafka cannot give it back."""
    trouble = Trouble(endpoint)
    client = consumer(endpoint, {"group.id": GROUP, "auto.offset.reset": "error"}, trouble)
    try:
        low, _ = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=CALL_S)
        for first, last in sorted(ranges):
            if first < low:
                raise KafkaError(
                    f"{topic}, partition {partition}: offset {first} is gone, the first that is left is {low}: produce "
                    "the burst again, or restore the rows from the other warehouse"
                )
            client.assign([TopicPartition(topic, partition, first)])
            yield from _stretch(client, trouble, topic, last)
    except KafkaException as error:
        raise trouble.explain(f"reading {topic} again", error) from error
    finally:
        client.close()


def _stretch(client: object, trouble: Trouble, topic: str, last: int) -> Iterator[Message]:
    heard = time.monotonic()
    while True:
        for message in client.consume(AT_ONCE, timeout=0.2):  # type: ignore[attr-defined]
            heard = time.monotonic()
            error = message.error()
            if error is not None:
                if error.code() == Cause._PARTITION_EOF:
                    return
                if not error.retriable():
                    raise trouble.explain(f"reading {topic} again", error)
                continue
            if (message.offset() or 0) > last:
                return
            yield message
            if message.offset() == last:
                return
        if time.monotonic() - heard > CALL_S:
            raise trouble.explain(f"reading {topic} again", Cause(Cause._TIMED_OUT, "no record and no end came"))
