"""Runs a domain's suite against the staging relations of one warehouse: count all, then examine what fails."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from include.connections import Endpoint
from include.expectations import counting, examine
from include.expectations import suite as suites
from include.expectations.suite import Suite
from include.expectations.verdict import GateResult
from include.warehouses import WarehouseError, clickhouse, snowflake
from include.warehouses.landing import STAGING

_CONNECT: dict[str, Callable[..., Any]] = {"clickhouse": clickhouse.connect, "snowflake": snowflake.connect}


class GateBroken(Exception):
    """The suite could not be run, which is not the same as rows that fail; the text says which part and why."""


def run(
    domain: str,
    warehouse: str,
    endpoint: Endpoint,
    *,
    suite: Suite | None = None,
    run_id: str = "",
    schema: str = STAGING,
) -> GateResult:
    """Runs the domain's suite; raises GateBroken where an expectation cannot be evaluated.

    One statement counts what fails. What does, and what cannot be counted so, is asked of Great Expectations, which
    has the last word and gives the samples.
    """
    suite = suite or suites.load(domain)
    started = time.perf_counter()
    try:
        with _CONNECT[warehouse](endpoint, run_id=run_id) as client:
            found = doubts(suite, schema, client)
        failures = (
            examine.failures(suite, found, warehouse=warehouse, endpoint=endpoint, schema=schema, run_id=run_id)
            if found
            else ()
        )
    except (WarehouseError, counting.NotCounted, examine.NotEvaluated) as error:
        raise GateBroken(f"the gate of {domain} could not look, so nothing is published: {error}") from None
    return GateResult(
        domain=domain,
        warehouse=warehouse,
        expectations=sum(len(table.expectations) for table in suite.tables.values()),
        seconds=round(time.perf_counter() - started, 2),
        failures=failures,
    )


def doubts(suite: Suite, schema: str, client: counting.Client) -> list[examine.Doubt]:
    """Every expectation whose count is not nothing, or unknown; raises NotCounted, WarehouseError."""
    asked = counting.plan(suite, schema)
    counts = {
        (one.table, one.expectation): found for one, found in zip(asked, counting.ask(client, asked), strict=True)
    }
    return [
        examine.Doubt(name, one, counts.get((name, one.name)), counts[name, None])
        for name, table in suite.tables.items()
        for one in table.expectations
        if counts.get((name, one.name)) != 0
    ]
