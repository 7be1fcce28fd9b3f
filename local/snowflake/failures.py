"""DuckDB's errors as Snowflake's: number, SQL state and a text that says what happened."""

from __future__ import annotations

import re

import duckdb
from snowflake.connector.errors import Error, ProgrammingError

# the first class that fits: (class, a word of the text or "", number, SQL state)
_KNOWN: tuple[tuple[type[BaseException], str, int, str], ...] = (
    (duckdb.InterruptException, "", 604, "57014"),
    (duckdb.OutOfMemoryException, "", 300005, "53200"),
    (duckdb.Error, "No space left", 300002, "53100"),
    (duckdb.TransactionException, "conflict", 625, "57014"),
    (duckdb.ConstraintException, "NOT NULL", 100072, "22000"),
    (duckdb.ConstraintException, "", 100069, "23505"),
    (duckdb.InvalidInputException, "Division by zero", 100051, "22012"),
    (duckdb.InvalidInputException, "non-nullable", 100072, "22000"),
    (duckdb.InvalidInputException, "same target row more than once", 100090, "42P18"),
    (duckdb.InvalidInputException, "Malformed JSON", 100069, "22P02"),
    (duckdb.IOException, "No files found", 91016, "22000"),
    (duckdb.OutOfRangeException, "", 100046, "22003"),
    (duckdb.ConversionException, "", 100038, "22018"),
    (duckdb.BinderException, "not found", 904, "42000"),
    (duckdb.BinderException, "", 2043, "02000"),
    (duckdb.CatalogException, "already exists", 2002, "42710"),
    (duckdb.CatalogException, "", 2003, "42S02"),
    (duckdb.ParserException, "", 1003, "42000"),
    (NotImplementedError, "", 2, "0A000"),
)
_HINTS = {
    300005: "The local Snowflake may use 1 GB: ask for less at once.",
    300002: "The disk of the local Snowflake is full: free space, then run it again.",
    625: "Another transaction is changing the same table: run it again when that one has ended.",
    2: "The local Snowflake does not have this; the real one may.",
}


_COMPILATION = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
_MISSING = re.compile(r"(?:Table|View|Schema) with name (\S+) does not exist")


def to_error(error: Exception) -> Error:
    """The error a client gets for `error`. Unmapped it would be an HTTP 500, which clients retry for minutes."""
    if isinstance(error, Error):
        if not isinstance(error.__cause__, duckdb.Error):
            return error
        error = error.__cause__  # fakesnow's numbers for DuckDB's errors are fewer
    text = str(error)
    number, state = next(
        ((n, st) for kind, word, n, st in _KNOWN if isinstance(error, kind) and word.lower() in text.lower()),
        (603, "XX000"),
    )
    if number == 603:
        text = f"{type(error).__name__}: {text}"
    text = text.split("\n\n")[0]
    if missing := _MISSING.search(text):
        text = f"Object '{missing[1]}' does not exist or not authorized. {text.partition('!')[2].strip()}".strip()
    if isinstance(error, _COMPILATION):
        text = f"SQL compilation error:\n{text}"
    return ProgrammingError(msg="\n".join(filter(None, (text, _HINTS.get(number)))), errno=number, sqlstate=state)


def is_fatal(error: BaseException | None) -> bool:
    """True where DuckDB will answer nothing more until it is opened again."""
    return error is not None and (isinstance(error, duckdb.FatalException) or is_fatal(error.__cause__))
