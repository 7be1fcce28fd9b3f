from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.house import rules

Rule = Callable[[Path, str], Iterator[str]]

#: Each rule with a file that breaks it and one beside it that does not.
OFFENDERS: list[tuple[Rule, str, str, str]] = [
    (
        rules.imports_in_one_direction,
        "include/kafka/x.py",
        "from include.generators import events",
        "import include.contracts",
    ),
    (rules.imports_in_one_direction, "include/contracts/x.py", "from include import kafka", "import json"),
    (
        rules.imports_in_one_direction,
        "include/kafka/x.py",
        "def f():\n    import local.place",
        "import confluent_kafka",
    ),
    (
        rules.imports_in_one_direction,
        "local/x.py",
        "from include.contracts import load",
        "from local.place import here",
    ),
    (
        rules.imports_in_one_direction,
        "dags/x.py",
        "from include.kafka import topics",
        "from include.operators import assets",
    ),
    (rules.only_operators_know_airflow, "include/kafka/x.py", "from airflow.sdk import Asset", "import airflowish"),
    (rules.no_clock_and_no_chance, "include/generators/x.py", "datetime.now(UTC)", "datetime(2026, 1, 1)"),
    (rules.no_clock_and_no_chance, "include/generators/x.py", "random.random()", "draws.random()"),
    (rules.no_clock_and_no_chance, "include/generators/x.py", "np.random.default_rng()", "np.random.default_rng(1)"),
    (rules.names_say_what_a_room_knows, "include/utils/x.py", "", ""),
    (rules.modules_are_short, "include/kafka/x.py", "x = 1\n" * 301, "x = 1\n" * 300),
    (rules.no_branch_on_where_it_runs, "include/kafka/x.py", "if host == 'localhost':", "host = 'localhost'"),
    (rules.no_registry_is_named, "Makefile", "https://pypi." + "org/simple", "pip"),
]


@pytest.mark.parametrize(("rule", "path", "bad", "good"), OFFENDERS)
def test_the_rule_sees_an_offender(rule: Rule, path: str, bad: str, good: str) -> None:
    assert list(rule(Path(path), bad))
    if good != bad:
        assert not list(rule(Path(path), good))


def test_names_are_judged_by_the_file_too() -> None:
    assert not list(rules.names_say_what_a_room_knows(Path("include/kafka/topics.py"), ""))


@pytest.mark.parametrize("rule", rules.RULES)
def test_the_house_keeps_the_rule(rule: Rule) -> None:
    paths = rules.files()
    assert len(paths) > 60
    offences = [told for path in paths for told in rule(path.relative_to(rules.ROOT), path.read_text())]
    assert not offences, "\n".join(offences)


def test_no_registry_is_named_anywhere() -> None:
    texts = [
        path
        for path in rules.ROOT.rglob("*")
        if path.is_file()
        and path.suffix in (".py", ".md", ".toml", ".txt", ".lock", ".yml", ".yaml", ".sql", ".json", "")
        and not {".git", ".venv", ".uv", ".floodgate", "target", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
        & set(path.relative_to(rules.ROOT).parts)
    ]
    assert len(texts) > 100
    assert not [
        told
        for path in texts
        for told in rules.no_registry_is_named(path.relative_to(rules.ROOT), path.read_text(errors="replace"))
    ]


def test_every_test_answers_a_module_or_a_room() -> None:
    """tests/include/kafka/test_topics.py answers include/kafka; a room's tests live in the same tree."""
    orphans = [
        path
        for path in rules.files("tests")
        if path.name.startswith("test_")
        and path.relative_to(rules.ROOT / "tests").parts[0] not in ("house", "journeys")
        and not (rules.ROOT / path.relative_to(rules.ROOT / "tests").parent).is_dir()
    ]
    assert not orphans
