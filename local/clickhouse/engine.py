"""The engine in this process: its data folder, its users, its connections and sessions.

chDB allows one process a data folder, any number of connections in it, and releases the interpreter while it works.
"""

from __future__ import annotations

import fcntl
import hmac
import os
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local.clickhouse.connection import INCOMING, Connection, User, translated
from local.clickhouse.errors import EngineError

LEAST_FREE_MB = 100
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
        shutil.rmtree(home / INCOMING, ignore_errors=True)
        (home / INCOMING).mkdir()
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
        with translated():
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
