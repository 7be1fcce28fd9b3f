"""Values on the wire: DuckDB's results as Snowflake's Arrow and row types, the client's bindings as Python's."""

from __future__ import annotations

import binascii
import datetime
import decimal
import json
import re
from base64 import b64encode
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

EPOCH = datetime.datetime(1970, 1, 1)  # noqa: DTZ001 - a TIMESTAMP_NTZ has no zone
MAX_TEXT = 16_777_216
UTC_OFFSET = 1440  # Snowflake counts a zone's minutes from -1440

_KINDS = {
    "BOOLEAN": "boolean",
    "DATE": "date",
    "BLOB": "binary",
    "JSON": "variant",
    "DOUBLE": "real",
    "FLOAT": "real",
    "TIMESTAMP WITH TIME ZONE": "timestamp_tz",
}
_WHOLE = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?$")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")


def rowtype(description: list[tuple[str, str]]) -> list[dict[str, Any]]:
    """Snowflake's description of the columns (name, DuckDB type)."""
    return [_column(name, kind) for name, kind in description]


def _column(name: str, duck: str) -> dict[str, Any]:
    kind, precision, scale, length = "text", None, None, None
    if (number := _DECIMAL.match(duck)) and not duck.endswith("]"):
        kind, precision, scale = "fixed", int(number[1]), int(number[2])
    elif _WHOLE.match(duck):
        kind, precision, scale = "fixed", 38, 0
    elif duck.endswith("]"):
        kind = "array"
    elif duck.startswith(("STRUCT", "MAP")):
        kind = "object"
    elif duck in _KINDS:
        kind = _KINDS[duck]
    elif duck.startswith("TIMESTAMP"):
        kind = "timestamp_ntz"
    elif duck == "TIME":
        kind = "time"
    if kind.startswith("time"):
        precision, scale = 0, 9
    elif kind == "text":
        length = MAX_TEXT
    elif kind == "binary":
        length = MAX_TEXT // 2
    return {
        "name": name,
        "database": "",
        "schema": "",
        "table": "",
        "nullable": True,
        "type": kind,
        "byteLength": length,
        "length": length,
        "precision": precision,
        "scale": scale,
        "collation": None,
    }


def to_arrow(table: pa.Table, columns: list[dict[str, Any]]) -> str:
    """The rows as base64 of an Arrow stream; an empty text for no rows, which is all that clients survive."""
    if not table.num_rows:
        return ""
    arrays = [_array(table.column(i), column["type"]) for i, column in enumerate(columns)]
    fields = [
        pa.field(
            column["name"],
            array.type,
            metadata={
                "logicalType": column["type"].upper(),
                "precision": str(column["precision"] or 38),
                "scale": str(column["scale"] or 0),
                "charLength": str(column["length"] or 0),
            },
        )
        for column, array in zip(columns, arrays, strict=True)
    ]
    sink = pa.BufferOutputStream()
    schema = pa.schema(fields)
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
    return b64encode(sink.getvalue()).decode()


def to_rowset(table: pa.Table) -> list[list[str | None]]:
    """The rows as texts, the form in which clients read the counts of a changed table."""
    columns = [column.to_pylist() for column in table.columns]
    return [[None if value is None else str(value) for value in row] for row in zip(*columns, strict=True)]


def _array(column: pa.ChunkedArray, kind: str) -> pa.Array:
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # of several chunks after all, or of none
        array = pa.concat_arrays(array.chunks) if array.num_chunks else pa.array([], array.type)
    if kind in ("timestamp_ntz", "timestamp_tz"):
        return _timestamp(array, zoned=kind == "timestamp_tz")
    if kind == "time":
        return pc.multiply(array.cast(pa.int64()), 1000)
    if kind == "fixed":
        return _fixed(array)
    if kind in ("array", "object"):
        return pa.array([None if v is None else json.dumps(_plain(v)) for v in array.to_pylist()], pa.string())
    if kind == "real":
        return array.cast(pa.float64())
    if kind in ("text", "variant") and not pa.types.is_string(array.type):
        if pa.types.is_null(array.type):
            return array.cast(pa.string())
        return pa.array([None if v is None else str(v) for v in array.to_pylist()], pa.string())
    return array


