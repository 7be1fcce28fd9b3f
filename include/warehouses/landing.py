"""Landing tables derived from contracts, in each warehouse's own DDL. Every statement is safe to repeat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from include.contracts import Contract, Field, Topic
from include.contracts.paths import alternatives, column
from include.contracts.paths import clickhouse as clickhouse_path
from include.warehouses.clickhouse import Clickhouse

#: Where landing tables are: a ClickHouse database and a Snowflake schema of the same name.
LANDING = "landing"
STAGING = "staging"

#: Landing tables of ClickHouse are ordered by event. Whoever asks for a stretch of time (the ledger) reads this, which
#: is the columns it takes in the order of Kafka's timestamp, and not the whole table. It is not for `final`.
BY_TIME = "by_time"
_BY_TIME = "(select `_topic`, `_partition`, `_offset`, `_timestamp` order by `_timestamp`)"
#: The same of topics with a sequence, for whoever looks for holes in it; and of what a contract calls an event's time,
#: for whoever looks for late ones.
BY_SEQUENCE, BY_EVENT_TIME = "by_sequence", "by_event_time"
# When a merge drops the earlier version of an event, the projection is made again; the engine's default refuses it.
# Lightweight deletes are left refused: the projection would go on showing their rows.
_BY_TIME_SETTINGS = "deduplicate_merge_projection_mode = 'rebuild'"


def clickhouse_type(field: Field) -> str:
    """The column type of a contract's field."""
    if field.decimal:
        kind = "Decimal({}, {})".format(*field.decimal)
    else:
        kind = {
            "integer": "Int64",
            "number": "Float64",
            "boolean": "Bool",
            "timestamp": f"DateTime64({6 if field.physical == 'dmy_us' else 3}, 'UTC')",
        }.get(field.logical, "String")
    return kind if field.required else f"Nullable({kind})"


def clickhouse_ddl(contract: Contract) -> list[str]:
    """The databases of a domain and its landing tables.

    A JSON insert lets a missing field through as its column's default; here that is a value the column's constraint
    refuses, so that the record goes to the dead letters instead of a mart. Bounds and patterns are not asked here: a
    record that is whole but cannot be believed lands, and the gate holds it.
    """
    domain_database = [] if contract.burst is None else [f"create database if not exists {contract.domain}"]
    return [
        f"create database if not exists {LANDING}",
        f"create database if not exists {STAGING}",
        *domain_database,
        *(_clickhouse_table(table, topics[0]) for table, topics in contract.tables.items()),
        # Statements of their own, for tables of an earlier version.
        *(f"alter table {LANDING}.`{table}` modify setting {_BY_TIME_SETTINGS}" for table in contract.tables),
        *(
            f"alter table {LANDING}.`{table}` add projection if not exists {name} {columns}"
            for table, topics in contract.tables.items()
            for name, columns in _projections(topics, timed=contract.burst is not None)
        ),
    ]


def _projections(topics: Iterable[Topic], *, timed: bool) -> Iterator[tuple[str, str]]:
    """`timed`: somebody asks whether its events are late."""
    some = list(topics)
    yield BY_TIME, _BY_TIME
    numbered = [name for topic in some if topic.sequence for name in (topic.sequence.by, topic.sequence.field)]
    if numbered:
        yield BY_SEQUENCE, _in_time(numbered)
    if timed:
        yield BY_EVENT_TIME, _in_time(sorted({path[0] for topic in some for path in alternatives(topic.event_time)}))


def _in_time(names: Iterable[str]) -> str:
    columns = ", ".join(f"`{name}`" for name in dict.fromkeys(names))
    return f"(select `_topic`, {columns}, `_timestamp` order by `_timestamp`)"


_UNORDERED = f"""
select distinct parts.table as table, projections.name as projection
from system.parts as parts
join system.projections as projections on projections.table = parts.table and projections.database = parts.database
where parts.active and parts.database = '{LANDING}'
    and projections.name in ('{BY_TIME}', '{BY_SEQUENCE}', '{BY_EVENT_TIME}')
    and (parts.table, parts.name, projections.name) not in (
        select table, parent_name, name from system.projection_parts where active and database = '{LANDING}'
    )
order by table, projection
"""


