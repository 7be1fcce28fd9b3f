"""Reads what a topic holds now, from its first committed record, or from a time on, to its last."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaException, Message, TopicPartition
from confluent_kafka import KafkaError as Cause

from include.connections import Endpoint
from include.kafka.client import CALL_S, consumer, metadata
from include.kafka.errors import Trouble, topic_missing

AT_ONCE = 10_000
#: Topic and number.
Place = tuple[str, int]


def records(
    endpoint: Endpoint,
    *topics: str,
    missing_ok: bool = False,
    since: datetime | None = None,
    starts: Mapping[Place, int] | None = None,
    ends: dict[Place, int] | None = None,
) -> Iterator[Message]:
    """Every committed record of the topics, in order within each partition; raises KafkaError, for a missing topic,
    too, unless that is fine: a topic that came with a later version is there when prepare has run again.

    With `since`, from the first record of that time or later on; what follows may be older, as its producer says. With
    `starts`, from that offset on in the partitions that it names. `ends` is told where each partition ended.
    """
    trouble, names = Trouble(endpoint), ", ".join(topics)
    # The broker tells a partition's end when it has waited so long for more.
    client = consumer(endpoint, {"fetch.wait.max.ms": 20}, trouble)
    try:
        there = metadata(client, trouble, topics[0] if len(topics) == 1 else None).topics
        missing = [topic for topic in topics if topic not in there or there[topic].error is not None]
        if missing and not missing_ok:
            raise topic_missing(missing[0])
        # Ends are told by the broker's own mark: offsets do not count records, compaction and commits leave holes.
        left = {(topic, number) for topic in topics if topic not in missing for number in there[topic].partitions}
        if left:
            client.assign(_starts(client, left, since, starts or {}))
        heard = time.monotonic()
        while left:
            for message in client.consume(AT_ONCE, timeout=0.2):
                heard = time.monotonic()
                place, error = (message.topic() or "", message.partition() or 0), message.error()
                if error is None:
                    # What comes after a partition's end was written since the reading began.
                    if place in left:
                        yield message
                elif error.code() == Cause._PARTITION_EOF:
                    left.discard(place)
                    if ends is not None:
                        ends[place] = int(message.offset() or 0)
                elif not error.retriable():
                    raise trouble.explain(f"reading {names}", error)
            if time.monotonic() - heard > CALL_S:
                raise trouble.explain(f"reading {names}", Cause(Cause._TIMED_OUT, "no record and no end came"))
    except KafkaException as error:
        raise trouble.explain(f"reading {names}", error) from error
    finally:
        client.close()


def _starts(
    client: Consumer, places: Iterable[Place], since: datetime | None, known: Mapping[Place, int]
) -> list[TopicPartition]:
    """Where to begin in each partition: at its end where it has nothing of that time. Raises KafkaException."""
    given = [TopicPartition(*place, known[place]) for place in places if place in known]
    others = [place for place in places if place not in known]
    if since is None or not others:
        return [*given, *(TopicPartition(*place, OFFSET_BEGINNING) for place in others)]
    since_ms = max(0, int(since.timestamp() * 1000))
    return [*given, *client.offsets_for_times([TopicPartition(*place, since_ms) for place in others], CALL_S)]
