"""Every DAG loads, is what the list says it is, and keeps the rules; every rule is seen red on an offender."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dags import rules

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(path.name for path in (ROOT / "dags").glob("*.py"))
#: The DAGs and their tasks. Where it should change, run the tests with GOLDEN=write and read the difference.
GOLDEN = Path(__file__).with_name("tasks.txt")

Bags = dict[str, tuple[Any, float]]
Load = Callable[[Path], Any]


def _dags(bags: Bags) -> dict[str, Any]:
    return {dag_id: dag for bag, _ in bags.values() for dag_id, dag in bag.dags.items()}


@pytest.mark.parametrize("name", FILES)
def test_file_loads(bags: Bags, name: str, record_property: Any) -> None:
    bag, seconds = bags[name]
    record_property("parse_s", round(seconds, 3))
    assert not bag.import_errors, "\n".join(bag.import_errors.values())
    assert bag.dags, f"{name} makes no DAG"


def test_dags_and_tasks_are_the_ones_listed(bags: Bags) -> None:
    lines = [f"{dag_id} {task_id}\n" for dag_id, dag in sorted(_dags(bags).items()) for task_id in sorted(dag.task_ids)]
    if os.environ.get("GOLDEN") == "write":
        GOLDEN.write_text("".join(lines))
    assert lines == GOLDEN.read_text().splitlines(keepends=True)


@pytest.mark.parametrize("rule", rules.OF_DAGS, ids=lambda rule: rule.__name__)
def test_dags_keep_the_rule(bags: Bags, rule: Callable[[Any], Iterator[str]]) -> None:
    assert [f"{dag_id}: {line}" for dag_id, dag in _dags(bags).items() for line in rule(dag)] == []


@pytest.mark.parametrize("rule", rules.OF_FILES, ids=lambda rule: rule.__name__)
def test_files_keep_the_rule(rule: Callable[[Path], Iterator[str]]) -> None:
    assert [line for name in FILES for line in rule(ROOT / "dags" / name)] == []


def test_the_bundle_finds_dags_in_the_dags_folder_alone() -> None:
    from airflow.utils.file import list_py_file_paths

    assert sorted(Path(path).relative_to(ROOT).as_posix() for path in list_py_file_paths(ROOT)) == [
        f"dags/{name}" for name in FILES
    ]


def test_nothing_of_a_model_runs_before_its_group_is_built(bags: Bags) -> None:
    for dag_id, dag in _dags(bags).items():
        for task in dag.tasks:
            if dag_id.startswith("transform_") and task.task_id.startswith("marts."):
                upstream = task.get_flat_relative_ids(upstream=True)
                assert {"landed", "staging.dbt_build", "gate"} <= upstream, f"{dag_id}.{task.task_id}: {upstream}"


HEAD = "from airflow.sdk import DAG, BaseOperator\n"

OFFENDERS = {
    rules.owned: "with DAG('offender'):\n    BaseOperator(task_id='a', owner='airflow')",
    rules.tagged: "with DAG('offender', tags=['family:misc', 'tier:1', 'domain:fashion']):\n    BaseOperator(task_id='a')",
    rules.documented: "with DAG('offender', doc_md='It runs.'):\n    BaseOperator(task_id='a')",
    rules.bounded: "with DAG('offender'):\n    BaseOperator(task_id='a', retries=0)",
    rules.named: "with DAG('another'):\n    BaseOperator(task_id='a')",
}


@pytest.mark.parametrize("rule", OFFENDERS, ids=lambda rule: rule.__name__)
def test_rule_sees_an_offender(load: Load, tmp_path: Path, rule: Callable[[Any], Iterator[str]]) -> None:
    path = tmp_path / "offender.py"
    path.write_text(HEAD + OFFENDERS[rule])
    (dag,) = load(path).dags.values()
    assert list(rule(dag))


def test_every_rule_has_an_offender() -> None:
    assert set(OFFENDERS) == set(rules.OF_DAGS)


@pytest.mark.parametrize(
    ("rule", "text"),
    [
        (rules.short, "\n" * 81),
        (rules.wiring_only, "import pandas"),
        (rules.wiring_only, "from great_expectations import x"),
        (rules.wiring_only, "from airflow.sdk import Variable"),
        (rules.wiring_only, "from include.operators import x\nx.open('file')"),
        (rules.wiring_only, "from include.kafka import topics"),
        (rules.wiring_only, "at = datetime.now()"),
    ],
)
def test_file_rule_sees_an_offender(tmp_path: Path, rule: Callable[[Path], Iterator[str]], text: str) -> None:
    path = tmp_path / "offender.py"
    path.write_text(text)
    assert list(rule(path))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("import no_such_module", "no_such_module"),
        (
            "with DAG('offender'):\n    a, b = BaseOperator(task_id='a'), BaseOperator(task_id='b')\n    a >> b >> a",
            "ycle",
        ),
        ("from include.operators.endpoints import endpoint\nendpoint('kafka_events')", "no connection and no network"),
        ("import socket\nsocket.create_connection(('127.0.0.1', 1))", "no connection and no network"),
    ],
    ids=["import", "cycle", "connection", "network"],
)
def test_a_file_that_cannot_load_is_seen(load: Load, tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "offender.py"
    path.write_text(HEAD + text)
    (error,) = load(path).import_errors.values()
    assert told in error
