"""Snowflake's statements as fakesnow and DuckDB take them: what SQLGlot translates wrongly, or not at all.

Every function takes a statement as SQLGlot parsed it (dialect snowflake) and gives one back; none runs anything.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import duckdb
import sqlglot
from fakesnow import transforms
from fakesnow.transforms.transforms import SQL_DESCRIBE_TABLE
from sqlglot import Expr, exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.time import format_time

from local.snowflake import session_statements, variants
from local.snowflake.session_statements import command_text
from local.snowflake.sessions import Session

# About the account, which one embedded engine has no use for: accepted and without effect.
ACCOUNT = re.compile(
    r"\s*((grant|revoke)\s|(create|alter|drop)\s+(or\s+replace\s+)?"
    r"(warehouse|role|user|resource\s+monitor|network\s+policy)\s)",
    re.I,
)
ALTER_COMMENTS = re.compile(r"alter\s+(?:table|view)\s+(?P<table>\S+)\s+alter\s+(?P<rest>.*\bcomment\b.*)", re.I | re.S)
COLUMN_COMMENT = re.compile(
    r"""(?P<column>"[^"]+"|\w+)\s+comment\s+(?:\$\$(?P<text>.*?)\$\$|'(?P<quoted>(?:[^']|'')*)')""", re.I | re.S
)
ALIASED = (exp.Func, exp.Predicate, exp.Binary, exp.Unary, exp.Case, exp.Window, exp.Paren, exp.JSONExtract)
# words that are names in Snowflake and grammar in DuckDB
_KEYWORDS = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
RESERVED = {word for (word,) in duckdb.sql(_KEYWORDS).fetchall()} - {"default"}
DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}


def portable(e: Expr, session: Session) -> Expr:
    """The statement with its functions and names as DuckDB has them; changes `e` in place."""
    if isinstance(e, exp.Query):
        _name_columns(e)
    return _each(_each(e, lambda node: _function(node, session)), variants.compared)


