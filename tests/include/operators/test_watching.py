"""A second look before a place is called away, signs of life, and what Airflow says of a DAG."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from include.connections import ConnectionMissing
from include.connectors.client import ConnectError
from include.kafka.errors import KafkaError
from include.operators import assets
from include.operators.watching import AGAIN_S, TRIGGER_BEAT, beat, beat_of, paused, second_look
from include.warehouses import WarehouseError
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


def look(**given: Callable[[], Any]) -> tuple[dict[str, Any], dict[str, str], list[float]]:
    slept: list[float] = []
    found, reasons = second_look(given, LOG, sleep=slept.append)
    return found, reasons, slept


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
    place = Place(KafkaError("no broker answers"), KafkaError("still none"))
    assert look(kafka=place) == ({"kafka": None}, {"kafka": "still none"}, [AGAIN_S])


def test_several_that_are_away_wait_together() -> None:
    given = {name: Place(WarehouseError("1"), WarehouseError("2")) for name in ("clickhouse", "snowflake")}
    found, reasons, slept = look(**given, kafka=Place(3))
    assert found == {"clickhouse": None, "snowflake": None, "kafka": 3}
    assert reasons == {"clickhouse": "2", "snowflake": "2"}
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
