"""Rows of the last minutes by topic: one query a warehouse, over what the window holds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from include.contracts import Contract, Topic
from include.contracts.paths import clickhouse as clickhouse_path
from include.contracts.paths import field
from include.contracts.paths import snowflake as snowflake_path
from include.monitors.rows import Arrivals
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING
from include.warehouses.snowflake import Snowflake


def late(client: Clickhouse, contracts: Iterable[Contract], since: datetime) -> dict[str, Arrivals]:
    """Topic -> rows produced since then, and those whose event was older than the contract allows. Raises
    WarehouseError."""
    sql = " union all ".join(
        f"select toString(_topic) as topic, count() as n, "
        f"countIf({_its_event_ms(topics)} < _timestamp - {contract.late_after_s * 1000}) as late "
        f"from {LANDING}.`{table}` where _timestamp >= {{since:Int64}} group by topic"
        for contract in contracts
        for table, topics in contract.tables.items()
    )
    rows = client.query(sql, {"since": _ms(since)})
    return {row["topic"]: Arrivals(topic=row["topic"], rows=int(row["n"]), late=int(row["late"])) for row in rows}


def twice(client: Snowflake, contracts: Iterable[Contract], since: datetime) -> dict[str, Arrivals]:
    """Topic -> rows and distinct events produced since then; rows without an event's id are neither, for Snowflake's
    landing takes what ClickHouse rejects. Raises WarehouseError."""
    sql = " union all ".join(
        f"select record_metadata:topic::varchar as topic, count(*) as n, "
        f"count(distinct {_identity(topics[0])}) as events from {LANDING}.{table} "
        # A topic may stamp its records when they are produced or when they are appended.
        "where (record_metadata:CreateTime::number >= %(since)s or record_metadata:LogAppendTime::number >= %(since)s)"
        f" and {_identity(topics[0])} is not null group by 1"
        for contract in contracts
        for table, topics in contract.tables.items()
    )
    rows = client.query(sql, {"since": _ms(since)})
    return {row["topic"]: Arrivals(topic=row["topic"], rows=int(row["n"]), events=int(row["events"])) for row in rows}


def a_minute(client: Clickhouse, topic: Topic, since: datetime, until: datetime) -> list[tuple[datetime, int]]:
    """Rows a minute of a topic in ClickHouse, by Kafka's timestamp, from its first row in the window on; a minute
    without rows is there as 0. Raises WarehouseError."""
    rows: list[dict[str, Any]] = client.query(
        "select toStartOfMinute(fromUnixTimestamp64Milli(_timestamp, 'UTC')) as minute, "
        f"uniqExact(_partition, _offset) as n from {LANDING}.`{topic.table}` "
        "where _topic = {topic:String} and _timestamp >= {since:Int64} and _timestamp < {until:Int64} "
        "group by minute order by minute "
        "with fill to toDateTime(intDiv({until:Int64} + 999, 1000), 'UTC') step interval 1 minute",
        {"topic": topic.name, "since": _ms(since), "until": _ms(until)},
    )
    return [(row["minute"].replace(tzinfo=UTC), int(row["n"])) for row in rows]


def _its_event_ms(topics: Sequence[Topic]) -> str:
    """The time of a row's event: topics that share a table may call it by names of their own."""
    times = {topic.name: _event_ms(topic) for topic in topics}
    if len(set(times.values())) == 1:
        return _event_ms(topics[0])
    cases = ", ".join(f"_topic = '{name}', {time}" for name, time in times.items())
    return f"multiIf({cases}, null)"


def _event_ms(topic: Topic) -> str:
    """The event's time in milliseconds, as ClickHouse computes it from the landing table."""
    path = clickhouse_path(topic, topic.event_time)
    if field(topic, topic.event_time).logical == "timestamp" and "." not in topic.event_time:
        return f"toUnixTimestamp64Milli(toDateTime64({path}, 3, 'UTC'))"
    if field(topic, topic.event_time).logical == "timestamp":
        return f"toUnixTimestamp64Milli(parseDateTime64BestEffortOrNull({path}, 3, 'UTC'))"
    return path


def _identity(topic: Topic) -> str:
    return " || '/' || ".join(f"{snowflake_path(topic, path)}::varchar" for path in topic.event_id)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
