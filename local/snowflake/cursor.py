"""One statement in one session: parse, fit to DuckDB, run, give the result as Snowflake would, errors too."""

from __future__ import annotations

import collections
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa
from fakesnow import statement_type, transforms
from fakesnow.cursor import DESCRIBE_RESULT_SQL, FakeSnowflakeCursor
from fakesnow.dialect import parse_one, syntax_error
from sqlglot import Expr, exp
from sqlglot.errors import ParseError

from local.snowflake import session_statements, statements, storage, values, variants
from local.snowflake.failures import to_error
from local.snowflake.session_statements import DONE
from local.snowflake.sessions import Session

# fakesnow makes doubles of what is summed; DuckDB's own sums of NUMBER are exact
transforms.numeric_agg_implicit_cast = lambda e: e

DML = (exp.Insert, exp.Update, exp.Delete, exp.Merge, exp.Copy)
DDL = (exp.Alter, exp.Comment, exp.Create, exp.Drop, exp.TruncateTable)
CONFLICT_WAIT_S = 10.0
CHANGED = {"INSERT": "number of rows inserted", "UPDATE": "number of rows updated", "DELETE": "number of rows deleted"}


@dataclass
class Result:
    """What a statement gave: `columns` in Snowflake's row type, rows as Arrow, or a place to upload to (`put`)."""

    columns: list[dict[str, Any]]
    table: pa.Table | None
    type_id: int
    query_id: str
    put: dict[str, Any] | None = None
    placeholders: int = 0
    is_batch: bool = False
    changed: int = field(default=0)


