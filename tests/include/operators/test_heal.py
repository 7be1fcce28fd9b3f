"""Healing's tasks, with what is missing given: which windows are triggered, what is said, and how it ends."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pendulum
import pytest
from airflow.sdk.exceptions import AirflowException
from airflow.timetables.interval import CronDataIntervalTimetable

from include.contracts import load
from include.healing.plan import Again, Gap
from include.ledger.minutes import Hole
from include.monitors.generators import owed
from include.operators import heal as module
from include.operators import healings
from include.operators.assets import GAPS
from include.operators.bursts import window
from include.operators.heal import ApproveHealing, PlanHealing, Recount, ReplayRows, Report
from include.operators.stores import plain
from tests.include.operators.contexts import Airflow

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOST = "rows_missing:ecommerce@clickhouse"
ROWS = {
    "fingerprint": LOST,
    "kind": "rows",
    "domain": "ecommerce",
    "warehouse": "clickhouse",
    "since": NOON.isoformat(),
}


def hole(missing: int = 3, **given: Any) -> Hole:
    known: dict[str, Any] = {
        "warehouse": "clickhouse", "domain": "ecommerce", "topic": "orders", "partition": 0, "ranges": ((0, missing - 1),),
        "missing": missing, "minute": NOON, "produced_at": NOON, "in_kafka": True,
    }  # fmt: skip
    return Hole(**{**known, **given})


# ------------------------------------------------------------------------------------------------ windows, once more

SCHEDULES = ["*/2 * * * *", "* * * * *", "0 * * * *", "*/7 * * * *", "30 2 * * *", "0 0 1 * *", "15,45 8-18 * * 1-5"]


@pytest.mark.parametrize("cron", SCHEDULES)
@pytest.mark.parametrize(
    "at", [NOON, datetime(2026, 3, 29, 1, 0, tzinfo=UTC), datetime(2026, 12, 31, 23, 58, tzinfo=UTC)]
)
def test_airflows_own_timetable_gives_a_triggered_run_the_very_window(cron: str, at: datetime) -> None:
    contract = load("ecommerce")
    assert contract.burst is not None
    contract = msgspec.structs.replace(contract, burst=msgspec.structs.replace(contract.burst, schedule=cron))
    timetable = CronDataIntervalTimetable(cron, timezone="UTC")
    windows = owed(contract, at, at + timedelta(days=70))[:40]
    assert windows
    logical_dates = set()
    for start, end in windows:
        given = module._trigger(Again(fingerprint="f", domain="ecommerce", start=start, end=end))
        run_after = datetime.fromisoformat(given["run_after"])
        interval = timetable.infer_manual_data_interval(run_after=pendulum.instance(run_after))
        run = SimpleNamespace(data_interval_start=interval.start, data_interval_end=interval.end, run_after=run_after)
        got = window(run, cron)
        assert (got.start, got.end) == (start, end)
        logical_dates.add(datetime.fromisoformat(given["logical_date"]))
    scheduled = {edge for span in windows for edge in span}
    assert len(logical_dates) == len(windows)
    assert not logical_dates & scheduled, "the runs of the schedule keep theirs"


def test_what_is_triggered_has_a_name_of_its_own_and_the_domains_dag() -> None:
    start = NOON + 4 * MINUTE
    assert module._trigger(Again(fingerprint="f", domain="fashion", start=start, end=start + 2 * MINUTE)) == {
        "trigger_dag_id": "burst_fashion",
        "trigger_run_id": "heal__20260302T120400",
        "logical_date": "2026-03-02T12:06:01+00:00",
        "run_after": "2026-03-02T12:06:01+00:00",
    }


# ----------------------------------------------------------------------------------------------------------- the tasks


class Heal:
    """A run of the DAG, its tasks one after the other, on what the test says is missing."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *events: dict[str, Any], **params: Any) -> None:
        self.airflow = Airflow()
        self.missing: list[Hole] = []
        self.produced: dict[str, dict[datetime, int]] = {}
        self.approved: Any = None
        self.states: dict[str, str] = {}
        self.xcoms: dict[str, Any] = {}
        self.slept = 0.0
        self.events = {GAPS: [SimpleNamespace(extra=extra) for extra in events]} if events else {}
        self.params = {"domain": "ecommerce", "warehouse": "both", "minutes": 60, "dry_run": False} | params
        monkeypatch.setattr(module, "lost", self.lost)
        monkeypatch.setattr(module, "produced", lambda contract, since: self.produced.get(contract.domain, {}))
        monkeypatch.setattr(module, "run_link", lambda *_: "http://run")
        monkeypatch.setattr(
            module, "time", SimpleNamespace(monotonic=lambda: self.slept, sleep=self.sleep, time=lambda: 0)
        )

    def lost(self, gap: Gap, now: datetime) -> list[Hole]:
        return [one for one in self.missing if (one.domain, one.warehouse) == (gap.domain, gap.warehouse)]

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.at_sleep()

    def at_sleep(self) -> None:
        """What happens meanwhile."""

    def run(self, task: Any) -> Any:
        context = self.airflow.context(task, params=self.params, triggering_asset_events=self.events)
        given = {
            "plan": self.xcoms.get("plan"), "approve": self.approved, "recount": self.xcoms.get("recount"),
        }  # fmt: skip
        context["ti"] = SimpleNamespace(
            dag_id="heal", run_id="r",
            xcom_push=lambda key, value: self.xcoms.update({key: plain(value)}),
            xcom_pull=lambda task_ids, key="": given[task_ids],
            get_task_states=lambda *_, **__: {"r": self.states},
        )  # fmt: skip
        return task.execute(context)

    def plan(self) -> list[dict[str, Any]]:
        return list(self.run(PlanHealing(task_id="plan")))

    def recount(self) -> dict[str, dict[str, int]]:
        self.xcoms["recount"] = plain(self.run(Recount(task_id="recount")))
        return dict(self.xcoms["recount"])

    def report(self) -> dict[str, str]:
        return dict(self.run(Report(task_id="report")))

    def healing(self, fingerprint: str = LOST) -> healings.Healing | None:
        return healings.read(self.airflow.context(), fingerprint)


