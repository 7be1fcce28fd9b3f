from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError, ProgrammingError

from local.snowflake.catalog import Catalog
from local.snowflake.cursor import Cursor
from local.snowflake.sessions import Sessions

Connect = Callable[..., SnowflakeConnection]
Sql = Callable[..., list[tuple[Any, ...]]]


def rows(connection: SnowflakeConnection, text: str) -> list[tuple[Any, ...]]:
    return connection.cursor().execute(text).fetchall()


def test_four_threads_of_sixty_queries_do_not_mix(connect: Connect) -> None:
    connections = [connect() for _ in range(4)]

    def work(i: int) -> None:
        for n in range(60):
            assert rows(connections[i], f"select '{i}', {n}") == [(str(i), n)]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))


def test_transactions_are_the_session_s_own(connect: Connect) -> None:
    one, two = connect(), connect()
    rows(one, "create table t (a number)")
    rows(one, "begin")
    rows(one, "insert into t values (1)")
    assert rows(two, "select count(*) from t") == [(0,)]
    rows(two, "insert into t values (2)")
    rows(one, "commit")
    assert rows(two, "select a from t order by a") == [(1,), (2,)]


def test_schema_is_the_session_s_own(connect: Connect, schema: str) -> None:
    one, two = connect(), connect()
    rows(one, f"create schema {schema}_B")
    assert rows(one, "select current_schema()") == [(f"{schema}_B",)], "CREATE SCHEMA moves the session"
    assert rows(two, "select current_schema()") == [(schema,)]
    rows(one, f"drop schema {schema}_B")


def test_temporary_tables_are_the_session_s_own_and_end_with_it(connect: Connect, schema: str) -> None:
    one, two = connect(), connect()
    rows(one, "create table tmp as select 'real' as x")
    rows(one, f"create temporary table floodgate.{schema}.tmp as select 'one' as x")
    rows(two, "create or replace temp table tmp as select 'two' as x")
    assert rows(one, f"select tmp.x from floodgate.{schema}.tmp") == [("one",)]
    assert rows(two, "select x from tmp") == [("two",)]
    rows(one, "insert into tmp values ('more')")
    assert rows(one, "describe table tmp")[0][:2] == ("X", "VARCHAR(16777216)")
    rows(two, "drop table tmp")
    assert rows(two, "select x from tmp") == [("real",)]
    one.close()
    three = connect()
    assert rows(three, "select x from tmp") == [("real",)]


def test_temporary_view(connect: Connect) -> None:
    one = connect()
    rows(one, "create table t as select 1 as a union all select 2")
    rows(one, "create or replace temporary view tv as (select a from t where a > 1)")
    assert rows(one, "select a from tv") == [(2,)]
    rows(one, "drop view if exists tv")
    with pytest.raises(ProgrammingError, match="TV"):
        rows(one, "select * from tv")


def test_autocommit_off_and_rollback(connect: Connect) -> None:
    one, two = connect(autocommit=False), connect()
    rows(one, "create table t (a number)")
    rows(one, "insert into t values (1)")
    assert rows(two, "select count(*) from t") == [(0,)]
    one.rollback()
    assert rows(one, "select count(*) from t") == [(0,)]
    rows(one, "insert into t values (2)")
    one.commit()
    assert rows(two, "select a from t") == [(2,)]
    rows(one, "insert into t values (3)")
    rows(one, "create table other (a number)")  # DDL commits
    assert rows(two, "select count(*) from t") == [(2,)]
    one.autocommit(True)
    rows(one, "insert into t values (4)")
    assert rows(two, "select count(*) from t") == [(3,)]


def test_an_error_in_a_transaction_undoes_only_itself(connect: Connect) -> None:
    one, two = connect(), connect()
    rows(one, "create table t (a number)")
    rows(one, "begin")
    rows(one, "insert into t values (1)")
    for wrong in ("select * from nowhere", "select 1/0", "insert into t select 'x'::number", "selec"):
        with pytest.raises(ProgrammingError):
            rows(one, wrong)
        rows(one, "insert into t values (2)")
    assert rows(two, "select count(*) from t") == [(0,)]
    rows(one, "commit")
    assert rows(two, "select a, count(*) from t group by a order by a") == [(1, 1), (2, 4)]


def test_two_writers_of_one_table_wait_for_each_other(connect: Connect) -> None:
    connections = [connect() for _ in range(4)]
    rows(connections[0], "create table n (k number, n number) as select 1, 0")

    def work(connection: SnowflakeConnection) -> None:
        for _ in range(5):
            rows(connection, "update n set n = n + 1")
            rows(connection, "create or replace table same as select 1 as a")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, connections))
    assert rows(connections[0], "select n from n") == [(20,)]


