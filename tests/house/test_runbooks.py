"""Rules and runbooks, tied both ways: each rule has its page, each page its rule, its parts, the code's own figures, and
commands, DAGs and links that exist. Each check is shown an offender, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import typer

from commands.main import build
from include.contracts import domains, load
from include.healing import redrive, restarts
from include.incidents import book
from include.monitors import RULES, connectors, generators, rows, sequence, watches
from include.operators import deadlines, defaults, heal, healings, watch_ingestion, watching
from include.warehouses.landing import LANDING
from tests.house.rules import ROOT, files

RUNBOOKS = ROOT / "docs" / "runbooks"
PARTS = ["What it means", "Look here", "What Floodgate does by itself", "Do this", "False alarms"]
LINES = 60
PAGES = {path.stem: path.read_text() for path in sorted(RUNBOOKS.glob("*.md"))}
INDEX = PAGES.pop("README")
README = (ROOT / "README.md").read_text()

RESTARTED = [restarts.pause(count) // timedelta(minutes=1) for count in range(1, restarts.BUDGET)]
HEALED_AGAIN = " and ".join(str(tries**2 + tries) for tries in range(1, healings.TRIES))


def s(figure: timedelta | float) -> str:
    return f"{figure.total_seconds() if isinstance(figure, timedelta) else figure:.0f} s"


def m(figure: timedelta) -> str:
    return f"{figure // timedelta(minutes=1)} min"


def h(figure: timedelta) -> str:
    return f"{figure // timedelta(hours=1)} h"


LATELY = f"last {m(watch_ingestion.LATELY)} (`LATELY` in"
LOOKED_BACK = f"last {m(watch_ingestion.LOOK_BACK)}"
APPROVED = f"`approveAbove` ({load('floodgate').approve_above:,} "
TRIED = f"{', '.join(map(str, RESTARTED[:-1]))} and {RESTARTED[-1]} min after"
BUDGET = f"`BUDGET` ({restarts.BUDGET})"

#: A page and what it says, with the figure that the code has. What is named as `NAME` (figure) must stand here.
FIGURES = [
    ("README", f"`REMIND` ({h(book.REMIND)})"),
    ("README", f"`FLAP` ({m(book.FLAP)})"),
    ("connector_failed", f"`UNSETTLED` ({s(connectors.UNSETTLED)})"),
    ("connector_failed", f"Shorter than {s(connectors.UNSETTLED)} it is not told"),
    ("connector_failed", f"`BEING_MADE` ({m(connectors.BEING_MADE)})"),
    ("connector_failed", f"`SETTLE` ({s(restarts.SETTLE)})"),
    ("connector_failed", f"`SPARED` ({m(connectors.SPARED)})"),
    ("connector_failed", TRIED),
    ("connector_failed", BUDGET),
    ("connector_missing", ", ".join(map(str, RESTARTED)) + " min after"),
    ("connector_missing", BUDGET),
    ("connector_stalled", f"`STALLED` ({s(connectors.STALLED)})"),
    ("connector_stalled", f"`STALLED_IN_PART` ({m(connectors.STALLED_IN_PART)})"),
    ("connector_stalled", TRIED),
    ("connector_stalled", BUDGET),
    ("deadline_missed", f"bursts {m(deadlines.WITHIN['burst'])}, transforms {m(deadlines.WITHIN['transform'])}"),
    ("deadline_missed", f"enrichments {m(deadlines.WITHIN['enrich'])}, watches"),
    ("deadline_missed", f"watches {m(deadlines.WITHIN['watch'])} (`WITHIN` in"),
    ("deadline_missed", f"`AGAIN` ({h(deadlines.AGAIN)})"),
    ("deadline_missed", f"`WATCH_TIMEOUT` ({m(defaults.WATCH_TIMEOUT)})"),
    ("generator_silent", f"`GRACE` ({s(generators.GRACE)})"),
    ("generator_silent", f"`RECOUNT_S` ({s(heal.RECOUNT_S)})"),
    ("generator_silent", APPROVED),
    ("generator_silent", f"{HEALED_AGAIN} min after"),
    ("marts_held", f"{LOOKED_BACK} come back"),
    ("place_away", f"`AGAIN_S` ({s(watching.AGAIN_S)})"),
    ("place_away", f"`AFTERMATH` ({m(watch_ingestion.AFTERMATH)})"),
    ("place_refuses", f"`AGAIN_S` ({s(watching.AGAIN_S)})"),
    ("place_refuses", f"`AFTERMATH` ({m(watch_ingestion.AFTERMATH)})"),
    ("rows_late", LATELY),
    ("rows_late", f"`LATE_SHARE` ({ {0.5: 'half'}[rows.LATE_SHARE] })"),
    ("rows_late", f"`AT_LEAST` ({rows.AT_LEAST})"),
    ("rows_missing", f"`GRACE` ({s(rows.GRACE)})"),
    ("rows_missing", f"{LOOKED_BACK} (`LOOK_BACK` in"),
    ("rows_missing", f"`RECOUNT_S` ({s(heal.RECOUNT_S)})"),
    ("rows_missing", f"`PATIENCE` ({h(heal.PATIENCE)})"),
    ("rows_missing", f"`TRIES` ({healings.TRIES})"),
    ("rows_missing", f"{HEALED_AGAIN} min after"),
    ("rows_missing", APPROVED),
    ("rows_rejected", LATELY),
    ("rows_rejected", f"`AT_MOST` ({redrive.AT_MOST})"),
    ("rows_twice", LATELY),
    ("rows_twice", f"`TWICE_SHARE` ({ {0.2: 'a fifth'}[rows.TWICE_SHARE] })"),
    ("rows_twice", f"`AT_LEAST` ({rows.AT_LEAST})"),
    ("rows_waiting", f"`WAITING` ({m(rows.WAITING)})"),
    ("run_failed", f"`AFTERMATH` ({m(watch_ingestion.AFTERMATH)})"),
    ("sequence_hole", LOOKED_BACK),
    ("sequence_hole", f"`TOLD` ({sequence.TOLD})"),
    ("watch_silent", f"for {s(watches.SILENT['watch_connectors'])}, or the trigger"),
    ("watch_silent", f"none for {s(watches.SILENT['trigger'])} (`SILENT` in"),
    ("watch_silent", f"`WATCH_TIMEOUT` ({m(defaults.WATCH_TIMEOUT)})"),
]


def untied(rules: Iterable[str], pages: Iterable[str]) -> list[str]:
    """Rules without a page, and pages without a rule."""
    return sorted(set(rules) ^ set(pages))


def misshapen(name: str, text: str) -> Iterator[str]:
    """A page has its rule as its title, the five parts in their order, words in each, and an end."""
    title, *given = re.split(r"^## ", text, flags=re.MULTILINE)
    if title.strip() != f"# {name}":
        yield f"{name}: its title is {title.strip()!r}"
    if [part.partition("\n")[0] for part in given] != PARTS:
        yield f"{name}: its parts are not {', '.join(PARTS)}"
    yield from (f"{name}: nothing stands in {part.strip()!r}" for part in given if not part.partition("\n")[2].strip())
    if text.count("\n") > LINES:
        yield f"{name}: {text.count(chr(10))} lines, {LINES} at most"


def judged(text: str) -> Iterator[str]:
    """The rules that a module's verdicts are made with: `rule=`, `RULE`, {"rule": ...}, and what is given to a function
    of the module in the place of its argument `rule`."""
    tree = ast.parse(text)
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    places = {
        one.name: names.index("rule") for one in functions if "rule" in (names := [arg.arg for arg in one.args.args])
    }
    for node in ast.walk(tree):
        given: list[ast.expr | None] = []
        if isinstance(node, ast.Assign) and any(ast.unparse(target) == "RULE" for target in node.targets):
            given = [node.value]
        elif isinstance(node, ast.Dict):
            given = [
                value for key, value in zip(node.keys, node.values, strict=True) if key and ast.unparse(key) == "'rule'"
            ]
        elif isinstance(node, ast.Call):
            at = places.get(ast.unparse(node.func))
            given = [keyword.value for keyword in node.keywords if keyword.arg == "rule"]
            given += [] if at is None else node.args[at : at + 1]
        yield from (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str))


def strange(text: str, root: Any) -> Iterator[str]:
    """What a text says of `floodgate ...` that is no command, or an option that the command does not take."""
    for said in re.findall(r"`floodgate ([^`]+)|bin/floodgate ([^`\n]+)", text):
        words, command = " ".join(said).split(), root
        while words and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]
        if command is root:
            if words and re.match(r"[a-z]", words[0]):
                yield words[0]
            continue
        known = {"--help", *(option for one in command.params for option in (*one.opts, *one.secondary_opts))}
        asked = {word for word in words if re.fullmatch(r"--[a-z][a-z-]*", word)}
        yield from (f"{command.name} {option}" for option in sorted(asked - known))


def unknown_dags(text: str, dags: Iterable[str]) -> list[str]:
    """What a text lets `floodgate run` start that is no DAG; <domain> and the like stand for anything."""
    known = " ".join(dags)
    given = re.findall(r"`floodgate run ([a-z][\w<>]*)", text)
    return [one for one in given if not re.search(r"\b" + re.sub(r"<\w+>", r"\\w+", one) + r"\b", known)]


def broken_links(folder: Path, text: str) -> list[str]:
    """Links to files that are not there."""
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text)
    return [link for link in links if "://" not in link and not (folder / link).exists()]


def unchecked(text: str, checked: Iterable[str]) -> list[str]:
    """What a page names as `NAME` (figure) and no check compares with the code."""
    told = " ".join(checked)
    return [figure for figure in re.findall(r"`[A-Z][A-Z_]+` \([^)]*\)", " ".join(text.split())) if figure not in told]


def constants(text: str) -> set[str]:
    """What a page names as `NAME`."""
    return set(re.findall(r"`([A-Z][A-Z_]{3,})`", text))


def assigned(source: str) -> set[str]:
    """The names that a module gives values to, at its top."""
    nodes = [
        node for one in ast.parse(source).body if isinstance(one, ast.Assign | ast.AnnAssign) for node in ast.walk(one)
    ]
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def landing(text: str) -> set[str]:
    """The landing tables that a text asks."""
    return set(re.findall(rf"\b{LANDING}\.([a-z]\w+)", text))


def texts(source: str) -> Iterator[str]:
    """Every text in a Python source, the parts of formatted ones by themselves."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def root() -> Any:
    return typer.main.get_command(build())


