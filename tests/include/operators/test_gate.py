"""When the gate speaks: once when marts are held, once when it is over, and when warnings change."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from include.expectations.verdict import Failure, GateResult
from include.incidents import Silence
from include.operators import gate as module
from include.operators.assets import SILENCES
from include.operators.gate import Gate, Held

Run = Callable[..., None]


def result(*severities: str) -> GateResult:
    failures = tuple(
        Failure(expectation=f"{s}_rows", table="stg_orders", severity=s, why="It matters.", count=1, total=9)
        for s in severities
    )
    return GateResult(domain="ecommerce", warehouse="clickhouse", expectations=3, seconds=0.1, failures=failures)


class Memory(dict[str, Any]):
    """An asset's state store."""

    def set(self, key: str, value: Any) -> None:
        self[key] = value

    def delete(self, key: str) -> None:
        del self[key]


class Slack:
    """What was told, and whether it can be."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None]] = []
        self.up = True

    def tell(self, _: Any, message: Any, *, thread: dict[str, str] | None = None) -> dict[str, str] | None:
        if not self.up:
            return None
        self.told.append((message.word, thread and thread["ts"]))
        return {"channel": "C1", "ts": f"{len(self.told)}.0"}


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Slack:
    catcher = Slack()
    monkeypatch.setattr(module, "tell", catcher.tell)
    monkeypatch.setattr(module, "run_link", lambda *_: "")
    monkeypatch.setattr(module, "endpoint", lambda _: None)
    return catcher


def silence(match: str, minutes: float = 60) -> list[Any]:
    until = datetime.now(UTC) + timedelta(minutes=minutes)
    return list(msgspec.to_builtins([Silence(match=match, reason="we move tables", until=until)]))


@pytest.fixture
def silences() -> list[Any]:
    return []


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, slack: Slack, silences: list[Any]) -> Run:
    """Runs the gate with these severities failing, with the same memory each time."""
    memory = Memory()
    task = Gate(task_id="gate", warehouse="clickhouse", domain="ecommerce")
    pushed: dict[str, Any] = {}

    def once(*severities: str) -> None:
        from include.expectations import runner

        monkeypatch.setattr(runner, "run", lambda *_, **__: result(*severities))
        store = type(
            "Stores", (), {"__getitem__": lambda self, asset: {"silences": silences} if asset == SILENCES else memory}
        )()
        ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
        context = {"run_id": "r", "dag": SimpleNamespace(dag_id="d"), "ti": ti, "asset_state_store": store}
        try:
            task.execute(context)
        finally:
            assert pushed.pop("return_value")["passed"] is ("critical" not in severities), "kept before it is raised"

    return once


def test_however_many_runs_are_held_it_is_told_once(run: Run, slack: Slack) -> None:
    for _ in range(3):
        with pytest.raises(Held, match="critical_rows"):
            run("critical", "warning")
    assert slack.told == [("HELD", None)]


def test_the_end_is_told_in_the_thread_and_a_new_hold_anew(run: Run, slack: Slack) -> None:
    with pytest.raises(Held):
        run("critical")
    run()
    run()
    with pytest.raises(Held):
        run("critical")
    assert slack.told == [("HELD", None), ("NORMAL", "1.0"), ("HELD", None)]


def test_what_slack_did_not_take_is_told_by_a_later_run(run: Run, slack: Slack) -> None:
    slack.up = False
    with pytest.raises(Held):
        run("critical")
    slack.up = True
    with pytest.raises(Held):
        run("critical")
    slack.up = False
    run()
    slack.up = True
    run()
    run()
    assert slack.told == [("HELD", None), ("NORMAL", "1.0")]


def test_a_hold_that_nobody_heard_of_ends_in_silence(run: Run, slack: Slack) -> None:
    slack.up = False
    with pytest.raises(Held):
        run("critical")
    slack.up = True
    run()
    assert slack.told == []


@pytest.mark.parametrize("match", ["marts_held:*", "marts_held:ecommerce@clickhouse", "*:ecommerce@*"])
def test_a_silenced_hold_is_not_told_and_holds_all_the_same(
    run: Run, slack: Slack, silences: list[Any], match: str
) -> None:
    silences[:] = silence(match)
    for _ in range(2):
        with pytest.raises(Held):
            run("critical")
    run()
    assert slack.told == []


def test_it_is_told_when_the_silence_is_over(run: Run, slack: Slack, silences: list[Any]) -> None:
    silences[:] = silence("marts_held:*")
    with pytest.raises(Held):
        run("critical")
    silences[:] = silence("marts_held:*", -1)
    with pytest.raises(Held):
        run("critical")
    run()
    assert slack.told == [("HELD", None), ("NORMAL", "1.0")]


def test_one_that_was_told_before_the_silence_ends_in_its_thread(run: Run, slack: Slack, silences: list[Any]) -> None:
    with pytest.raises(Held):
        run("critical")
    silences[:] = silence("marts_held:*")
    run()
    assert slack.told == [("HELD", None), ("NORMAL", "1.0")]


def test_a_silence_of_another_is_none(run: Run, slack: Slack, silences: list[Any]) -> None:
    silences[:] = silence("marts_held:ecommerce@snowflake") + silence("rows_missing:*")
    with pytest.raises(Held):
        run("critical")
    assert slack.told == [("HELD", None)]


def test_warnings_pass_and_are_told_when_they_change(run: Run, slack: Slack) -> None:
    run("warning")
    run("warning")
    run("info")
    run("warning")
    assert slack.told == [("WARNING", None), ("WARNING", None)]
