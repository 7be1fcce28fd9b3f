"""Which models a group has, and which of them shows a test."""

from __future__ import annotations

from typing import Any

import pytest

from include.operators.graph import group


def node(kind: str, name: str, path: str, parents: list[str], **more: Any) -> dict[str, Any]:
    return {
        "resource_type": kind,
        "name": name,
        "alias": name,
        "schema": "shop",
        "fqn": ["p", *path.split("/")[1:-1], name],
        "original_file_path": path,
        "config": {"materialized": "table"},
        "depends_on": {"nodes": parents},
        **more,
    }


def manifest(*extra: tuple[str, dict[str, Any]]) -> dict[str, Any]:
    """source -> stg -> (dim, fct) -> report, with tests of one parent, of two, across groups, of a source."""
    marts = "models/marts/shop"
    nodes = {
        "model.p.stg": node("model", "stg", "models/staging/shop/stg.sql", ["source.p.raw"]),
        "model.p.dim": node("model", "dim", f"{marts}/dim.sql", ["model.p.stg"]),
        "model.p.fct": node("model", "fct", f"{marts}/fct.sql", ["model.p.stg"]),
        "model.p.report": node("model", "report", f"{marts}/report.sql", ["model.p.fct"]),
        "test.p.fct_key": node("test", "fct_key", f"{marts}/fct.yml", ["model.p.fct"]),
        "test.p.dim_to_fct": node("test", "dim_to_fct", f"{marts}/dim.yml", ["model.p.dim", "model.p.fct"]),
        "test.p.rows": node("test", "rows", f"{marts}/fct.yml", ["model.p.fct", "model.p.stg"]),
        "test.p.raw_key": node("test", "raw_key", "models/sources/shop.yml", ["source.p.raw"]),
        **dict(extra),
    }
    units = {"unit_test.p.report.sums": node("unit_test", "sums", f"{marts}/report.yml", ["model.p.report"])}
    parents = {uid: each["depends_on"]["nodes"] for uid, each in {**nodes, **units}.items()}
    return {"nodes": nodes, "unit_tests": units, "parent_map": parents}


def test_marts_show_their_tests_at_the_last_parent() -> None:
    marts = group(manifest(), "models/marts/shop")
    assert list(marts.models.values()) == ["dim", "fct", "report"]
    assert marts.tests == {
        "model.p.dim": (),
        "model.p.fct": ("test.p.dim_to_fct", "test.p.fct_key", "test.p.rows"),
        "model.p.report": ("unit_test.p.report.sums",),
    }
    assert marts.after == {"model.p.dim": (), "model.p.fct": ("model.p.dim",), "model.p.report": ()}


def test_staging_shows_the_tests_of_its_sources_and_none_that_need_marts() -> None:
    staging = group(manifest(), "models/staging/shop")
    assert staging.tests == {"model.p.stg": ("test.p.raw_key",)}
    assert staging.names["test.p.raw_key"] == "p.sources.raw_key"


def test_order_is_the_graphs_and_then_by_name() -> None:
    late = ("model.p.aaa", node("model", "aaa", "models/marts/shop/aaa.sql", ["model.p.report"]))
    assert list(group(manifest(late), "models/marts/shop").models.values()) == ["dim", "fct", "report", "aaa"]


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        (("seed.p.codes", node("seed", "codes", "models/marts/shop/codes.csv", [])), "seed.p.codes"),
        (
            (
                "model.p.inline",
                node("model", "inline", "models/marts/shop/i.sql", [], config={"materialized": "ephemeral"}),
            ),
            "model.p.inline",
        ),
    ],
)
def test_what_no_task_would_show_is_refused(extra: tuple[str, dict[str, Any]], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        group(manifest(extra), "models/marts/shop")


def test_an_empty_group_is_refused() -> None:
    with pytest.raises(ValueError, match="no models under models/marts/sho"):
        group(manifest(), "models/marts/sho")
