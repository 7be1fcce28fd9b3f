"""One connection of the engine, with every failure raised as ClickHouse words it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from local.clickhouse import sql
from local.clickhouse.errors import EngineError
from local.clickhouse.wire import Reader

INCOMING = "incoming"  # a folder in the data folder, which is the current one: rows on their way into the engine
log = logging.getLogger("clickhouse.engine")


@dataclass(frozen=True)
class User:
    """Who signs in. A `readonly` user may read, and keep temporary tables."""

    name: str
    password: str = field(repr=False)
    readonly: bool = False


class Connection:
    """One connection of the engine: its database, settings and temporary tables. Every failure is an EngineError."""

    def __init__(self, raw: Any, user: User, known_settings: frozenset[str]) -> None:
        self.user, self._raw, self._known = user, raw, known_settings
        self._stream: Any = None
        # This engine's cache of conditions can keep for a condition alone what a join's filter found out beside it: the
        # same condition then finds no rows in a query without the join.
        self.query("SET use_query_condition_cache = 0")
        if user.readonly:
            self.query("SET readonly = 2")

    def query(self, statement: str | bytes, format_: str = "TSVRaw", params: Mapping[str, str] | None = None) -> Any:
        """Runs one statement to its end. The result has bytes(), rows_read(), rows_written(), storage_rows_read()."""
        self._end_stream()
        with translated():
            return self._raw.query(statement, format_, params=dict(params or {}))

    def text(self, statement: str | bytes) -> str:
        """The answer of a statement as tab separated text."""
        return self.query(statement).bytes().decode("utf-8", "replace").rstrip("\n")

    def stream(self, statement: bytes, format_: str) -> Iterator[Any] | None:
        """The answer chunk by chunk, or None where a statement cannot be streamed (it has not run then).

        The next statement on this connection ends the stream.
        """
        self._end_stream()
        try:
            with translated():
                self._stream = self._raw.send_query(statement, format_)
        except EngineError as error:
            if "Streaming query is not supported" in error.message:
                return None
            raise
        return _chunks(self._stream)

    def _end_stream(self) -> None:
        # By hand and in time: a stream that outlives its connection brings the engine down.
        if self._stream is not None:
            with suppress(RuntimeError):
                self._stream.close()
            self._stream = None

    def kind(self, statement: bytes) -> str:
        """READ_ONLY, MUTATING, MUTATING_GLOBAL, CONTROL or UNKNOWN; raises EngineError for more than one statement."""
        found = self._raw._conn.classify_query(statement.decode("utf-8", "replace"))
        if found["statement_count"] > 1:
            raise EngineError(62, "SYNTAX_ERROR", "Syntax error (Multi-statements are not allowed).")
        return found["query_class"].name

    def insert(self, insert: sql.Insert, data: bytes) -> tuple[int, int]:
        """Inserts the rows in `data`; gives rows and bytes written, materialized views included.

        By way of a file: the engine's streaming insert keeps quiet about rows that a constraint or a view refused.
        """
        with _kept(data) as path:
            result = self.query(insert.from_file(path))
            return result.rows_written(), result.bytes_written()

    def decompressed(self, data: bytes, method: str) -> bytes:
        """A compressed body as it was: gzip, deflate, br, lz4, zstd or xz. Raises EngineError where it is damaged."""
        with _kept(data) as path:
            return self.query(f"SELECT * FROM file('{path}', 'RawBLOB', 'body String', '{method}')", "RawBLOB").bytes()

    def columns(self, statement: bytes | str, params: Mapping[str, str] | None = None) -> list[tuple[str, str]]:
        """Name and full type of each column of a statement's answer, which is computed to that end: ask for no rows."""
        header = Reader(data=self.query(statement, "RowBinaryWithNamesAndTypes", params).bytes())
        names = [header.text() for _ in range(header.varint())]
        return [(name, header.text()) for name in names]

    @contextmanager
    def applied(
        self, database: str | None, settings: Mapping[str, str], revert: bool, strict: bool = True
    ) -> Iterator[None]:
        """Database and settings of one request, both as before afterwards if `revert`.

        Unknown settings are refused if `strict` (EngineError 115), else ignored.
        """
        # The engine would print its trace on stderr; the server's log is not the client's.
        wanted = {name: value for name, value in settings.items() if name != "send_logs_level"}
        for name in wanted if strict else ():
            if name not in self._known:
                message = f"Setting {name} is neither a builtin setting nor one of those this server was started with"
                raise EngineError(115, "UNKNOWN_SETTING", message)
        wanted = {name: value for name, value in wanted.items() if name in self._known}
        home = self.text("SELECT currentDatabase()") if revert and database else None
        if database:
            self.query("USE " + sql.identifier(database))
        if wanted:
            # readonly last, for nothing can be set after it.
            ordered = sorted(wanted, key="readonly".__eq__)
            self.query("SET " + ", ".join(f"{name} = {sql.literal(wanted[name])}" for name in ordered))
        try:
            yield
        finally:
            back = [name for name in wanted if name != "readonly"] if revert else []
            with suppress(EngineError):
                if back:
                    self.query("SET " + ", ".join(f"{name} = DEFAULT" for name in back))
                if home:
                    self.query("USE " + sql.identifier(home))

    def close(self) -> None:
        """Ends the connection, its temporary tables and a stream on it."""
        self._end_stream()
        self._raw.close()


def _chunks(result: Any) -> Iterator[Any]:
    with translated():
        yield from result


@contextmanager
def _kept(data: bytes) -> Iterator[str]:
    """The path of a file that holds `data`, for the engine to read."""
    try:
        with NamedTemporaryFile(dir=INCOMING) as file:
            file.write(data)
            file.flush()
            yield f"{INCOMING}/{Path(file.name).name}"
    except OSError as error:
        message = f"Cannot keep {len(data)} bytes of a request: {error.strerror}."
        raise EngineError(243, "NOT_ENOUGH_SPACE", message) from None


@contextmanager
def translated() -> Iterator[None]:
    """chDB raises RuntimeError with the engine's text."""
    try:
        yield
    except EngineError:
        raise
    except RuntimeError as error:
        if "shutting down due to a fatal error" in str(error):
            # The engine has seen memory that cannot be: nothing works any more, and a restart loses nothing.
            log.critical("the engine broke down, this process ends: %s", " ".join(str(error).split())[:500])
            os._exit(3)
        raise EngineError.parse(str(error)) from None
