"""Statements that only move, set, show or commit the session, and functions that tell of it."""

from __future__ import annotations

import re

import sqlglot
from snowflake.connector.errors import ProgrammingError
from sqlglot import Expr, exp

from local.snowflake.sessions import Session

DONE = "SELECT 'Statement executed successfully.' AS \"status\""
# Session parameters that change no answer here; any other is refused, or it would be ignored in silence.
HARMLESS = re.compile(
    r"(query_tag|timezone|statement_(queued_)?timeout_in_seconds|lock_timeout|"
    r"abort_detached_query|use_cached_result|client_\w+|python_\w+|jdbc_\w+|go_\w+|quoted_identifiers_ignore_case|"
    r"transaction_abort_on_error|date_output_format|timestamp_\w+_output_format|time_output_format)$",
    re.I,
)
SHOW_QUERY_TAG = re.compile(r"show\s+parameters\s+like\s+'query_tag'", re.I)
SHOW_GRANTS = re.compile(r"show\s+(future\s+)?grants\b", re.I)
# read back by the schema of SHOW GRANTS, which dbt compares with the grants it was asked for
NO_GRANTS = sqlglot.parse_one(
    """SELECT NULL::TIMESTAMPTZ AS "created_on", '' AS "privilege", '' AS "granted_on", '' AS "name",
              '' AS "granted_to", '' AS "grantee_name", 'false' AS "grant_option", '' AS "granted_by" WHERE 0 = 1""",
    read="duckdb",
)


def is_one(e: Expr) -> bool:
    """True for the statements that `run` runs."""
    if isinstance(e, (exp.Use, exp.Transaction, exp.Commit, exp.Rollback)):
        return True
    if isinstance(e, exp.Alter):
        return str(e.args.get("kind")).upper() == "SESSION"
    return bool(SHOW_GRANTS.match(command_text(e)) or SHOW_QUERY_TAG.match(command_text(e)))


def run(e: Expr, session: Session) -> str:
    """Run one and give the SQL of its result. Raises ProgrammingError."""
    if isinstance(e, exp.Use):
        kind, database, name = use(e)
        if kind in ("WAREHOUSE", "ROLE"):
            session.names[kind.lower()] = name or ""
        elif kind in ("DATABASE", "SCHEMA"):
            session.use(database, name)
    elif isinstance(e, exp.Transaction):
        session.transaction.begin()
    elif isinstance(e, exp.Commit):
        session.transaction.commit()
    elif isinstance(e, exp.Rollback):
        session.transaction.rollback()
    elif isinstance(e, exp.Alter):
        for name, value in settings(e).items():
            if name == "query_tag":
                session.names[name] = value or ""
            elif name == "autocommit":
                session.set_autocommit((value or "true").lower() == "true")
    elif SHOW_GRANTS.match(command_text(e)):
        return NO_GRANTS.sql(dialect="duckdb")
    else:
        return show_query_tag(session.names["query_tag"]).sql(dialect="duckdb")
    return DONE


def command_text(e: Expr) -> str:
    """The text of a statement that SQLGlot does not know, else nothing."""
    return f"{e.this} {e.expression}" if isinstance(e, exp.Command) else ""


def about(session: Session) -> dict[str, str | None]:
    """What CURRENT_ROLE() and its like answer; sqlglot and DuckDB would answer for DuckDB."""
    return {
        "CURRENT_ROLE": session.names["role"],
        "CURRENT_WAREHOUSE": session.names["warehouse"],
        "CURRENT_ACCOUNT": session.names["account"].upper(),
        "CURRENT_ACCOUNT_NAME": session.names["account"].upper(),
        "CURRENT_ORGANIZATION_NAME": "LOCAL",
        "CURRENT_REGION": "LOCAL",
        "CURRENT_USER": session.names["user"],
        "CURRENT_SESSION": str(session.id),
        "CURRENT_DATABASE": session.database,
        "CURRENT_SCHEMA": session.schema,
        "LAST_QUERY_ID": session.last_query_id,
    }


def use(e: exp.Use) -> tuple[str, str | None, str | None]:
    """USE as (kind, database, name): kind DATABASE, SCHEMA, WAREHOUSE, ROLE or SECONDARY ROLES."""
    table = e.this
    kind = e.args["kind"].name.upper() if e.args.get("kind") else "SCHEMA" if table and table.db else "DATABASE"
    if not isinstance(table, exp.Table):
        return kind, None, None
    parts = [part.name if part.args.get("quoted") else part.name.upper() for part in table.parts]
    return (kind, parts[0], None) if kind == "DATABASE" else (kind, parts[-2] if len(parts) > 1 else None, parts[-1])


def settings(e: exp.Alter) -> dict[str, str | None]:
    """The settings of ALTER SESSION, None for UNSET. Raises ProgrammingError for one that would change answers here."""
    found: dict[str, str | None] = {}
    for item in e.find_all(exp.SetItem):
        assigned = item.this
        name = (assigned.this if isinstance(assigned, exp.EQ) else assigned).name.lower()
        value = assigned.expression.name or assigned.expression.sql() if isinstance(assigned, exp.EQ) else None
        if name == "timezone" and value and value.upper() not in ("UTC", "ETC/UTC", "GMT"):
            raise ProgrammingError(msg="TIMEZONE is UTC here and cannot be another", errno=2, sqlstate="0A000")
        if name != "autocommit" and not HARMLESS.match(name):
            raise ProgrammingError(
                msg=f"ALTER SESSION SET {name.upper()} is not supported here", errno=2, sqlstate="0A000"
            )
        found[name] = value
    return found


def show_query_tag(tag: str) -> Expr:
    """The answer to SHOW PARAMETERS LIKE 'query_tag'."""
    row = {"key": "QUERY_TAG", "value": tag, "default": "", "level": "SESSION" if tag else ""}
    return exp.select(*[exp.alias_(exp.Literal.string(v), k, quoted=True) for k, v in row.items()])
