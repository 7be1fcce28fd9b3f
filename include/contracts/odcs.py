"""The part of the Open Data Contract Standard 3.1 that Floodgate's contracts use, as it stands in the files.

Unknown keys are refused, so that a misspelt one is a complaint and not a silent default.
"""

from __future__ import annotations

from typing import Any

import msgspec


class _Raw(msgspec.Struct, rename="camel", forbid_unknown_fields=True, frozen=True, kw_only=True):
    pass


class Custom(_Raw, frozen=True):
    """A value the standard has no key for."""

    property: str
    value: Any
    description: str | None = None


class Options(_Raw, frozen=True):
    """logicalTypeOptions: bounds of a field."""

    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None


class Property(_Raw, frozen=True):
    """A field of a topic, or of an object within it."""

    name: str
    logical_type: str
    physical_type: str
    description: str
    required: bool = False
    primary_key: bool = False
    classification: str | None = None
    logical_type_options: Options = Options()
    properties: tuple[Property, ...] = ()


class SchemaObject(_Raw, frozen=True):
    """A topic."""

    name: str
    physical_type: str
    description: str
    properties: tuple[Property, ...]
    custom_properties: tuple[Custom, ...] = ()


class Description(_Raw, frozen=True):
    """Why the data is there and how it is used."""

    purpose: str
    usage: str


class Member(_Raw, frozen=True):
    """A member of the owning team."""

    username: str
    role: str


class Team(_Raw, frozen=True):
    """Who owns the data."""

    name: str
    members: tuple[Member, ...] = ()


class Support(_Raw, frozen=True):
    """Where the owners are reached."""

    channel: str
    tool: str
    url: str | None = None


class Sla(_Raw, frozen=True):
    """One promise of the owners."""

    property: str
    value: float
    unit: str
    element: str | None = None
    description: str | None = None


class DataContract(_Raw, frozen=True):
    """A file."""

    api_version: str
    kind: str
    id: str
    name: str
    version: str
    status: str
    domain: str
    description: Description
    team: Team
    support: tuple[Support, ...]
    schema: tuple[SchemaObject, ...]
    sla_properties: tuple[Sla, ...] = ()
    custom_properties: tuple[Custom, ...] = ()
