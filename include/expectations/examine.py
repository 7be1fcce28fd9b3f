"""What Great Expectations says of expectations that may not hold: how many rows of how many, and some of them.

Importing it takes seconds, so it happens in `failures`, never when this module is imported.
"""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple
from urllib.parse import quote

from include.connections import Endpoint
from include.expectations.suite import Expectation, Suite
from include.expectations.verdict import Failure
from include.warehouses.clickhouse import http_port, secure
from include.warehouses.snowflake import arguments

SAMPLES = 5


class NotEvaluated(Exception):
    """Great Expectations could not look; the text names what and quotes why."""


class Doubt(NamedTuple):
    """An expectation that may not hold: `failing` rows as counted, None where nobody has, of `total` in the table."""

    table: str
    expectation: Expectation
    failing: int | None
    total: int


def failures(
    suite: Suite, doubts: Sequence[Doubt], *, warehouse: str, endpoint: Endpoint, schema: str, run_id: str
) -> tuple[Failure, ...]:
    """Those of the doubts that fail; raises NotEvaluated."""
    gx = _great_expectations()
    from great_expectations.data_context.types.base import ProgressBarsConfig
    from great_expectations.datasource.fluent.interfaces import TestConnectionError

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)  # hundreds of lines in a task's log
    personal = {column for table in suite.tables.values() for column in table.personal}
    by_table = {
        name: [doubt for doubt in doubts if doubt.table == name] for name in dict.fromkeys(d.table for d in doubts)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a more specific datasource, which takes no host and port
        source = None
        try:
            source = context.data_sources.add_sql(
                f"{warehouse}_{suite.domain}", **_source(warehouse, endpoint, schema, run_id)
            )
            results = [
                (doubt, result)
                for name, those in by_table.items()
                for doubt, result in _of_table(gx, source, schema, name, suite.tables[name].key, those)
            ]
        except TestConnectionError as error:
            raise NotEvaluated(f"{warehouse}: {_line(error.__cause__ or error)}") from None
        finally:
            if source is not None:
                source.get_engine().dispose()
    return tuple(_failure(doubt, result.result, personal) for doubt, result in results if not result.success)


def _great_expectations() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")  # else it reports home, and waits where there is no network
    logging.getLogger("great_expectations").setLevel(logging.WARNING)
    import great_expectations

    return great_expectations


def _source(warehouse: str, endpoint: Endpoint, schema: str, run_id: str) -> dict[str, Any]:
    if warehouse == "clickhouse":
        options = "?secure=true" if secure(endpoint) else ""
        login = f"{quote(endpoint.login, safe='')}:{quote(endpoint.password, safe='')}"
        return {
            "connection_string": f"clickhousedb://{login}@{endpoint.host}:{http_port(endpoint)}/{schema}{options}",
        }
    known = arguments(endpoint)
    names = ("account", "database", "schema", "warehouse", "role")
    return {
        # Host, port and key have no place in the URL.
        "connection_string": f"snowflake://{quote(known['user'])}@{known['account']}/{known['database']}/{schema}",
        "kwargs": {
            "connect_args": {name: value for name, value in known.items() if name not in names[:3]}
            | {"session_parameters": {"QUERY_TAG": run_id}}
        },
    }


def _of_table(
    gx: Any, source: Any, schema: str, name: str, key: str | None, doubts: Sequence[Doubt]
) -> Iterator[tuple[Doubt, Any]]:
    asset = source.add_table_asset(name, table_name=name, schema_name=schema)
    batch = asset.add_batch_definition_whole_table("whole").get_batch()
    # Of a column all that is wrong would come with COMPLETE, however much; of rows nothing comes with less.
    columns: dict[str, Any] = {"result_format": "SUMMARY", "partial_unexpected_count": 4 * SAMPLES}
    if key:
        columns["unexpected_index_column_names"] = [key]
    rows = {"result_format": "COMPLETE"}
    for wanted, those in (
        (columns, [doubt for doubt in doubts if doubt.expectation.rows is None]),
        (rows, [doubt for doubt in doubts if doubt.expectation.rows is not None]),
    ):
        if those:
            yield from _validated(gx, batch, f"{schema}.{name}", wanted, those)


def _validated(
    gx: Any, batch: Any, relation: str, wanted: dict[str, Any], doubts: Sequence[Doubt]
) -> Iterator[tuple[Doubt, Any]]:
    by_name = {doubt.expectation.name: doubt for doubt in doubts}
    suite = gx.ExpectationSuite(name=relation, expectations=[_built(doubt, relation) for doubt in doubts])
    results = batch.validate(suite, result_format=wanted).results
    if unheard := by_name.keys() - {result.expectation_config.meta["name"] for result in results}:
        raise NotEvaluated(f"{', '.join(sorted(unheard))} on {relation} could not be evaluated: no result came of it")
    for result in results:
        doubt = by_name[result.expectation_config.meta["name"]]
        info = result.exception_info or {}
        raised = info if "raised_exception" in info else next(iter(info.values()), {})
        if raised.get("raised_exception"):
            why = _line(raised.get("exception_message"))
            raise NotEvaluated(f"{doubt.expectation.name} on {relation} could not be evaluated: {why}")
        yield doubt, result


def _built(doubt: Doubt, relation: str) -> Any:
    """Great Expectations' own object; a suite that is given less leaves out, with a log line, what it does not know."""
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration

    one = doubt.expectation
    try:
        return ExpectationConfiguration(
            type=one.type, kwargs=_arguments(doubt), meta={"name": one.name}
        ).to_domain_obj()
    except Exception as error:  # of whatever class that type's own checks raise
        raise NotEvaluated(f"{one.name} on {relation} could not be evaluated: {_line(error)}") from None


def _arguments(doubt: Doubt) -> dict[str, Any]:
    """As the suite has them; of rows that are counted already only so many as are shown, not all to this machine."""
    expectation = doubt.expectation
    if expectation.query is None or doubt.failing is None:
        return expectation.arguments
    return {"unexpected_rows_query": f"select * from ({expectation.query}) as failing limit {SAMPLES}"}


def _failure(doubt: Doubt, result: dict[str, Any], personal: set[str]) -> Failure:
    one = doubt.expectation
    return Failure(
        expectation=one.name,
        table=doubt.table,
        severity=one.severity,
        why=one.why,
        count=_unexpected(doubt, result),
        total=doubt.total,
        samples=_samples(result, personal, one),
    )


def _unexpected(doubt: Doubt, result: dict[str, Any]) -> int:
    if "unexpected_count" in result:
        return int(result["unexpected_count"])
    if doubt.expectation.rows is not None:
        return int(result["observed_value"]) if doubt.failing is None else doubt.failing
    return doubt.total  # an expectation on the whole table fails for the whole of it


def _samples(result: dict[str, Any], personal: set[str], expectation: Expectation) -> tuple[str, ...]:
    rows = result.get("details", {}).get("unexpected_rows")
    if rows is None:
        rows = result.get("partial_unexpected_index_list")
    if rows is None:
        column = str(expectation.kwargs.get("column", "value"))
        rows = [{column: value} for value in result.get("partial_unexpected_list") or []]
    if not rows and "observed_value" in result:
        return (f"observed {result['observed_value']}",)
    # The same text twice, as of an id that stands twice, tells nobody more.
    return tuple(dict.fromkeys(_row(row, personal) for row in rows))[:SAMPLES]


def _row(row: dict[str, Any], personal: set[str]) -> str:
    """`order_id=17, total=12.00`, with personal fields masked, in whatever case the warehouse names them."""
    return ", ".join(
        f"{name.lower()}={'***' if name.lower() in personal else _text(value)}" for name, value in row.items()
    )


def _text(value: Any) -> str:
    if value is None:
        return "null"
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, datetime) else str(value)


def _line(text: object) -> str:
    return " ".join(str(text).split())[:400]
