"""Staging as plain tables in both warehouses: the columns of the dbt models, rows as data, the same for each."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

Row = Mapping[str, Any]

MODELS = Path(__file__).resolve().parents[3] / "include" / "dbt"

#: Kind of a column -> its type in ClickHouse and in Snowflake, and a value where a row says nothing of it.
KINDS: dict[str, tuple[str, str, Any]] = {
    "text": ("String", "varchar", "x"),
    "integer": ("Int64", "number(38, 0)", 1),
    "money": ("Decimal(14, 2)", "number(14, 2)", "1.00"),
    "degrees": ("Float64", "float", 1.5),
    "seconds": ("Decimal(9, 3)", "number(9, 3)", "200.000"),
    "flag": ("Bool", "boolean", True),
    "time": ("DateTime64(3, 'UTC')", "timestamp_ntz(3)", "2024-01-01 12:00:00.000"),
}
INTEGERS = {"customer_id", "product_id", "shop_id", "vendor_id", "shipping_method_id", "click_id", "transaction_id"}
INTEGERS |= {"sequence", "trade_id", "user_id", "session_id", "item_in_session", "http_status", "cart_pieces"}
INTEGERS |= {"lsn", "quantity", "status", "revision_number", "kafka_partition", "kafka_offset"}
MAYBE = {"user_id", "first_name", "last_name", "gender", "registered_at", "artist", "song", "duration_s"}

#: The shop numbers its products, a market names them; the music service numbers its sessions.
TEXTS = {
    ("product_id", "stg_coinbase__trades"),
    ("session_id", "stg_clickstream__events"),
    ("session_id", "stg_fashion__clicks"),
    ("session_id", "stg_fashion__transactions"),
}


def kind(column: str, table: str = "") -> str:
    """By the house's names: a unit or `_at` tells what a column holds."""
    if column in INTEGERS and (column, table) not in TEXTS:
        return "integer"
    if column.startswith(("is_", "has_")):
        return "flag"
    ends = {
        "s": "seconds",
        "usd": "money",
        "coins": "money",
        "idr": "money",
        "at": "time",
        "lat": "degrees",
        "lon": "degrees",
    }
    return ends.get(column.rpartition("_")[2], "text")


@functools.cache
def columns(warehouse: str, table: str) -> tuple[str, ...]:
    """The columns of a staging model, from the file that describes it."""
    [path] = (MODELS / warehouse / "models" / "staging").rglob(f"{table}.yml")
    [model] = yaml.safe_load(path.read_text())["models"]
    return tuple(column["name"] for column in model["columns"])


def create(warehouse: str, client: Any, tables: Iterable[str]) -> None:
    """The schema and the tables, empty."""
    database = "database" if warehouse == "clickhouse" else "schema"
    client.command(f"create {database} if not exists staging")
    for table in tables:
        typed = ", ".join(f"{name} {_type(warehouse, table, name)}" for name in columns(warehouse, table))
        engine = " engine = MergeTree order by tuple()" if warehouse == "clickhouse" else ""
        client.command(f"create or replace table staging.{table} ({typed}){engine}")


def _type(warehouse: str, table: str, column: str) -> str:
    clickhouse, snowflake, _ = KINDS[kind(column, table)]
    if warehouse == "snowflake":
        return snowflake
    # What comes out of a change event's image or of metadata may be missing; ids of rows and what the platform adds may
    # not.
    image = table.startswith("stg_fashion") and column not in ("click_id", "transaction_id", "lsn", "changed_at")
    image = image or (table.startswith("stg_clickstream") and column not in ("event_id", "happened_at"))
    # As does who the user is where nobody is logged in, and the song of a page that is none.
    unknown = table.startswith("stg_eventsim") and column in MAYBE
    if unknown:
        return f"Nullable({clickhouse})"
    return f"Nullable({clickhouse})" if image and not column.startswith("kafka_") else clickhouse


def fill(warehouse: str, client: Any, table: str, rows: Iterable[Row]) -> None:
    """The table holds these rows and no others."""
    names = columns(warehouse, table)
    if unknown := {name for row in rows for name in row} - set(names):
        raise KeyError(f"{table} in {warehouse} has no {', '.join(sorted(unknown))}")
    values = ", ".join(
        f"({', '.join(_literal(row.get(name, KINDS[kind(name, table)][2])) for name in names)})" for row in rows
    )
    client.command(f"truncate table staging.{table}")
    if values:
        client.command(f"insert into staging.{table} ({', '.join(names)}) values {values}")


def _literal(value: Any) -> str:
    if value is None:
        return "null"
    return str(value) if isinstance(value, int | float) else f"'{value}'"
