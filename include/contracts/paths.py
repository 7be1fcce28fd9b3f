"""Paths of a contract as SQL expressions, one dialect each, and as Python on a decoded record.

A path is names joined by dots; alternatives are joined by |, the first that is not null counts.
"""

from __future__ import annotations

from typing import Any

from include.contracts.contract import Field, Topic


def alternatives(path: str) -> list[list[str]]:
    """`after.id|before.id` -> [["after", "id"], ["before", "id"]]."""
    return [one.split(".") for one in path.split("|")]


def value(record: dict[str, Any], path: str) -> Any:
    """What stands at the path in a decoded record; None where nothing does."""
    for names in alternatives(path):
        place: Any = record
        for name in names:
            place = place.get(name) if isinstance(place, dict) else None
        if place is not None:
            return place
    return None


def field(topic: Topic, path: str) -> Field:
    """The field a path leads to (of alternatives, the first)."""
    fields: tuple[Field, ...] = topic.fields
    found: Field | None = None
    for name in alternatives(path)[0]:
        found = next(one for one in fields if one.name == name)
        fields = found.fields
    assert found is not None  # noqa: S101 - the loader checked that every path leads to a field
    return found


def column(path: str) -> str:
    """The landing column of a path: the field itself at the top level, else a materialized one named by it."""
    names = alternatives(path)[0]
    if len(names) == 1:
        return names[0]
    return "row_id" if names[0] in ("after", "before") else names[-1]


def clickhouse(topic: Topic, path: str) -> str:
    """The value at a path, as ClickHouse computes it from the landing table's own columns."""
    found = field(topic, path)
    sql = []
    for names in alternatives(path):
        if len(names) == 1:
            sql.append(f"`{names[0]}`")
            continue
        steps = ", ".join(f"'{name}'" for name in names[1:])
        kind = "Nullable(Int64)" if found.logical == "integer" else "Nullable(String)"
        sql.append(f"JSONExtract(ifNull(`{names[0]}`, ''), {steps}, '{kind}')")
    return sql[0] if len(sql) == 1 else f"coalesce({', '.join(sql)})"


def snowflake(topic: Topic, path: str) -> str:
    """The value at a path of RECORD_CONTENT, as text, number or JSON by the field's type; null where it is none."""
    found = field(topic, path)
    places = [f"record_content:{':'.join(names)}" for names in alternatives(path)]
    if found.logical == "integer":
        sql = [f"try_cast({place}::varchar as number(38, 0))" for place in places]
    else:
        kind = "variant" if found.logical in ("object", "array") else "varchar"
        sql = [f"{place}::{kind}" for place in places]
    return sql[0] if len(sql) == 1 else f"coalesce({', '.join(sql)})"


def snowflake_moment(content: str) -> str:
    """dd/mm/yyyy HH:MM:SS.ffffff as text that reads the same everywhere: Snowflake would take the day for the month."""
    text = f"{content}::varchar"
    return f"substr({text}, 7, 4) || '-' || substr({text}, 4, 2) || '-' || substr({text}, 1, 2) || substr({text}, 11)"


def _snowflake_checked(one: Field) -> str | None:
    """The type of a field whose cast in staging would fail, for every record, because of one that does not fit."""
    if one.decimal:
        return "number({}, {})".format(*one.decimal)
    return {"timestamp": "timestamp_ntz", "integer": "number(38, 0)"}.get(one.logical)


def snowflake_conforms(topic: Topic) -> str:
    """True for a record that has what its contract requires, in its type; Snowflake's landing takes any JSON object."""
    conditions = []
    for one in topic.fields:
        content = f"record_content:{one.name}"
        if kind := _snowflake_checked(one):
            text = snowflake_moment(content) if one.physical == "dmy_us" else f"{content}::varchar"
            given = f"try_cast({text} as {kind}) is not null"
            # As text, because a null of JSON is a value of a variant, and sinks write it for a field that is missing.
            conditions.append(given if one.required else f"({content}::varchar is null or {given})")
        elif one.required:
            conditions.append(f"{content} is not null")
        if one.min_length:
            conditions.append(f"length({content}::varchar) >= {one.min_length}")
        if one.max_length:
            conditions.append(f"coalesce(length({content}::varchar), 0) <= {one.max_length}")
    return " and ".join(conditions) or "true"