def test_each_rule_has_its_page_and_each_page_its_rule() -> None:
    assert untied(RULES, PAGES) == []
    assert re.findall(r"^\| \[(\w+)\]\(\1\.md\) \|", INDEX, re.MULTILINE) == list(RULES)
    assert untied(["a", "b"], ["b", "c"]) == ["a", "c"]


def test_each_page_has_the_same_parts() -> None:
    assert [told for name, text in PAGES.items() for told in misshapen(name, text)] == []


@pytest.mark.parametrize(
    ("part", "otherwise"),
    [
        ("# a\n", "# b\n"),
        ("## Do this\n", "## Do that\n"),
        ("## Do this\n\nText.\n", ""),
        ("## Look here\n\nText.\n", "## Look here\n"),
        ("Text.\n", "Text.\n" * 60),
    ],
)
def test_a_page_of_another_shape_is_seen(part: str, otherwise: str) -> None:
    page = "# a\n\n" + "\n".join(f"## {part}\n\nText.\n" for part in PARTS)
    assert list(misshapen("a", page)) == []
    assert part in page
    assert list(misshapen("a", page.replace(part, otherwise, 1)))


def test_verdicts_are_made_with_the_rules_and_every_rule_is_one_of_a_verdict() -> None:
    found = {rule for path in files("include") for rule in judged(path.read_text())}
    assert untied(RULES, found) == []


