"""Brings rows back from Kafka: exactly the offsets that are missing, into tables whose keys make a repeat harmless.

The connector's own group is never moved, so that it goes on where it is. What is written is what the sink would have
written: the same fields, read by the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

import msgspec
from confluent_kafka import Message

from include.connections import Endpoint
from include.contracts import Topic
from include.kafka import ranges
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING
from include.warehouses.snowflake import Snowflake

#: Rows a statement.
BATCH = {"clickhouse": 5_000, "snowflake": 500}

Progress = Callable[[int], None]


def replay(
    kafka: Endpoint,
    client: Clickhouse | Snowflake,
    topic: Topic,
    partition: int,
    stretches: tuple[tuple[int, int], ...],
    *,
    now_ms: int,
    progress: Progress = lambda rows: None,
) -> int:
    """Lands the records at these offsets; gives how many rows. Raises KafkaError, WarehouseError.

    Tombstones are no rows. `now_ms` is noted as the time of landing in Snowflake, as its sink does. Statement by
    statement: what was landed when this is killed stays, and a recount tells what is left.
    """
    records = (
        message for message in ranges.read(kafka, topic.name, partition, stretches) if message.value() is not None
    )
    rows = 0
    for batch in _batches(records, BATCH["clickhouse" if isinstance(client, Clickhouse) else "snowflake"]):
        if isinstance(client, Clickhouse):
            client.land(f"{LANDING}.`{topic.table}`", [_clickhouse(message) for message in batch])
        else:
            client.land(f"{LANDING}.{topic.table}", [_snowflake(message, now_ms) for message in batch])
        rows += len(batch)
        progress(rows)
    return rows


def _batches(records: Iterator[Message], size: int) -> Iterator[list[Message]]:
    while batch := list(islice(records, size)):
        yield batch


def _clickhouse(message: Message) -> bytes:
    """The record's fields, and its place in Kafka as the sink's transform stamps it."""
    record = msgspec.json.decode(message.value() or b"{}")
    place = {
        "_topic": message.topic(),
        "_partition": message.partition(),
        "_offset": message.offset(),
        "_timestamp": message.timestamp()[1],
    }
    return msgspec.json.encode({**record, **place})


def _snowflake(message: Message, now_ms: int) -> tuple[bytes, bytes]:
    """RECORD_METADATA and RECORD_CONTENT as the sink writes them."""
    metadata: dict[str, object] = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "CreateTime": message.timestamp()[1],
        "SnowflakeConnectorPushTime": now_ms,
    }
    if (key := message.key()) is not None:
        metadata["key"] = key.decode() if isinstance(key, bytes) else key
    return msgspec.json.encode(metadata), message.value() or b"null"
