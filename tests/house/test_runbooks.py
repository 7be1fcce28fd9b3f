"""Rules and runbooks, tied both ways: each rule has its page, each page its rule, its parts, and commands that exist."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from commands.main import build
from include.healing import restarts
from include.monitors import RULES, connectors, generators, rows, watches
from include.operators import deadlines, watching
from tests.house.rules import ROOT, files

RUNBOOKS = ROOT / "docs" / "runbooks"
PARTS = ["What it means", "Look here", "What Floodgate does by itself", "Do this", "False alarms"]

#: What a page says of a figure, and the figure.
FIGURES = [
    ("connector_failed", f"`UNSETTLED` ({connectors.UNSETTLED.seconds} s)"),
    ("connector_failed", f"`BUDGET` ({restarts.BUDGET})"),
    ("connector_stalled", f"`STALLED` ({connectors.STALLED.seconds} s)"),
    ("connector_stalled", f"`STALLED_IN_PART` ({connectors.STALLED_IN_PART.seconds // 60} min)"),
    ("generator_silent", f"`GRACE` ({generators.GRACE.seconds} s)"),
    ("place_away", f"`AGAIN_S` ({watching.AGAIN_S:.0f} s)"),
    ("rows_missing", f"`GRACE` ({rows.GRACE.seconds} s)"),
    ("rows_waiting", f"`WAITING` ({rows.WAITING.seconds // 60} min)"),
    ("rows_late", f"`AT_LEAST` ({rows.AT_LEAST})"),
    ("watch_silent", f"{watches.SILENT['watch_connectors'].seconds} s"),
    ("watch_silent", f"{watches.SILENT['trigger'].seconds} s"),
    ("deadline_missed", f"bursts {deadlines.WITHIN['burst'].seconds // 60} min"),
    ("deadline_missed", f"watches {deadlines.WITHIN['watch'].seconds // 60} min"),
]


def untied(rules: Iterable[str], pages: Iterable[str]) -> list[str]:
    """Rules without a page, and pages without a rule."""
    return sorted(set(rules) ^ set(pages))


def parts(text: str) -> list[str]:
    """The chapters of a page."""
    return re.findall(r"^## (.+)$", text, re.MULTILINE)


def unknown_commands(text: str, known: Iterable[str]) -> list[str]:
    """Every `floodgate <word>` that is no command."""
    return sorted(set(re.findall(r"`floodgate ([a-z-]+)", text)) - set(known))


def named(texts: Iterable[str]) -> Iterator[str]:
    """Every text constant of Python sources, the parts of formatted ones among them."""
    for text in texts:
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value


def commands() -> set[str]:
    """The commands there are, groups among them."""
    app = build()
    found = {command.name or command.callback.__name__.strip("_").replace("_", "-") for command in _commands(app)}
    return found | {group.name for group in _groups(app) if group.name}


def _commands(app: object) -> Iterator[object]:
    yield from app.registered_commands  # type: ignore[attr-defined]
    for group in app.registered_groups:  # type: ignore[attr-defined]
        yield from _commands(group.typer_instance)


def _groups(app: object) -> Iterator[object]:
    for group in app.registered_groups:  # type: ignore[attr-defined]
        yield group
        yield from _groups(group.typer_instance)


def pages() -> list[Path]:
    return sorted(path for path in RUNBOOKS.glob("*.md") if path.stem != "README")


def test_each_rule_has_its_page_and_each_page_its_rule() -> None:
    assert untied(RULES, [path.stem for path in pages()]) == []
    assert untied(["a", "b"], ["b", "c"]) == ["a", "c"]


def test_each_page_has_the_same_parts() -> None:
    assert {path.name: parts(path.read_text()) for path in pages()} == {path.name: PARTS for path in pages()}
    assert parts("# x\n\n## Look here\n\ntext\n") != PARTS


def test_pages_and_readme_name_commands_that_exist() -> None:
    known = commands()
    assert {"incidents", "break", "redrive"} <= known
    texts = [*pages(), ROOT / "README.md", RUNBOOKS / "README.md"]
    assert {path.name: found for path in texts if (found := unknown_commands(path.read_text(), known))} == {}
    assert unknown_commands("Say `floodgate conjure x`.", known) == ["conjure"]


def test_each_rule_is_used_and_is_in_the_list() -> None:
    judged = [path for path in files("include") if path.name != "verdict.py"]
    words = set(named(path.read_text() for path in judged))
    # marts_held is told by the gate itself, by another word; the rule is its page's name.
    assert [rule for rule in RULES if rule not in words and rule != "marts_held"] == []
    assert set(named(["x = 'rows_lost'"])) == {"rows_lost"}


@pytest.mark.parametrize(("page", "said"), FIGURES)
def test_figures_are_those_of_the_code(page: str, said: str) -> None:
    assert said in " ".join((RUNBOOKS / f"{page}.md").read_text().split())
