"""The line, end to end, in the order a user would go: demo, replay, faults, kills.

What the emulators do not prove: the speed, limits and outages of the real services.
"""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from commands.airflow_api import Airflow
from commands.demo import DOMAINS
from local.place import PORTS
from tests.journeys.stack import ROOT, Stack

pytestmark = [pytest.mark.journey, pytest.mark.timeout(900)]

DATA = Path(os.environ.get("FLOODGATE_DATA") or ROOT.parent / "shared" / "data")
CLICKS, TRANSACTIONS = DATA / "fashion-campus-clicks.csv", DATA / "fashion-campus-transactions.csv"
BOTH = ("clickhouse", "snowflake")
TRANSFORMS = [f"transform_{warehouse}_ecommerce" for warehouse in BOTH]


def money(rows: list[dict[str, Any]]) -> Decimal:
    return Decimal(str(rows[0]["n"] or 0)).quantize(Decimal("0.01"))


def number(rows: list[dict[str, Any]]) -> int:
    return int(rows[0]["n"])


def published(stack: Stack, domain: str) -> dict[str, dict[str, Any]]:
    """Runs both transforms on everything that was produced; gives the streams, which stood still meanwhile."""
    for _ in range(5):
        before = stack.until_landed(domain)
        for warehouse in BOTH:
            assert stack.dag(f"transform_{warehouse}_{domain}", {"force": True})["state"] == "success"
        if (after := stack.until_landed(domain)) == before:
            return after
    raise AssertionError("the schedule's bursts left no moment in between")


def test_01_demo_ends_well_and_says_what_happened(stack: Stack) -> None:
    told = stack.floodgate("demo", within_s=900)
    assert {service["state"] for service in told["services"]} == {"ready"}
    assert {(gate["domain"], gate["warehouse"]) for gate in told["gates"] if gate["passed"]} == {
        (domain, warehouse) for domain in DOMAINS for warehouse in BOTH
    }
    assert all(connector["state"] == "RUNNING" for connector in told["connectors"])
    flowing = [mart for mart in told["marts"] if mart["domain"] in DOMAINS]
    assert flowing and [mart for mart in flowing if not mart["rows"]] == []
    assert {mart["rows"] for mart in told["marts"] if mart not in flowing} == {None}, "the others wait, paused"
    assert told["problems"] == []
    print(json.dumps(told["steps"]))


def test_02_orders_are_the_same_everywhere(stack: Stack) -> None:
    produced = published(stack, "ecommerce")["orders"]["produced"]
    assert produced >= 200
    sums = {}
    for warehouse in BOTH:
        assert number(stack.query(warehouse, "select count(*) as n from ecommerce.fct_orders")) == produced
        sums[warehouse] = money(stack.query(warehouse, "select sum(revenue_usd) as n from ecommerce.fct_orders"))
    assert sums["clickhouse"] == sums["snowflake"] > 0


@pytest.mark.skipif(not CLICKS.exists(), reason=f"give the folder with {CLICKS.name} as FLOODGATE_DATA")
def test_03_replayed_files_land_whole_and_their_revenue_is_that_of_the_file(stack: Stack) -> None:
    files = ["--clicks", str(CLICKS), "--transactions", str(TRANSACTIONS)]
    before = stack.until_landed("fashion")
    told = stack.floodgate("replay", "fashion", *files)
    assert told["topics"] == {"streaming.public.clicks": 6000, "streaming.public.transactions": 400}
    after = stack.until_landed("fashion")
    assert after["streaming.public.clicks"]["produced"] >= before["streaming.public.clicks"]["produced"] + 6000

    stack.floodgate("replay", "fashion", *files)
    again = stack.until_landed("fashion")
    more = again["streaming.public.clicks"]["produced"] - after["streaming.public.clicks"]["produced"]
    assert more < 6000, "a file replayed twice counts once"

    with TRANSACTIONS.open() as file:
        totals = {row["booking_id"]: row for row in csv.DictReader(file)}
    expected = sum(Decimal(row["total_amount"]) for row in totals.values() if row["payment_status"] == "Success")
    ids = ", ".join(f"'{booking}'" for booking in totals)
    for warehouse in BOTH:
        assert stack.dag(f"transform_{warehouse}_fashion", {"force": True})["state"] == "success"
        rows = f"select count(*) as n from staging.stg_fashion__transactions where booking_id in ({ids})"
        assert number(stack.query(warehouse, rows)) == 400
        revenue = "sum(case when payment_status = 'Success' then total_idr else 0 end)"
        found = stack.query(warehouse, f"select {revenue} as n from fashion.fct_bookings where booking_id in ({ids})")
        assert money(found) == expected


