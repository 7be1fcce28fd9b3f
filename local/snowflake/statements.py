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
from snowflake.connector.errors import ProgrammingError
from sqlglot import Expr, exp
from sqlglot.dialects.snowflake import Snowflake
from sqlglot.time import format_time

from local.snowflake.sessions import Session

# About the account, which one embedded engine has no use for: accepted and without effect.
ACCOUNT = re.compile(
    r"\s*((grant|revoke)\s|(create|alter|drop)\s+(or\s+replace\s+)?"
    r"(warehouse|role|user|resource\s+monitor|network\s+policy)\s)",
    re.I,
)
# Session parameters that change no answer here; any other is refused, or it would be ignored in silence.
HARMLESS = re.compile(
    r"(query_tag|timezone|statement_timeout_in_seconds|statement_queued_timeout_in_seconds|lock_timeout|abort_detached_"
    r"query|use_cached_result|client_\w+|python_\w+|jdbc_\w+|go_\w+|quoted_identifiers_ignore_case|"
    r"transaction_abort_on_error|date_output_format|timestamp_\w+_output_format|time_output_format)$",
    re.I,
)
SHOW_QUERY_TAG = re.compile(r"show\s+parameters\s+like\s+'query_tag'", re.I)
SHOW_GRANTS = re.compile(r"show\s+(future\s+)?grants\b", re.I)
ALTER_COMMENTS = re.compile(r"alter\s+(?:table|view)\s+(?P<table>\S+)\s+alter\s+(?P<rest>.*\bcomment\b.*)", re.I | re.S)
COLUMN_COMMENT = re.compile(
    r"""(?P<column>"[^"]+"|\w+)\s+comment\s+(?:\$\$(?P<text>.*?)\$\$|'(?P<quoted>(?:[^']|'')*)')""", re.I | re.S
)
# read back by the schema of SHOW GRANTS, which dbt compares with the grants it was asked for
NO_GRANTS = sqlglot.parse_one(
    """SELECT NULL::TIMESTAMPTZ AS "created_on", '' AS "privilege", '' AS "granted_on", '' AS "name", '' AS "granted_to",
              '' AS "grantee_name", 'false' AS "grant_option", '' AS "granted_by" WHERE 0 = 1""",
    read="duckdb",
)
TEXT_FUNCTIONS = (exp.DPipe, exp.Concat, exp.ConcatWs, exp.MD5, exp.Length, exp.Like, exp.ILike, exp.Substring, exp.Split)
ALIASED = (exp.Func, exp.Predicate, exp.Binary, exp.Unary, exp.Case, exp.Window, exp.Paren, exp.JSONExtract)
# words that are names in Snowflake and grammar in DuckDB
_KEYWORDS = "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category IN ('reserved', 'type_function')"
RESERVED = {word for (word,) in duckdb.sql(_KEYWORDS).fetchall()} - {"default"}
DATE_UNITS = {"DAY", "WEEK", "MONTH", "QUARTER", "YEAR"}


def command_text(e: Expr) -> str:
    """The text of a statement that SQLGlot does not know, else nothing."""
    return f"{e.this} {e.expression}" if isinstance(e, exp.Command) else ""


def portable(e: Expr, session: Session) -> Expr:
    """The statement with its functions and names as DuckDB has them; changes `e` in place."""
    if isinstance(e, exp.Query):
        _name_columns(e)
    return _each(_each(e, lambda node: _function(node, session)), _variant)


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
    if isinstance(e, (exp.DateTrunc, exp.TimestampTrunc)) and e.this.is_type("date") and e.unit.name.upper() in DATE_UNITS:
        return exp.cast(e.copy(), "date")  # DuckDB makes a timestamp of a date
    if isinstance(e, exp.Bracket) and len(e.expressions) == 1 and isinstance(index := e.expressions[0], exp.Literal):
        return _element(e.this, index)
    if isinstance(e, (exp.Lateral, exp.TableFromRows)) and isinstance(e.this, exp.Explode):
        return _flatten(e)
    if isinstance(e, exp.Func):
        answers = _about_session(session)
        name = (e.name if isinstance(e, exp.Anonymous) else e.sql_name()).upper()
        if name in answers:
            return exp.Literal.string(answers[name]) if answers[name] else exp.Null()
    return e


def _about_session(session: Session) -> dict[str, str | None]:
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


