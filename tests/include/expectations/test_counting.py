"""The one statement of a suite: what is in it, and what is left to Great Expectations."""

from typing import Any

import pytest

from include.contracts import domains
from include.expectations import counting, load
from include.expectations.suite import Expectation, Suite, Table


def test_counting_reads_each_table_once_for_its_columns() -> None:
    suite = load("ecommerce")
    assert counting.statement(counting.plan(suite, "staging")).count("from staging.stg_ecommerce__products)") == 1


@pytest.mark.parametrize("domain", domains())
def test_every_expectation_is_counted(domain: str) -> None:
    """One that is not would cost each run, of good rows too, the import of Great Expectations."""
    counted = {one.expectation for one in counting.plan(load(domain), "staging")}
    named = {one.name for table in load(domain).tables.values() for one in table.expectations}
    assert counted == {None, *named}


def _planned(**expectation: Any) -> list[str]:
    one = Expectation(name="a", severity="info", why="w", **expectation)
    suite = Suite(domain="x", tables={"t": Table(expectations=(one,))})
    return [count.sql for count in counting.plan(suite, "staging")[1:]]


@pytest.mark.parametrize(
    ("kind", "kwargs"),
    [
        ("expect_column_values_to_be_between", {"column": "a", "min_value": "2024-01-01"}),
        ("expect_column_values_to_be_between", {"column": "a", "min_value": 1, "strict_min": True}),
        ("expect_column_values_to_be_in_set", {"column": "a", "value_set": ["\\"]}),
        ("expect_column_values_to_be_in_set", {"column": "a", "value_set": [True]}),
        ("expect_column_values_to_be_in_set", {"column": "a", "value_set": []}),
        ("expect_column_values_to_be_in_set", {"column": "a"}),
        ("expect_column_values_to_be_unique", {"column": "a", "mostly": 0.9}),
        ("expect_column_values_to_be_unique", {"column": "a b"}),
        ("expect_column_values_to_match_regex", {"column": "a", "regex": "x"}),
    ],
)
def test_what_the_warehouses_may_read_otherwise_is_left_alone(kind: str, kwargs: dict[str, Any]) -> None:
    assert _planned(type=kind, kwargs=kwargs) == []


def test_what_is_counted() -> None:
    assert _planned(type="expect_column_values_to_be_in_set", kwargs={"column": "a", "value_set": ["it's", 2]}) == [
        "coalesce(sum(case when a not in ('it''s', 2) then 1 else 0 end), 0)"
    ]
    assert _planned(rows="select 1 from {batch};\n") == ["select 1 from staging.t"]


def test_tables_and_row_queries_come_in_one_row() -> None:
    one = Expectation(name="a", severity="info", why="w", rows="select 1 from {batch}")
    suite = Suite(domain="x", tables={"t": Table(expectations=(one,)), "u": Table(expectations=())})
    assert counting.statement(counting.plan(suite, "s")) == (
        "select * from (select count(*) as n0 from s.t) as t0\n"
        "cross join (select count(*) as n2 from s.u) as t1\n"
        "cross join (select count(*) as n1 from (select 1 from s.t) as q1) as r1"
    )