class Cursor(FakeSnowflakeCursor):
    """Runs one statement; make a new one for the next."""

    _conn: Session

    def __init__(self, session: Session) -> None:
        super().__init__(session, session.duck)
        self._described: list[tuple[str, str]] = []
        self._sfqid: str | None = None

    def run(self, sql: str, params: Any = None, rows: list[list[Any]] | None = None) -> Result:
        """Run one statement, or one INSERT for all `rows` at once. Raises snowflake.connector.errors.Error."""
        try:
            sql = self._inline_variables(sql)
            if statements.ACCOUNT.match(sql):
                self._answer(DONE)
                return self._result(statement_type.DDL)
            e = parse_one(sql)
            type_id = statement_type.statement_type_id(e)
            self.check_db_and_schema(e)
            if rows is not None:
                return self._run_rows(e, rows, type_id)
            params = list(params) if isinstance(params, tuple) else params
            parts = self._transform_explode(e)
            atomic = len(parts) > 1 and isinstance(parts[0], DML) and not self._conn.transaction.open
            if atomic:
                self._conn.transaction.begin()
            for part in parts:
                ready = self._transform(part, params)
                self._execute(ready, params if ready.find(exp.Placeholder) else None)
            if atomic and self._conn.commits:
                self._conn.transaction.commit()
            return self._result(type_id)
        except Exception as error:
            if locals().get("atomic"):
                self._conn.transaction.rollback()
            self._conn.transaction.recover()
            if isinstance(error, ParseError):
                raise syntax_error(error) from None
            if (made := to_error(error)) is error:
                raise
            raise made from error

    def describe_only(self, sql: str) -> Result:
        """The columns a statement would give, without running it. Raises snowflake.connector.errors.Error."""
        try:
            e = parse_one(self._inline_variables(sql))
            type_id = statement_type.statement_type_id(e)
            placeholders = len(list(e.find_all(exp.Placeholder)))
            self.check_db_and_schema(e)
            if isinstance(e, exp.Query):
                blank = e.transform(lambda node: exp.Null() if isinstance(node, exp.Placeholder) else node)
                self._describe(self._transform(blank, None).sql(dialect="duckdb"))
            elif isinstance(e, exp.Merge):
                counts = ", ".join(f'0 AS "{CHANGED[kind]}"' for kind in statements.merge(e.copy()))
                self._describe(f"SELECT {counts}")
            elif isinstance(e, (exp.Show, exp.Describe)):
                return self.run(sql)  # these change nothing
            else:
                self._describe(DESCRIBE_RESULT_SQL.get(type(e), DONE).replace("as 'status'", 'AS "status"'))
            result = self._result(type_id)
            result.table, result.placeholders = None, placeholders
            return result
        except Exception as error:
            self._conn.transaction.recover()
            if (made := to_error(error)) is error:
                raise
            raise made from error

    def _describe(self, sql: str) -> None:
        rows = self._duck_conn.execute(f"DESCRIBE {sql}").fetchall()
        self._described = [(name, kind) for name, kind, *_ in rows]

    def _result(self, type_id: int) -> Result:
        self._conn.last_query_id = self._sfqid = self._sfqid or str(uuid.uuid4())
        last = self._last_transformed
        put = last.args.get("put_stage_data") if last is not None else None
        columns = values.rowtype(self._described)
        return Result(columns, self._arrow_table, type_id, self._sfqid, put)

    def _answer(self, sql: str) -> None:
        """Make the result of a statement of ours the result."""
        self._duck_conn.execute(sql)
        self._keep(self._duck_conn.to_arrow_table(), None)

    def _keep(self, table: pa.Table, transformed: Expr | None, query_id: str | None = None) -> None:
        self._described = [(column[0], str(column[1])) for column in self._duck_conn.description or []]
        self._arrow_table, self._last_transformed = table, transformed
        self._sfqid = query_id or str(uuid.uuid4())
        self._conn.results_cache[self._sfqid] = (table, table.num_rows, None, None, self._described)

    def _run_rows(self, e: Expr, rows: list[list[Any]], type_id: int) -> Result:
        """An array binding: one statement for Snowflake, so all of it or nothing."""
        sql = self._transform(e, None).sql(dialect="duckdb")
        transaction, changed = self._conn.transaction, 0
        own = self._conn.commits and not transaction.open
        transaction.begin()
        try:
            for row in rows:
                changed += self._duck_conn.execute(sql, row).fetchall()[0][0]
        except duckdb.Error:
            if own:
                transaction.rollback()
            raise
        transaction.steps.append(lambda: [self._duck_conn.execute(sql, row) for row in rows])
        if own:
            transaction.commit()
        self._answer(f'SELECT {changed} AS "{CHANGED["INSERT"]}"')
        return self._result(type_id)

    def _transform_explode(self, e: Expr) -> list[Expr]:
        if isinstance(e, exp.Merge):  # DuckDB's own MERGE, not fakesnow's emulation by a join and three statements
            return [e]
        return statements.column_comments(e) or super()._transform_explode(e)

    def _transform(self, e: Expr, params: Any) -> Expr:
        if session_statements.is_one(e) or storage.is_whole(e):
            return e
        if isinstance(e, exp.Copy):
            statements.copy_from_json(e)
        e = statements.portable(e, self._conn)
        storage.temporaries(e, self._conn)
        not_null = statements.not_null(e)
        e = super()._transform(e, params)
        if not_null:
            statements.refuse_nulls(e, not_null)
        if not isinstance(e, exp.Copy):
            variants.texts(e)
        statements.quote_reserved(e)
        if (comment := e.args.get("table_comment")) and comment[1]:  # fakesnow pastes it into SQL as it is
            e.args["table_comment"] = (comment[0], comment[1].replace("'", "''"))
        return e

    def _execute(self, e: Expr, params: Any = None) -> None:
        session, transaction = self._conn, self._conn.transaction
        if session_statements.is_one(e):
            return self._answer(session_statements.run(e, session))
        if isinstance(e, DDL) or e.args.get("create_stage_name"):
            transaction.commit()  # as Snowflake does
        if isinstance(e, DML) and not e.args.get("create_stage_name") and not session.commits:
            transaction.begin()
        if transaction.open:
            kept, kept_params = e.copy(), list(params) if params else params
            self._once(e, params)
            if isinstance(e, DML):
                transaction.steps.append(lambda: Cursor(session)._once(kept.copy(), kept_params))
        elif isinstance(e, exp.Copy):
            # rows and load history in one transaction, or a crash between them loads the file twice
            purging = storage.wants_purge(e)
            transaction.begin()
            try:
                self._once(e, params)
            except Exception:
                transaction.rollback()
                raise
            transaction.commit()
            if purging:
                files = self._arrow_table.to_pylist()
                storage.purge(e, session, [f["file"] for f in files if f.get("status") == "LOADED"])
        else:
            self._patiently(lambda: self._once(e.copy(), params))

    def _patiently(self, step: Callable[[], None]) -> None:
        """Two writers of one table wait for each other in Snowflake; DuckDB fails the later one, so it tries again."""
        until, pause = time.monotonic() + CONFLICT_WAIT_S, 0.02
        while True:
            try:
                return step()
            except duckdb.TransactionException as error:
                if "conflict" not in str(error).lower() or time.monotonic() > until:
                    raise
            self._conn.transaction.recover()
            time.sleep(pause)
            pause = min(pause * 2, 0.5)

    def _once(self, e: Expr, params: Any) -> None:
        """Run one prepared statement and keep its result."""
        if isinstance(e, exp.Merge):
            kinds = statements.merge(e)
            self._duck_conn.execute(e.sql(dialect="duckdb"), params)
            done = collections.Counter(action for (action,) in self._duck_conn.fetchall())
            self._answer("SELECT " + ", ".join(f'{done[kind]}::BIGINT AS "{CHANGED[kind]}"' for kind in kinds))
        elif (answer := storage.answer(e, self._conn, params)) is not None:
            self._answer(answer)
        else:
            super()._execute(e, params)
            if e.args.get("result_scan_sfqid"):
                self._described, self._last_transformed = self._last_transformed or [], None
            else:
                self._keep(self._arrow_table, e, self._sfqid)
            for column in e.args.get("not_null") or ():
                name = e.this.sql(dialect="duckdb")
                self._duck_conn.execute(f"ALTER TABLE {name} ALTER COLUMN {column.sql(dialect='duckdb')} SET NOT NULL")