@pytest.mark.parametrize(
    "offender",
    [
        "Verdict(rule='rows_gone')",
        "RULE = 'rows_gone'",
        "Verdict(**{'rule': 'rows_gone'})",
        "def of(kind, rule): ...\nof(1, 'rows_gone')",
    ],
)
def test_a_rule_of_any_other_name_is_seen(offender: str) -> None:
    assert list(judged(offender)) == ["rows_gone"]
    assert list(judged("words = ['rows_gone']\nrule = 'rows_gone'")) == []


def test_pages_and_readme_name_commands_and_options_that_exist(root: Any) -> None:
    pages = {**PAGES, "index": INDEX, "readme": README}
    assert {name: found for name, text in pages.items() if (found := list(strange(text, root)))} == {}
    assert list(strange("Say `floodgate conjure x`.", root)) == ["conjure"]
    assert list(strange("`floodgate slack try`, `floodgate slack test --soon`", root)) == ["test --soon"]
    assert list(strange("```sh\n.venv/bin/floodgate ledger --domain x --until 1h\n```", root)) == ["ledger --until"]
    assert list(strange("`floodgate COMMAND --help`, `floodgate` itself, `floodgate up --no-wait`", root)) == []


def test_what_the_code_tells_people_to_type_exists(root: Any) -> None:
    found = {
        path.relative_to(ROOT).as_posix(): wrong
        for path in files("include", "commands", "local")
        if (wrong := [word for text in texts(path.read_text()) for word in strange(text, root)])
    }
    assert found == {}
    assert [word for text in texts("f'see `floodgate leger --domain {x}`'") for word in strange(text, root)] == [
        "leger"
    ]