def test_04_bad_totals_hold_the_marts_and_tell_once(stack: Stack) -> None:
    before = {w: stack.query(w, MARTS_SUM) for w in BOTH}
    told_before = len(held(stack))
    stack.floodgate("break", "bad-totals")
    stack.until_landed("ecommerce")
    for _ in range(2):
        for dag in TRANSFORMS:
            outcome = stack.dag(dag)
            assert outcome["state"] == "failed"
            assert outcome["tasks"]["gate"] == "failed"
    assert {w: stack.query(w, MARTS_SUM) for w in BOTH} == before
    told = held(stack)[told_before:]
    assert len(told) == 2, "one message a warehouse, however many runs are held"
    for message in told:
        assert "order_totals_are_price_times_quantity" in message["text"]
        assert "3 of " in message["text"]
    assert [gate["passed"] for gate in stack.status()["gates"] if gate["domain"] == "ecommerce"] == [False, False]

    stack.floodgate("break", "bad-totals", "--undo")
    stack.until_landed("ecommerce")
    time.sleep(3)  # the corrected orders are counted before the sinks have written them
    stack.until(lambda: all(c["lag"] == 0 for c in stack.status()["connectors"]), 60, "the sinks lag")
    for dag in TRANSFORMS:
        assert stack.dag(dag)["state"] == "success"
    assert {w: stack.query(w, MARTS_SUM) for w in BOTH} != before
    assert len([m for m in stack.floodgate("slack") if m["text"].startswith("NORMAL ecommerce marts")]) >= 2


MARTS_SUM = "select count(*) as n, sum(revenue_usd) as total from ecommerce.fct_orders"


def held(stack: Stack) -> list[dict[str, Any]]:
    return [m for m in stack.floodgate("slack") if m["text"].startswith("HELD ecommerce marts")]


def test_05_poison_goes_to_the_dead_letters_and_stops_nothing(stack: Stack) -> None:
    before = stack.until_landed("ecommerce")["orders"]
    stack.floodgate("break", "poison")
    stack.dag("burst_ecommerce", {"size": 50})
    after: dict[str, Any] = {}

    def landed() -> bool:
        after.update(stack.streams()["orders"])
        return bool(
            after["rejected"] == before["rejected"] + 4
            and after["clickhouse"] == after["snowflake"] == after["produced"]
        )

    stack.until(landed, 90, f"the dead letters do not hold the four: {after}")
    assert after["produced"] >= before["produced"] + 50
    assert all(c["state"] == "RUNNING" and set(c["tasks"]) == {"RUNNING"} for c in stack.status()["connectors"])


def test_06_the_same_window_three_times_counts_once(stack: Stack) -> None:
    interval = {"data_interval_start": "2026-01-05T10:00:00Z", "data_interval_end": "2026-01-05T10:02:00Z"}
    with api(stack) as airflow:
        for attempt in range(3):
            # Airflow takes a logical date once a DAG; the window is the interval.
            window = interval | {"logical_date": f"2026-01-05T10:02:0{attempt}Z"}
            run_id = airflow.trigger("burst_ecommerce", {"size": 40}, window=window)
            assert airflow.wait("burst_ecommerce", run_id) == "success"
    stack.until_landed("ecommerce")
    within = "ordered_at >= '2026-01-05 10:00:00' and ordered_at < '2026-01-05 10:02:00'"
    for warehouse, dag in zip(BOTH, TRANSFORMS, strict=True):
        assert stack.dag(dag, {"force": True})["state"] == "success"
        found = stack.query(warehouse, f"select count(*) as n from ecommerce.fct_orders where {within}")
        assert number(found) == 40


