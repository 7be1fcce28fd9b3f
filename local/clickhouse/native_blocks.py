"""Where a block of the Native format ends: blocks carry no length, so each column is skipped by its type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from local.clickhouse.errors import UnsupportedError
from local.clickhouse.wire import Reader, string, varint

_WIDTHS = {
    1: "UInt8 Int8 Bool Nothing Enum8",
    2: "UInt16 Int16 Date BFloat16 Enum16",
    4: "UInt32 Int32 Float32 Date32 DateTime IPv4 Time Decimal32",
    8: "UInt64 Int64 Float64 DateTime64 Time64 Decimal64",
    16: "UInt128 Int128 UUID IPv6 Decimal128",
    32: "UInt256 Int256 Decimal256",
}
_WIDTH = {name: width for width, names in _WIDTHS.items() for name in names.split()}
_GEO = {
    "Point": "Tuple(Float64, Float64)",
    "Ring": "Array(Point)",
    "LineString": "Array(Point)",
    "Polygon": "Array(Ring)",
    "MultiPolygon": "Array(Polygon)",
    "MultiLineString": "Array(LineString)",
}
_ELEMENT_NAME = re.compile(r"^(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(?=[A-Z])")
_TYPED_PATH = re.compile(r"(`[^`]+`|[\w.]+)\s+(.+)$")


class Type(NamedTuple):
    """How a column is laid out: `kind`, and what the kind needs (a width in bytes, an inner type, a list of them)."""

    kind: str
    inner: Any = None


_STRING = Type("String")


def arguments(text: str) -> list[str]:
    """Splits at the commas outside parentheses and quotes: "A, B(C, D)" -> ["A", "B(C, D)"]."""
    out, depth, start, quote, at = [], 0, 0, "", 0
    while at < len(text):
        sign = text[at]
        if quote:
            if sign == "\\":
                at += 1
            elif sign == quote:
                quote = ""
        elif sign in "'`":
            quote = sign
        elif sign in "()":
            depth += 1 if sign == "(" else -1
        elif sign == "," and depth == 0:
            out.append(text[start:at].strip())
            start = at + 1
        at += 1
    return [*out, text[start:].strip()] if text.strip() else out


@lru_cache(maxsize=2000)
def parse(name: str) -> Type:
    """The layout of a type by its name; raises UnsupportedError for one this module does not know."""
    base, _, rest = _GEO.get(name, name).partition("(")
    inner = arguments(rest[:-1]) if rest else []
    match base:
        case "String":
            return _STRING
        case "FixedString":
            return Type("Fixed", int(inner[0]))
        case "Decimal":
            digits = int(inner[0])
            return Type("Fixed", next(width for most, width in ((9, 4), (18, 8), (38, 16), (76, 32)) if digits <= most))
        case "Nullable" | "Array" | "LowCardinality":
            return Type(base, parse(inner[0]))
        case "SimpleAggregateFunction":
            return parse(inner[1])
        case "Nested" | "Map":
            return parse(f"Array(Tuple({', '.join(inner)}))")
        case "Tuple":
            return Type("Tuple", [parse(_ELEMENT_NAME.sub("", element)) for element in inner])
        case "Variant":
            return Type("Variant", [parse(element) for element in sorted(inner)])
        case "Dynamic":
            return Type("Dynamic")
        case "JSON":
            typed = (_TYPED_PATH.match(element) for element in inner if not element.startswith("SKIP "))
            return Type("JSON", [parse(t) for _, t in sorted((m[1].strip("`"), m[2]) for m in typed if m)])
    if base in _WIDTH or base.startswith("Interval"):
        return Type("Fixed", _WIDTH.get(base, 8))
    raise UnsupportedError(f"Type {name} over the native protocol: use HTTP.")


def skip_column(reader: Reader, layout: Type, rows: int) -> None:
    """Reads past one column of a block."""
    if rows:
        _skip_values(reader, _skip_prefix(reader, layout), rows)


def _skip_prefix(reader: Reader, layout: Type) -> Type:
    """Skips what stands before a column's values; gives the layout they have in this block."""
    kind, inner = layout
    if kind == "LowCardinality":
        reader.skip(8)
    elif kind in ("Array", "Nullable"):
        return Type(kind, _skip_prefix(reader, inner))
    elif kind == "Tuple":
        return Type(kind, [_skip_prefix(reader, element) for element in inner])
    elif kind == "Variant":
        if reader.u64():
            raise UnsupportedError("A compact Variant over the native protocol: use HTTP.")
        return Type(kind, [_skip_prefix(reader, element) for element in inner])
    elif kind == "Dynamic":
        return _dynamic(reader)
    elif kind == "JSON":
        return _json(reader, inner)
    return layout


