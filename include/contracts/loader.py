"""Reads the contract files into `Contract`s; raises ContractError with every mistake, each with file and field."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import yaml

from include.contracts.contract import Burst, Contract, Field, Sequence, Topic, table_name
from include.contracts.odcs import Custom, DataContract, Property, SchemaObject

FOLDER = Path(__file__).parent
SUFFIX = ".odcs.yaml"
#: The domain of Floodgate's own topics; it has no generator and no models.
PLATFORM = "floodgate"

PHYSICAL = {
    "string": r"uuid|varchar",
    "integer": r"int|bigint|epoch_ms",
    "number": r"double|decimal\(\d+,\d+\)",
    "boolean": r"boolean",
    "timestamp": r"iso8601|dmy_us",
    "object": r"json",
    "array": r"json",
}
_LOADER = getattr(
    yaml, "CSafeLoader", yaml.SafeLoader
)  # ten times faster where libyaml is there: DAG files wait for it


class ContractError(ValueError):
    """A contract that cannot be used; the text has one line a mistake."""


def domains() -> tuple[str, ...]:
    """The domains that have a contract, the platform's own left out, in alphabetical order."""
    return tuple(sorted(_domain(path) for path in FOLDER.glob(f"*{SUFFIX}") if _domain(path) != PLATFORM))


def all_contracts() -> tuple[Contract, ...]:
    """Every domain's contract, then the platform's own."""
    return tuple(load(domain) for domain in (*domains(), PLATFORM))


@functools.cache
def load(domain: str) -> Contract:
    """The contract of a domain; raises ContractError where there is none or it has mistakes."""
    path = FOLDER / f"{domain}{SUFFIX}"
    if not path.is_file():
        raise ContractError(f"no contract for domain {domain!r}: {path} is missing; there are {', '.join(domains())}")
    return read(path)


def read(path: Path) -> Contract:
    """The contract in a file; raises ContractError."""
    try:
        document = yaml.load(path.read_text(), Loader=_LOADER)  # noqa: S506 - both loaders are safe ones
    except yaml.YAMLError as error:
        raise ContractError(f"{path.name}: not YAML: {' '.join(str(error).split())}") from None
    try:
        raw = msgspec.convert(document, DataContract)
    except msgspec.ValidationError as error:
        raise ContractError(f"{path.name}: {_named(str(error), document)}") from None
    mistakes = list(_mistakes(raw, _domain(path)))
    if mistakes:
        raise ContractError("\n".join(f"{path.name}: {mistake}" for mistake in mistakes))
    return _contract(raw)


def _domain(path: Path) -> str:
    return path.name.removesuffix(SUFFIX)


def _named(message: str, document: Any) -> str:
    """msgspec's `$.schema[3].properties[2]` with the names that stand there, which a person can search for."""
    match = re.search(r" - at `(?:key in )?\$(.*)`$", message)
    if not match:
        return message
    place, names = document, []
    for key, index in re.findall(r"\.(\w+)|\[(\d+|\.\.\.)\]", match[1]):
        try:
            place = place[key] if key else place[int(index)]
        except (KeyError, IndexError, TypeError, ValueError):
            names.append(key or index)
            continue
        name = place.get("name") or place.get("property") if isinstance(place, dict) else None
        if key or name:
            names.append(str(name) if index and name else key)
    return f"{'.'.join(n for n in names if n)}: {message[: match.start()]}"


def _mistakes(raw: DataContract, domain: str) -> Iterator[str]:
    if not raw.api_version.startswith("v3.1"):
        yield f"apiVersion: {raw.api_version} is not v3.1"
    if raw.domain != domain or raw.id != domain:
        yield f"domain: {raw.domain!r} and id {raw.id!r} must be {domain!r}, as the file is named"
    if not raw.support:
        yield "support: names no channel, so nobody would be told"
    custom = _custom(raw.custom_properties)
    yield from _burst_mistakes(custom.get("burst"))
    topics = [topic.name for topic in raw.schema]
    for name in sorted({name for name in topics if topics.count(name) > 1}):
        yield f"schema.{name}: named twice"
    for sla in raw.sla_properties:
        if sla.element is not None and sla.element not in topics:
            yield f"slaProperties.{sla.property}: element {sla.element!r} is no topic of this contract"
    by_table: dict[str, SchemaObject] = {}
    for topic in raw.schema:
        yield from _topic_mistakes(topic)
        table = _custom(topic.custom_properties).get("landingTable") or table_name(topic.name)
        first = by_table.setdefault(table, topic)
        if first.properties != topic.properties:
            yield f"schema.{topic.name}: lands in table {table} with {first.name} but its properties differ"


def _burst_mistakes(burst: Any) -> Iterator[str]:
    if burst is None:
        return
    try:
        size = msgspec.convert(burst, Burst).size
    except msgspec.ValidationError as error:
        yield f"customProperties.burst: {error}"
        return
    if not 0 <= size[0] <= size[1]:
        yield f"customProperties.burst.size: {list(size)} must be [least, most]"


