"""Reads stretches of a partition again, by a reader that belongs to no connector's group and commits nothing."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Cause

from include.connections import Endpoint
from include.kafka.client import CALL_S, consumer
from include.kafka.errors import KafkaError, Trouble

#: A group of its own: the connector's is never moved.
GROUP = "floodgate-heal"
AT_ONCE = 5_000
#: Stretches with no more than so many offsets between them are read in one go: to begin anew costs more.
NEAR = 500

Stretch = tuple[int, int]


def read(endpoint: Endpoint, topic: str, partition: int, ranges: Iterable[Stretch]) -> Iterator[Message]:
    """The committed records at these offsets (first and last of each stretch), each once, in order. Raises KafkaError,
    before the first, also where retention has taken one: then Kafka cannot give it back."""
    wanted = sorted(ranges)
    if not wanted:
        return
    trouble = Trouble(endpoint)
    # Ends are told by the broker's own mark, when it has waited so long for more.
    client = consumer(endpoint, {"group.id": GROUP, "auto.offset.reset": "error", "fetch.wait.max.ms": 20}, trouble)
    try:
        low, _ = client.get_watermark_offsets(TopicPartition(topic, partition), timeout=CALL_S)
        if wanted[0][0] < low:
            raise KafkaError(
                f"{topic}, partition {partition}: offset {wanted[0][0]} is gone, the first that is left is {low}: "
                "produce the burst again, or restore the rows from the other warehouse"
            )
        for near in _together(wanted):
            client.assign([TopicPartition(topic, partition, near[0][0])])
            yield from _those(near, _span(client, trouble, topic, near[0][0], near[-1][1]))
    except KafkaException as error:
        raise trouble.explain(f"reading {topic} again", error) from error
    finally:
        client.close()


def _together(wanted: list[Stretch]) -> Iterator[list[Stretch]]:
    """The stretches, sorted and without overlaps, in groups of those that are near each other."""
    group: list[Stretch] = []
    for first, last in wanted:
        if group and first <= group[-1][1] + 1:
            group[-1] = (group[-1][0], max(last, group[-1][1]))
            continue
        if group and first > group[-1][1] + NEAR:
            yield group
            group = []
        group.append((first, last))
    yield group


def _those(stretches: list[Stretch], messages: Iterator[Message]) -> Iterator[Message]:
    """Of messages in order, those within the stretches."""
    left = iter(stretches)
    first, last = next(left)
    for message in messages:
        offset = message.offset() or 0
        while offset > last:
            first, last = next(left)
        if first <= offset:
            yield message


def _span(client: Consumer, trouble: Trouble, topic: str, first: int, last: int) -> Iterator[Message]:
    """Everything committed from the one offset to the other."""
    heard, at = time.monotonic(), first
    while True:
        # No more than can be there: it returns when it has as many, else when its time is over.
        for message in client.consume(min(AT_ONCE, last - at + 1), timeout=0.2):
            heard = time.monotonic()
            error = message.error()
            if error is not None:
                if error.code() == Cause._PARTITION_EOF:
                    return
                if not error.retriable():
                    raise trouble.explain(f"reading {topic} again", error)
                continue
            at = (message.offset() or 0) + 1
            if at <= last + 1:
                yield message
            if at > last:
                return
        if time.monotonic() - heard > CALL_S:
            raise trouble.explain(f"reading {topic} again", Cause(Cause._TIMED_OUT, "no record and no end came"))
