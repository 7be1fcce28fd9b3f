"""Taking statements apart: where the rows of an INSERT begin, and which format is asked for."""

from __future__ import annotations

import pytest

from local.clickhouse.errors import EngineError
from local.clickhouse.native_blocks import arguments, parse
from local.clickhouse.sql import identifier, is_select, literal, split_insert, trailing_format


@pytest.mark.parametrize(
    ("sql", "into", "columns", "settings", "format_", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", "t", "", "", "CSV", b"1,2\n"),
        (b"insert into table a.`b c` (x, `y)`) values (1, ')')", "a.`b c`", "(x, `y)`)", "", "Values", b" (1, ')')"),
        (
            b"INSERT INTO t SETTINGS a = 1, b = 'x' FORMAT Native\n\0\1",
            "t",
            "",
            "SETTINGS a = 1, b = 'x' ",
            "Native",
            b"\0\1",
        ),
        (b"/* (no) VALUES */ INSERT -- INTO u\nINTO t FORMAT JSONEachRow {}", "t", "", "", "JSONEachRow", b"{}"),
        (b"INSERT INTO t VALUES", "t", "", "", "Values", b""),
    ],
)
def test_an_insert_with_rows(sql, into, columns, settings, format_, data):
    found = split_insert(sql)
    assert found
    assert (found.into, found.columns, found.settings, found.format, found.data) == (
        into,
        columns,
        settings,
        format_,
        data,
    )
    assert found.head + found.data == sql


@pytest.mark.parametrize(
    "sql",
    [
        b"SELECT 1",
        b"INSERT INTO t SELECT 1",
        b"INSERT INTO t WITH 1 AS a SELECT a",
        b"INSERT INTO t (a)",
        b"",
        b"CREATE TABLE t AS SELECT 'INSERT INTO t VALUES'",
        b"INSERT INTO FUNCTION remote('x') FORMAT CSV\n1",
    ],
)
def test_no_insert_with_rows(sql):
    assert split_insert(sql) is None


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        (b"SELECT 1 FORMAT JSON", ("JSON", b"SELECT 1 ")),
        (b"SELECT 1 format CSV SETTINGS max_threads = 1;", ("CSV", b"SELECT 1 ")),
        (b"SELECT ' FORMAT x'", None),
        (b"SELECT 1 -- FORMAT JSON", None),
        (b"SELECT * FROM (SELECT 1 FORMAT JSON)", None),
        (b"SELECT format FROM t", None),
    ],
)
def test_the_format_clause(sql, expected):
    assert trailing_format(sql) == expected


@pytest.mark.parametrize("sql", [b"select 1", b" /* a */ -- b\n ((WITH 1 AS a SELECT a))"])
def test_selects(sql):
    assert is_select(sql)
    assert not is_select(b"EXPLAIN " + sql)


def test_quoting():
    assert literal("it's \\") == "'it\\'s \\\\'"
    assert identifier("a`b") == "`a\\`b`"


def test_types_are_taken_apart():
    assert arguments("a Int8, b Enum8('x, (' = 1), Array(Tuple(A, B))") == [
        "a Int8",
        "b Enum8('x, (' = 1)",
        "Array(Tuple(A, B))",
    ]
    assert parse("Map(String, Array(UInt8))") == parse("Array(Tuple(String, Array(UInt8)))")
    with pytest.raises(EngineError, match="AggregateFunction"):
        parse("AggregateFunction(sum, UInt8)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Code: 62. DB::Exception: Bad. (SYNTAX_ERROR)", (62, "SYNTAX_ERROR", "Bad.")),
        (
            "Failed: Code: 6. DB::Exception: Code: 6. DB::Exception: No. (A_B) (version 26.9.2.1). (A_B)",
            (6, "A_B", "No."),
        ),
        (
            "Code: 26. DB::Exception: No: (at row 1)\n: (in file/uri /x/y): While executing File. (C_D)",
            (26, "C_D", "No: (at row 1)."),
        ),
        ("Code: 7. DB::Exception: Not (NULL) (A_B) (A_B)", (7, "A_B", "Not (NULL)")),
        ("something else", (1002, "UNKNOWN_EXCEPTION", "something else")),
    ],
)
def test_errors_are_told_once(text, expected):
    error = EngineError.parse(text)
    assert (error.code, error.name, error.message) == expected
