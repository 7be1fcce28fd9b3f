"""The suites on both local warehouses: good rows pass wholly, and each bad one trips the expectation it should."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from snowflake import connector

from include.alerts import plain
from include.connections import Endpoint
from include.expectations import examine, load, runner, words
from include.expectations.suite import Expectation, Suite, Table
from include.warehouses import clickhouse, snowflake
from tests.include.expectations import staged
from tests.include.expectations.test_words import SINCE
from tests.include.expectations.trips import CUSTOMERS, GOOD, ORDERS, SHIPMENTS, TRIPS
from tests.local.running import free_ports

pytestmark = pytest.mark.stack

CONNECT: dict[str, Any] = {"clickhouse": clickhouse.connect, "snowflake": snowflake.connect}
DOMAINS = list(TRIPS)


class Staging:
    """The staging of one warehouse, good until a test adds to it."""

    def __init__(self, warehouse: str, endpoint: Endpoint) -> None:
        self.warehouse, self.endpoint = warehouse, endpoint
        self.client = CONNECT[warehouse](endpoint)
        self._touched = set(GOOD)
        staged.create(warehouse, self.client, GOOD)
        self.restore()

    def restore(self) -> None:
        for table in self._touched:
            staged.fill(self.warehouse, self.client, table, GOOD[table])
        self._touched = set()

    def hold(self, table: str, rows: list[staged.Row]) -> None:
        self._touched.add(table)
        staged.fill(self.warehouse, self.client, table, rows)

    def gate(self, domain: str, suite: Suite | None = None) -> Any:
        return runner.run(domain, self.warehouse, self.endpoint, suite=suite)

    def counted(self, domain: str) -> dict[str, int | None]:
        return {one.expectation.name: one.failing for one in runner.doubts(load(domain), "staging", self.client)}


@pytest.fixture(scope="module", params=list(CONNECT))
def kept(request: pytest.FixtureRequest, endpoints: dict[str, Endpoint]) -> Iterator[Staging]:
    one = Staging(request.param, endpoints[request.param])
    yield one
    one.client.close()


@pytest.fixture
def staging(kept: Staging) -> Iterator[Staging]:
    yield kept
    kept.restore()


@pytest.mark.parametrize("domain", DOMAINS)
def test_good_rows_pass_wholly(staging: Staging, domain: str) -> None:
    assert staging.counted(domain) == {}, "Great Expectations would be asked in vain"
    result = staging.gate(domain)
    assert (result.passed, result.failures, result.expectations) == (True, (), len(TRIPS[domain]))


@pytest.mark.parametrize("domain", DOMAINS)
def test_great_expectations_agrees_that_good_rows_pass(staging: Staging, domain: str) -> None:
    suite = load(domain)
    doubts = [
        examine.Doubt(name, one, None, len(GOOD[name]))
        for name, table in suite.tables.items()
        for one in table.expectations
    ]
    where = {"warehouse": staging.warehouse, "endpoint": staging.endpoint, "schema": "staging", "run_id": ""}
    assert examine.failures(suite, doubts, **where) == ()


@pytest.mark.parametrize(("domain", "name"), [(domain, name) for domain in DOMAINS for name in TRIPS[domain]])
def test_bad_rows_trip_one_expectation_and_no_other(staging: Staging, domain: str, name: str) -> None:
    trip = TRIPS[domain][name]
    rows = [] if trip.add is None else [*GOOD[trip.table], *trip.add]
    staging.hold(trip.table, rows)
    counted = staging.counted(domain)
    assert set(counted) == {name}
    if name.endswith("_landed"):  # which a whole table fails
        assert counted[name] == 1
    elif not name.endswith("_unique"):  # of which one is one too many, and both are told
        assert counted[name] == trip.count
    [failure] = staging.gate(domain).failures
    assert (failure.expectation, failure.table) == (name, trip.table)
    assert (failure.count, failure.total) == (trip.count, len(rows))
    assert failure.samples[0] == trip.sample
    [one] = [one for one in load(domain).tables[trip.table].expectations if one.name == name]
    assert (failure.severity, failure.why) == (one.severity, one.why)


def test_several_are_told_together(staging: Staging) -> None:
    for name in ("orders_name_products_that_exist", "quantities_are_from_1_to_10", "customers_can_be_written_to"):
        trip = TRIPS["ecommerce"][name]
        staging.hold(trip.table, [*GOOD[trip.table], *(trip.add or [])])
    many = [row | {"order_id": f"x-{number}", "product_id": 9} for number, row in enumerate(GOOD[ORDERS] * 40)]
    staging.hold(ORDERS, [*GOOD[ORDERS], *many])
    result = staging.gate("ecommerce")
    assert {one.expectation: one.count for one in result.failures} == {
        "orders_name_products_that_exist": 120,
        "customers_can_be_written_to": 1,
    }
    assert not result.passed
    text = plain(words.held(result, SINCE))
    assert "120 of 123 rows of stg_ecommerce__orders fail orders_name_products_that_exist." in text
    assert text.count("  orders_name_products_that_exist: order_id=x-") == 5
    told = plain(words.warned(result, SINCE))
    assert "  customers_can_be_written_to: customer_id=3, email=***" in told
    assert "nobody@" not in text + told


def test_what_only_great_expectations_knows_is_asked_of_it(staging: Staging) -> None:
    expectations = (
        Expectation(
            name="names_are_long",
            type="expect_column_value_lengths_to_be_between",
            kwargs={"column": "name", "min_value": 3},
            severity="info",
            why="It is not counted beforehand.",
        ),
        Expectation(
            name="most_are_the_first",
            type="expect_column_values_to_be_in_set",
            kwargs={"column": "customer_id", "value_set": [1], "mostly": 0.5},
            severity="critical",
            why="`mostly` is not counted either.",
        ),
    )
    suite = Suite(
        domain="ecommerce",
        tables={CUSTOMERS: Table(expectations=expectations, key="customer_id", personal=("name",))},
    )
    [failure] = staging.gate("ecommerce", suite).failures
    assert (failure.expectation, failure.count, failure.total) == ("names_are_long", 1, 2)
    assert failure.samples == ("customer_id=2, name=***",)


def test_a_table_that_is_missing_is_no_pass(staging: Staging) -> None:
    staging.client.command(f"drop table staging.{SHIPMENTS}")
    try:
        with pytest.raises(runner.GateBroken) as told:
            staging.gate("ecommerce")
    finally:
        staged.create(staging.warehouse, staging.client, [SHIPMENTS])
        staging.hold(SHIPMENTS, [])
    text = str(told.value)
    assert text.startswith("the gate of ecommerce could not look, so nothing is published: staging.stg_ecommerce__ship")
    assert "could not be evaluated: " in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ({"type": "expect_column_values_to_be_unique", "kwargs": {"column": "nope"}}, "nope"),
        ({"type": "expect_column_values_to_be_uniq", "kwargs": {"column": "order_id"}}, "uniq"),
        ({"rows": "select nope from {batch}"}, "nope"),
        ({"type": "expect_column_value_lengths_to_equal", "kwargs": {"column": "nope", "value": 1}}, "nope"),
    ],
)
def test_what_cannot_be_evaluated_is_no_pass(staging: Staging, bad: dict[str, Any], why: str) -> None:
    expectation = msgspec.convert({"name": "odd", "severity": "info", "why": "w", **bad}, Expectation)
    with pytest.raises(runner.GateBroken, match=r"(?i)odd on staging.stg_ecommerce__orders .*" + why):
        staging.gate("ecommerce", Suite(domain="ecommerce", tables={ORDERS: Table(expectations=(expectation,))}))


def test_a_sign_in_that_is_refused_is_no_pass(staging: Staging) -> None:
    wrong = msgspec.structs.replace(staging.endpoint, password="wrong", extra=_without_key(staging.endpoint))
    with pytest.raises(runner.GateBroken, match=rf"refuses user .*check .* of connection {wrong.conn_id}"):
        runner.run("ecommerce", staging.warehouse, wrong)


def test_a_warehouse_that_is_away_is_no_pass(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    [port] = free_ports(1)
    monkeypatch.setenv("FLOODGATE_CLICKHOUSE_HTTP_PORT", str(port))
    sign_in = connector.connect  # which tries for 20 s
    monkeypatch.setattr(connector, "connect", lambda **options: sign_in(**options | {"login_timeout": 1}))
    away = msgspec.structs.replace(staging.endpoint, extra=staging.endpoint.extra | {"port": port})
    with pytest.raises(runner.GateBroken, match=rf"does not answer: start it, .* of connection {away.conn_id}"):
        runner.run("ecommerce", staging.warehouse, away)


def _without_key(endpoint: Endpoint) -> dict[str, Any]:
    return {name: value for name, value in endpoint.extra.items() if name != "private_key_content"}


def test_a_gate_is_silent(
    staging: Staging, capfd: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    trip = TRIPS["ecommerce"]["prices_are_positive"]
    staging.hold(trip.table, trip.add or [])
    assert staging.gate("ecommerce").failures
    assert capfd.readouterr() == ("", "")
    assert [str(one.message) for one in recwarn if "great_expectations" in one.filename] == []
