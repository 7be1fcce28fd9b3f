"""A client's session: where it is (database, schema, role), its transaction, its temporary tables, its end."""

from __future__ import annotations

import collections
import contextlib
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any

import duckdb
from fakesnow.conn import FakeSnowflakeConnection
from snowflake.connector.errors import ProgrammingError
from sqlglot import exp

from local.snowflake.catalog import Catalog

IDLE_SESSION_S = 4 * 3600.0  # as the real one
IDLE_TRANSACTION_S = 600.0  # a client killed in a transaction would hold up its own retry
ANSWERS_KEPT = 4

Name = tuple[str, str, str]


class Transaction:
    """DuckDB's transaction with Snowflake's manners: a failed statement undoes itself and not the ones before it.

    DuckDB aborts the whole transaction at any error, and a COMMIT of it then succeeds while its rows are lost. So what
    succeeded is kept as `steps`, and after an error it is done again in a new transaction.
    """

    def __init__(self, duck: duckdb.DuckDBPyConnection) -> None:
        self.duck = duck
        self.open = False
        self.steps: list[Callable[[], Any]] = []

    def begin(self) -> None:
        """Open one, unless one is open."""
        if not self.open:
            self.duck.execute("BEGIN")
            self.open, self.steps = True, []

    def commit(self) -> None:
        """Keep what was done; nothing where none is open."""
        self._end("COMMIT")

    def rollback(self) -> None:
        """Undo what was done; nothing where none is open."""
        self._end("ROLLBACK")

    def _end(self, how: str) -> None:
        if self.open:
            self.open, self.steps = False, []
            self.duck.execute(how)

    def recover(self) -> None:
        """After a failed statement: leave no aborted transaction behind, keep what it had done before."""
        with contextlib.suppress(duckdb.Error):
            self.duck.execute("ROLLBACK")
        if not self.open:
            return
        self.duck.execute("BEGIN")
        try:
            for step in self.steps:
                step()
        except Exception as error:
            self.open, self.steps = False, []
            with contextlib.suppress(duckdb.Error):
                self.duck.execute("ROLLBACK")
            raise ProgrammingError(
                msg=f"Transaction rolled back: an error in it could not be undone alone ({error}). Run it again.",
                errno=90125,
                sqlstate="40001",
            ) from error


class Session(FakeSnowflakeConnection):
    """One signed-in client. `lock` is held while a statement runs: a session runs one at a time."""

    def __init__(self, catalog: Catalog, *, autocommit: bool = True, **names: str) -> None:
        """`names`: account, user, role, warehouse, query_tag, as far as the client gave them."""
        super().__init__(catalog.duck_conn.cursor(), catalog.results_cache, db_path=catalog.db_path, paramstyle="qmark")
        self.database: str | None = None
        self._schema: str | None = None
        self.catalog = catalog
        self.names = {"account": "", "user": "", "role": "", "warehouse": "", "query_tag": "", **names}
        self.id = secrets.randbits(50)
        self.commits = autocommit
        self.transaction = Transaction(self._duck_conn)
        self.temporaries: dict[Name, str] = {}
        self.last_query_id = ""
        self.lock = threading.RLock()
        self.used_at = time.monotonic()
        self.running: str | None = None
        self.answers: collections.OrderedDict[str, dict[str, Any]] = collections.OrderedDict()

    @property
    def duck(self) -> duckdb.DuckDBPyConnection:
        """The session's own connection to the engine."""
        return self._duck_conn

    def use(self, database: str | None, schema: str | None = None) -> None:
        """Move to a schema (PUBLIC if none is named). Raises ProgrammingError 2043 where it does not exist."""
        database = self._spelled(self.catalog.names(), database or self.database, "database")
        rows = self.duck.execute("SELECT schema_name FROM duckdb_schemas() WHERE database_name = ?", [database])
        known = {name for (name,) in rows.fetchall()}
        hidden = "_fs_information_schema" if (schema or "").upper() == "INFORMATION_SCHEMA" else schema
        if schema is None and "PUBLIC" not in known:
            hidden = "main"
        spelled = self._spelled(known, hidden or "PUBLIC", "schema")
        self.duck.execute(f'SET schema = \'"{database}"."{spelled}"\'')
        self.database, self.database_set = database, True
        self._schema = None if spelled == "main" else spelled.upper() if hidden != schema else spelled
        self.schema_set = self._schema is not None

    @staticmethod
    def _spelled(known: set[str], wanted: str | None, kind: str) -> str:
        for name in (wanted, *known):
            if wanted and name in known and name.upper() == wanted.upper():
                return name
        raise ProgrammingError(
            msg=f"Object does not exist, or operation cannot be performed: {kind} {wanted}",
            errno=2043,
            sqlstate="02000",
        )

    def qualified(self, table: exp.Table) -> Name:
        """(database, schema, name) of a table in a statement, as Snowflake resolves it."""
        parts = [part.name if part.args.get("quoted") else part.name.upper() for part in table.parts]
        return tuple([self.database or "", self.schema or ""][: 3 - len(parts)] + parts[-3:])  # type: ignore[return-value]

    def set_autocommit(self, mode: bool) -> None:
        """Whether each statement is its own transaction; a change ends the open one."""
        if mode != self.commits:
            self.transaction.commit()
        self.commits = mode

    def interrupt(self, request: str | None) -> None:
        """Stop the statement of this request, if it is the one that runs."""
        if self.running and (request is None or self.running == request):
            self.duck.interrupt()

    def close(self, retry: bool = True) -> None:
        """Undo an open transaction and let go; temporary tables go with the connection."""
        with contextlib.suppress(duckdb.Error):
            self.transaction.rollback()
        super().close(retry)


class Sessions:
    """All sessions by their token."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.by_token: dict[str, Session] = {}
        self.master: dict[str, str] = {}

    def open(self, *, autocommit: bool, **names: str) -> tuple[str, str, Session]:
        """A new session: (token, master token, session)."""
        token, master = secrets.token_urlsafe(32), secrets.token_urlsafe(32)
        session = Session(self.catalog, autocommit=autocommit, **names)
        self.by_token[token] = session
        self.master[token] = master
        return token, master, session

    def get(self, token: str) -> Session | None:
        """The session of a token, None where it has ended."""
        return self.by_token.get(token)

    def end(self, token: str) -> None:
        """Close a session; waits for the statement that runs in it, after telling it to stop."""
        self.master.pop(token, None)
        if session := self.by_token.pop(token, None):
            session.interrupt(None)
            with session.lock:
                session.close()

    def end_idle(self, now: float) -> int:
        """End sessions unused for long, and transactions left open by a client that went away; how many."""
        ended = 0
        for token, session in list(self.by_token.items()):
            idle = now - session.used_at
            if not session.lock.acquire(blocking=False):
                continue  # at work
            try:
                if idle > IDLE_SESSION_S:
                    self.by_token.pop(token, None)
                    self.master.pop(token, None)
                    session.close()
                    ended += 1
                elif idle > IDLE_TRANSACTION_S and session.transaction.open:
                    session.transaction.rollback()
                    ended += 1
            finally:
                session.lock.release()
        return ended

    def end_all(self) -> None:
        """Every session, for the end of the service."""
        for session in self.by_token.values():
            session.interrupt(None)
        for token in list(self.by_token):
            self.end(token)
