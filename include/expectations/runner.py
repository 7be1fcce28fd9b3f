"""Runs a domain's suite with Great Expectations against the staging relations of one warehouse.

Importing Great Expectations takes seconds, so it happens in `run`, never when this module is imported.
"""

from __future__ import annotations

import logging
import os
import time
import warnings
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from include.connections import Endpoint
from include.expectations import suite as suites
from include.expectations.suite import Expectation, Suite, Table
from include.expectations.verdict import Failure, GateResult
from include.warehouses.clickhouse import http_port, secure
from include.warehouses.landing import STAGING
from include.warehouses.snowflake import arguments

SAMPLES = 5


class GateBroken(Exception):
    """The suite could not be run, which is not the same as rows that fail; the text says which part and why."""


def run(domain: str, warehouse: str, endpoint: Endpoint, *, suite: Suite | None = None, run_id: str = "") -> GateResult:
    """Runs the domain's suite; raises GateBroken where an expectation cannot be evaluated.

    Everything is asked first for yes or no, which Great Expectations answers for all columns of a table in one query;
    counts and samples are asked only of what failed.
    """
    suite = suite or suites.load(domain)
    started = time.perf_counter()
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.datasource.fluent.interfaces import TestConnectionError

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)  # hundreds of lines in a task's log
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a more specific datasource, which takes no host and port
        try:
            source = context.data_sources.add_sql(f"{warehouse}_{domain}", **_source(warehouse, endpoint, run_id))
        except TestConnectionError as error:
            raise GateBroken(
                f"{warehouse} does not take the sign-in of connection {endpoint.conn_id}, so the gate of {domain} "
                f"could not look: {' '.join(str(error.__cause__ or error).split())[:300]}"
            ) from None
        try:
            failures = [
                failure for name, table in suite.tables.items() for failure in _table(gx, context, source, name, table)
            ]
        finally:
            source.get_engine().dispose()
    return GateResult(
        domain=domain,
        warehouse=warehouse,
        expectations=sum(len(table.expectations) for table in suite.tables.values()),
        seconds=round(time.perf_counter() - started, 2),
        failures=tuple(failures),
    )


def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # else it reports home, and waits where there is no network
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations

    return great_expectations


def _source(warehouse: str, endpoint: Endpoint, run_id: str) -> dict[str, Any]:
    if warehouse == "clickhouse":
        options = "?secure=true" if secure(endpoint) else ""
        login = f"{quote(endpoint.login, safe='')}:{quote(endpoint.password, safe='')}"
        return {
            "connection_string": f"clickhousedb://{login}@{endpoint.host}:{http_port(endpoint)}/{STAGING}{options}",
        }
    known = arguments(endpoint)
    names = ("account", "database", "schema", "warehouse", "role")
    return {
        # Host, port and key have no place in the URL.
        "connection_string": f"snowflake://{quote(known['user'])}@{known['account']}/{known['database']}/{STAGING}",
        "kwargs": {
            "connect_args": {name: value for name, value in known.items() if name not in names[:3]}
            | {"session_parameters": {"QUERY_TAG": run_id}}
        },
    }


def _table(gx: Any, context: Any, source: Any, name: str, table: Table) -> Iterable[Failure]:
    asset = source.add_table_asset(name, table_name=name, schema_name=STAGING)
    batch = asset.add_batch_definition_whole_table("whole").get_batch()
    failed = [
        expectation
        for expectation, result in _validate(gx, batch, name, table.expectations, "BOOLEAN_ONLY")
        if not result.success
    ]
    if not failed:
        return
    total = _count(batch)
    for expectation, result in _validate(gx, batch, name, failed, "COMPLETE"):
        yield Failure(
            expectation=expectation.name,
            table=name,
            severity=expectation.severity,
            why=expectation.why,
            count=_unexpected(result.result, total),
            total=total,
            samples=_samples(result.result, table.personal, expectation),
        )


def _validate(
    gx: Any, batch: Any, name: str, expectations: Iterable[Expectation], result_format: str
) -> Iterable[tuple[Expectation, Any]]:
    wanted = tuple(expectations)
    suite = gx.ExpectationSuite(
        name=name,
        expectations=[
            {"type": one.type, "kwargs": one.arguments, "severity": one.severity, "meta": {"name": one.name}}
            for one in wanted
        ],
    )
    by_name = {one.name: one for one in wanted}
    done = batch.validate(suite, result_format=result_format)
    for result in done.results:
        expectation = by_name[result.expectation_config.meta["name"]]
        info = result.exception_info or {}
        raised = info if "raised_exception" in info else next(iter(info.values()), {})
        if raised.get("raised_exception"):
            raise GateBroken(
                f"{expectation.name} on {name} could not be evaluated: "
                f"{' '.join(str(raised.get('exception_message')).split())[:400]}"
            )
        yield expectation, result


def _count(batch: Any) -> int:
    from great_expectations.validator.metric_configuration import MetricConfiguration
    from great_expectations.validator.metrics_calculator import MetricsCalculator

    calculator = MetricsCalculator(execution_engine=batch.data.execution_engine, show_progress_bars=False)
    return int(calculator.get_metric(MetricConfiguration("table.row_count", {"batch_id": batch.id})))


def _unexpected(result: dict[str, Any], total: int) -> int:
    if "unexpected_count" in result:
        return int(result["unexpected_count"])
    observed = result.get("observed_value")
    # Of a query of unexpected rows their number; an expectation on the whole table fails for the whole of it.
    return int(observed) if isinstance(observed, int) and "unexpected_rows" in result.get("details", {}) else total


def _samples(result: dict[str, Any], personal: tuple[str, ...], expectation: Expectation) -> tuple[str, ...]:
    rows = result.get("details", {}).get("unexpected_rows")
    if rows is not None:
        return tuple(_row(row, personal) for row in rows[:SAMPLES])
    column = str(expectation.kwargs.get("column", "value"))
    values = result.get("partial_unexpected_list") or []
    if not values and "observed_value" in result:
        return (f"observed {result['observed_value']}",)
    return tuple(_row({column: value}, personal) for value in values[:SAMPLES])


def _row(row: dict[str, Any], personal: tuple[str, ...]) -> str:
    """`order_id=17, total=12.00`, with personal fields masked, in whatever case the warehouse names them."""
    return ", ".join(f"{name.lower()}={'***' if name.lower() in personal else value}" for name, value in row.items())
