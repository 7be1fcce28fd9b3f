"""Receipts: what each burst produced, written in the burst's own transaction into a compacted topic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime

import msgspec

from include.connections import Endpoint
from include.kafka.errors import KafkaError
from include.kafka.reading import records

TOPIC = "floodgate.bursts"

#: Burst, topic, partition.
Key = tuple[str, str, int]


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """What one burst put into one partition; the fields are those of the platform's contract."""

    event_id: str
    burst: str
    domain: str
    window_start: datetime
    window_end: datetime
    shard: str
    topic: str
    partition: int
    #: Tombstones are records but no events.
    events: int
    first_offset: int
    last_offset: int
    min_event_time: datetime
    max_event_time: datetime
    produced_at: datetime

    @property
    def key(self) -> Key:
        """What a later receipt replaces it by."""
        return self.burst, self.topic, self.partition


def read(endpoint: Endpoint, since: datetime | None = None) -> dict[Key, Receipt]:
    """The latest receipt of each burst, topic and partition whose transaction is committed; raises KafkaError.

    With `since`, only those produced then or later, and only their part of the topic is read.
    """
    latest: dict[Key, Receipt] = {}
    # A receipt is written after the last of its events, never before.
    for record in records(endpoint, TOPIC, since=since):
        value = record.value()
        if value is None:
            continue
        try:
            receipt = msgspec.json.decode(value, type=Receipt)
        except msgspec.MsgspecError as error:
            raise KafkaError(
                f"{TOPIC}, partition {record.partition()}, offset {record.offset()} holds no receipt ({error}): "
                "only bursts may write there; see who else does"
            ) from error
        latest[receipt.key] = receipt
    return latest if since is None else {key: one for key, one in latest.items() if one.produced_at >= since}


def produced(receipts: Mapping[Key, Receipt]) -> dict[str, int]:
    """Topic -> events produced: distinct ones, since a burst that was repeated has one receipt."""
    events: Counter[str] = Counter()
    for receipt in receipts.values():
        events[receipt.topic] += receipt.events
    return dict(events)
