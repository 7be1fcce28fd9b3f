"""Figures against their budgets, the page they are written to, and what the gate is compared with."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from benchmarks import __main__ as program
from benchmarks import gate, page, results
from benchmarks.budgets import BUDGETS, Budget, Figure
from benchmarks.results import Measured
from include.expectations import load

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUDGETS, "slow", Budget("a thing", "s", 2))
    monkeypatch.setitem(BUDGETS, "share", Budget("a share", "ratio", 0.5, at_least=True))
    monkeypatch.setitem(BUDGETS, "told", Budget("a rate", "events", digits=0))


@pytest.mark.parametrize(
    ("of", "value", "met"),
    [("slow", 2.0, True), ("slow", 2.01, False), ("share", 0.5, True), ("share", 0.49, False), ("told", 9, None)],
)
def test_a_budget_is_met_or_not(of: str, value: float, met: bool | None) -> None:
    assert Figure(of, value).met is met


def test_facts_are_for_programs_and_the_table_for_people() -> None:
    figures = [Figure("told", 12345.6), Figure("slow", 2.345, "x.py")]
    assert [figure.facts() for figure in figures] == [
        {"name": "told", "value": 12345.6, "unit": "events", "budget": None, "met": None},
        {"name": "slow:x.py", "value": 2.35, "unit": "s", "budget": 2, "met": False},
    ]
    assert page.table(Measured(figure, NOON, 1.25) for figure in figures).splitlines()[2:] == [
        "| a thing (`x.py`) | 2.35 s | at most 2 s | **no** | 2026-01-05 12:00, 1.2 |",
        "| a rate | 12,346 events |  |  | 2026-01-05 12:00, 1.2 |",
    ]


def test_what_was_measured_is_kept_until_it_is_measured_again(tmp_path: Path) -> None:
    path = tmp_path / "results" / "figures.json"
    first = [Measured(Figure("slow", 1, name), NOON, 0.5) for name in ("a.py", "gone.py")]
    results.keep([*first, Measured(Figure("told", 7), NOON, 0.5)], path)
    again = Measured(Figure("slow", 2, "a.py"), NOON, 0.7)
    assert results.keep([again], path) == results.kept(path) == [Measured(Figure("told", 7), NOON, 0.5), again]


def test_the_statement_counts_what_the_suite_asks() -> None:
    asked = {one.name for table in load("ecommerce").tables.values() for one in table.expectations}
    assert set(re.findall(r" as (\w+?),?\n", gate.STATEMENT.read_text())) == asked


def test_what_cannot_be_measured_is_told_and_spoils_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Measured] = []
    monkeypatch.setattr(results, "keep", kept.extend)

    def broken() -> object:
        yield Figure("slow", 1)
        raise RuntimeError("no broker")

    monkeypatch.setattr(program, "LIGHT", {"parse": broken, "burst": lambda: iter([Figure("share", 1)])})
    assert program.main(["--only", "parse", "--only", "burst"]) == 1
    said = capsys.readouterr()
    assert said.out.count('"name"') == 2
    assert "no broker" in said.err
    assert "not measured: parse" in said.err
    assert [one.figure.of for one in kept] == ["share"]