def _each(e: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """Change every node, innermost first; SQLGlot's own transform leaves out what is inside a changed one."""
    for node in reversed(list(e.walk())):
        if (new := change(node)) is not node:
            if node is e:
                e = new
            else:
                node.replace(new)
    return e


def _function(e: Expr, session: Session) -> Expr:
    if isinstance(e, exp.ToChar) and isinstance(fmt := e.args.get("format"), exp.Literal) and fmt.is_string:
        # the format is dropped, without an error, wherever the type of the argument is not known
        strftime = format_time(fmt.name, Snowflake.TIME_MAPPING, Snowflake.TIME_TRIE)
        return exp.TimeToStr(this=e.this, format=exp.Literal.string(strftime))
    if isinstance(e, exp.Window) and e.this.name.upper() == "RATIO_TO_REPORT":
        total = e.copy()
        total.set("this", exp.Sum(this=(x := e.this.expressions[0]).copy()))
        return exp.paren(
            exp.Div(this=exp.cast(x, "double"), expression=exp.func("NULLIF", total, exp.Literal.number(0)))
        )
    if isinstance(e, exp.Div) and not (e.expression.is_number and float(e.expression.name)):
        e.set("expression", exp.Anonymous(this="_fs_divisor", expressions=[e.expression]))
        return e
    if (
        isinstance(e, (exp.DateTrunc, exp.TimestampTrunc))
        and e.this.is_type("date")
        and e.unit.name.upper() in DATE_UNITS
    ):
        return exp.cast(e.copy(), "date")  # DuckDB makes a timestamp of a date
    if isinstance(e, exp.Bracket) and len(e.expressions) == 1 and isinstance(index := e.expressions[0], exp.Literal):
        return variants.element(e.this, index)
    if isinstance(e, (exp.Lateral, exp.TableFromRows)) and isinstance(e.this, exp.Explode):
        return variants.flatten(e)
    if isinstance(e, exp.Func):
        answers = session_statements.about(session)
        name = (e.name if isinstance(e, exp.Anonymous) else e.sql_name()).upper()
        if name in answers:
            return exp.Literal.string(answers[name]) if answers[name] else exp.Null()
    return e


def _name_columns(query: exp.Query) -> None:
    """Unnamed results get Snowflake's names (COUNT(*)), not DuckDB's (count_star())."""
    first = query
    while isinstance(first, (exp.SetOperation, exp.Subquery)):
        first = first.this
    if isinstance(first, exp.Select):
        for one in list(first.expressions):
            if isinstance(one, ALIASED) and not isinstance(one, exp.Column):
                one.replace(exp.alias_(one.copy(), _text(one).upper(), quoted=True))


def _text(e: Expr) -> str:
    if isinstance(e, exp.Cast):
        return f"{_text(e.this)}::{e.to.sql(dialect='snowflake')}"
    if isinstance(e, exp.JSONExtract) and isinstance(e.expression, exp.JSONPath):
        return f"{_text(e.this)}:{e.expression.sql(dialect='snowflake').strip(chr(39))}"
    return e.sql(dialect="snowflake")


def not_null(e: Expr) -> list[int]:
    """Positions of the NOT NULL columns of a CREATE TABLE t (columns) AS; fakesnow forgets them there."""
    if not (isinstance(e, exp.Create) and e.kind == "TABLE" and e.expression and isinstance(e.this, exp.Schema)):
        return []
    columns = [c for c in e.this.expressions if isinstance(c, exp.ColumnDef)]
    return [i for i, column in enumerate(columns) if column.find(exp.NotNullColumnConstraint)]


def refuse_nulls(e: exp.Create, positions: list[int]) -> None:
    """Let a CREATE TABLE AS fail, in place, at a NULL in these columns; they are kept as its argument `not_null`."""
    columns = e.find(exp.Select).expressions
    for one in (columns[i] for i in positions):
        failure = exp.func("error", exp.Literal.string(f"NULL result in a non-nullable column: {one.alias}"))
        one.set("this", exp.Coalesce(this=one.this, expressions=[failure]))
    e.args["not_null"] = [columns[i].args["alias"].copy() for i in positions]


def quote_reserved(e: Expr) -> None:
    """Quote, in place, the names that DuckDB takes for grammar."""
    for name in e.find_all(exp.Identifier):
        if not name.args.get("quoted") and name.name.lower() in RESERVED:
            name.set("quoted", True)


def column_comments(e: Expr) -> list[Expr]:
    """ALTER TABLE .. ALTER col COMMENT $$..$$, .. (as dbt's persist_docs writes) as COMMENT ON COLUMN; else nothing."""
    if not (altered := ALTER_COMMENTS.match(command_text(e))):
        return []
    parts = exp.to_table(altered["table"], dialect="snowflake").parts
    comments = COLUMN_COMMENT.finditer(altered["rest"])
    return [
        exp.Comment(
            this=exp.column(exp.to_identifier(c["column"].strip('"'), quoted=True), *reversed(parts)),
            kind="COLUMN",
            expression=exp.Literal.string(c["text"] if c["text"] is not None else c["quoted"].replace("''", "'")),
        )
        for c in comments
    ] + [transforms.SUCCESS_NOP.copy()]


def merge(e: exp.Merge) -> list[str]:
    """Fit a MERGE to DuckDB's own, in place; the names of Snowflake's result columns, in its order."""
    e.set("returning", exp.Returning(expressions=[exp.column("merge_action")]))
    wanted = set()
    for when in e.args["whens"].expressions:
        then = when.args["then"]
        wanted.add("DELETE" if isinstance(then, exp.Var) else then.key.upper())
        if isinstance(then, exp.Update):
            for assignment in then.expressions:
                if isinstance(assignment, exp.EQ) and isinstance(assignment.this, exp.Column):
                    assignment.this.set("table", None)
    return [kind for kind in ("INSERT", "UPDATE", "DELETE") if kind in wanted]


def copy_from_json(e: exp.Copy) -> None:
    """COPY INTO .. FROM (SELECT $1:key ..) of JSON files: `$1` is DuckDB's column `json`; in place."""
    source = e.args["files"][0]
    if isinstance(source, exp.Subquery) and re.search(r"type\s*=\s*'?json|json", e.sql(), re.I):
        for one in list(source.find_all(exp.Parameter)):
            if one.name == "1":
                one.replace(exp.column("json"))


def describe_table(table: exp.Table) -> Expr:
    """DESCRIBE TABLE, read from the catalog of all databases, so that it needs no current one."""
    sql = SQL_DESCRIBE_TABLE.template.replace("FROM _fs_info", "FROM _fs_global._fs_info")
    for part, value in {"catalog": table.catalog, "schema": table.db, "table": table.name}.items():
        sql = sql.replace(f"'${{{part}}}'", exp.Literal.string(value).sql(dialect="duckdb"))
    return sqlglot.parse_one(sql, read="duckdb")
