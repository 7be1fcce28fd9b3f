"""What a gate says to people."""

from __future__ import annotations

from datetime import datetime

from include.alerts import Message, Severity
from include.alerts.message import lasting
from include.expectations.verdict import Failure, GateResult

#: The rule that a held gate is an incident of: the name of its page.
RULE = "marts_held"
WAREHOUSES = {"clickhouse": "ClickHouse", "snowflake": "Snowflake"}


def held(result: GateResult, since: datetime, run: str = "") -> Message:
    """The marts are held; critical failures first in the text, the others as facts."""
    critical = result.of("critical")
    worst = max(critical, key=lambda failure: failure.count)
    return Message(
        severity=Severity.CRITICAL,
        word="HELD",
        subject=_subject(result),
        headline=f"{_figure(worst)} {worst.why}",
        since=since,
        facts=tuple(("Expectation", _line(failure)) for failure in critical),
        samples=_samples(critical),
        does="The marts stay as they were and readable; every run asks again and publishes when the rows are right.",
        act=f"Correct or remove the rows in {worst.table}; the run's gate task has the whole result.",
        runbook=f"docs/runbooks/{RULE}.md",
        run=run,
    )


def warned(result: GateResult, at: datetime, run: str = "") -> Message:
    """Something is odd, and the marts are published all the same."""
    warnings = result.of("warning")
    worst = max(warnings, key=lambda failure: failure.count)
    return Message(
        severity=Severity.WARNING,
        word="WARNING",
        subject=_subject(result),
        headline=f"{_figure(worst)} {worst.why}",
        since=at,
        facts=tuple(("Expectation", _line(failure)) for failure in warnings),
        samples=_samples(warnings),
        does="The marts are published.",
        run=run,
    )


def normal(result: GateResult, since: datetime, now: datetime) -> Message:
    """What was held is published again; warnings may be left, which are told by themselves."""
    asked, left = result.expectations, len(result.failures)
    hold = (
        f"{asked - left} of {asked} expectations hold, all critical ones among them"
        if left
        else (f"All {asked} expectations hold")
    )
    return Message(
        severity=Severity.NORMAL,
        word="NORMAL",
        subject=_subject(result),
        headline=f"{hold}; held for {lasting((now - since).total_seconds())}.",
    )


def _subject(result: GateResult) -> str:
    return f"{result.domain} marts, {WAREHOUSES.get(result.warehouse, result.warehouse)}"


def _figure(failure: Failure) -> str:
    if not failure.total:
        return f"{failure.table} is empty, so {failure.expectation} fails."
    return f"{failure.count:,} of {failure.total:,} rows of {failure.table} fail {failure.expectation}."


def _line(failure: Failure) -> str:
    return f"{failure.expectation}: {f'{failure.count:,} of {failure.total:,}' if failure.total else 'no rows'}"


def _samples(failures: tuple[Failure, ...]) -> tuple[str, ...]:
    """Some rows of each failure in turn, so that none crowds out another."""
    each = max(1, 5 // len(failures))
    return tuple(f"{failure.expectation}: {row}" for failure in failures for row in failure.samples[:each])[:5]