def clickhouse_unordered(client: Clickhouse) -> list[tuple[str, str]]:
    """Landing tables and a projection of theirs that lacks rows, which are from before it. Raises WarehouseError."""
    return [(row["table"], row["projection"]) for row in client.query(_UNORDERED)]


def clickhouse_order(table: str, projection: str) -> str:
    """Puts the rows of a table that were there before its projection into it; the engine does so in the background."""
    # Rows of a lightweight delete are still in the table's files, and would be in the projection.
    return f"alter table {LANDING}.`{table}` apply deleted mask, materialize projection {projection}"


def _clickhouse_table(table: str, topic: Topic) -> str:
    lines = []
    for field in topic.fields:
        missing = _missing(field)
        default = f" default {missing}" if missing else ""
        lines.append(f"`{field.name}` {clickhouse_type(field)}{default} comment {_text(field.description)}")
    for path in topic.event_id:
        if column(path) not in {field.name for field in topic.fields}:
            lines.append(f"`{column(path)}` Int64 materialized assumeNotNull({clickhouse_path(topic, path)})")
    lines += [
        "`_topic` LowCardinality(String) comment 'Kafka topic'",
        "`_partition` Int32 comment 'Kafka partition'",
        "`_offset` Int64 comment 'Kafka offset; of one event the greatest counts'",
        "`_timestamp` Int64 comment 'Kafka timestamp in milliseconds'",
        "`_landed_at` DateTime64(3, 'UTC') default now64(3, 'UTC') comment 'When the row was written here'",
        *(f"constraint {field.name}_fits check {check}" for field in topic.fields if (check := _check(field))),
    ]
    body = ",\n    ".join(lines)
    order = ", ".join(f"`{column(path)}`" for path in topic.event_id)
    # By the time of landing and not of the event, or an old window that is produced again would be gone at once.
    ttl = f"ttl toDateTime(_landed_at) + interval {topic.landing_days} day\n" if topic.landing_days else ""
    return (
        f"create table if not exists {LANDING}.`{table}` (\n    {body}\n)\n"
        f"engine = ReplacingMergeTree(_offset)\norder by ({order})\n{ttl}comment {_text(topic.description)}"
    )


def _missing(field: Field) -> str | None:
    """What stands in a required column when the record has no such field: a value no record can carry."""
    if not field.required:
        return None
    if field.decimal:
        precision, scale = field.decimal
        return f"'-{'9' * (precision - scale)}.{'9' * scale}'"
    return {
        "integer": "-9223372036854775808",
        "number": "nan",
        "timestamp": "toDateTime64('1970-01-01 00:00:00', 3, 'UTC')",
        "boolean": None,
    }.get(field.logical, "'\\0'")


def _check(field: Field) -> str:
    name = f"`{field.name}`"
    conditions = []
    missing = _missing(field)
    if missing:
        conditions.append(f"not isNaN({name})" if missing == "nan" else f"{name} != {missing}")
    # A constraint is violated by NULL as well, so a field that may be missing is asked only where it is there.
    lengths = f"lengthUTF8({name})" if field.required else f"lengthUTF8(ifNull({name}, ''))"
    if field.min_length:
        conditions.append(f"{lengths} >= {field.min_length}")
    if field.max_length:
        conditions.append(f"{lengths} <= {field.max_length}")
    return " and ".join(conditions)


def snowflake_ddl(contract: Contract) -> list[str]:
    """The schemas of a domain and its landing tables, as Snowflake's Kafka connector expects them."""
    domain_schema = [] if contract.burst is None else [f"create schema if not exists {contract.domain}"]
    return [
        f"create schema if not exists {LANDING}",
        f"create schema if not exists {STAGING}",
        *domain_schema,
        *(
            f"create table if not exists {LANDING}.{table} (record_metadata variant, record_content variant)"
            for table in contract.tables
        ),
    ]


def _text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
