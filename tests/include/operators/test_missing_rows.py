"""Rows that are missing, where the sink lands them while the watch looks."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from include.contracts import load
from include.ledger.entries import Ledger
from include.monitors import Kind
from include.operators import read_on
from include.operators.missing_rows import Memory, MissingRows
from tests.include.monitors.test_rows import NOW, READ_PAST, hole

SHOP = load("ecommerce")


@pytest.fixture(autouse=True)
def read_past(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read_on, "committed", lambda *_: READ_PAST)


def judged(*ledgers: Ledger) -> tuple[list[Kind], int]:
    """The verdicts on ClickHouse, where the ledger is read one time after the other; and how many were not read."""
    left: Iterator[Ledger] = iter(ledgers)
    look = MissingRows(next(left), lambda: next(left), {}, Memory(), set(), NOW, logging.getLogger("test"))
    made = look.judge(SHOP, "clickhouse", looked=True)
    assert bool(look.holes.get(("ecommerce", "clickhouse"))) == made[0].firing
    return [verdict.kind for verdict in made], len(list(left))


def test_rows_that_landed_between_two_questions_are_not_missing() -> None:
    assert judged(Ledger(holes=(hole(),)), Ledger()) == ([Kind.FINE, Kind.FINE], 0)


def test_rows_that_are_not_there_after_the_sink_was_asked_are() -> None:
    assert judged(Ledger(holes=(hole(),)), Ledger(holes=(hole(),))) == ([Kind.FIRING, Kind.FINE], 0)


def test_a_warehouse_that_is_away_by_then_says_nothing() -> None:
    away = Ledger(blind={"clickhouse": "away"})
    assert judged(Ledger(holes=(hole(),)), away) == ([Kind.BLIND, Kind.BLIND], 0)


def test_nothing_is_asked_again_where_nothing_is_missing_or_due() -> None:
    assert judged(Ledger(), Ledger())[1] == 1
    assert judged(Ledger(holes=(hole(ago=0.5),)), Ledger()) == ([Kind.FINE, Kind.FINE], 1)