def test_rows_that_come_back_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(3), hole(4, partition=1)]
    assert heal.plan() == []
    assert heal.run(ApproveHealing(task_id="approve")) is None
    heal.missing = []
    assert heal.recount() == {LOST: {"missing": 0, "brought_back": 7}}
    assert heal.report() == {LOST: "Recount: 0 rows in ClickHouse missing, 7 rows brought back."}
    healing = heal.healing()
    assert healing is not None
    assert (healing.state, healing.brought_back) == ("done", 7)
    assert healing.steps == [
        "Plan: 7 rows of orders from Kafka into ClickHouse: 2 stretches of offsets in 2 partitions; about 1 s. http://run",
        "Recount: 0 rows in ClickHouse missing, 7 rows brought back.",
    ]
    assert heal.slept == 0


def test_rows_that_do_not_come_back_are_waited_for_and_then_told(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(10)]
    heal.plan()
    heal.missing = [hole(4)]
    assert heal.recount() == {LOST: {"missing": 4, "brought_back": 6}}
    assert heal.slept > module.RECOUNT_S
    assert heal.report() == {LOST: "Recount: 4 rows in ClickHouse missing, 6 rows brought back."}
    healing = heal.healing()
    assert healing is not None and (healing.state, healing.brought_back) == ("failed", 6)


def test_what_kafka_no_longer_has_is_neither_waited_for_nor_a_failed_healing(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(3), hole(4, partition=1, in_kafka=False)]
    heal.plan()
    heal.missing = heal.missing[1:]
    assert heal.recount() == {LOST: {"missing": 4, "brought_back": 3}}
    assert heal.slept == 0
    heal.report()
    healing = heal.healing()
    assert healing is not None and (healing.state, healing.brought_back) == ("done", 3)


def test_one_row_is_said_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(1), hole(1, partition=1)]
    heal.plan()
    heal.missing = heal.missing[:1]
    heal.recount()
    assert heal.report() == {LOST: "Recount: 1 row in ClickHouse missing, 1 row brought back."}


def test_what_is_on_its_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(10)]
    heal.plan()
    heal.at_sleep = lambda: setattr(heal, "missing", []) if heal.slept >= 20 else None  # type: ignore[method-assign]
    assert heal.recount() == {LOST: {"missing": 0, "brought_back": 10}}
    assert heal.slept == 20


WINDOWS = {
    "fingerprint": "generator_silent:fashion",
    "kind": "windows",
    "windows": {"fashion": [[(NOON + m * MINUTE).isoformat(), (NOON + (m + 2) * MINUTE).isoformat()] for m in (0, 2)]},
}