def _topic_mistakes(topic: SchemaObject) -> Iterator[str]:
    where = f"schema.{topic.name}"
    if not re.fullmatch(r"[a-zA-Z0-9._-]{1,249}", topic.name):
        yield f"{where}: not a name Kafka takes"
    custom = _custom(topic.custom_properties)
    known = {"key", "eventId", "eventTime", "partitions", "cleanup", "landingTable", "changeEvents", "sequence"}
    known |= {"landingDays"}
    for name in custom.keys() - known:
        yield f"{where}.customProperties: unknown property {name!r}; known are {', '.join(sorted(known))}"
    for name in {"key", "eventTime"} - custom.keys():
        yield f"{where}.customProperties: {name} is missing"
    partitions = custom.get("partitions", 1)
    if not isinstance(partitions, int) or partitions < 1:
        yield f"{where}.customProperties.partitions: {partitions!r} is not a number of partitions"
    days = custom.get("landingDays")
    if days is not None and (not isinstance(days, int) or days < 1):
        yield f"{where}.customProperties.landingDays: {days!r} is not a number of days"
    paths = [custom.get("key"), custom.get("eventTime"), *(custom.get("eventId") or ())]
    for path in filter(None, paths):
        for alternative in str(path).split("|"):
            if not _leads_to_a_field(alternative.split("."), topic.properties):
                yield f"{where}.customProperties: {alternative!r} leads to no field"
    if "eventId" not in custom and not any(p.primary_key for p in topic.properties):
        yield f"{where}: no field is primaryKey and no eventId is given, so an event could count twice"
    yield from _sequence_mistakes(where, custom.get("sequence"), topic.properties)
    yield from _field_mistakes(where, topic.properties)


def _sequence_mistakes(where: str, sequence: Any, properties: tuple[Property, ...]) -> Iterator[str]:
    if sequence is None:
        return
    try:
        named = msgspec.convert(sequence, Sequence)
    except msgspec.ValidationError as error:
        yield f"{where}.customProperties.sequence: {error}"
        return
    for name in (named.field, named.by):
        if not _leads_to_a_field([name], properties):
            yield f"{where}.customProperties.sequence: {name!r} leads to no field"
    if any(property.name == named.field and property.logical_type != "integer" for property in properties):
        yield f"{where}.customProperties.sequence: {named.field!r} is no integer"


def _leads_to_a_field(names: list[str], properties: tuple[Property, ...]) -> bool:
    for property in properties:
        if property.name == names[0]:
            return len(names) == 1 or _leads_to_a_field(names[1:], property.properties)
    return False


def _field_mistakes(where: str, properties: tuple[Property, ...]) -> Iterator[str]:
    names = [property.name for property in properties]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"{where}.{name}: named twice"
    for property in properties:
        place = f"{where}.{property.name}"
        if not re.fullmatch(r"[a-z][A-Za-z0-9_]*", property.name):
            yield f"{place}: a field's name is letters, digits and underscores, the first in lower case"
        if property.logical_type not in PHYSICAL:
            yield f"{place}: logicalType {property.logical_type!r} is none of {', '.join(PHYSICAL)}"
        elif not re.fullmatch(PHYSICAL[property.logical_type], property.physical_type):
            yield (
                f"{place}: physicalType {property.physical_type!r} does not fit a {property.logical_type}; "
                f"it takes {PHYSICAL[property.logical_type]}"
            )
        options = property.logical_type_options
        if options.minimum is not None and options.maximum is not None and options.minimum > options.maximum:
            yield f"{place}: minimum {options.minimum} is above maximum {options.maximum}"
        if options.pattern is not None:
            try:
                re.compile(options.pattern)
            except re.error as error:
                yield f"{place}: pattern {options.pattern!r} is no regular expression: {error}"
        yield from _field_mistakes(place, property.properties)


def _custom(properties: tuple[Custom, ...]) -> dict[str, Any]:
    return {custom.property: custom.value for custom in properties}


def _contract(raw: DataContract) -> Contract:
    custom = _custom(raw.custom_properties)
    sla = {(item.property, item.element): item for item in raw.sla_properties}
    retention = sla.get(("retention", None))
    latency = sla.get(("latency", None))
    retention_s = int(retention.value * _SECONDS[retention.unit]) if retention else 7 * 86400
    return Contract(
        domain=raw.domain,
        title=raw.name,
        version=raw.version,
        purpose=raw.description.purpose,
        usage=raw.description.usage,
        owner=raw.team.name,
        channel=raw.support[0].channel,
        tier=int(custom.get("tier", 3)),
        topics=tuple(_topic(topic, raw.domain, retention_s, sla.get(("floor", topic.name))) for topic in raw.schema),
        burst=msgspec.convert(custom["burst"], Burst) if custom.get("burst") else None,
        latency_s=int(latency.value * _SECONDS[latency.unit]) if latency else 60,
        late_after_s=int(custom.get("lateAfter", 3600)),
        approve_above=int(custom.get("approveAbove", 10_000)),
    )


_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def _topic(raw: SchemaObject, domain: str, retention_s: int, floor: Any) -> Topic:
    custom = _custom(raw.custom_properties)
    return Topic(
        name=raw.name,
        domain=domain,
        description=raw.description,
        fields=tuple(_field(property) for property in raw.properties),
        key=custom["key"],
        event_id=tuple(custom.get("eventId") or [p.name for p in raw.properties if p.primary_key]),
        event_time=custom["eventTime"],
        partitions=custom.get("partitions", 1),
        table=custom.get("landingTable") or table_name(raw.name),
        cleanup=custom.get("cleanup", "delete"),
        retention_s=retention_s,
        change_events=bool(custom.get("changeEvents", False)),
        floor=int(floor.value) if floor else None,
        sequence=msgspec.convert(custom["sequence"], Sequence) if custom.get("sequence") else None,
        landing_days=custom.get("landingDays"),
    )


def _field(raw: Property) -> Field:
    options = raw.logical_type_options
    return Field(
        name=raw.name,
        logical=raw.logical_type,
        physical=raw.physical_type,
        description=raw.description,
        required=raw.required,
        personal=raw.classification == "personal",
        minimum=options.minimum,
        maximum=options.maximum,
        min_length=options.min_length,
        max_length=options.max_length,
        pattern=options.pattern,
        fields=tuple(_field(property) for property in raw.properties),
    )
