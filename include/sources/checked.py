"""A topic's contract as a type that msgspec decodes into: what does not fit it is refused with the field's name."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec

from include.contracts import Field, Topic

_KINDS: dict[str, Any] = {"integer": int, "number": float, "boolean": bool, "timestamp": datetime}


def record(topic: Topic) -> type[msgspec.Struct]:
    """The type of a topic's values, its fields without nested ones; fields that the contract has not are dropped."""
    fields: list[Any] = []
    for field in topic.fields:
        kind = _kind(field)
        fields.append((field.name, kind) if field.required else (field.name, kind | None, None))
    # Those with a default come last, as in a function.
    fields.sort(key=len)
    return msgspec.defstruct("Record", fields, frozen=True)


def _kind(field: Field) -> Any:
    kind = _KINDS.get(field.logical, str)
    if kind is datetime:
        return Annotated[datetime, msgspec.Meta(tz=True)]
    if kind is str:
        return Annotated[
            str, msgspec.Meta(pattern=field.pattern, min_length=field.min_length, max_length=field.max_length)
        ]
    bounds = {"ge": field.minimum, "le": field.maximum} if kind in (int, float) else {}
    return Annotated[kind, msgspec.Meta(**{name: kind(bound) for name, bound in bounds.items() if bound is not None})]
