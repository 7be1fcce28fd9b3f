"""Runs that miss their deadline: what the triggerer notes, when it tells by itself, and what the watch makes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.execution_time import context as airflow_context

from include.contracts import load
from include.incidents import Book
from include.operators import assets, deadlines
from include.operators.airflow_look import AirflowLook
from include.operators.deadlines import MISSED
from include.operators.watching import BEAT
from tests.include.operators.contexts import Airflow, Memory

THREAD = {"channel": "C1", "ts": "1.0"}


class Triggerer:
    """Airflow's stores as the triggerer reaches them; `told`: the DAGs it told of by itself."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.stores: dict[str, Memory] = {}
        self.told: list[str] = []
        monkeypatch.setattr(airflow_context, "AssetStateStoreAccessor", self._accessor)
        monkeypatch.setattr(deadlines, "_tell", lambda dag, run, thread: self.told.append(dag) or thread or THREAD)

    def _accessor(self, name: str) -> Any:
        store = self.stores.setdefault(name, Memory())

        async def get(key: str) -> Any:
            return store.get(key)

        async def put(key: str, value: Any) -> None:
            store.set(key, value)

        return SimpleNamespace(aget=get, aset=put)

    def looked(self, watch: str, ago: timedelta) -> None:
        self.stores.setdefault(watch, Memory()).set(BEAT, (datetime.now(UTC) - ago).isoformat())

    def misses(self, dag_id: str, run_id: str = "r1") -> dict[str, Any]:
        family = dag_id.partition("_")[0]
        context = {"dag_run": {"dag_id": dag_id, "dag_run_id": run_id}}
        asyncio.run(deadlines.missed(family, context))
        return dict(self.stores["watch_ingestion"].get(MISSED)[dag_id])


@pytest.fixture
def triggerer(monkeypatch: pytest.MonkeyPatch) -> Triggerer:
    return Triggerer(monkeypatch)


def test_a_burst_is_noted_and_left_to_the_watch(triggerer: Triggerer) -> None:
    assert triggerer.misses("burst_ecommerce")["run"] == "r1"
    assert triggerer.told == []


@pytest.mark.parametrize(("dag_id", "other"), [(one, other.name) for one, other in deadlines.OTHER.items()])
def test_a_watch_that_hangs_is_left_to_the_other_one_while_that_one_looks(
    triggerer: Triggerer, dag_id: str, other: str
) -> None:
    triggerer.looked(other, timedelta(seconds=149))
    assert triggerer.misses(dag_id)["thread"] is None
    assert triggerer.told == []
    triggerer.looked(other, timedelta(seconds=152))
    assert triggerer.misses(dag_id)["thread"] == THREAD
    assert triggerer.told == [dag_id]


def test_two_that_hang_are_told_once_an_hour(triggerer: Triggerer) -> None:
    triggerer.misses("watch_connectors")
    triggerer.misses("watch_connectors", "r2")
    assert triggerer.told == ["watch_connectors"]
    store = triggerer.stores["watch_ingestion"]
    known = store.get(MISSED)
    known["watch_connectors"]["told_at"] = (datetime.now(UTC) - timedelta(hours=1, seconds=1)).isoformat()
    store.set(MISSED, known)
    assert triggerer.misses("watch_connectors", "r3")["thread"] == THREAD
    assert triggerer.told == ["watch_connectors"] * 2


def look(airflow: Airflow, state: str = "running") -> AirflowLook:
    context = airflow.context()
    context["ti"].get_dagrun_state = lambda dag_id, run_id: state
    return AirflowLook(context, airflow.store(assets.WATCH_INGESTION), [load("ecommerce")], datetime.now(UTC))


@pytest.mark.parametrize(
    ("dag_id", "firing", "cause"),
    [
        ("watch_connectors", "watch_silent:watch_connectors", "watch_silent:watch_connectors"),
        ("watch_connectors", "watch_silent:trigger", ""),
        ("burst_ecommerce", "generator_silent:bursts", "generator_silent:bursts"),
        ("burst_ecommerce", "generator_silent:ecommerce", "generator_silent:ecommerce"),
        ("burst_ecommerce", "generator_silent:fashion", ""),
        ("transform_snowflake_ecommerce", "generator_silent:bursts", ""),
    ],
)
def test_what_is_silent_says_it_all_of_its_own_run(dag_id: str, firing: str, cause: str) -> None:
    airflow = Airflow()
    airflow.store(assets.WATCH_INGESTION).set(MISSED, {dag_id: {"run": "r1", "at": "", "thread": None}})
    (verdict,) = look(airflow).missed(Book(), {firing})
    assert (verdict.fingerprint, verdict.firing, verdict.cause) == (f"deadline_missed:{dag_id}", True, cause)


def test_a_run_that_has_ended_is_taken_off_the_list() -> None:
    airflow = Airflow()
    airflow.store(assets.WATCH_INGESTION).set(MISSED, {"burst_ecommerce": {"run": "r1", "at": "", "thread": None}})
    (verdict,) = look(airflow, "success").missed(Book(), set())
    assert not verdict.firing
    assert airflow.store(assets.WATCH_INGESTION).get(MISSED) == {}
