"""Watching and healing on the stack that the demo left: what is broken is seen, told once, healed, and proved.

`floodgate break --all` tries every fault, in about an hour; here are those that a machine heals by itself.
What the emulators do not prove: how the real services fail.
"""

from __future__ import annotations

import time
from typing import Any

import pytest

from tests.journeys.stack import Stack

pytestmark = [pytest.mark.journey, pytest.mark.timeout(1200)]


def open_incidents(stack: Stack) -> list[str]:
    return [f"{one['rule']}:{one['subject']}" for one in stack.floodgate("incidents")["open"]]


def test_01_the_watches_look_each_minute_and_nothing_is_wrong(stack: Stack) -> None:
    stack.until(lambda: not open_incidents(stack), 600, "what earlier journeys broke is not over")
    told = {one["name"] for one in stack.status()["services"] if one["state"] == "ready"}
    assert "airflow-triggerer" in told


def test_02_a_failed_connector_and_lost_rows_are_seen_told_once_healed_and_counted(stack: Stack) -> None:
    rows: list[dict[str, Any]] = stack.floodgate("break", "--only", "connector-fail,lose-rows", within_s=1000)
    assert [row["fault"].split()[0] for row in rows] == ["connector-fail", "lose-rows", "lose-rows"]
    for row in rows:
        assert row["wrong"] == [], row
        assert None not in (row["seen_after_s"], row["told_after_s"], row["healed_after_s"]), row
        assert (row["missing"], row["twice"], row["threads"]) == (0, 0, 1), row
    assert open_incidents(stack) == []


def test_03_healing_twice_and_a_dry_run_change_nothing(stack: Stack) -> None:
    before = stack.until_landed("ecommerce")
    for dry in (True, False, False):
        conf = {"domain": "ecommerce", "warehouse": "both", "minutes": 60, "dry_run": dry}
        assert stack.dag("heal", conf)["state"] == "success"
    after = stack.until_landed("ecommerce")
    assert all(after[topic]["snowflake"] >= found["snowflake"] for topic, found in before.items())


def test_04_the_ledger_shows_where_rows_are_missing_until_they_are_back(stack: Stack) -> None:
    stack.until_landed("ecommerce")
    lost = stack.floodgate("break", "lose-rows", "--warehouse", "snowflake")
    ledger = stack.floodgate("ledger", "--domain", "ecommerce", "--since", "30m")
    holes = [hole for hole in ledger["holes"] if hole["warehouse"] == "snowflake"]
    assert sum(hole["missing"] for hole in holes) == lost["events"]
    begun = time.monotonic()

    def whole() -> bool:
        return not stack.floodgate("ledger", "--domain", "ecommerce", "--since", "30m")["holes"]

    stack.until(whole, 300, "the rows are not back")
    assert time.monotonic() - begun > 1, "they were away"
    stack.until(lambda: not open_incidents(stack), 180, "it was not told that all is well")