def test_two_transactions_on_one_table_fail_at_once_with_the_reason(connect: Connect) -> None:
    one, two = connect(), connect()
    rows(one, "create table n as select 1 as n")
    for connection in (one, two):
        rows(connection, "begin")
    rows(one, "update n set n = 2")
    with pytest.raises(ProgrammingError, match="Another transaction") as caught:
        rows(two, "update n set n = 3")
    assert caught.value.errno == 625
    rows(one, "commit")
    rows(two, "rollback")
    assert rows(two, "select n from n") == [(2,)]


def test_names_of_the_session(connect: Connect, schema: str, sql: Sql) -> None:
    names = "current_role(), current_warehouse(), current_database(), current_schema(), current_user()"
    expected = ("FLOODGATE", "FLOODGATE", "FLOODGATE", schema, "FLOODGATE")
    assert sql(f"select {names}") == [expected]
    sql("use role other")
    sql("use warehouse big")
    assert sql("select current_role(), current_warehouse()") == [("OTHER", "BIG")]


def test_use_sent_as_sql(sql: Sql, schema: str) -> None:
    for statement, where in (
        ("use floodgate.public", "PUBLIC"),
        (f"use schema {schema}", schema),
        ("use database floodgate", "PUBLIC"),
        (f"use floodgate.{schema}", schema),
    ):
        assert sql(statement) == [("Statement executed successfully.",)]
        assert sql("select current_schema()") == [(where,)]
    for wrong in ("use nowhere", "use schema nowhere", "use nowhere.public"):
        with pytest.raises(ProgrammingError, match="does not exist") as caught:
            sql(wrong)
        assert caught.value.errno == 2043
    assert sql("select current_schema()") == [(schema,)]


def test_unknown_database_or_schema_at_sign_in(connect: Connect) -> None:
    one = connect(database="NOWHERE")
    assert rows(one, "select current_database(), current_schema()") == [(None, None)]
    with pytest.raises(ProgrammingError, match="does not have a current database"):
        rows(one, "create table t (a number)")
    two = connect(schema="NOWHERE")
    assert rows(two, "select current_database(), current_schema()") == [("FLOODGATE", None)]
    with pytest.raises(ProgrammingError, match="does not have a current schema"):
        rows(two, "create table t (a number)")


def test_a_statement_given_up_on_is_stopped(connect: Connect) -> None:
    one = connect()
    began = time.monotonic()
    with pytest.raises(ProgrammingError):
        one.cursor().execute(
            "select count(*) from table(generator(rowcount => 100000000)) a, table(generator(rowcount => 100000000)) b",
            timeout=1,
        )
    assert rows(one, "select 1") == [(1,)]
    assert time.monotonic() - began < 5


def test_async(connect: Connect) -> None:
    one = connect()
    cursor = one.cursor()
    cursor.execute_async("select 42 as n")
    later = one.cursor()
    later.get_results_from_sfqid(cursor.sfqid)
    assert later.fetchall() == [(42,)]


def test_closed_sessions_are_gone(connect: Connect) -> None:
    one = connect()
    token = one.rest.token
    one.close()
    two = connect()
    two.rest.update_tokens(token, two.rest.master_token)
    with pytest.raises(DatabaseError) as caught:
        rows(two, "select 1")
    assert caught.value.errno == 390111


def test_a_request_sent_twice_runs_once(connect: Connect) -> None:
    one = connect()
    rows(one, "create table t (a number)")
    same = {"requestId": str(uuid.uuid4())}
    for _ in range(2):
        one.cursor().execute("insert into t values (1)", _statement_params=same)
    assert rows(one, "select count(*) from t") == [(1,)]


def test_what_a_client_that_died_left_behind_is_ended(tmp_path: Path) -> None:
    catalog = Catalog(tmp_path)
    catalog.create("D")
    sessions = Sessions(catalog)
    token, _, session = sessions.open(autocommit=True)
    session.use("D", "PUBLIC")
    for text in ("create table t (a number)", "begin", "insert into t values (1)"):
        Cursor(session).run(text)
    now = session.used_at
    assert sessions.end_idle(now + 500) == 0 and session.transaction.open
    assert sessions.end_idle(now + 700) == 1 and not session.transaction.open
    table = Cursor(session).run("select count(*) from t").table
    assert table is not None and table.column(0).to_pylist() == [0]
    assert sessions.end_idle(now + 5 * 3600) == 1 and sessions.get(token) is None
    catalog.close()


def test_one_session_used_by_two_threads(connect: Connect) -> None:
    one = connect()
    failures: list[BaseException] = []

    def work(i: int) -> None:
        try:
            for n in range(20):
                assert rows(one, f"select {i}, {n}") == [(i, n)]
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
