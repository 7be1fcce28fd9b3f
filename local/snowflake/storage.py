"""Statements about where things are kept: databases, temporary tables, stages, load history."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from fakesnow import copy_into
from fakesnow.transforms import stage
from snowflake.connector.errors import ProgrammingError
from sqlglot import Expr, exp

from local.snowflake import statements
from local.snowflake.session_statements import DONE
from local.snowflake.sessions import Name, Session

HISTORY = '"{0}"._fs_information_schema._fs_load_history WHERE SCHEMA_NAME = ? AND TABLE_NAME = ?'
_source_urls = copy_into._source_urls


def _files(source: str, names: list[str]) -> list[str]:
    """COPY .. FILES = (..): fakesnow takes them from a URL only, not from a stage."""
    if stage.is_internal(source):
        return [f"{source.rstrip('/')}/{name}" for name in names]
    return _source_urls(source, names)


copy_into._source_urls = _files


def is_whole(e: Expr) -> bool:
    """True for statements that `answer` runs as they were parsed, without fakesnow's translation."""
    kind = str(e.args.get("kind") or "").upper()
    if isinstance(e, (exp.Create, exp.Drop)):
        return kind == "DATABASE"
    if isinstance(e, exp.Describe):
        return kind in ("TABLE", "VIEW")
    return isinstance(e, exp.TruncateTable) or (isinstance(e, exp.Command) and e.this.upper() in ("REMOVE", "RM"))


def answer(e: Expr, session: Session, params: Any) -> str | None:
    """Run a statement of this module and give the SQL of its result; None where it is none, and fakesnow runs it."""
    kind = str(e.args.get("kind") or "").upper()
    if isinstance(e, exp.Create):
        if kind == "DATABASE":
            return _create_database(e, session)
        if name := e.args.get("temporary_name"):
            session.duck.execute(e.sql(dialect="duckdb"), params)
            session.temporaries[name] = _hidden(name)
            return _said(f"{kind.title()} {name[2]} successfully created.")
        if kind == "TABLE" and e.args.get("exists") and _exists(session, name := session.qualified(_target(e))):
            # fakesnow would forget which files the table has loaded
            return _said(f"{name[2]} already exists, statement succeeded.")
    elif isinstance(e, exp.Drop):
        if kind == "DATABASE":
            return _drop_database(e, session)
        if (table := e.find(exp.Table)) and table.catalog == "temp":
            session.duck.execute(e.sql(dialect="duckdb"))
            session.temporaries = {k: v for k, v in session.temporaries.items() if v != table.name}
            return _said(f"{table.name.rpartition('.')[2]} successfully dropped.")
    elif isinstance(e, exp.TruncateTable):
        return _truncate(e, session)
    elif isinstance(e, exp.Describe) and is_whole(e):
        return _describe(e, session)
    elif isinstance(e, exp.Command) and is_whole(e):
        return _remove(e, session)
    return None


def temporaries(e: Expr, session: Session) -> None:
    """Point a statement, in place, at DuckDB's temporary tables: each connection has its own, and they end with it.

    DuckDB keeps them outside any schema, so DB.SCHEMA.T is called "DB.SCHEMA.T" there.
    """
    if isinstance(e, exp.Create) and e.kind in ("TABLE", "VIEW") and e.find(exp.TemporaryProperty):
        name = session.qualified(_target(e))
        e.args["temporary_name"] = name
        _point(_target(e), _hidden(name))
    if not session.temporaries:
        return
    ctes = {cte.alias_or_name.upper() for cte in e.find_all(exp.CTE)}
    for table in list(e.find_all(exp.Table)):
        if not isinstance(table.this, exp.Identifier) or (not table.db and table.name.upper() in ctes):
            continue
        if table.catalog != "temp" and (hidden := session.temporaries.get(session.qualified(table))):
            if not table.alias and isinstance(table.parent, (exp.From, exp.Join, exp.Merge)):
                table.set("alias", exp.TableAlias(this=table.this.copy()))
            _point(table, hidden)


def purge(e: exp.Copy, session: Session, loaded: Iterable[str]) -> None:
    """After a COPY .. PURGE = TRUE is committed: delete the staged files it loaded (their names as COPY gives them)."""
    names = set(loaded)
    source = copy_into._from_source(e)
    if not names or not source.startswith("@"):
        return
    for file in _staged(source[1:].partition("/")[0], session).rglob("*"):
        if file.is_file() and stage.internal_file_name(str(file)) in names:
            file.unlink(missing_ok=True)


def wants_purge(e: exp.Copy) -> bool:
    """Take PURGE = TRUE out of a COPY, where fakesnow would delete files before the commit; True where it was there."""
    params = e.args.get("params") or []
    purging = [p for p in params if p.this.name.upper() == "PURGE"]
    e.set("params", [p for p in params if p not in purging])
    return any(p.expression.sql().upper() == "TRUE" for p in purging)