def _dynamic(reader: Reader) -> Type:
    version = reader.u64()
    if version not in (1, 2):
        raise UnsupportedError(f"Dynamic of version {version} over the native protocol: use HTTP.")
    if version == 1:
        reader.varint()
    names = sorted([*(reader.text() for _ in range(reader.varint())), "SharedVariant"])
    elements = [_STRING if name == "SharedVariant" else parse(name) for name in names]
    return _skip_prefix(reader, Type("Variant", elements))


def _json(reader: Reader, typed: list[Type]) -> Type:
    version = reader.u64()
    if version == 1:
        return _STRING
    if version not in (0, 2):
        raise UnsupportedError(f"JSON of version {version} over the native protocol: use HTTP.")
    if version == 0:
        reader.varint()
    paths = reader.varint()
    reader.skip_strings(paths)
    columns = [_skip_prefix(reader, column) for column in typed]
    columns += [_skip_prefix(reader, Type("Dynamic")) for _ in range(paths)]
    return Type("Tuple", [*columns, parse("Array(Tuple(String, String))")])


def _skip_values(reader: Reader, layout: Type, rows: int) -> None:
    kind, inner = layout
    if kind == "Fixed":
        reader.skip(rows * inner)
    elif kind == "String":
        reader.skip_strings(rows)
    elif kind == "Nullable":
        reader.skip(rows)
        _skip_values(reader, inner, rows)
    elif kind == "Tuple":
        for element in inner:
            _skip_values(reader, element, rows)
        if not inner:
            reader.skip(rows)
    elif kind == "Array" and rows:
        reader.skip(8 * (rows - 1))
        _skip_values(reader, inner, reader.u64())
    elif kind == "Variant":
        chosen = reader.take(rows)
        for index, element in enumerate(inner):
            _skip_values(reader, element, chosen.count(index))
    elif kind == "LowCardinality" and rows:
        width = 1 << (reader.u64() & 255)
        _skip_values(reader, inner.inner if inner.kind == "Nullable" else inner, reader.u64())
        reader.skip(reader.u64() * width)


class Block(NamedTuple):
    """One block: (name, type) of each column, its rows, its bytes as they go to a client."""

    columns: list[tuple[str, str]]
    rows: int
    data: bytes


def header(columns: list[tuple[str, str]], mark: bytes = b"") -> bytes:
    """A block without rows. `mark` follows each type where the client's revision wants it (b"\\0": plain layout)."""
    return varint(len(columns)) + b"\0" + b"".join(string(name) + string(type_) + mark for name, type_ in columns)


def blocks(chunk: bytes, types: list[str] | None = None, mark: bytes = b"") -> Iterator[Block]:
    """The blocks in FORMAT Native bytes. `types` puts back what the engine leaves out: the zone of a plain DateTime."""
    reader = Reader(data=chunk)
    while reader.position < len(chunk):
        count, rows = reader.varint(), reader.varint()
        columns, parts = [], [varint(count), varint(rows)]
        for index in range(count):
            name, type_ = reader.text(), reader.text()
            start = reader.position
            shown = types[index] if types and type_ == "DateTime" and types[index].startswith("DateTime(") else type_
            try:
                layout = parse(type_)
            except UnsupportedError:
                if index < count - 1:
                    raise
                reader.position = len(chunk)  # the last column of a chunk, which is one block then: passed on unread
            else:
                skip_column(reader, layout, rows)
            columns.append((name, shown))
            parts += [string(name), string(shown), mark, chunk[start : reader.position]]
        yield Block(columns, rows, b"".join(parts))
