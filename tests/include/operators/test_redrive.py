"""The tasks of a redrive: what params ask for, a dry run that does nothing, and what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.connections import KAFKA, Endpoint
from include.contracts import domains
from include.healing import redrive as healing
from include.healing.redrive import Line, Order, Told
from include.operators import redrive
from include.operators.redrive import ListDeadLetters, Redrive, params

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def carried_out(monkeypatch: pytest.MonkeyPatch) -> list[Order]:
    """The orders that were carried out; each sends one record."""
    done: list[Order] = []

    def told(order: Order) -> Told:
        line = Line(does="send", first="orders/0/1", topic="orders", reason="too long", records=1)
        return Told(domain=order.domain, send=1, lines=[line])

    def carry_out(kafka: Endpoint, order: Order, *, now: datetime) -> Told:
        assert (kafka.conn_id, now) == (KAFKA, NOW)
        done.append(order)
        return told(order)

    monkeypatch.setattr(redrive, "endpoint", lambda conn_id: Endpoint(conn_id=conn_id))
    monkeypatch.setattr(healing, "look", lambda kafka, order: told(order))
    monkeypatch.setattr(healing, "redrive", carry_out)
    return done


def context(**given: Any) -> dict[str, Any]:
    defaults = {name: param.value for name, param in params().items()}
    return {"params": defaults | given, "dag_run": SimpleNamespace(run_after=NOW)}


def test_a_run_without_params_is_a_dry_one(carried_out: list[Order]) -> None:
    with pytest.raises(AirflowSkipException):
        Redrive(task_id="redrive").execute(context())
    assert carried_out == []


def test_the_list_says_what_would_be_done(carried_out: list[Order], capsys: pytest.CaptureFixture[str]) -> None:
    told = ListDeadLetters(task_id="list").execute(context(domain="ecommerce"))
    assert told == [
        {
            "domain": "ecommerce",
            "send": 1,
            "park": 0,
            "leave": 0,
            "lines": [
                {
                    "does": "send",
                    "first": "orders/0/1",
                    "topic": "orders",
                    "reason": "too long",
                    "why": "",
                    "records": 1,
                }
            ],
        }
    ]
    log = capsys.readouterr().out
    assert "ecommerce: would send 1, park 0, leave 0" in log
    assert "send 1 of orders: too long; orders/0/1" in log
    assert carried_out == []


def test_params_become_an_order(carried_out: list[Order]) -> None:
    given = context(dry_run=False, topic="orders", reason="long", since="1h", fix="times_to_utc", at_most=1)
    assert [one["send"] for one in Redrive(task_id="redrive").execute(given)] == [1]
    assert carried_out == [
        Order(
            domain="ecommerce",
            topic="orders",
            reason="long",
            since=NOW - timedelta(hours=1),
            fix="times_to_utc",
            at_most=1,
        )
    ]


def test_without_a_domain_it_is_every_one(carried_out: list[Order]) -> None:
    Redrive(task_id="redrive").execute(context(dry_run=False))
    assert [order.domain for order in carried_out] == list(domains())


@pytest.mark.parametrize("task", [ListDeadLetters(task_id="list"), Redrive(task_id="redrive")], ids=["list", "redrive"])
def test_what_cannot_be_asked_fails_at_once(task: Any, carried_out: list[Order]) -> None:
    with pytest.raises(AirflowFailException, match="there is no topic 'nowhere'"):
        task.execute(context(dry_run=False, topic="nowhere"))
    assert carried_out == []


def test_the_params_own_default_is_the_rooms() -> None:
    assert params()["at_most"].value == healing.AT_MOST
