"""A second look before a place is called away, signs of life, and what Airflow says of a DAG."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from include.connections import ConnectionMissing
from include.connectors.client import ConnectError
from include.kafka.errors import KafkaError
from include.monitors.places import Trouble
from include.operators import assets, watching
from include.operators.watching import AGAIN_S, TRIGGER_BEAT, beat, beat_of, blamed, paused, second_look
from include.warehouses import WarehouseError, snowflake
from tests.include.operators.contexts import Airflow

LOG = logging.getLogger(__name__)


class Place:
    """Answers or not, look by look."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.looks = list(answers), 0

    def __call__(self) -> Any:
        self.looks += 1
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def look(**given: Callable[[], Any]) -> tuple[dict[str, Any], dict[str, Trouble], list[float]]:
    slept: list[float] = []
    found, trouble = second_look(given, LOG, sleep=slept.append)
    return found, trouble, slept


def test_what_answers_is_looked_at_once_and_nobody_waits() -> None:
    kafka, clickhouse = Place({"a": 1}), Place([])
    assert look(kafka=kafka, clickhouse=clickhouse) == ({"kafka": {"a": 1}, "clickhouse": []}, {}, [])
    assert (kafka.looks, clickhouse.looks) == (1, 1)


@pytest.mark.parametrize(
    "error",
    [KafkaError("no broker"), WarehouseError("refuses", away=True), ConnectError("refuses"), ConnectionMissing("none")],
    ids=lambda error: type(error).__name__,
)
def test_a_restart_between_two_looks_is_nobodys_business(error: Exception) -> None:
    place, other = Place(error, 7), Place(1)
    assert look(place=place, other=other) == ({"place": 7, "other": 1}, {}, [AGAIN_S])
    assert (place.looks, other.looks) == (2, 1), "what answered is not asked again"


def test_two_looks_in_a_row_are_away_with_the_later_reason() -> None:
    place = Place(KafkaError("no broker answers", away=True), KafkaError("still none", away=True))
    assert look(kafka=place) == ({"kafka": None}, {"kafka": Trouble("still none")}, [AGAIN_S])


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (KafkaError("no broker answers", away=True), True),
        (KafkaError("topic orders is missing: run the DAG prepare"), False),
        (WarehouseError("it does not answer", away=True), True),
        (WarehouseError("refuses user x"), False),
        (ConnectError("it does not answer", away=True), True),
        (ConnectError("an error in it", 503), True),
        (ConnectError("a rebalance", 409), True),
        (ConnectError("refuses the login", 401), False),
        (ConnectError("answers in another way than Kafka Connect does"), False),
        (ConnectionMissing("no connection kafka_events"), False),
    ],
    ids=str,
)
def test_who_answers_and_refuses_is_not_away(error: Exception, away: bool) -> None:
    assert look(place=Place(error, error))[1] == {"place": Trouble(str(error), away=away)}


def test_the_later_look_says_which_it_is() -> None:
    place = Place(KafkaError("no broker answers", away=True), KafkaError("topic a is missing"))
    assert look(kafka=place)[1] == {"kafka": Trouble("topic a is missing", away=False)}


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (None, ""),
        (WarehouseError("it does not answer", away=True), "place_away:snowflake"),
        (WarehouseError("refuses user x"), "place_refuses:snowflake"),
        (ConnectionMissing("no connection"), "place_refuses:snowflake"),
    ],
    ids=str,
)
def test_a_sink_is_not_blamed_for_what_its_warehouse_does(
    monkeypatch: pytest.MonkeyPatch, error: Exception | None, cause: str
) -> None:
    def connect(*_: Any, **__: Any) -> Any:
        if error:
            raise error
        return contextlib.nullcontext(SimpleNamespace(query=lambda _: []))

    monkeypatch.setattr(watching, "endpoint", lambda _: None)
    monkeypatch.setattr(snowflake, "connect", connect)
    assert blamed("snowflake") == cause


def test_several_that_are_away_wait_together() -> None:
    given = {name: Place(WarehouseError("1"), WarehouseError("2", away=True)) for name in ("clickhouse", "snowflake")}
    found, reasons, slept = look(**given, kafka=Place(3))
    assert found == {"clickhouse": None, "snowflake": None, "kafka": 3}
    assert reasons == {"clickhouse": Trouble("2"), "snowflake": Trouble("2")}
    assert slept == [AGAIN_S]


def test_places_are_asked_at_once() -> None:
    """Each may wait for its time-out; a look must be over long before the next."""
    together = threading.Barrier(3, timeout=20)
    begun = time.monotonic()
    found, _, _ = look(**{name: lambda: together.wait() >= 0 for name in ("a", "b", "c")})
    assert found == {"a": True, "b": True, "c": True}
    assert time.monotonic() - begun < 20


def test_a_mistake_of_our_own_is_not_taken_for_a_place_that_is_away() -> None:
    with pytest.raises(KeyError):
        look(kafka=Place(KeyError("receipts")))


def test_signs_of_life_are_each_watchs_own() -> None:
    airflow, at = Airflow(), datetime(2026, 3, 2, 12, 0, 7, tzinfo=UTC)
    context = airflow.context()
    assert beat_of(context, assets.WATCH_CONNECTORS) is None
    beat(context, assets.WATCH_CONNECTORS, at)
    assert beat_of(context, assets.WATCH_CONNECTORS) == at
    assert beat_of(context, assets.WATCH_INGESTION) is None
    assert beat_of(context, assets.WATCH_CONNECTORS, TRIGGER_BEAT) is None


def test_whether_a_dag_is_paused_or_unknown() -> None:
    airflow = Airflow()
    airflow.dags = {"burst_ecommerce": True, "heal": False}
    context = airflow.context()
    assert [paused(context, dag) for dag in ("burst_ecommerce", "heal", "burst_nobody")] == [True, False, None]
