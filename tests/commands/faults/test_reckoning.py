"""Recorded messages, incidents and counts, and the line of the table they come to. 1000 s is when the fault was made."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from commands.faults.reckoning import Row, healed, missing, openings, reckon, seen, told, twice
from include.alerts import Severity
from include.incidents import Incident
from include.ledger.counts import Stream

MADE = 1000.0


def message(at: float, text: str, thread: float | None = None, channel: str = "shop-alerts") -> dict[str, Any]:
    """As the catcher gives it."""
    thread_ts = None if thread is None else f"{thread:.6f}"
    return {"ts": f"{at:.6f}", "thread_ts": thread_ts, "channel": channel, "text": text, "edited": None}


FAILED = message(
    1012.5, "CRITICAL clickhouse-ecommerce: 1 of 1 tasks FAILED: it was made to. Since 2026-01-01 10:00 UTC."
)
RESTARTED = message(1013.0, "UPDATE clickhouse-ecommerce: Restart of what failed sent, 1 of 5.", 1012.5)
NORMAL = message(1030.0, "NORMAL clickhouse-ecommerce: It runs, all its tasks with it. It lasted 18 s.", 1012.5)
AGAIN = message(1040.0, "AGAIN clickhouse-ecommerce: 1 of 1 tasks FAILED. This is time 2 in this thread.", 1012.5)
OLD = message(500.0, "NORMAL snowflake-fashion: It runs.")


def stream(produced: int, clickhouse: int | None, snowflake: int | None) -> Stream:
    return Stream(
        domain="ecommerce", topic="orders", produced=produced, clickhouse=clickhouse, snowflake=snowflake, rejected=0
    )


def incident(
    opened: float, *, subject: str = "clickhouse-ecommerce", closed: float | None = None
) -> dict[str, Incident]:
    at = moment(opened)
    made = Incident(
        rule="connector_failed", subject=subject, domain="ecommerce", asset="x", severity=Severity.CRITICAL, headline="h",
        opened_at=at, seen_at=at, told_at=at, since=at, closed_at=None if closed is None else moment(closed),
    )  # fmt: skip
    return {made.fingerprint: made}


def moment(at: float) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=at)


def row(messages: list[dict[str, Any]], **more: Any) -> Row:
    given = {"quiet_at": 900.0, "made_at": MADE, "seen_at": 1010.0, "streams": [stream(10, 10, 10)]}
    return reckon("connector-fail", "clickhouse-ecommerce", messages=messages, **{**given, **more})


def test_a_fault_that_was_seen_told_and_healed() -> None:
    assert row([OLD, FAILED, RESTARTED, NORMAL]) == Row(
        fault="connector-fail", seen_after_s=10.0, told_after_s=12.5, healed_after_s=30.0, missing=0, twice=0, threads=1
    )


@pytest.mark.parametrize(
    ("messages", "more", "wrong"),
    [
        ([FAILED, NORMAL], {"seen_at": None}, ["not seen"]),
        ([OLD], {}, ["not told", "not healed"]),
        ([FAILED, RESTARTED], {}, ["not healed"]),
        ([FAILED, NORMAL, AGAIN], {}, ["not healed"]),
        ([FAILED, NORMAL, message(1020, "WARNING orders@snowflake: 3 rows wait.")], {}, ["2 threads"]),
        ([FAILED, NORMAL, message(1020, "not one of ours")], {}, ["2 threads"]),
        ([message(950, "CRITICAL kafka: It does not answer."), FAILED, NORMAL], {}, ["1 threads before it"]),
        ([message(950, "CRITICAL clickhouse-ecommerce: x")], {}, ["not told", "not healed", "1 threads before it"]),
        ([FAILED, NORMAL], {"streams": [stream(10, 8, 11)]}, ["2 rows missing", "1 rows twice"]),
        ([FAILED, NORMAL], {"streams": None}, ["not counted"]),
        ([FAILED, NORMAL], {"problems": ["it was not quiet before"]}, ["it was not quiet before"]),
    ],
)
def test_what_is_not_as_it_should_be_is_said(messages: list[dict[str, Any]], more: dict, wrong: list[str]) -> None:
    assert row(messages, **more).wrong == wrong


def test_a_thread_of_before_that_is_opened_again_counts_as_one() -> None:
    before = message(700, "NORMAL clickhouse-ecommerce: It runs.")  # the parent, as it was edited at its end
    again = message(1015, "AGAIN clickhouse-ecommerce: 1 of 1 tasks FAILED.", 700)
    normal = message(1033, "NORMAL clickhouse-ecommerce: It runs.", 700)
    found = row([before, message(750, "NORMAL clickhouse-ecommerce: It runs.", 700), again, normal])
    assert (found.told_after_s, found.healed_after_s, found.threads, found.wrong) == (15.0, 33.0, 1, [])


def test_openings_are_those_after_the_moment_each_thread_once() -> None:
    other = message(1012.5, "CRITICAL kafka: It does not answer.", channel="platform")  # the same ts, elsewhere
    assert openings([OLD, AGAIN, FAILED, RESTARTED, other], 600) == [
        (1012.5, "clickhouse-ecommerce", "1012.500000"),
        (1012.5, "kafka", "1012.500000"),
    ]


def test_told_is_the_first_that_names_the_subject() -> None:
    late = message(1020, "WARNING ecommerce@clickhouse: 700 of 800 rows are about more than 1 h ago.")
    assert told([FAILED, late], "ecommerce@*", MADE) == (1020.0, "1020.000000")
    assert told([FAILED], "clickhouse-fashion", MADE) is None
    assert told([FAILED], "clickhouse-ecommerce", 1012.5) is None  # not after it


def test_healed_is_the_last_word_of_the_thread() -> None:
    assert healed([NORMAL, FAILED, RESTARTED], "1012.500000", 1012.5) == 1030.0
    assert healed([FAILED, NORMAL, AGAIN, message(1060, "NORMAL x: y", 1012.5)], "1012.500000", 1012.5) == 1060.0
    assert healed([FAILED, NORMAL], "999.000000", 999.0) is None


def test_seen_is_when_the_incident_was_opened() -> None:
    def looked(incidents: dict[str, Incident]) -> float | None:
        return seen(incidents, "connector_failed", "clickhouse-*", MADE, now=1050.0)

    assert looked({}) is None
    assert looked(incident(1009)) == 1009.0
    assert looked(incident(1009, closed=1020)) == 1009.0  # over before anybody looked
    assert looked(incident(1009, subject="snowflake-ecommerce")) is None
    assert looked(incident(400, closed=500)) is None
    again = incident(400)
    assert looked(again) == 1050.0  # an old one, open again
    again["connector_failed:clickhouse-ecommerce"].told_at = moment(1012)
    assert looked(again) == 1012.0


def test_sums_do_not_make_up_for_each_other() -> None:
    streams = [stream(10, 8, 10), stream(5, 6, 5), stream(7, None, 7)]
    assert (missing(streams), twice(streams)) == (2 + 7, 1)
