"""A place that is away, and one that answers and does not do what it is asked."""

from __future__ import annotations

import pytest

from include.monitors import Kind, places
from include.monitors.places import Trouble

MISSING = Trouble("topic orders is missing: run the DAG prepare, which makes every contract's topics", away=False)


def told(trouble: Trouble | None, owed: str = "") -> dict[str, tuple[Kind, str]]:
    found = places.judge("kafka", trouble, owed=owed)
    assert {verdict.subject for verdict in found} == {"kafka"}
    return {verdict.rule: (verdict.kind, verdict.headline or verdict.normal) for verdict in found}


def test_one_that_answers_is_neither_away_nor_refuses() -> None:
    assert told(None) == {
        "place_away": (Kind.FINE, "Kafka answers again, and nothing is owed."),
        "place_refuses": (Kind.FINE, "Kafka does again what it is asked."),
    }


def test_one_that_is_away_is_not_said_to_refuse() -> None:
    assert told(Trouble("no broker answers")) == {
        "place_away": (
            Kind.FIRING,
            "It does not answer. Nothing can be produced and nothing lands. no broker answers",
        ),
        "place_refuses": (Kind.BLIND, ""),
    }


def test_one_that_refuses_is_not_said_to_be_away_and_a_person_reads_what_to_do() -> None:
    assert told(MISSING) == {
        "place_away": (Kind.FINE, "Kafka answers again, and nothing is owed."),
        "place_refuses": (
            Kind.FIRING,
            "It answers, and does not do what the watch asks: topic orders is missing: run the DAG prepare, which makes "
            "every contract's topics.",
        ),
    }
    refuses = places.judge("kafka", MISSING)[1]
    assert "neither fine nor wrong" in refuses.does
    assert "`floodgate run prepare --wait` makes what is missing" in refuses.act


def test_what_is_owed_holds_the_end_back_where_it_refuses_too() -> None:
    assert told(MISSING, owed="Bursts are owed.")["place_away"] == (Kind.FIRING, "Kafka answers again.")


@pytest.mark.parametrize("place", places.NAMES)
def test_either_explains_what_hangs_on_the_place(place: str) -> None:
    assert [verdict.fingerprint for verdict in places.judge(place, None)] == list(places.causes(place))
    assert places.cause({f"place_refuses:{place}"}, "snowflake", place) == f"place_refuses:{place}"
    assert places.cause({f"place_away:{place}", f"place_refuses:{place}"}, place) == f"place_away:{place}"
    assert places.cause({"place_away:elsewhere", f"connector_failed:{place}"}, place) == ""
