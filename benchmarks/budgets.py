"""What is measured, in which unit, and what it may be: the one table of budgets, in the order they are shown."""

from __future__ import annotations

from typing import Any, NamedTuple


class Budget(NamedTuple):
    """`limit`: at most so much, or with `at_least` at least; None for a figure that only explains another."""

    what: str
    unit: str
    limit: float | None = None
    at_least: bool = False
    digits: int = 2

    @property
    def text(self) -> str:
        """`at most 0.5 s`; empty without a limit."""
        if self.limit is None:
            return ""
        return f"at {'least' if self.at_least else 'most'} {self.limit:g}" + _unit(self.unit)


def _unit(unit: str) -> str:
    return "" if unit == "ratio" else f" {unit}"


BUDGETS: dict[str, Budget] = {
    "parse_file": Budget(
        "one DAG file's parse, by a fresh process with what the DAG processor has loaded", "s", 0.5, digits=3
    ),
    "parse_bag": Budget("all DAG files' parse, by such a process", "s", 5, digits=3),
    "parse_alone": Budget(
        "one DAG file's parse, by a fresh process that has imported Airflow alone", "s", 0.5, digits=3
    ),
    "generate": Budget("events generated and thrown away", "events per CPU s", digits=0),
    "generate_ticker": Budget(
        "the same of the market ticker, in a burst of 200,000", "events per CPU s", 400_000, at_least=True, digits=0
    ),
    "scheduled_ticker": Budget(
        "a scheduled burst of the ticker of a day not asked for before, figures of 24 hours included",
        "CPU s",
        1,
        digits=3,
    ),
    "generate_1000": Budget(
        "a year of the music service with 1,000 users, generated and thrown away",
        "events per CPU s",
        170_000,
        at_least=True,
        digits=0,
    ),
    "generate_5000": Budget("the same with 5,000 users", "events per CPU s", 300_000, at_least=True, digits=0),
    "generate_clickstream": Budget(
        "events of the phone shop generated and thrown away", "events per CPU s", 300_000, at_least=True, digits=0
    ),
    "enrich": Budget("events of the phone shop enriched, Kafka aside", "events per CPU s", digits=0),
    "produce": Budget("events made beforehand, produced by the client library alone", "events per CPU s", digits=0),
    "burst": Budget(
        "events generated and produced with their receipts, as a burst's task does", "events per CPU s", None, digits=0
    ),
    "burst_ratio": Budget(
        "the burst against the client library alone, which is the ceiling", "ratio", 0.5, at_least=True
    ),
    "gate_sql": Budget("one hand-written statement that counts what the suite asks, by an open client", "s", digits=3),
    "gate": Budget("the gate, sign-in included, when all expectations hold", "s", digits=3),
    "gate_ratio": Budget("the gate against the statement", "ratio", 3),
    "gate_held": Budget("the gate with Great Expectations' samples, when a critical expectation fails", "s", digits=3),
    "gate_held_ratio": Budget("such a gate against the statement, which brings no samples", "ratio"),
    "demo_warm": Budget("`make demo` to marts in both warehouses, environments made, caches warm", "s", 180, digits=0),
    "demo_cold": Budget("`make demo` in a fresh copy, nothing in a cache", "s", 360, digits=0),
    "dbt": Budget(
        "plain `dbt build` of the models and tests of a transform, its process from start to end", "s", digits=1
    ),
    "transform": Budget("a run of the transform, from the start of the run to its end", "s", digits=1),
    "transform_ratio": Budget("the transform against the plain build beside it", "ratio", 2),
    "watch_task": Budget("one look of a watch, as a task: five domains, ten connectors, all well", "CPU s"),
    "watch_tasks": Budget("one look of both watches, as tasks", "CPU s", 2),
    "watch_service": Budget("what such a look costs a service that is asked", "CPU s"),
    "watch_questions": Budget("questions of such a look", "questions", digits=0),
    "watch_questions_ratio": Budget("its questions with a history twenty times as long", "ratio", 1),
    "watch_rows_read": Budget("rows that ClickHouse reads for such a look", "rows", digits=0),
    "watch_rows_ratio": Budget("the rows with a history twenty times as long", "ratio", 1.5),
    "watch_stack_without": Budget(
        "whole stack with the bursts of two domains and no watch, a minute", "CPU s", digits=1
    ),
    "watch_stack": Budget(
        "what both watches add to that, with all that Airflow does to run a task, a minute", "CPU s", 6, digits=1
    ),
    "memory_busy": Budget(
        "whole stack while four transforms and a burst of 20,000 orders run, at its greatest", "GB", 5
    ),
    "memory_idle": Budget("whole stack afterwards, no DAG running", "GB", 3),
}


class Figure(NamedTuple):
    """One measurement: of which budget, of what (a file, a domain, a warehouse; empty where there is one only)."""

    of: str
    value: float
    subject: str = ""

    @property
    def name(self) -> str:
        """`parse_file:burst.py`."""
        return f"{self.of}:{self.subject}" if self.subject else self.of

    @property
    def met(self) -> bool | None:
        """Whether the budget is kept; None where there is none."""
        _, _, limit, at_least, _ = BUDGETS[self.of]
        if limit is None:
            return None
        return self.value >= limit if at_least else self.value <= limit

    @property
    def text(self) -> str:
        """The value, rounded, with its unit where that is not a mere ratio."""
        _, unit, _, _, digits = BUDGETS[self.of]
        return f"{self.value:,.{digits}f}" + _unit(unit)

    def facts(self) -> dict[str, Any]:
        """name, value, unit, budget, met."""
        _, unit, limit, _, digits = BUDGETS[self.of]
        return {
            "name": self.name,
            "value": round(self.value, max(digits, 2)),
            "unit": unit,
            "budget": limit,
            "met": self.met,
        }
