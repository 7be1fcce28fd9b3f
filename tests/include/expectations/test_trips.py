"""Whatever a suite expects, there is an input that trips it."""

import pytest

from include.contracts import domains
from include.expectations import load
from tests.include.expectations import staged
from tests.include.expectations.trips import GOOD, TRIPS


@pytest.mark.parametrize("domain", domains())
def test_each_expectation_has_the_input_that_trips_it(domain: str) -> None:
    tables = load(domain).tables
    expected = {one.name: name for name, table in tables.items() for one in table.expectations}
    assert {name: trip.table for name, trip in TRIPS[domain].items()} == expected, "tests/.../trips.py is to follow"
    assert set(tables) <= set(GOOD)


@pytest.mark.parametrize("domain", domains())
@pytest.mark.parametrize("warehouse", ["clickhouse", "snowflake"])
def test_keys_and_personal_columns_are_columns_of_the_models(domain: str, warehouse: str) -> None:
    for name, table in load(domain).tables.items():
        assert {table.key, *table.personal} <= set(staged.columns(warehouse, name))
