"""Which window a run stands for, and from when on its windows are without a gap."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import ParamValidationError

from include import generators
from include.contracts import load
from include.contracts.event import Window
from include.generators import coinbase
from include.operators.bursts import OPTIONS, PlanBurst, params, since, window

CRON = "*/2 * * * *"


def at(minute: int, second: int = 0) -> datetime:
    return datetime(2026, 3, 1, 12, minute, second, tzinfo=UTC)


def two_minutes(minute: int) -> Window:
    return Window(at(minute), at(minute + 2))


def run(start: datetime | None = None, end: datetime | None = None, after: datetime | None = None) -> Any:
    return SimpleNamespace(data_interval_start=start, data_interval_end=end, run_after=after)


def test_what_a_run_can_be_given_is_what_the_generator_takes() -> None:
    assert OPTIONS["coinbase"].keys() <= inspect.signature(coinbase.events).parameters.keys()
    assert not any(param.value for param in OPTIONS["coinbase"].values()), "a schedule's burst has none of it"


def test_a_scheduled_run_stands_for_its_interval() -> None:
    assert window(run(at(0), at(2), at(2)), CRON) == two_minutes(0)


@pytest.mark.parametrize(
    ("after", "first"), [(at(5, 30), 2), (at(4), 2), (at(3, 59), 0)], ids=["within", "at the tick", "before it"]
)
def test_a_run_by_hand_stands_for_the_last_whole_interval(after: datetime, first: int) -> None:
    assert window(run(after=after), CRON) == two_minutes(first)
    assert window(run(after, after, after), CRON) == two_minutes(first)


def test_windows_in_a_row_go_on_with_what_the_first_began() -> None:
    first, known = since([], two_minutes(0))
    then, known = since(known, two_minutes(2))
    assert (first, then) == (at(0), at(0))
    assert known == [[at(0).isoformat(), at(4).isoformat()]]


def test_after_a_gap_nothing_follows_from_before_it() -> None:
    _, known = since([], two_minutes(0))
    begun, known = since(known, two_minutes(10))
    assert begun == at(10)
    assert since(known, two_minutes(0)) == (at(0), known), "the same window again is the same burst"


def test_a_backfill_of_the_gap_leaves_the_later_windows_as_they_were() -> None:
    _, known = since([], two_minutes(0))
    _, known = since(known, two_minutes(4))
    begun, known = since(known, two_minutes(2))
    assert begun == at(0)
    assert since(known, two_minutes(4))[0] == at(4)


def plan(**params: Any) -> list[dict[str, Any]]:
    return PlanBurst(task_id="plan", domain="ecommerce").execute({"params": params})


def test_a_burst_on_schedule_is_one_part_of_no_given_size() -> None:
    assert plan(size=None, shards=1) == [{"shard": "0", "size": None}]


def test_shards_share_a_size_and_differ_in_name() -> None:
    parts = plan(size=10, shards=3)
    assert [part["size"] for part in parts] == [4, 3, 3]
    assert len({part["shard"] for part in parts}) == 3
    assert "0" not in {part["shard"] for part in parts}


@pytest.mark.parametrize("other", [{"shards": 2}, {"seed": 5}, {"size": 11}, {"size": None, "seed": 5}], ids=str)
def test_a_burst_of_other_events_has_a_name_of_its_own(other: dict[str, Any]) -> None:
    """Else its receipt would replace one whose events stay where they landed."""
    given = {"size": 10, "shards": 1}
    named = {part["shard"] for part in plan(**given)} | {"0"}
    assert not named & {part["shard"] for part in plan(**given | other)}


def test_the_contracts_own_seed_is_the_burst_on_schedule() -> None:
    burst = load("ecommerce").burst
    assert burst is not None
    assert plan(size=None, shards=1, seed=burst.seed) == plan(size=None, shards=1)


def test_shards_need_a_size() -> None:
    with pytest.raises(ValueError, match="give a size"):
        plan(size=None, shards=2)


def test_a_history_is_shared_by_its_time() -> None:
    """Shards of it need no size: each takes its part of the days, which the events of all make whole."""
    given = {"from": "2024-03-01", "to": "2024-03-03", "users": 20}
    parts = PlanBurst(task_id="plan", domain="eventsim").execute({"params": {**given, "size": None, "shards": 4}})
    contract = load("eventsim")
    bursts = [generators.burst(contract, two_minutes(0), seed=1, **part, **given) for part in parts]
    name, whole = generators.burst(contract, two_minutes(0), seed=1, **given)
    assert [event for _, made in bursts for event in made] == list(whole)
    assert len({str(one) for one, _ in bursts} | {str(name)}) == 5
    with pytest.raises(ValueError, match="give a size"):
        PlanBurst(task_id="plan", domain="eventsim").execute({"params": {"size": None, "shards": 4}})


def test_what_a_run_by_hand_can_be_given_of_a_history() -> None:
    known = params(load("eventsim"))
    assert {"from", "to", "users", "growth", "attrition"} <= known.keys()
    assert not {"from", "users"} & params(load("ecommerce")).keys()
    assert known["users"].resolve(0) == 0
    with pytest.raises(ParamValidationError):
        known["users"].resolve(-1)
    with pytest.raises(ParamValidationError):
        known["from"].resolve("soon")