def test_pages_start_dags_that_exist() -> None:
    dags = {line.split()[0] for line in (ROOT / "tests" / "dags" / "tasks.txt").read_text().splitlines()}
    assert {name: found for name, text in PAGES.items() if (found := unknown_dags(text, dags))} == {}
    assert unknown_dags("`floodgate run mend --wait`, `floodgate run burst_<domain>`", dags) == ["mend"]
    assert unknown_dags("`floodgate run blast_<domain>`", dags) == ["blast_<domain>"]


def test_links_lead_somewhere(tmp_path: Path) -> None:
    pages = {**PAGES, "README": INDEX}
    assert {name: found for name, text in pages.items() if (found := broken_links(RUNBOOKS, text))} == {}
    (tmp_path / "a.md").touch()
    assert broken_links(tmp_path, "[a](a.md) [b](b.md#c) [d](https://x.test/d)") == ["b.md"]


@pytest.mark.parametrize(("page", "said"), FIGURES)
def test_figures_are_those_of_the_code(page: str, said: str) -> None:
    assert said in " ".join({**PAGES, "README": INDEX}[page].split())


def test_no_page_names_a_figure_that_is_not_checked() -> None:
    pages = {**PAGES, "README": INDEX}
    by_page = {name: [said for page, said in FIGURES if page == name] for name in pages}
    assert {name: found for name, text in pages.items() if (found := unchecked(text, by_page[name]))} == {}
    assert unchecked("for `STALLED`\n(46 s)", ["`STALLED` (45 s)"]) == ["`STALLED` (46 s)"]


def test_pages_name_constants_that_exist() -> None:
    there = {name for path in files("include") for name in assigned(path.read_text())}
    assert {name: lost for name, text in PAGES.items() if (lost := constants(text) - there)} == {}
    assert constants("`STALED` and `UNSETTLED`") - there == {"STALED"}


def test_pages_ask_landing_tables_that_exist() -> None:
    tables = {table for domain in (*domains(), "floodgate") for table in load(domain).tables}
    assert {name: lost for name, text in PAGES.items() if (lost := landing(text) - tables)} == {}
    assert landing("select 1 from landing.oders, landing.<table>, landing.orders") - tables == {"oders"}
