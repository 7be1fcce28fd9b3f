"""What a model's task and its group's first task do, case by case; dbt itself is left out."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.operators import models
from include.operators.build import BuildError, Outcome, Record, _record
from include.operators.graph import Group
from include.operators.models import DbtBuild, DbtModel

FCT, DIM = "model.p.fct", "model.p.dim"
GROUP = Group(models={DIM: "dim", FCT: "fct"}, tests={DIM: (), FCT: ("test.p.t",)}, after={}, relations={}, names={})
GOOD, BAD, OPEN = (Record(verdict, (f"{FCT}: {verdict}",)) for verdict in ("good", "bad", "open"))


#: What the run's first task saw: the last offset of each partition and when a row of it landed last (ms).
LANDED = {"offsets": {"orders/orders/0": [7, 1700], "orders/orders/1": [9, 1600]}, "project": "x"}


class Builds(list[list[str]]):
    """What was built, and what comes of it."""

    outcome: Any = GOOD
    until_ms: int | None = None


@pytest.fixture
def builds(monkeypatch: pytest.MonkeyPatch) -> Builds:
    made = Builds()

    def build(*args: Any, until_ms: int | None = None) -> dict[str, Record]:
        chosen = args[4]
        made.append(list(chosen))
        made.until_ms = until_ms
        if isinstance(made.outcome, Exception):
            raise made.outcome
        return dict.fromkeys(chosen, made.outcome)

    monkeypatch.setattr(models, "build", build)
    monkeypatch.setattr(models, "read", lambda _: None)
    monkeypatch.setattr(models, "endpoint", lambda _: None)
    monkeypatch.setattr(models.graph, "group", lambda *_: GROUP)
    return made


class Memory(dict[str, Any]):
    """A task's state store."""

    def set(self, key: str, value: Any, **_: Any) -> None:
        self[key] = value


def shown(record: Record | None, memory: Memory | None = None, stamp: str = "1") -> None:
    made = {"stamp": stamp, "records": {FCT: msgspec.to_builtins(record)} if record else {}}
    ti = SimpleNamespace(xcom_pull=lambda task_ids: made if task_ids == "marts.dbt_build" else None)
    memory = Memory() if memory is None else memory
    task = DbtModel(task_id="marts.fct", warehouse="clickhouse", folder="models/marts/shop", model=FCT)
    task.execute({"ti": ti, "task_state_store": memory})


def test_a_good_record_is_green_and_builds_nothing(builds: Builds) -> None:
    shown(GOOD)
    assert builds == []


def test_a_bad_record_is_red_and_the_retry_builds(builds: Builds) -> None:
    memory = Memory()
    with pytest.raises(AirflowException, match="is not good"):
        shown(BAD, memory)
    assert builds == []
    shown(BAD, memory)
    assert builds == [[FCT]]


@pytest.mark.parametrize("record", [OPEN, None], ids=["left out", "no record"])
def test_what_was_not_built_is_built_here(builds: Builds, record: Record | None) -> None:
    shown(record)
    assert builds == [[FCT]]


def test_a_green_task_that_was_cleared_builds_again(builds: Builds) -> None:
    memory = Memory()
    shown(GOOD, memory)
    shown(GOOD, memory)
    assert builds == [[FCT]]


def test_a_new_record_is_shown_again(builds: Builds) -> None:
    memory = Memory()
    shown(GOOD, memory, stamp="1")
    shown(GOOD, memory, stamp="2")
    assert builds == []


@pytest.mark.parametrize("outcome", [BAD, OPEN, BuildError("dbt broke")])
def test_building_here_is_green_only_when_all_is_good(builds: Builds, outcome: Any) -> None:
    builds.outcome = outcome
    with pytest.raises(AirflowException):
        shown(None)


def test_a_model_that_is_gone_is_red(builds: Builds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models.graph, "group", lambda *_: Group({}, {}, {}, {}, {}))
    with pytest.raises(AirflowFailException, match="no longer in the project"):
        shown(None)


def built(states: dict[str, str | None]) -> Any:
    ti = SimpleNamespace(
        dag_id="d",
        run_id="r",
        try_number=1,
        start_date="now",
        get_task_states=lambda dag_id, task_ids, run_ids: {run_ids[0]: states},
        xcom_pull=lambda task_ids: LANDED if task_ids == "landed" else None,
    )
    task = DbtBuild(task_id="marts.dbt_build", warehouse="clickhouse", folder="models/marts/shop")
    return task.execute({"ti": ti})


def test_at_first_all_is_built_then_what_was_cleared(builds: Builds) -> None:
    built({"marts.dim": None, "marts.fct": None})
    built({"marts.dim": "success", "marts.fct": None})
    assert built({"marts.dim": "success", "marts.fct": "failed"}) == {}
    assert builds == [[DIM, FCT], [FCT]]


def test_staging_shows_what_had_landed_when_the_run_began(builds: Builds) -> None:
    built({"marts.dim": None, "marts.fct": None})
    assert builds.until_ms == 1700


def test_a_bad_model_leaves_the_build_green_with_its_record(builds: Builds) -> None:
    builds.outcome = BAD
    made = built({"marts.dim": None, "marts.fct": None})
    assert made["records"][FCT]["verdict"] == "bad"


def test_a_model_without_a_task_in_the_run_is_red(builds: Builds) -> None:
    with pytest.raises(AirflowException, match=r"no task for: marts\.dim"):
        built({"marts.fct": None})


def test_a_dbt_that_broke_is_red(builds: Builds) -> None:
    builds.outcome = BuildError("dbt broke")
    with pytest.raises(AirflowException, match="dbt broke"):
        built({"marts.dim": None, "marts.fct": None})


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["success", "pass"], "good"),
        (["success", "warn"], "good"),
        (["success", "fail"], "bad"),
        (["error", "skipped"], "bad"),
        (["skipped", "fail"], "bad"),
        (["skipped", "skipped"], "open"),
        (["success", "skipped"], "open"),
        (["success", None], "open"),
    ],
)
def test_a_records_verdict(statuses: list[str | None], verdict: str) -> None:
    outcomes = {
        uid: Outcome(status, "", 0.1) for uid, status in zip([FCT, "test.p.t"], statuses, strict=True) if status
    }
    assert _record((FCT, "test.p.t"), outcomes).verdict == verdict
