"""Bytes to values, by the converters that a connector's configuration names.

JsonConverter reads numbers as the Java one does (whole numbers are 64 bit, others doubles), with one difference that is
meant: a whole number beyond 64 bits is a fault here, where Java lets it overflow into another number.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from local.connect.faults import ConfigFault, DataFault

JSON = "org.apache.kafka.connect.json.JsonConverter"
STRING = "org.apache.kafka.connect.storage.StringConverter"
BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"
CLASSES = {name.rsplit(".", 1)[1]: name for name in (JSON, STRING, BYTES)}

# What the worker uses where a connector names none.
WORKER_DEFAULTS = {
    "key.converter": STRING,
    "value.converter": JSON,
    "value.converter.schemas.enable": "false",
}

Converter = Callable[[bytes | None], Any]

_LONG = 1 << 63
_SERIALIZATION = "Converting byte[] to Kafka Connect data failed due to serialization error: "
_ENVELOPE = (
    'JsonConverter with schemas.enable requires "schema" and "payload" fields and may not contain additional fields. '
    "If you are trying to deserialize plain JSON data, set schemas.enable=false in your converter configuration."
)


def class_name(text: str) -> str | None:
    """The full class name of a converter given by its full or short name; None where there is no such converter."""
    return text if text in CLASSES.values() else CLASSES.get(text)


def converter(config: Mapping[str, str], role: str) -> tuple[str, Converter]:
    """The converter of `role` ("key" or "value"): its class name and function; raises ConfigFault if unknown."""
    setting = f"{role}.converter"
    # A connector that names a converter also takes none of the worker's settings for it.
    settings: Mapping[str, str] = config if setting in config else {**WORKER_DEFAULTS, **config}
    name = class_name(settings[setting])
    if name is None:
        raise ConfigFault(f"{setting}: {settings[setting]} is not one of {', '.join(CLASSES.values())}")
    if name == STRING:
        return name, _string
    if name == BYTES:
        return name, bytes_as_they_are
    with_schema = settings.get(f"{setting}.schemas.enable", "true").lower() == "true"
    return name, _enveloped if with_schema else _json


def bytes_as_they_are(data: bytes | None) -> bytes | None:
    """ByteArrayConverter."""
    return data


def _string(data: bytes | None) -> str | None:
    # Java replaces what is not UTF-8 and never fails.
    return None if data is None else data.decode("utf-8", "replace")


def _json(data: bytes | None) -> Any:
    if data is None:
        return None
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        cause = DataFault(f"com.fasterxml.jackson.core.JsonParseException: {error}", java=_SERIALIZATION_CLASS)
        raise DataFault(_SERIALIZATION) from cause
    _refuse_huge(value)
    return value


_SERIALIZATION_CLASS = "org.apache.kafka.common.errors.SerializationException"


def _refuse_huge(value: Any) -> None:
    if type(value) is dict:
        for item in value.values():
            kind = type(item)
            if kind is int or kind is dict or kind is list:
                _refuse_huge(item)
    elif type(value) is list:
        for item in value:
            _refuse_huge(item)
    elif type(value) is int and not -_LONG <= value < _LONG:
        raise DataFault(f"Value ({value}) does not fit into 64 bits: write it as a string or as a decimal number")


def _enveloped(data: bytes | None) -> Any:
    value = _json(data)
    if value is None:
        return None
    if not isinstance(value, dict) or set(value) != {"schema", "payload"}:
        raise DataFault(_ENVELOPE)
    schema, payload = value["schema"], value["payload"]
    if isinstance(schema, dict) and payload is None and not schema.get("optional", False):
        raise DataFault("Invalid null value for required " + str(schema.get("type", "field")).upper() + " field")
    return payload
