"""Snowflake's semi-structured values in a statement: paths, elements, FLATTEN, texts."""

from __future__ import annotations

from snowflake.connector.errors import ProgrammingError
from sqlglot import Expr, exp

TEXT_FUNCTIONS = (
    exp.DPipe,
    exp.Concat,
    exp.ConcatWs,
    exp.MD5,
    exp.Length,
    exp.Like,
    exp.ILike,
    exp.Substring,
    exp.Split,
)


def element(value: Expr, index: exp.Literal) -> Expr:
    """v['a'][0] as one path; fakesnow changes the last bracket alone, and DuckDB counts the others from 1."""
    part = exp.JSONPathKey(this=index.name) if index.is_string else exp.JSONPathSubscript(this=int(index.name))
    if isinstance(value, exp.JSONExtract) and isinstance(value.expression, exp.JSONPath):
        value.expression.append("expressions", part)
        return value
    return exp.JSONExtract(this=value, expression=exp.JSONPath(expressions=[exp.JSONPathRoot(), part]))


def flatten(e: Expr) -> Expr:
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


def compared(e: Expr) -> Expr:
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


def texts(e: Expr) -> None:
    """`column::varchar`, in place: of a variant that holds a text, the text and not its JSON with quotes."""
    for cast in reversed(list(e.find_all(exp.Cast))):
        if (
            isinstance(cast.this, exp.Column)
            and cast.to.is_type("varchar", "text")
            and not isinstance(cast, exp.TryCast)
        ):
            cast.replace(exp.Anonymous(this="_fs_text", expressions=[cast.this]))
