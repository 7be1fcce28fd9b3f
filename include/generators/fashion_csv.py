"""Reads a CSV file of the fashion shop's clicks or transactions; every cell is checked against the contract.

A file is read to its end before anything is made of it, so a bad row in the middle stops a replay that has not begun.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import msgspec

from include.contracts import Field, Topic

#: Seconds to wait before the event, after the one before it.
WAIT = "event_offset"
#: Fields of a row that the file does not have: the replay makes them.
MADE = ("id", "created_at")
#: Columns that bear another name than their field.
COLUMNS = {"shipment_location_lon": "shipment_location_long"}
MOST_ROWS = 1 << 24

UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


class ReplayError(ValueError):
    """A file that cannot be replayed; the text names file, line and column, and what to do."""


class Table(NamedTuple):
    """A file that was read: `rows` are JSON without braces, id and created_at; `at_ms` when each is due after the first
    wait began; `digest` names the file's content."""

    topic: str
    digest: str
    rows: list[bytes]
    at_ms: list[int]


def read(path: Path, topic: Topic) -> Table:
    """The table in a file; raises ReplayError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ReplayError(f"{path}: {error.strerror or error}: give the path of a CSV file that can be read") from None
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ReplayError(f"{path.name} line {line}: not UTF-8: save the file in that encoding") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, waits = [], []
    try:
        header = next(reader, [])
        wait_at, cells = _layout(path, topic, header)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise ReplayError(
                    f"{path.name} line {reader.line_num}: {len(row)} cells under {len(header)} columns: quote a cell "
                    "that holds a comma, or fill the row up"
                )
            try:
                rows.append(b",".join([cell(row[place]) for place, cell in cells]))
                waits.append(_wait_ms(row[wait_at]))
            except Malformed as error:
                raise ReplayError(f"{path.name} line {reader.line_num}, {error}") from None
    except csv.Error as error:
        raise ReplayError(f"{path.name} line {reader.line_num}: {error}: correct the row") from None
    if len(rows) > MOST_ROWS:
        raise ReplayError(f"{path.name}: {len(rows):,} rows are more than {MOST_ROWS:,}: split the file")
    digest = hashlib.blake2b(content, digest_size=16).hexdigest()
    return Table(topic.name, digest, rows, list(accumulate(waits)))


class Malformed(ValueError):
    """A cell that is not what its column holds."""


Cell = Callable[[str], bytes]


def _layout(path: Path, topic: Topic, header: list[str]) -> tuple[int, list[tuple[int, Cell]]]:
    """Where the wait stands, and for each field of a row its place and what makes JSON of its cell."""
    fields = next(field.fields for field in topic.fields if field.name == "after")
    wanted = {COLUMNS.get(field.name, field.name): field for field in fields if field.name not in MADE}
    missing = [column for column in (*wanted, WAIT) if column not in header]
    if missing:
        names = ", ".join(missing)
        raise ReplayError(f"{path.name} line 1: column {names} missing for {topic.name}: name it in the first line")
    twice = sorted({column for column in (*wanted, WAIT) if header.count(column) > 1})
    if twice:
        raise ReplayError(f"{path.name} line 1: column {', '.join(twice)} stands there twice: remove one")
    cells = [(header.index(column), _cell(column, field)) for column, field in wanted.items()]
    return header.index(WAIT), cells


def _cell(column: str, field: Field) -> Cell:
    name, value = msgspec.json.encode(field.name), _VALUES.get(field.logical, _text)

    def cell(text: str) -> bytes:
        text = text.strip()
        if not text:
            if field.required:
                raise Malformed(f"column {column}: empty, but each row needs it: fill it in")
            return name + b":null"
        try:
            return name + b":" + value(text, field)
        except Malformed as error:
            raise Malformed(f"column {column}: {text!r} {error}") from None

    return cell


def _text(text: str, field: Field) -> bytes:
    if field.pattern is not None and not re.search(field.pattern, text):
        raise Malformed(f"does not fit {field.pattern}: correct it")
    if field.physical == "uuid" and not UUID.fullmatch(text):
        raise Malformed("is no UUID: correct it")
    return msgspec.json.encode(text)


def _whole(text: str, field: Field) -> bytes:
    number = _number(text)
    if number != number.to_integral_value():
        raise Malformed("is no whole number: correct it")
    return b"%d" % int(_bounded(number, field))


def _decimal(text: str, field: Field) -> bytes:
    number = _bounded(_number(text), field)
    if field.decimal is None:
        # As Python's float, so that the digits are those a reader gets back.
        return msgspec.json.encode(float(number))
    precision, scale = field.decimal
    if number != round(number, scale) or abs(number) >= 10 ** (precision - scale):
        raise Malformed(f"does not fit {field.physical}: correct it")
    return f"{number:f}".encode() if number % 1 else b"%d" % int(number)


def _number(text: str) -> Decimal:
    try:
        # Python would take 1_000 for a thousand; nobody who wrote a CSV file meant it.
        number = Decimal(text.replace("_", "?"))
    except InvalidOperation:
        raise Malformed("is no number: correct it, or leave it empty where it may be") from None
    # Beyond 2**53 readers of JSON would each see another number.
    if not number.is_finite() or abs(number) >= 1 << 53:
        raise Malformed("is no number a record can hold: correct it")
    return number


def _bounded(number: Decimal, field: Field) -> Decimal:
    least, most = field.minimum, field.maximum
    if (least is not None and number < Decimal(str(least))) or (most is not None and number > Decimal(str(most))):
        raise Malformed(f"is outside {'' if least is None else least} to {'' if most is None else most}: correct it")
    return number


def _wait_ms(text: str) -> int:
    try:
        seconds = float(text.strip() or "0")
    except ValueError:
        raise Malformed(f"column {WAIT}: {text!r} is no number of seconds: correct it") from None
    if not math.isfinite(seconds) or seconds < 0:
        raise Malformed(f"column {WAIT}: {text!r} is no time to wait: give seconds, 0 or more")
    return round(seconds * 1000)


_VALUES: dict[str, Callable[[str, Field], bytes]] = {"integer": _whole, "number": _decimal}
