from __future__ import annotations

import datetime as dt
import decimal
from collections.abc import Callable
from typing import Any

import pytest
import snowflake.connector
from snowflake.connector import SnowflakeConnection

Connect = Callable[..., SnowflakeConnection]
Sql = Callable[..., list[tuple[Any, ...]]]

TYPES = (
    "number", "number(18,2)", "float", "varchar", "boolean", "date", "time", "timestamp_ntz", "timestamp_tz",
    "timestamp_ltz", "variant", "object", "array", "binary",
)  # fmt: skip
ROW = (
    1,
    decimal.Decimal("10.01"),
    1.5,
    'it\'s "ü"',
    True,
    dt.date(2026, 1, 2),
    dt.time(10, 11, 12, 13),
    dt.datetime(2026, 1, 1, 0, 0, 0, 123456),
    dt.datetime(2026, 1, 1, 3, tzinfo=dt.UTC),
    b"\x00\xff",
)
COLUMNS = "i number, d number(18,2), f float, s varchar, b boolean, day date, t time, ntz timestamp_ntz, tz timestamp_tz, bin binary"


@pytest.fixture
def qmark(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> Sql:
    monkeypatch.setattr(snowflake.connector, "paramstyle", "qmark")
    connection = connect()
    return lambda text, parameters=None: connection.cursor().execute(text, parameters).fetchall()


@pytest.mark.parametrize("kind", TYPES)
def test_null_is_none(sql: Sql, kind: str) -> None:
    assert sql(f"select null::{kind}, column1 from values (1), (2)") == [(None, 1), (None, 2)]


def test_null_beside_values(sql: Sql) -> None:
    assert sql(
        "select column1::timestamp_ntz, column2::number(9,2) from values ('1969-12-31 23:59:59.5', 1.5), (null, null)"
    ) == [
        (dt.datetime(1969, 12, 31, 23, 59, 59, 500000), decimal.Decimal("1.50")),
        (None, None),
    ]


def test_bound_values_come_back(qmark: Sql) -> None:
    qmark(f"create table t ({COLUMNS})")
    marks = ", ".join("?" * len(ROW))
    qmark(f"insert into t values ({marks})", ROW)
    qmark(f"insert into t values ({marks})", (None,) * len(ROW))
    full, empty = qmark("select * from t order by i nulls last")
    assert full == ROW
    assert empty == (None,) * len(ROW)
    assert qmark("select s from t where ntz < ? and d = ?", (dt.datetime(2027, 1, 1), decimal.Decimal("10.01"))) == [
        (ROW[3],)
    ]


def test_array_binding_is_one_statement(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(snowflake.connector, "paramstyle", "qmark")
    cursor = connect().cursor()
    cursor.execute("create table t (a number not null, b varchar, c number(9,2))")
    cursor.executemany("insert into t values (?, ?, ?)", [(i, f"r{i}", decimal.Decimal("0.1")) for i in range(500)])
    assert cursor.rowcount == 500
    with pytest.raises(snowflake.connector.errors.Error):
        cursor.executemany("insert into t values (?, ?, ?)", [(1, "a", None), (None, "b", None)])
    assert cursor.execute("select count(*), sum(c) from t").fetchall() == [(500, decimal.Decimal("50.00"))]


def test_no_rows(connect: Connect, sql: Sql) -> None:
    assert sql("select 1 as a, 'x' as b where 1 = 0") == []
    cursor = connect().cursor().execute("select 1 as a, null::timestamp_ntz as b where 1 = 0")
    assert [column.name for column in cursor.description] == ["A", "B"]
    assert cursor.fetchone() is None


def test_three_hundred_thousand_rows(sql: Sql) -> None:
    rows = sql(
        "select seq4() as n, 'row ' || n as s, n * 0.01 as d from table(generator(rowcount => 300000)) order by n"
    )
    assert len(rows) == 300_000
    assert rows[299_999] == (299_999, "row 299999", decimal.Decimal("2999.99"))


def test_sums_of_numbers_are_exact(sql: Sql) -> None:
    sql(
        "create table t (a number(18,2), n number) as select 0.1, 9007199254740993 from table(generator(rowcount => 1000))"
    )
    assert sql("select sum(a), sum(n), count(*) from t") == [(decimal.Decimal("100.00"), 9007199254740993000, 1000)]
    assert sql("select sum(n) * 2000000000 from t")[0][0] == 9007199254740993000 * 2_000_000_000


def test_arrays_and_objects(sql: Sql) -> None:
    assert sql("select array_construct(1, 2), [1, 2], split('a,b', ','), object_construct('a', 1), array_agg(1)") == [
        ("[1, 2]", "[1, 2]", '["a","b"]', '{"a":1}', "[1]")
    ]


def test_describe_does_not_run(connect: Connect, sql: Sql) -> None:
    cursor = connect().cursor()
    sql("create table t (a number, at timestamp_ntz, s varchar, v variant, d number(9,2))")
    described = cursor.describe("select * from t")
    assert [(c.name, c.type_code, c.scale) for c in described] == [
        ("A", 0, 0), ("AT", 8, 9), ("S", 2, None), ("V", 5, None), ("D", 0, 2),
    ]  # fmt: skip
    assert [c.name for c in cursor.describe("insert into t (a) values (1)")] == ["number of rows inserted"]
    cursor.describe("create table made (a number)")
    assert sql("select count(*) from t") == [(0,)]
    with pytest.raises(snowflake.connector.errors.ProgrammingError):
        sql("select * from made")


def test_names_of_unnamed_columns(connect: Connect) -> None:
    cursor = connect().cursor().execute("select count(*), max(1) + 1, 1, 'a' as b, current_role()")
    assert [c.name for c in cursor.description] == ["COUNT(*)", "MAX(1) + 1", "1", "B", "CURRENT_ROLE()"]
