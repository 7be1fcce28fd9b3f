"""A topic's contract as JSON Schema, for whoever checks records without this code."""

from __future__ import annotations

from typing import Any

from include.contracts.contract import Field, Topic

DIALECT = "https://json-schema.org/draft/2020-12/schema"

TYPES = {"integer": "integer", "number": "number", "boolean": "boolean", "object": "object", "array": "array"}
FORMATS = {"uuid": "uuid", "iso8601": "date-time"}
#: A validator may take `format` for a remark; a pattern is always checked.
MOMENTS = {
    "iso8601": r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,9})?(Z|[+-]\d{2}:\d{2})$",
    "dmy_us": r"^\d{2}/\d{2}/\d{4} \d{2}:\d{2}:\d{2}\.\d{6}$",
}


def json_schema(topic: Topic) -> dict[str, Any]:
    """The schema (draft 2020-12) of a topic's values; more fields than the contract's are allowed."""
    return {"$schema": DIALECT, "title": topic.name, "description": topic.description, **_object(topic.fields)}


def _object(fields: tuple[Field, ...]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": [field.name for field in fields if field.required],
        "properties": {field.name: _field(field) for field in fields},
    }


def _field(field: Field) -> dict[str, Any]:
    kind = TYPES.get(field.logical, "string")
    schema: dict[str, Any] = {
        "description": field.description,
        "type": kind if field.required else [kind, "null"],
        "format": FORMATS.get(field.physical),
        "pattern": field.pattern or MOMENTS.get(field.physical),
        "minimum": field.minimum,
        "maximum": field.maximum,
        "minLength": field.min_length,
        "maxLength": field.max_length,
    }
    if field.decimal and field.maximum is None:
        precision, scale = field.decimal
        schema["exclusiveMaximum"] = 10 ** (precision - scale)
    if field.decimal and field.minimum is None:
        precision, scale = field.decimal
        schema["exclusiveMinimum"] = -(10 ** (precision - scale))
    if field.fields:
        schema |= {name: value for name, value in _object(field.fields).items() if name != "type"}
    return {name: value for name, value in schema.items() if value is not None}
