"""Single message transforms and predicates, by the class names of Kafka Connect, for values without a schema.

Each factory takes the transform's own settings (prefix removed) and gives a function from record to record, or None to
drop it. Faults of a record are DataFault with the texts of the Java classes; wrong settings are ConfigFault.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from local.connect.faults import ConfigFault, DataFault
from local.connect.records import Record

Settings = Mapping[str, str]
Transform = Callable[[Record], Record | None]
Predicate = Callable[[Record], bool]

_WHOLE = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_TYPES = (*_WHOLE, "float32", "float64", "boolean", "string")
_SUPPORTED = "INT8, INT16, INT32, INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES"
_JAVA_TYPES = {bool: "Boolean", int: "Long", float: "Double", str: "String", dict: "HashMap", list: "ArrayList"}
# What Java's parsers take, which is less than Python's: no underscores, and blanks only around a double.
_JAVA_WHOLE = re.compile(r"[+-]?[0-9]+")
_JAVA_DOUBLE = re.compile(r"\s*[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?[fFdD]?)\s*")


def _items(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _fields(value: Any, purpose: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        name = _JAVA_TYPES.get(type(value), type(value).__name__)
        raise DataFault(f"Only Map objects supported in absence of schema for [{purpose}], found: java.lang.{name}")
    return value


def _filter(settings: Settings) -> Transform:
    return lambda record: None


def _cast(settings: Settings) -> Transform:
    casts: dict[str, str] = {}
    for item in _items(settings.get("spec", "")):
        name, _, kind = item.rpartition(":")
        if kind.lower() not in _TYPES:
            raise ConfigFault(f"Invalid type found in casting spec: {kind}: use one of {', '.join(_TYPES)}")
        casts[name] = kind.lower()
    if not casts:
        raise ConfigFault("Must specify at least one field to cast.")
    whole = casts.pop("", None)

    def apply(record: Record) -> Record:
        if record.value is None:
            return record
        if whole:
            record.value = cast(record.value, whole)
            return record
        fields = dict(_fields(record.value, "cast types"))
        for name, kind in casts.items():
            fields[name] = cast(fields.get(name), kind)  # a field that is missing becomes null, as in Java
        record.value = fields
        return record

    return apply


def cast(value: Any, kind: str) -> Any:
    """`value` as Connect type `kind`, with Java's narrowing of numbers; raises DataFault where Java cannot."""
    if value is None:
        return None
    if isinstance(value, dict | list):
        name = "MAP" if isinstance(value, dict) else "ARRAY"
        message = f"Cast transformation does not support casting to/from {name}; supported types are [{_SUPPORTED}]"
        raise DataFault(message)
    if kind in _WHOLE:
        return _whole(value, _WHOLE[kind])
    if kind in ("float32", "float64"):
        if isinstance(value, str) and not _JAVA_DOUBLE.fullmatch(value):
            _out_of_range(value)
        number = float(value.strip().rstrip("fFdD") if isinstance(value, str) else value)
        return _single(number) if kind == "float32" else number
    if kind == "boolean":
        return value.strip().lower() == "true" if isinstance(value, str) else bool(int(value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _whole(value: Any, bits: int) -> int:
    half = 1 << (bits - 1)
    if isinstance(value, str):
        if not _JAVA_WHOLE.fullmatch(value) or not -half <= int(value) < half:
            _out_of_range(value)
        return int(value)
    if isinstance(value, float) and bits >= 32:  # Java saturates a double
        return max(-half, min(half - 1, int(value))) if value == value else 0
    return (int(value) + half) % (2 * half) - half  # and wraps a long


def _single(number: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", number))[0])
    except OverflowError:
        return math.copysign(math.inf, number)


def _out_of_range(value: str) -> NoReturn:
    cause = DataFault(f'For input string: "{value[:200]}"', java="java.lang.NumberFormatException")
    raise DataFault(f"Value ({value[:200]}) was out of range for requested data type") from cause


def _insert_field(settings: Settings) -> Transform:
    topic, partition, offset, timestamp, static = (
        settings.get(f"{name}.field", "").rstrip("!?")
        for name in ("topic", "partition", "offset", "timestamp", "static")
    )
    if not any((topic, partition, offset, timestamp, static)):
        raise ConfigFault("No field insertion configured")
    if static and "static.value" not in settings:
        raise ConfigFault("No value specified for static field: " + static)

    def apply(record: Record) -> Record:
        if record.value is None:
            return record
        fields = dict(_fields(record.value, "field insertion"))
        message = record.message
        if topic:
            fields[topic] = record.topic
        if partition:
            fields[partition] = message.partition
        if offset:
            fields[offset] = message.offset
        if timestamp:
            fields[timestamp] = message.timestamp if message.timestamp >= 0 else None
        if static:
            fields[static] = settings["static.value"]
        record.value = fields
        return record

    return apply


def _replace_field(settings: Settings) -> Transform:
    exclude, include = set(_items(settings.get("exclude", ""))), set(_items(settings.get("include", "")))
    pairs = [item.split(":") for item in _items(settings.get("renames", ""))]
    if any(len(pair) != 2 for pair in pairs):
        raise ConfigFault("renames is a list of colon-delimited pairs, old:new")
    renames = dict(pairs)

    def apply(record: Record) -> Record:
        if record.value is None:
            return record
        record.value = {
            renames.get(name, name): value
            for name, value in _fields(record.value, "field replacement").items()
            if name not in exclude and (not include or name in include)
        }
        return record

    return apply


def _regex_router(settings: Settings) -> Transform:
    try:
        pattern = re.compile(settings["regex"])
        replacement = re.sub(r"\$(\d+)", r"\\\1", settings["replacement"])
    except (KeyError, re.error) as error:
        raise ConfigFault(f"RegexRouter needs a valid regex and a replacement: {error}") from error

    def apply(record: Record) -> Record:
        if match := pattern.fullmatch(record.topic):
            record.topic = match.expand(replacement)
        return record

    return apply


def _tombstone(settings: Settings) -> Predicate:
    return lambda record: record.value is None


def _topic_matches(settings: Settings) -> Predicate:
    try:
        pattern = re.compile(settings["pattern"])
    except (KeyError, re.error) as error:
        raise ConfigFault(f"TopicNameMatches needs a valid pattern: {error}") from error
    return lambda record: pattern.fullmatch(record.topic) is not None


def _has_header(settings: Settings) -> Predicate:
    if not settings.get("name"):
        raise ConfigFault("HasHeaderKey needs a name")
    name = settings["name"]
    return lambda record: any(key == name for key, _ in record.message.headers)


_PACKAGE = "org.apache.kafka.connect.transforms."
TRANSFORMS: dict[str, Callable[[Settings], Transform]] = {
    _PACKAGE + "Filter": _filter,
    _PACKAGE + "Cast$Value": _cast,
    _PACKAGE + "InsertField$Value": _insert_field,
    _PACKAGE + "ReplaceField$Value": _replace_field,
    _PACKAGE + "RegexRouter": _regex_router,
}
PREDICATES: dict[str, Callable[[Settings], Predicate]] = {
    _PACKAGE + "predicates.RecordIsTombstone": _tombstone,
    _PACKAGE + "predicates.TopicNameMatches": _topic_matches,
    _PACKAGE + "predicates.HasHeaderKey": _has_header,
}
