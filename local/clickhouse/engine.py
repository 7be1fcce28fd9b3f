"""The engine in this process: its users, its connections and sessions, inserts whose every error is raised.

chDB allows one process a data folder, any number of connections in it, and releases the interpreter while it works.
"""

from __future__ import annotations

import fcntl
import hmac
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from local.clickhouse import sql
from local.clickhouse.errors import EngineError
from local.clickhouse.wire import Reader

LEAST_FREE_MB = 100
log = logging.getLogger("clickhouse.engine")
# Relative, for the path of the data folder may hold signs that mean something in a connection string.
_PATH = "engine?config-file=engine.xml"
_CONFIG = """<clickhouse>
  <max_server_memory_usage>{memory}</max_server_memory_usage>
  <mark_cache_size>134217728</mark_cache_size>
  <query_log>
    <database>system</database><table>query_log</table>
    <ttl>event_date + INTERVAL 2 DAY DELETE</ttl>
  </query_log>
</clickhouse>
"""


class UnusableError(Exception):
    """The data folder cannot be used; the text says why and what to do."""


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
        if user.readonly:
            self.query("SET readonly = 2")

    def query(self, statement: str | bytes, format_: str = "TSVRaw", params: Mapping[str, str] | None = None) -> Any:
        """Runs one statement to its end. The result has bytes(), rows_read(), rows_written(), storage_rows_read()."""
        self._end_stream()
        with _translated():
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
            with _translated():
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


@dataclass
class _Session:
    connection: Connection | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    ends_at: float = 0.0


class Engine:
    """The engine over one data folder, which becomes the current folder of this process."""

    def __init__(self, home: Path, users: list[User], memory_bytes: int = 1_500_000_000) -> None:
        import chdb

        self._lock_file = _claim(home)
        (home / "engine.xml").write_text(_CONFIG.format(memory=memory_bytes))
        shutil.rmtree(home / "incoming", ignore_errors=True)
        (home / "incoming").mkdir()
        os.chdir(home)
        self._chdb = chdb
        self._keep = chdb.connect(_PATH)  # the engine stops when its last connection closes
        self._users = {user.name: user for user in users}
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._lock = threading.Lock()
        self._running, self._closing = 0, False
        self._idle = threading.Condition()
        self.settings = frozenset(self._names("settings"))
        self.formats = frozenset(name.lower() for name in self._names("formats"))
        with self.connection(User("start", "")) as connection:
            self.version, self.timezone = connection.text("SELECT version(), timezone()").split("\t")

    def _names(self, table: str) -> list[str]:
        return self._keep.query(f"SELECT name FROM system.{table}", "TSVRaw").bytes().decode().split("\n")[:-1]

    def user(self, name: str, password: str) -> User:
        """The user of these credentials; raises EngineError 516, the same for an unknown name and a wrong password."""
        user = self._users.get(name)
        expected = user.password if user else ""
        if not (hmac.compare_digest(expected.encode(), password.encode("utf-8", "surrogateescape")) and user):
            message = f"{name}: Authentication failed: password is incorrect, or there is no user with such name."
            raise EngineError(516, "AUTHENTICATION_FAILED", message)
        return user

    @contextmanager
    def connection(self, user: User) -> Iterator[Connection]:
        """A connection of its own for the length of one request, or of one native client."""
        connection = self._connect(user)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def session(self, user: User, session_id: str, timeout_s: float, must_exist: bool = False) -> Iterator[Connection]:
        """The same connection again for the same user and id, until it was idle for `timeout_s`."""
        now, key = time.monotonic(), (user.name, session_id)
        with self._lock:
            self._forget_idle(now)
            if must_exist and key not in self._sessions:
                raise EngineError(372, "SESSION_NOT_FOUND", f"Session {session_id} not found")
            session = self._sessions.setdefault(key, _Session())
            if not session.lock.acquire(blocking=False):
                raise EngineError(373, "SESSION_IS_LOCKED", f"Session {session_id} is locked by a concurrent client")
        try:
            session.connection = session.connection or self._connect(user)
            yield session.connection
        finally:
            session.ends_at = time.monotonic() + timeout_s
            session.lock.release()

    def _forget_idle(self, now: float) -> None:
        idle = [key for key, session in self._sessions.items() if session.ends_at < now and not session.lock.locked()]
        for key in idle:
            if connection := self._sessions.pop(key).connection:
                connection.close()

    def _connect(self, user: User) -> Connection:
        with _translated():
            return Connection(self._chdb.connect(_PATH), user, self.settings)

    @contextmanager
    def busy(self) -> Iterator[None]:
        """One request in work, which close() waits for; raises EngineError 236 once the server is closing."""
        with self._idle:
            if self._closing:
                raise EngineError(236, "ABORTED", "The server is shutting down: try again in a few seconds.")
            self._running += 1
        try:
            yield
        finally:
            with self._idle:
                self._running -= 1
                self._idle.notify_all()

    def close(self, wait_s: float = 8.0) -> None:
        """Waits for the requests in work, then ends sessions and engine, which writes its query log."""
        with self._idle:
            self._closing = True
            if not self._idle.wait_for(lambda: self._running == 0, wait_s):
                return  # the engine survives a sudden end, and no client was told that its insert is safe
        with self._lock, ExitStack() as stack:
            stack.callback(self._keep.close)
            for session in self._sessions.values():
                if session.connection:
                    stack.callback(session.connection.close)
            self._sessions.clear()


def _claim(home: Path) -> Any:
    """Locks the data folder for this process; raises UnusableError, with the reason."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        lock = (home / "lock").open("a")
    except OSError as error:
        reason = f"the data folder {home} cannot be used ({error.strerror}): make it a folder you may write"
        raise UnusableError(reason) from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        reason = f"another process serves the data folder {home} already: end it, or use another folder"
        raise UnusableError(reason) from None
    free = shutil.disk_usage(home).free // 1_000_000
    if free < LEAST_FREE_MB:
        reason = f"the disk of {home} has {free} MB free and {LEAST_FREE_MB} MB are needed: make room and start again"
        raise UnusableError(reason)
    return lock


def _chunks(result: Any) -> Iterator[Any]:
    with _translated():
        yield from result


@contextmanager
def _kept(data: bytes) -> Iterator[str]:
    """The path of a file that holds `data`, for the engine to read."""
    try:
        with NamedTemporaryFile(dir="incoming") as file:
            file.write(data)
            file.flush()
            yield f"incoming/{Path(file.name).name}"
    except OSError as error:
        message = f"Cannot keep {len(data)} bytes of a request: {error.strerror}."
        raise EngineError(243, "NOT_ENOUGH_SPACE", message) from None


@contextmanager
def _translated() -> Iterator[None]:
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
