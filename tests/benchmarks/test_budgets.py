"""Figures against their budgets, the page they are written to, and what the gate is compared with."""

from __future__ import annotations

import re

import pytest

from benchmarks import __main__ as program
from benchmarks import gate, page
from benchmarks.budgets import BUDGETS, Budget, Figure
from include.expectations import load


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
    assert page.table(figures).splitlines()[2:] == [
        "| a thing (`x.py`) | 2.35 s | at most 2 s | **no** |",
        "| a rate | 12,346 events |  |  |",
    ]


def test_the_statement_counts_what_the_suite_asks() -> None:
    asked = {one.name for table in load("ecommerce").tables.values() for one in table.expectations}
    assert set(re.findall(r" as (\w+?),?\n", gate.STATEMENT.read_text())) == asked


def test_a_page_of_a_part_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        program.main(["--only", "parse", "--write"])
    assert "--write describes a whole run" in capsys.readouterr().err


def test_what_cannot_be_measured_is_told_and_spoils_nothing_else(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> object:
        yield Figure("slow", 1)
        raise RuntimeError("no broker")

    monkeypatch.setattr(program, "LIGHT", {"parse": broken, "burst": lambda: iter([Figure("share", 1)])})
    assert program.main(["--only", "parse", "--only", "burst"]) == 1
    said = capsys.readouterr()
    assert said.out.count('"name"') == 2
    assert "no broker" in said.err
    assert "not measured: parse" in said.err