def _create_database(e: exp.Create, session: Session) -> str:
    name = _folded(e.find(exp.Identifier) or exp.Identifier(this=""))
    if e.args.get("replace"):
        raise ProgrammingError(msg="CREATE OR REPLACE DATABASE is not supported here", errno=2, sqlstate="0A000")
    made = session.catalog.create(name, exists_ok=bool(e.args.get("exists")))
    session.use(name)
    return _said(f"Database {name} successfully created." if made else f"{name} already exists, statement succeeded.")


def _drop_database(e: exp.Drop, session: Session) -> str:
    name = _folded(e.find(exp.Identifier) or exp.Identifier(this=""))
    if name not in session.catalog.names():
        if e.args.get("exists"):
            return _said("Drop statement executed successfully.")
        raise ProgrammingError(msg=f"Database '{name}' does not exist or not authorized.", errno=2003, sqlstate="02000")
    if session.database == name:
        session.duck.execute("SET schema = 'memory.main'")
        session.database = None
        session._schema = None
        session.database_set = session.schema_set = False
    session.catalog.drop(name)
    return _said(f"{name} successfully dropped.")


def _truncate(e: exp.TruncateTable, session: Session) -> str:
    table = e.expressions[0]
    name = session.qualified(table)
    if not _exists(session, name):
        if e.args.get("exists"):
            return DONE
        raise ProgrammingError(
            msg=f"Table '{'.'.join(name)}' does not exist or not authorized.", errno=2003, sqlstate="42S02"
        )
    if name in session.temporaries:
        session.duck.execute(f'TRUNCATE TABLE temp.main."{_hidden(name)}"')
        return DONE
    session.transaction.begin()
    session.duck.execute("TRUNCATE TABLE " + ".".join(f'"{part}"' for part in name))
    session.duck.execute("DELETE FROM " + HISTORY.format(name[0]), [name[1], name[2]])
    session.transaction.commit()
    return DONE


def _describe(e: exp.Describe, session: Session) -> str:
    name = session.qualified(e.find(exp.Table) or exp.Table())
    where = (name[0], "_fs_information_schema", f"_fs_{name[2].lower()}") if name[1] == "INFORMATION_SCHEMA" else name
    where = ("temp", "main", _hidden(name)) if name in session.temporaries else where
    session.duck.execute("DESCRIBE " + ".".join(f'"{part}"' for part in where))  # fails where it does not exist
    rows = session.duck.execute(
        "SELECT database_name, schema_name, table_name FROM duckdb_columns() "
        "WHERE upper(database_name) = upper(?) AND upper(schema_name) = upper(?) AND upper(table_name) = upper(?)",
        list(where),
    ).fetchone()
    spelled = rows or where
    return statements.describe_table(exp.table_(spelled[2], spelled[1], spelled[0])).sql(dialect="duckdb")


def _remove(e: exp.Command, session: Session) -> str:
    place, _, path = (
        str(e.expression.name if isinstance(e.expression, Expr) else e.expression).strip().strip("';").partition("/")
    )
    root = _staged(place.removeprefix("@"), session)
    removed = []
    for file in sorted(root.rglob("*")):
        if file.is_file() and str(file.relative_to(root)).startswith(path):
            removed.append(stage.internal_file_name(str(file)))
            file.unlink(missing_ok=True)
    rows = ", ".join(f"({exp.Literal.string(name).sql(dialect='duckdb')}, 'removed')" for name in removed)
    return f'SELECT * FROM (VALUES {rows or "(NULL, NULL)"}) t("name", "result") WHERE "name" IS NOT NULL'


def _staged(var: str, session: Session) -> Path:
    database, schema, name = stage.parts_from_var(var, session.database, session.schema)
    fq = f"{database}.{schema}.{name}"
    known = session.duck.execute(
        "SELECT 1 FROM _fs_global._fs_information_schema._fs_stages "
        "WHERE database_name = ? AND schema_name = ? AND name = ?",
        [database, schema, name],
    ).fetchone()
    if not known:
        raise stage.not_found_error(fq)
    return Path(stage.internal_dir(fq))


def _exists(session: Session, name: Name) -> bool:
    if name in session.temporaries:
        return True
    sql = (
        "SELECT 1 FROM duckdb_tables() WHERE database_name = ? AND upper(schema_name) = upper(?) "
        "AND upper(table_name) = upper(?)"
    )
    return session.duck.execute(sql, list(name)).fetchone() is not None


def _target(e: Expr) -> exp.Table:
    table = e.this.this if isinstance(e.this, exp.Schema) else e.this
    if not isinstance(table, exp.Table):
        raise ProgrammingError(msg=f"SQL compilation error:\nno name in {e.sql()[:80]}", errno=1003, sqlstate="42000")
    return table


def _point(table: exp.Table, hidden: str) -> None:
    table.set("this", exp.to_identifier(hidden, quoted=True))
    table.set("db", exp.to_identifier("main", quoted=True))
    table.set("catalog", exp.to_identifier("temp", quoted=True))


def _hidden(name: Name) -> str:
    return ".".join(name)


def _folded(name: exp.Identifier) -> str:
    return name.name if name.args.get("quoted") else name.name.upper()


def _said(text: str) -> str:
    return f'SELECT {exp.Literal.string(text).sql(dialect="duckdb")} AS "status"'