def test_06_a_backfill_of_an_old_window_counts_once(stack: Stack) -> None:
    start, end = "2026-01-06T10:00:00Z", "2026-01-06T10:03:00Z"  # two windows of two minutes
    within = "ordered_at >= '2026-01-06 10:00:00' and ordered_at < '2026-01-06 10:04:00'"
    counted = []
    for again in (False, True):
        with api(stack) as airflow:
            airflow.backfill("burst_ecommerce", start, end, again=again)
        stack.until_landed("ecommerce")
        for warehouse, dag in zip(BOTH, TRANSFORMS, strict=True):
            assert stack.dag(dag, {"force": True})["state"] == "success"
            found = stack.query(warehouse, f"select count(*) as n from ecommerce.fct_orders where {within}")
            counted.append(number(found))
    assert counted[0] >= 2
    assert counted == [counted[0]] * 4


def api(stack: Stack) -> Airflow:
    password = json.loads((stack.home / "secrets.json").read_text())["airflow"]
    return Airflow(f"http://127.0.0.1:{PORTS['airflow'] + stack.offset}", "floodgate", password)


def test_06_a_killed_dbt_and_a_dropped_mart_are_mended_by_the_run(stack: Stack) -> None:
    """Never green with a table missing: the build that is killed is retried, the mart that is gone is built."""
    dag = "transform_clickhouse_ecommerce"
    drop(stack, "ecommerce.report_shipping_delay")
    with api(stack) as airflow:
        run_id = airflow.trigger(dag, {"force": True})
        kill_task(airflow, dag, run_id, "marts.dbt_build", after_s=0.5)
        assert airflow.wait(dag, run_id) == "success"
        assert {task["task_id"]: task["try_number"] for task in airflow.tasks(dag, run_id)}["marts.dbt_build"] > 1
    assert number(stack.query("clickhouse", "select count(*) as n from ecommerce.report_shipping_delay")) > 0


def drop(stack: Stack, table: str) -> None:
    from include.connections import CLICKHOUSE, from_env
    from include.warehouses import clickhouse

    with clickhouse.connect(from_env(CLICKHOUSE, stack.variables())) as client:
        client.command(f"drop table {table}")


def kill_task(airflow: Airflow, dag: str, run_id: str, task_id: str, *, after_s: float) -> None:
    """kill -9 of a task's process and its children, once it runs."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        task = {task["task_id"]: task for task in airflow.tasks(dag, run_id)}.get(task_id) or {}
        if task.get("state") == "running" and task.get("pid"):
            time.sleep(after_s)
            assert kill_tree(task["pid"]), f"{task_id} ended before it could be killed"
            return
        time.sleep(0.1)
    raise AssertionError(f"{task_id} never ran")


@pytest.fixture
def busy(stack: Stack) -> Iterator[None]:
    """A burst big enough that a kill meets it in flight."""
    stack.until_landed("ecommerce")
    assert stack.dag("burst_ecommerce", {"size": 20_000 + int(time.time()) % 1000})["state"] == "success"
    yield
    streams = stack.until_landed("ecommerce", within_s=240)
    assert streams["orders"]["rejected"] == stack.streams()["orders"]["rejected"]


@pytest.mark.parametrize("service", ["connect", "clickhouse", "snowflake", "kafka"])
@pytest.mark.usefixtures("busy")
def test_07_a_killed_service_comes_back_and_nothing_is_lost_or_twice(stack: Stack, service: str) -> None:
    pid = stack.kill(service)
    stack.until_ready(service, pid)


def test_08_a_killed_burst_is_there_once(stack: Stack) -> None:
    before = stack.until_landed("ecommerce")["orders"]["produced"]
    with api(stack) as airflow:
        run_id = airflow.trigger("burst_ecommerce", {"size": 60_001})
        kill_task(airflow, "burst_ecommerce", run_id, "produce", after_s=1.0)
        assert airflow.wait("burst_ecommerce", run_id, within_s=420) == "success"
        tries = {task["task_id"]: task["try_number"] for task in airflow.tasks("burst_ecommerce", run_id)}
        assert tries["produce"] > 1, "it was not the retry that produced it"
    assert stack.until_landed("ecommerce", within_s=240)["orders"]["produced"] >= before + 60_001


def kill_tree(pid: int) -> bool:
    try:
        process = psutil.Process(pid)
        for one in [*process.children(recursive=True), process]:
            one.send_signal(signal.SIGKILL)
    except psutil.NoSuchProcess:
        return False
    return True