def test_windows_are_triggered_each_and_counted_by_their_receipts(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, WINDOWS)
    triggered = heal.plan()
    assert [one["trigger_run_id"] for one in triggered] == ["heal__20260302T120000", "heal__20260302T120200"]
    heal.produced = {"fashion": {NOON: 50, NOON - 2 * MINUTE: 99}}
    heal.at_sleep = lambda: heal.produced["fashion"].update({NOON + 2 * MINUTE: 7})  # type: ignore[method-assign]
    assert heal.recount() == {"generator_silent:fashion": {"missing": 0, "brought_back": 57}}
    assert heal.report() == {"generator_silent:fashion": "Recount: 0 windows missing, 57 rows brought back."}


def test_a_dry_run_says_what_it_would_do_and_does_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, WINDOWS, dry_run=True)
    assert heal.plan() == []
    assert heal.run(ReplayRows(task_id="replay")) == {}
    assert heal.run(ApproveHealing(task_id="approve")) is None
    assert heal.recount() == {}
    assert heal.report() == {"generator_silent:fashion": "Dry run: nothing was done."}


def test_by_hand_it_looks_at_both_warehouses_and_says_nothing_in_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, minutes=30)
    heal.missing = [hole(2), hole(3, warehouse="snowflake"), hole(9, domain="fashion")]
    heal.plan()
    made = heal.xcoms["plan"]["made"]
    assert [(gap["domain"], gap["warehouse"]) for gap in made["gaps"]] == [
        ("ecommerce", "clickhouse"), ("ecommerce", "snowflake")
    ]  # fmt: skip
    assert [replay["rows"] for replay in made["replays"]] == [2, 3]
    heal.missing = []
    assert sum(count["brought_back"] for count in heal.recount().values()) == 5
    heal.report()
    assert heal.airflow.stores.get("gaps", {}) == {}


def test_the_same_gap_asked_for_twice_is_one_and_what_is_unknown_of_it_is_left_out(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    later = ROWS | {"since": (NOON + MINUTE).isoformat(), "note": "of a later version"}
    heal = Heal(monkeypatch, ROWS, later, WINDOWS)
    heal.plan()
    gaps = heal.xcoms["plan"]["made"]["gaps"]
    assert [gap["fingerprint"] for gap in gaps] == [LOST, "generator_silent:fashion"]
    assert datetime.fromisoformat(gaps[0]["since"]) == NOON + MINUTE


def test_above_the_limit_a_person_is_asked_with_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.providers.standard.operators.hitl import ApprovalOperator

    asked: list[Any] = []
    monkeypatch.setattr(ApprovalOperator, "execute", lambda self, context: asked.append(context))
    monkeypatch.setattr(ApproveHealing, "generate_link_to_ui", lambda *_, **__: "http://approve")
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(10_001)]
    heal.plan()
    heal.run(ApproveHealing(task_id="approve"))
    assert len(asked) == 1
    healing = heal.healing()
    assert healing is not None and healing.state == "waiting"
    assert healing.steps[-1].startswith(
        "About 10,001 rows, more than the 10,000 that are healed without asking: approve or reject at http://approve by "
    )


def test_a_no_is_told_and_is_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(20_000)]
    heal.plan()
    heal.approved = {"chosen_options": ["Reject"], "params_input": {}}
    assert heal.recount() == {}
    heal.report()
    healing = heal.healing()
    assert healing is not None and healing.state == healings.REFUSED and not healing.active
    assert healing.steps[-1] == "Rejected, or nobody answered in time: nothing was done, and it is not asked again."


def test_a_task_that_fails_is_told_and_the_run_is_red(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(3)]
    heal.plan()
    heal.states = {"plan": "success", "replay": "failed", "recount": "upstream_failed"}
    with pytest.raises(AirflowException, match="healing failed"):
        heal.report()
    healing = heal.healing()
    assert healing is not None and healing.state == "failed"
    assert healing.steps[-1] == "Healing did not get to its end: see the run."


def test_without_a_plan_the_report_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowException, match="there is no plan"):
        Heal(monkeypatch, ROWS).report()


def test_a_task_that_is_tried_again_says_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(3)]
    for _ in range(3):
        heal.plan()
    healing = heal.healing()
    assert healing is not None and len(healing.steps) == 1


def test_what_is_not_in_kafka_any_more_is_said_and_left(monkeypatch: pytest.MonkeyPatch) -> None:
    heal = Heal(monkeypatch, ROWS)
    heal.missing = [hole(3, in_kafka=False)]
    heal.plan()
    assert heal.recount() == {LOST: {"missing": 3, "brought_back": 0}}
    healing = heal.healing()
    assert healing is not None
    assert healing.steps[0].startswith(
        "Plan: nothing can be done. 3 rows beyond Kafka's retention: not to be brought back."
    )
    assert heal.slept == 0, "for what cannot come nobody waits"
