"""Records that a redrive sent again: the event of one counts now, unless it was enriched and counted before.

Redrives keep a record's place of its first rejection in a header. What the sinks alone had refused was enriched then,
as a part of its burst; what was malformed was not, and its burst's receipt says one event fewer.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from confluent_kafka import Message

from include.connections import Endpoint
from include.contracts.event import BurstId, Window
from include.enrichment.clickstream import SOURCE, Malformed, enrich
from include.enrichment.shares import Block
from include.kafka import ranges, receipts, redrives
from include.kafka.errors import KafkaError
from include.kafka.receipts import Receipt


def block(endpoint: Endpoint, message: Message) -> Block | None:
    """A stretch of its own for a record whose event counts now; None for any other. Raises KafkaError."""
    headers = dict(message.headers() or ())
    told = headers.get(redrives.OF) or b""
    origin = re.fullmatch(rf"{re.escape(SOURCE)}/(\d+)/(\d+)".encode(), told if isinstance(told, bytes) else b"")
    if origin is None:
        return None
    partition, offset = int(origin[1]), int(origin[2])
    if _counted(endpoint, partition, offset):
        return None
    here = int(message.offset() or 0)
    return Block(here, here, (_receipt(message, partition, offset, here),))


def _counted(endpoint: Endpoint, partition: int, offset: int) -> bool:
    """Whether the record was enriched where it was first, as one of a burst's."""
    promised = any(
        (one.topic, one.partition) == (SOURCE, partition) and one.first_offset <= offset <= one.last_offset
        for one in receipts.read(endpoint).values()
    )
    if not promised:
        return False
    try:
        for first in ranges.read(endpoint, SOURCE, partition, [(offset, offset)]):
            enrich(first.value() or b"")
            return True
    except Malformed:
        return False
    except KafkaError:  # retention has taken it: whatever it was, it is long ago
        return True
    return True


def _receipt(message: Message, partition: int, offset: int, here: int) -> Receipt:
    """What a burst of this record alone would have promised; sent again once more, it has the same name."""
    at = datetime.fromtimestamp(max(message.timestamp()[1], 0) // 1000, UTC)
    start = at.replace(second=0)
    window = Window(start, start + timedelta(minutes=1))
    name = BurstId(SOURCE, window, f"redriven-{partition}-{offset}")
    return Receipt(
        event_id=f"{name}/{SOURCE}/{message.partition()}",
        burst=str(name),
        domain=name.domain,
        window_start=window.start,
        window_end=window.end,
        shard=name.shard,
        topic=SOURCE,
        partition=int(message.partition() or 0),
        events=1,
        first_offset=here,
        last_offset=here,
        min_event_time=at,
        max_event_time=at,
        produced_at=at,
    )
