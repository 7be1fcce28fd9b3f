"""The two dbt projects as written: they parse, say what they hold in the same names, and leave nothing undescribed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from dbt.cli.main import dbtRunner

from include.contracts import domains

PROJECTS = Path(__file__).resolve().parents[3] / "include" / "dbt"
NAMES = ("clickhouse", "snowflake")
STAGING = r"stg_(?P<domain>[a-z]+)__[a-z_]+"
MART = r"(dim|fct|report|obt|live)_(?P<domain>[a-z]+)__[a-z_]+"


def written(project: Path) -> dict[str, dict[str, Any]]:
    """The models described under `models`, by name; a .yml is read only where its .sql is beside it."""
    found = {}
    for sql in sorted((project / "models").rglob("*.sql")):
        beside = sql.with_suffix(".yml")
        described = yaml.safe_load(beside.read_text()) if beside.exists() else {}
        models = [one for one in described.get("models", []) if one["name"] == sql.stem]
        found[sql.stem] = (models or [{}])[0] | {"path": sql.relative_to(project / "models"), "yaml": described}
    return found


def complaints(project: Path) -> list[str]:
    """What is wrong with the names and descriptions of a project's models."""
    wrong = []
    models = written(project)
    if not models:
        wrong.append(f"{project}: no models")
    for name, model in models.items():
        layer, domain, _ = model["path"].parts
        match = re.fullmatch({"staging": STAGING, "marts": MART}.get(layer, "$^"), name)
        if not match or match["domain"] != domain or domain not in domains():
            wrong.append(f"{name}: a model of {layer}/{domain} is not called so")
        if not model.get("description"):
            wrong.append(f"{name}: no description in a .yml beside it")
        elif not model["description"].startswith("One row per "):
            wrong.append(f"{name}: its description does not begin with its grain, One row per ..")
        if not model.get("columns"):
            wrong.append(f"{name}: no columns")
        for column in model.get("columns", []):
            if not column.get("description"):
                wrong.append(f"{name}.{column['name']}: no description")
            if layer == "marts" and not column.get("data_type"):
                wrong.append(f"{name}.{column['name']}: no type for the contract")
        if layer == "marts" and not model["yaml"].get("unit_tests"):
            wrong.append(f"{name}: no unit test")
        if not re.search(r"select \* from \w+\n(\n\{% if is_incremental\(\) %\}.*)?$", _sql(project, model), re.DOTALL):
            wrong.append(f"{name}: does not end by selecting its last CTE")
    return wrong


def _sql(project: Path, model: dict[str, Any]) -> str:
    return (project / "models" / model["path"]).read_text()


@pytest.mark.parametrize("name", NAMES)
def test_models_are_named_and_described(name: str) -> None:
    assert complaints(PROJECTS / name) == []


def test_complaints_are_made(tmp_path: Path) -> None:
    """The rules above, seen red: a mart in the wrong folder, without a .yml, that selects from no CTE."""
    offender = tmp_path / "models" / "marts" / "fashion" / "fct_ecommerce__orders.sql"
    offender.parent.mkdir(parents=True)
    offender.write_text("select 1 as a\n")
    assert len(complaints(tmp_path)) == 5
    offender.with_suffix(".yml").write_text(
        "models: [{name: fct_ecommerce__orders, description: x, columns: [{name: a}]}]"
    )
    assert len(complaints(tmp_path)) == 6
    assert len(complaints(tmp_path / "nothing")) == 1


#: Models of one warehouse alone, where the question belongs: what is now in ClickHouse, what ever was in Snowflake.
ALONE = {
    "clickhouse": {
        "clickstream": r"live_.*|stg_clickstream__live_.*",
        "coinbase": r"live_.*",
        "eventsim": r"live_.*",
    },
    "snowflake": {"eventsim": r"(dim|obt)_.*|fct_eventsim__(page_views|status_changes|auths)"},
}


def test_both_projects_hold_the_same_models() -> None:
    clickhouse, snowflake = (written(PROJECTS / name) for name in NAMES)
    for mine, theirs, name in ((clickhouse, snowflake, "clickhouse"), (snowflake, clickhouse, "snowflake")):
        alone = [one for one in mine if one not in theirs]
        assert [one for one in alone if not re.fullmatch(ALONE[name].get(one.split("_")[1], "$^"), one)] == []
    for name in clickhouse.keys() & snowflake.keys():
        model = clickhouse[name]
        for part in ("path", "description"):
            assert model[part] == snowflake[name][part], name
        assert _described(model) == _described(snowflake[name]), name


def _described(model: dict[str, Any]) -> list[tuple[str, str]]:
    return [(column["name"], column["description"]) for column in model["columns"]]


@pytest.mark.parametrize("name", NAMES)
def test_a_project_parses(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("CLICKHOUSE_PASSWORD", "SNOWFLAKE_ACCOUNT", "SNOWFLAKE_PRIVATE_KEY"):
        monkeypatch.setenv(f"DBT_{variable}", "x")
    project = PROJECTS / name
    done = dbtRunner().invoke(
        ["--log-level", "none", "--log-path", str(tmp_path), "--warn-error", "parse", "--no-partial-parse"]
        + ["--project-dir", str(project), "--profiles-dir", str(project), "--target-path", str(tmp_path)]
    )
    assert done.exception is None
    nodes = done.result.nodes.values()
    models = {node.name: node for node in nodes if node.resource_type == "model"}
    assert models.keys() == written(project).keys()

    fact, staged = models["fct_ecommerce__orders"], models["stg_ecommerce__orders"]
    assert (fact.schema, fact.alias, staged.schema, staged.alias) == (
        *("ecommerce", "fct_orders", "staging", "stg_ecommerce__orders"),
    )
    assert all(node.contract.enforced for node in models.values() if node.fqn[1] == "marts")
    assert all(node.config.materialized == "view" for node in models.values() if node.fqn[1] == "staging")

    # The task of a model shows its tests, also where that model alone is built: all they ask about is built before it.
    for test in (node for node in nodes if node.resource_type == "test"):
        before = ancestors(test.attached_node, done.result.parent_map)
        assert set(test.depends_on.nodes) <= before, f"{test.name} asks about what its model does not need"


def ancestors(node: str, parents: dict[str, list[str]]) -> set[str]:
    return {node}.union(*(ancestors(parent, parents) for parent in parents[node]))