def _element(value: Expr, index: exp.Literal) -> Expr:
    """v['a'][0] as one path; fakesnow changes the last bracket alone, and DuckDB counts the others from 1."""
    part = exp.JSONPathKey(this=index.name) if index.is_string else exp.JSONPathSubscript(this=int(index.name))
    if isinstance(value, exp.JSONExtract) and isinstance(value.expression, exp.JSONPath):
        value.expression.append("expressions", part)
        return value
    return exp.JSONExtract(this=value, expression=exp.JSONPath(expressions=[exp.JSONPathRoot(), part]))


def _flatten(e: Expr) -> Expr:
    """FLATTEN, with INPUT, PATH and OUTER; fakesnow takes the first argument for the input and drops the others."""
    arguments = {}
    for argument in (e.this.this, *e.this.expressions):
        if isinstance(argument, exp.Kwarg):
            arguments[argument.this.name.upper()] = argument.expression
        else:
            arguments["INPUT"] = argument
    for name in ("RECURSIVE", "MODE"):
        if name in arguments and arguments[name].sql().upper() not in ("FALSE", "'BOTH'"):
            raise ProgrammingError(msg=f"FLATTEN({name} => ..) is not supported here", errno=2, sqlstate="0A000")
    input_ = arguments["INPUT"]
    if path := arguments.get("PATH"):
        input_ = exp.JSONExtract(this=input_, expression=exp.Literal.string(f"$.{path.name}"))
    outer = exp.Boolean(this="OUTER" in arguments and arguments["OUTER"].sql().upper() == "TRUE")
    return exp.Table(this=exp.Anonymous(this="_fs_flatten", expressions=[input_, outer]), alias=e.args.get("alias"))


def _variant(e: Expr) -> Expr:
    """A path into a variant where a text or a number is meant: DuckDB would compare its JSON, quotes and all."""
    if isinstance(e, (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE)):
        for side, other in ((e.this, e.expression), (e.expression, e.this)):
            if isinstance(side, exp.JSONExtract) and isinstance(other, exp.Literal):
                side.replace(exp.cast(side.copy(), "varchar" if other.is_string else "double"))
    elif isinstance(e, exp.In) and isinstance(e.this, exp.JSONExtract) and e.expressions:
        texts = all(isinstance(one, exp.Literal) and one.is_string for one in e.expressions)
        e.set("this", exp.cast(e.this, "varchar" if texts else "double"))
    elif isinstance(e, (exp.Sum, exp.Avg)) and isinstance(e.this, exp.JSONExtract):
        e.set("this", exp.cast(e.this, "double"))
    elif isinstance(e, TEXT_FUNCTIONS):
        for part in [e.this, *e.expressions, e.args.get("expression")]:
            if isinstance(part, exp.JSONExtract) and part.parent is e:
                part.replace(exp.cast(part.copy(), "varchar"))
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


def texts(e: Expr) -> None:
    """`column::varchar`, in place: of a variant that holds a text, the text and not its JSON with quotes."""
    for cast in reversed(list(e.find_all(exp.Cast))):
        if isinstance(cast.this, exp.Column) and cast.to.is_type("varchar", "text") and not isinstance(cast, exp.TryCast):
            cast.replace(exp.Anonymous(this="_fs_text", expressions=[cast.this]))


def quote_reserved(e: Expr) -> None:
    """Quote, in place, the names that DuckDB takes for grammar."""
    for name in e.find_all(exp.Identifier):
        if not name.args.get("quoted") and name.name.lower() in RESERVED:
            name.set("quoted", True)


def use(e: exp.Use) -> tuple[str, str | None, str | None]:
    """USE as (kind, database, name): kind DATABASE, SCHEMA, WAREHOUSE, ROLE or SECONDARY ROLES."""
    table = e.this
    kind = e.args["kind"].name.upper() if e.args.get("kind") else "SCHEMA" if table and table.db else "DATABASE"
    if not isinstance(table, exp.Table):
        return kind, None, None
    parts = [part.name if part.args.get("quoted") else part.name.upper() for part in table.parts]
    return (kind, parts[0], None) if kind == "DATABASE" else (kind, parts[-2] if len(parts) > 1 else None, parts[-1])


def session_settings(e: exp.Alter) -> dict[str, str | None]:
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


def column_comments(e: Expr) -> list[Expr]:
    """ALTER TABLE .. ALTER col COMMENT $$..$$, .. (as dbt's persist_docs writes it) as COMMENT ON COLUMN; else nothing."""
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
