from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import Error, ProgrammingError

Connect = Callable[..., SnowflakeConnection]
Sql = Callable[..., list[tuple[Any, ...]]]

DOCUMENT = """{"id": "o1", "n": 7, "amount": 10.01, "ok": true, "none": null, "at": 1700000000123, "deep": {"a": [{"b": "x"}, {"b": "y"}]},
 "items": [{"sku": "s1", "q": 1}, {"sku": "s2", "q": 2}], "empty": [], "names": ["a", "b"]}"""


@pytest.fixture
def docs(sql: Sql) -> Sql:
    sql("create table docs (k number, v variant)")
    sql("insert into docs select 1, parse_json(%s)", (DOCUMENT,))
    sql("insert into docs values (2, null)")
    return sql


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("v:id::varchar", "o1"),
        ("(v:n)::number", 7),
        ("v:amount::number(18,2)", Decimal("10.01")),
        ("v:ok::boolean", True),
        ("v:deep.a[1].b::varchar", "y"),
        ("v['deep']['a'][0]['b']::string", "x"),
        ("v:names[1]::varchar", "b"),
        ("v['names'][0]::varchar", "a"),
        ("split('a,b', ',')[1]::varchar", "b"),
        ("v:none is null", False),  # a JSON null is a value
        ("v:none::varchar is null", True),
        ("v:absent is null", True),
        ("v:id = 'o1'", True),
        ("v:n > 6", True),
        ("v:id in ('o1', 'o2')", True),
        ("v:id || '!'", "o1!"),
        ("to_timestamp_ntz(v:at::number, 3)", dt.datetime(2023, 11, 14, 22, 13, 20, 123000)),
        ("date_part(epoch_millisecond, to_timestamp_ntz(v:at::number, 3))", 1700000000123),
        ("array_size(v:items)", 2),
    ],
)
def test_paths_into_a_variant(docs: Sql, expression: str, answer: object) -> None:
    assert docs(f"select {expression} from docs where k = 1") == [(answer,)]


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ("f.index, f.value:sku::varchar from docs, lateral flatten(input => v:items) f", [(0, "s1"), (1, "s2")]),
        ("k, f.value::varchar from docs, lateral flatten(v:names) f", [(1, "a"), (1, "b")]),
        ("k, f.value from docs, lateral flatten(input => v:empty) f", []),
        ("k, f.value from docs, lateral flatten(input => v:empty, outer => true) f", [(1, None), (2, None)]),
        (
            "k, f.key, f.value::varchar from docs, lateral flatten(input => v:items[0]) f",
            [(1, "q", "1"), (1, "sku", "s1")],
        ),
        ("f.path, f.value::number from table(flatten(input => parse_json('[1,2]'))) f", [("[0]", 1), ("[1]", 2)]),
    ],
)
def test_flatten(docs: Sql, query: str, answer: object) -> None:
    assert docs(f"select {query} order by 1, 2") == answer


def test_latest_row_by_qualify(sql: Sql) -> None:
    sql("create table t as select column1 id, column2 n, column3 at from values ('a', 1, 1), ('a', 2, 3), ('b', 3, 2)")
    query = "select id, n from t qualify row_number() over (partition by id order by at desc) = 1 order by id"
    assert sql(query) == [("a", 2), ("b", 3)]


def test_to_char_of_a_column_of_unknown_type(sql: Sql) -> None:
    sql("create table t as select '2026-01-02 03:04:05'::timestamp_ntz as at")
    assert sql("select to_char(at, 'YYYYMMDD'), to_varchar(at, 'YYYY-MM-DD HH24:MI:SS') from t") == [
        ("20260102", "2026-01-02 03:04:05")
    ]


def test_a_date_stays_a_date(sql: Sql) -> None:
    day = dt.date(2026, 1, 2)
    assert sql("select dateadd(day, 1, '2026-01-01'::date), date_trunc('day', '2026-01-02'::date)") == [(day, day)]


@pytest.mark.parametrize("division", ["1/0", "a / 0 from t", "sum(a) / (max(a) - max(a)) from t"])
def test_division_by_zero_is_an_error(sql: Sql, division: str) -> None:
    sql("create table t as select 1 as a")
    with pytest.raises(ProgrammingError, match="Division by zero") as caught:
        sql(f"select {division}")
    assert caught.value.errno == 100051


