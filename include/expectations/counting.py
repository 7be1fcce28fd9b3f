"""The suite's first question: one statement that counts, over every table, the rows that fail each expectation.

It reads each relation once for all that is asked of its columns. Where every count is nothing, nobody needs Great
Expectations, whose import alone takes seconds; what fails, and what cannot be put in SQL here, is examined by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from include.expectations.suite import Expectation, Suite
from include.warehouses import WarehouseError


class Client(Protocol):
    """Either warehouse."""

    def query(self, sql: str) -> list[dict[str, Any]]:
        """The rows of a SELECT, names in lower case."""


class NotCounted(Exception):
    """An expectation that the warehouse cannot evaluate; the text names it and quotes the warehouse."""


class Count(NamedTuple):
    """Rows of a table that fail the expectation of that name; all its rows where that is None.

    `sql`: an aggregate over the relation, or with `alone` a whole query of the rows.
    """

    table: str
    relation: str
    expectation: str | None
    sql: str
    alone: bool = False


def plan(suite: Suite, schema: str) -> tuple[Count, ...]:
    """What of the suite can be counted, the rows of each table first."""
    return tuple(
        count
        for table, described in suite.tables.items()
        for count in _of_table(table, f"{schema}.{table}", described.expectations)
    )


def ask(client: Client, counts: Sequence[Count]) -> list[int]:
    """The counts, in their order; raises NotCounted, and WarehouseError where the warehouse is away."""
    try:
        [row] = client.query(statement(counts))
    except WarehouseError as error:
        if error.away:
            raise
        _blame(client, counts)
        raise
    return [int(row[f"n{number}"]) for number in range(len(counts))]


def statement(counts: Sequence[Count]) -> str:
    """One row with a column n<number> for each count."""
    shared: dict[str, list[str]] = {}
    alone = []
    for number, count in enumerate(counts):
        if count.alone:
            alone.append(f"(select count(*) as n{number} from ({count.sql}) as q{number}) as r{number}")
        else:
            shared.setdefault(count.relation, []).append(f"{count.sql} as n{number}")
    tables = [
        f"(select {', '.join(asked)} from {relation}) as t{number}"
        for number, (relation, asked) in enumerate(shared.items())
    ]
    return "select * from " + "\ncross join ".join([*tables, *alone])


def _blame(client: Client, counts: Iterable[Count]) -> None:
    """Asks one after another, for the name of the one that cannot be answered."""
    for count in counts:
        try:
            client.query(statement([count]))
        except WarehouseError as error:
            if error.away:
                raise
            what = f"{count.expectation} on {count.relation}" if count.expectation else count.relation
            raise NotCounted(f"{what} could not be evaluated: {error}") from None


def _of_table(table: str, relation: str, expectations: Iterable[Expectation]) -> Iterable[Count]:
    yield Count(table, relation, None, "count(*)")
    for one in expectations:
        if one.query is not None:
            yield Count(table, relation, one.name, one.query.format(batch=relation), alone=True)
        elif failing := _failing(one):
            yield Count(table, relation, one.name, failing)


def _failing(one: Expectation) -> str | None:
    """An aggregate that is 0 where the expectation holds, and else not; None where only Great Expectations knows."""
    known = _AGGREGATES.get(one.type)
    column = one.kwargs.get("column", "")
    if known is None or not set(one.kwargs) <= known[0] or not re.fullmatch(r"[a-z0-9_]*", column):
        return None
    try:
        return known[1](**one.kwargs)
    except (TypeError, _NotLiteral):  # an argument is missing, or of a kind the warehouses write differently
        return None


class _NotLiteral(Exception):
    pass


def _literal(value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    if isinstance(value, str) and "\\" not in value:  # which one warehouse reads otherwise than the other
        return "'" + value.replace("'", "''") + "'"
    raise _NotLiteral


def _outside(value: str, least: Any, most: Any) -> str:
    if isinstance(least, str) or isinstance(most, str):  # a time, whose text each warehouse reads in its own way
        raise _NotLiteral
    bounds = [f"{value} < {_literal(least)}"] if least is not None else []
    return " or ".join([*bounds, *([f"{value} > {_literal(most)}"] if most is not None else [])]) or "1 = 0"


def _rows_where(condition: str) -> str:
    return f"coalesce(sum(case when {condition} then 1 else 0 end), 0)"


def _between(column: str, min_value: Any = None, max_value: Any = None) -> str:
    return _rows_where(_outside(column, min_value, max_value))


def _in_set(column: str, value_set: list[Any]) -> str:
    if not value_set:
        raise _NotLiteral
    return _rows_where(f"{column} not in ({', '.join(map(_literal, value_set))})")


def _row_count(min_value: Any = None, max_value: Any = None) -> str:
    return f"case when {_outside('count(*)', min_value, max_value)} then 1 else 0 end"


# Like Great Expectations, all but the third pass over nulls. An argument that is not named here, such as `mostly`,
# leaves the expectation to it.
_AGGREGATES: dict[str, tuple[set[str], Any]] = {
    "expect_column_values_to_be_unique": ({"column"}, lambda column: f"count({column}) - count(distinct {column})"),
    "expect_column_values_to_be_between": ({"column", "min_value", "max_value"}, _between),
    "expect_column_values_to_not_be_null": ({"column"}, lambda column: _rows_where(f"{column} is null")),
    "expect_column_values_to_be_in_set": ({"column", "value_set"}, _in_set),
    "expect_table_row_count_to_be_between": ({"min_value", "max_value"}, _row_count),
}