def _fixed(array: pa.Array) -> pa.Array:
    """Whole numbers as int64 where they fit, which clients give back as int; else the decimal."""
    if pa.types.is_decimal(array.type) and array.type.scale:
        return array
    try:
        return array.cast(pa.int64())
    except pa.ArrowInvalid:
        return array.cast(pa.decimal128(38, 0))


def _timestamp(array: pa.Array, *, zoned: bool) -> pa.Array:
    """Seconds and nanoseconds side by side; a NULL is a NULL of the pair, or clients read it as 1970."""
    stamps = array.cast(pa.timestamp("us")) if not zoned else array.cast(pa.timestamp("us", "UTC"))
    micros = stamps.cast(pa.int64()).fill_null(0)
    # floor_temporal and not a division, which rounds towards zero and so is wrong before 1970
    whole = pc.floor_temporal(stamps, unit="second").cast(pa.int64()).fill_null(0)
    parts = [pc.divide(whole, 1_000_000), pc.multiply(pc.subtract(micros, whole), 1000).cast(pa.int32())]
    names = [("epoch", pa.int64()), ("fraction", pa.int32())]
    if zoned:
        parts.append(pa.array([UTC_OFFSET] * len(array), pa.int32()))
        names.append(("timezone", pa.int32()))
    fields = [pa.field(name, kind, nullable=False) for name, kind in names]
    return pa.StructArray.from_arrays(parts, fields=fields, mask=pc.is_null(stamps))


def _plain(value: Any) -> Any:
    if isinstance(value, list):  # a map comes as a list of pairs
        pairs = value and all(isinstance(v, tuple) for v in value)
        return {str(k): _plain(v) for k, v in value} if pairs else [_plain(v) for v in value]
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, decimal.Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    return value if value is None or isinstance(value, (str, int, float, bool)) else str(value)


def from_bindings(bindings: dict[str, Any] | None) -> tuple[Any, list[list[Any]] | None]:
    """The parameters of one execution, or the rows of an array binding: (params, rows), one of them None.

    `bindings` maps a position ("1") or a name to {"type", "value"}; a list as value is a column of an array binding.
    """
    if not bindings:
        return None, None
    if not all(name.isdigit() for name in bindings):
        return {name: _value(b["type"], b["value"]) for name, b in bindings.items()}, None
    ordered = [bindings[str(position)] for position in range(1, len(bindings) + 1)]
    if any(isinstance(b["value"], list) for b in ordered):
        columns = [[_value(b["type"], value) for value in b["value"]] for b in ordered]
        return None, [list(row) for row in zip(*columns, strict=True)]
    return [_value(b["type"], b["value"]) for b in ordered], None


def _value(kind: str, text: str | None) -> Any:
    if text is None:
        return None
    if kind == "FIXED":
        return decimal.Decimal(text) if "." in text or "e" in text.lower() else int(text)
    if kind == "REAL":
        return float(text)
    if kind == "BOOLEAN":
        return text.lower() in ("true", "1")
    if kind == "BINARY":
        return binascii.unhexlify(text)
    if kind == "DATE":  # milliseconds
        return (EPOCH + datetime.timedelta(milliseconds=int(text))).date()
    if kind == "TIME":  # nanoseconds
        return (EPOCH + datetime.timedelta(microseconds=int(text) // 1000)).time()
    if kind == "TIMESTAMP_NTZ":
        return EPOCH + datetime.timedelta(microseconds=int(text) // 1000)
    if kind in ("TIMESTAMP_LTZ", "TIMESTAMP_TZ"):  # nanoseconds, then the zone's minutes
        nanoseconds, _, minutes = text.partition(" ")
        moment = (EPOCH + datetime.timedelta(microseconds=int(nanoseconds) // 1000)).replace(tzinfo=datetime.UTC)
        zone = datetime.timezone(datetime.timedelta(minutes=int(minutes or UTC_OFFSET) - UTC_OFFSET))
        return moment.astimezone(zone)
    return text
