"""Brings rows back from Kafka: exactly the offsets that are missing, into tables whose keys make a repeat harmless.

The connector's own group is never moved, so that it goes on where it is. What is written is what the sink would have
written: the same fields, read by the same settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec
from confluent_kafka import TIMESTAMP_CREATE_TIME, TIMESTAMP_LOG_APPEND_TIME, Message

from include.connections import Endpoint
from include.contracts import Topic
from include.kafka import ranges
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING
from include.warehouses.snowflake import Snowflake

#: What the sinks' transforms make of a contract's fields; one that is missing becomes null.
CASTS: Mapping[str, Callable[[Any], Any]] = {
    "integer": int,
    "number": float,
    "boolean": lambda value: value.strip().lower() == "true" if isinstance(value, str) else bool(value),
}
#: Kafka's kinds of timestamps, as Snowflake's sink names them.
STAMPS = {TIMESTAMP_CREATE_TIME: "CreateTime", TIMESTAMP_LOG_APPEND_TIME: "LogAppendTime"}
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

    Tombstones are no rows, nor is what no sink could land. `now_ms` is noted in Snowflake as the time of landing, as by
    its sink. Statement by statement: what was landed when this is killed stays, and a recount tells what is left.
    """
    records = (
        (message, record)
        for message in ranges.read(kafka, topic.name, partition, stretches)
        if (record := _record(message, topic)) is not None
    )
    rows = 0
    for batch in _batches(records, BATCH["clickhouse" if isinstance(client, Clickhouse) else "snowflake"]):
        if isinstance(client, Clickhouse):
            client.land(f"{LANDING}.`{topic.table}`", [_clickhouse(*one) for one in batch])
        else:
            client.land(f"{LANDING}.{topic.table}", [_snowflake(*one, now_ms) for one in batch])
        rows += len(batch)
        progress(rows)
    return rows


Read = tuple[Message, dict[str, Any]]


def _batches(records: Iterator[Read], size: int) -> Iterator[list[Read]]:
    while batch := list(islice(records, size)):
        yield batch


def _record(message: Message, topic: Topic) -> dict[str, Any] | None:
    """The record as the sinks have it after their transforms; None for what is no row."""
    try:
        record = msgspec.json.decode(message.value() or b"null")
        if not isinstance(record, dict):
            return None
        casts = {field.name: CASTS[field.logical] for field in topic.fields if field.logical in CASTS}
        given = {name: record.get(name) for name in casts}
        return record | {name: None if value is None else casts[name](value) for name, value in given.items()}
    except (msgspec.DecodeError, ValueError, TypeError, OverflowError):
        return None


def _clickhouse(message: Message, record: dict[str, Any]) -> bytes:
    """The record's fields, and its place in Kafka as the sink's transform stamps it."""
    place = {
        "_topic": message.topic(),
        "_partition": message.partition(),
        "_offset": message.offset(),
        "_timestamp": message.timestamp()[1],
    }
    return msgspec.json.encode({**record, **place})


def _snowflake(message: Message, record: dict[str, Any], now_ms: int) -> tuple[bytes, bytes]:
    """RECORD_METADATA and RECORD_CONTENT as the sink writes them."""
    kind, at_ms = message.timestamp()
    metadata: dict[str, Any] = {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        **({STAMPS[kind]: at_ms} if kind in STAMPS else {}),
        "SnowflakeConnectorPushTime": now_ms,
    }
    if (key := message.key()) is not None:
        metadata["key"] = _text(key)
    headers: Any = message.headers()
    if headers:
        metadata["headers"] = {name: _text(value) for name, value in headers}
    return msgspec.json.encode(metadata), msgspec.json.encode(record)


def _text(given: bytes | str | None) -> str | None:
    return given.decode("utf-8", "replace") if isinstance(given, bytes) else given