def test_division_that_is_guarded(sql: Sql) -> None:
    sql("create table t as select column1 as a from values (0), (2)")
    query = "select case when a = 0 then 0 else 4 / a end, div0(1, a), 4 / nullif(a, 0), iff(a = 0, -1, 4 / a) from t order by a"
    assert sql(query) == [(0, 0, None, -1), (2, 0.5, 2, 2)]


def test_merge_counts(connect: Connect, sql: Sql) -> None:
    sql("create table t (id number, name varchar) as select 1, 'one'")
    merge = """merge into t as DBT_INTERNAL_DEST using (select 1 as id, 'eins' as name union all select 2, 'zwei') as DBT_INTERNAL_SOURCE
        on (DBT_INTERNAL_SOURCE.id = DBT_INTERNAL_DEST.id)
        when matched then update set name = DBT_INTERNAL_SOURCE.name
        when not matched then insert (id, name) values (id, name)"""
    cursor = connect().cursor().execute(merge)
    assert [c.name for c in cursor.description] == ["number of rows inserted", "number of rows updated"]
    assert cursor.fetchall() == [(1, 1)]
    assert cursor.rowcount == 2
    assert sql("select * from t order by id") == [(1, "eins"), (2, "zwei")]
    with pytest.raises(ProgrammingError, match="more than once"):
        sql("merge into t using (select 1 as id union all select 1) s on t.id = s.id when matched then delete")


@pytest.mark.parametrize(
    ("statement", "errno"),
    [
        ("select * from nowhere", 2003),
        ("select nothing from t", 904),
        ("selec 1", 1003),
        ("select 'x'::number", 100038),
        ("create table t (a number)", 2002),
        ("insert into t values (null)", 100072),
        ("select no_such_function(1)", 2003),
        ("create procedure p() returns int language sql as 'select 1'", None),
        ("alter session set week_start = 1", 2),
        ("copy into t from @nowhere file_format = (type = json)", 2003),
        ("merge into nowhere using t on 1 = 1 when matched then delete", 2003),
    ],
)
def test_an_error_comes_within_a_second(sql: Sql, statement: str, errno: int | None) -> None:
    sql("create table t (a number not null)")
    began = time.monotonic()
    with pytest.raises(Error) as caught:
        sql(statement)
    assert time.monotonic() - began < 1
    assert errno is None or caught.value.errno == errno, caught.value
    assert sql("select 1") == [(1,)]


def test_a_contract_holds(sql: Sql) -> None:
    columns = "(id number(38,0) not null, d number(9,2), s varchar)"
    sql(f"create or replace table t {columns} as (select id, d, s from (select 1 as id, 1.005 as d, 'a' as s))")
    assert sql("select * from t") == [(1, Decimal("1.01"), "a")]
    for statement in (
        f"create or replace table t {columns} as (select null, 1, 'a')",
        "insert into t values (null, 1, 'a')",
    ):
        with pytest.raises(Error) as caught:
            sql(statement)
        assert caught.value.errno == 100072
    assert sql("select count(*) from t") == [(1,)]


def test_account_statements_have_no_effect(sql: Sql) -> None:
    sql("create table t (a number)")
    for statement in ("grant select on table t to role x", "create warehouse w", "create role if not exists r"):
        assert sql(statement) == [("Statement executed successfully.",)]
    assert sql("show grants on table t") == []


def test_query_tag(sql: Sql) -> None:
    sql("alter session set query_tag = 'a run'")
    assert sql("show parameters like 'query_tag' in session")[0][:2] == ("QUERY_TAG", "a run")
    sql("alter session unset query_tag")
    assert sql("show parameters like 'query_tag' in session")[0][1] == ""


def test_names_that_duckdb_reserves(sql: Sql) -> None:
    sql("create table t (at number, end_ number, show number, pivot number)")
    sql("insert into t (at, show) values (1, 2)")
    assert sql("select at, t.show, pivot from t order by at") == [(1, 2, None)]


def test_comments_with_an_apostrophe(sql: Sql, schema: str) -> None:
    sql("create table t (a number, b number)")
    sql("comment on table t is $$it's a table$$")
    sql('alter table t alter a comment $$it\'s "a"$$, b comment $$b$$')
    assert sql(f"select comment from information_schema.tables where table_schema = '{schema}'") == [("it's a table",)]
    query = f"select column_name, comment from information_schema.columns where table_schema = '{schema}' order by 1"
    assert sql(query) == [("A", 'it\'s "a"'), ("B", "b")]
