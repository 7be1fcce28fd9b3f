"""Fixes: what can be done to a rejected record before it is sent again. Each follows from the contract's fields alone.

A fix takes the topic, the record's bytes and its Kafka timestamp (ms since 1970; 0 or less where there is none) and
gives the bytes to send, or None where it cannot make a record of the stream of it. It invents nothing: what a person
would have to guess, it leaves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec

from include.contracts import Field, Topic
from include.contracts.paths import alternatives, field, value

Fix = Callable[[Topic, bytes, int], bytes | None]

# Numbers keep their digits on the way through.
_decode = msgspec.json.Decoder(float_hook=Decimal).decode
_encode = msgspec.json.Encoder(decimal_format="number").encode

#: A time given as a number counts seconds below it, milliseconds from it on: the second would be in the year 5138.
_MS_FROM = 100_000_000_000
#: No event is that old; a smaller number is something else.
_SECONDS_FROM = 100_000_000


def numbers_from_text(topic: Topic, record: bytes, at_ms: int) -> bytes | None:
    """Numbers given as text become numbers: " 3", "3.0", "12.50". Leaves a record where one of them is no number, such
    as "several", has a fraction where the contract wants none, or groups its digits ("1,000" is 1 to some)."""
    content = _object(record)
    if content is None:
        return None
    for place, one in _fields(content, topic.fields):
        given = place[one.name]
        if one.logical not in ("integer", "number") or not isinstance(given, str):
            continue
        number = Decimal(given.strip()) if re.fullmatch(r"\s*-?[0-9]{1,30}(\.[0-9]{1,30})?\s*", given) else None
        if number is None or (one.logical == "integer" and number != number.to_integral_value()):
            return None
        place[one.name] = int(number) if one.logical == "integer" else number
    return _encode(content)


def fill_missing_time(topic: Topic, record: bytes, at_ms: int) -> bytes | None:
    """A missing event time becomes the time at which the record was written to Kafka. Leaves a record whose Kafka
    timestamp is missing as well, or whose event time belongs into an object that it has not."""
    content = _object(record)
    if content is None:
        return None
    if value(content, topic.event_time) not in (None, ""):
        return record
    *parents, name = alternatives(topic.event_time)[0]
    place: Any = content
    for parent in parents:
        place = place.get(parent) if isinstance(place, dict) else None
    if not isinstance(place, dict) or at_ms <= 0:
        return None
    written: dict[str, Callable[[int], Any]] = {"epoch_ms": int, "dmy_us": _dmy}
    place[name] = written.get(field(topic, topic.event_time).physical, _iso)(at_ms)
    return _encode(content)


def times_to_utc(topic: Topic, record: bytes, at_ms: int) -> bytes | None:
    """Times in other forms become ISO 8601 in UTC: seconds or milliseconds since 1970, a space for the T, another zone,
    no zone (the contract says UTC). Leaves a record where one of them is none of these."""
    content = _object(record)
    if content is None:
        return None
    for place, one in _fields(content, topic.fields):
        given = place[one.name]
        if one.physical != "iso8601" or given is None:
            continue
        ms = _ms(given)
        if ms is None:
            return None
        if not _is_utc(given):
            place[one.name] = _iso(ms)
    return _encode(content)


FIXES: dict[str, Fix] = {fix.__name__: fix for fix in (numbers_from_text, fill_missing_time, times_to_utc)}


def unchanged(before: bytes, after: bytes) -> bool:
    """Whether two records say the same, however they are written."""
    return before == after or _decode(before) == _decode(after)


def _object(record: bytes) -> dict[str, Any] | None:
    """A record's content, for those that are JSON objects."""
    try:
        content = _decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return content if isinstance(content, dict) else None


def _fields(content: dict[str, Any], fields: tuple[Field, ...]) -> Iterator[tuple[dict[str, Any], Field]]:
    """Every field of the contract that stands in the record, with the object it stands in."""
    for one in fields:
        if one.name not in content:
            continue
        yield content, one
        if isinstance(content[one.name], dict):
            yield from _fields(content[one.name], one.fields)


def _ms(given: Any) -> int | None:
    """A time as milliseconds since 1970; None where it is none."""
    if isinstance(given, str) and re.fullmatch(r"\s*[0-9]{9,14}\s*", given):
        given = int(given)
    if isinstance(given, int | Decimal) and not isinstance(given, bool):
        if given < _SECONDS_FROM or given >= 100 * _MS_FROM:
            return None
        return int(given if given >= _MS_FROM else given * 1000)
    if not isinstance(given, str) or not re.match(r"\s*\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}", given):
        return None
    try:
        moment = datetime.fromisoformat(given.strip())
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(milliseconds=1)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _is_utc(given: Any) -> bool:
    return isinstance(given, str) and bool(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", given))


def _iso(ms: int) -> str:
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def _dmy(ms: int) -> str:
    return f"{_EPOCH + timedelta(milliseconds=ms):%d/%m/%Y %H:%M:%S.%f}"
