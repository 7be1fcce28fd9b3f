"""What a manifest says of one group of models: which they are, and which test is shown by which model."""

from __future__ import annotations

from collections.abc import Mapping
from graphlib import TopologicalSorter
from typing import Any

import msgspec

_TESTS = ("test", "unit_test")


class Group(msgspec.Struct, frozen=True):
    """The models under one folder. All ids are dbt's unique ids.

    `models`: id -> name, parents before children. `tests`: model -> the tests its task shows. `after`: model -> other
    models of the group that one of those tests asks too, so that they have to be there first. `relations`: model ->
    (schema, name) of the table or view. `names`: id of a model or test -> its path for dbt's --select.
    """

    models: dict[str, str]
    tests: dict[str, tuple[str, ...]]
    after: dict[str, tuple[str, ...]]
    relations: dict[str, tuple[str, str]]
    names: dict[str, str]


def group(manifest: Mapping[str, Any], folder: str) -> Group:
    """The group of the models under `folder`, such as models/staging/ecommerce.

    A test is shown by one model: the last of its parents that is in the group, in the order of the graph. A test with
    a parent outside that is not upstream of the group belongs to another group, as dbt's `buildable` has it. A test of
    sources alone is shown by each model that reads one of them. Raises ValueError for an empty group, and for what no
    task would show.
    """
    nodes = {**manifest["nodes"], **manifest.get("unit_tests", {})}
    chosen = {uid for uid, node in nodes.items() if node["original_file_path"].startswith(f"{folder}/")}
    strange = sorted(uid for uid in chosen if nodes[uid]["resource_type"] not in ("model", *_TESTS))
    strange += sorted(uid for uid in chosen if nodes[uid].get("config", {}).get("materialized") == "ephemeral")
    if strange:
        raise ValueError(f"{folder}: only models that leave a table or view can be shown as tasks, not {strange}")
    members = {uid for uid in chosen if nodes[uid]["resource_type"] == "model"}
    if not members:
        raise ValueError(f"no models under {folder}: a run without them would be green and build nothing")
    order = [uid for uid in _order(manifest) if uid in members]
    reach = members | _ancestors(manifest, members)
    tests: dict[str, list[str]] = {uid: [] for uid in order}
    after: dict[str, set[str]] = {uid: set() for uid in order}
    for uid, node in sorted(nodes.items()):
        if node["resource_type"] not in _TESTS:
            continue
        parents = _parents(node)
        inside = [parent for parent in order if parent in parents]
        if inside and parents <= reach:
            tests[inside[-1]].append(uid)
            after[inside[-1]] |= set(inside[:-1])
        elif parents and all(parent.startswith("source.") for parent in parents):
            for model in order:
                if parents & _parents(nodes[model]):
                    tests[model].append(uid)
    shown = {test for of_model in tests.values() for test in of_model}
    return Group(
        models={uid: nodes[uid]["name"] for uid in order},
        tests={uid: tuple(of_model) for uid, of_model in tests.items()},
        after={uid: tuple(sorted(others)) for uid, others in after.items()},
        relations={uid: (nodes[uid]["schema"], nodes[uid]["alias"]) for uid in order},
        names={uid: ".".join(nodes[uid]["fqn"]) for uid in (*order, *shown)},
    )


def _parents(node: Mapping[str, Any]) -> set[str]:
    return set(node["depends_on"]["nodes"])


def _order(manifest: Mapping[str, Any]) -> list[str]:
    """Every model, parents first; by name where the graph leaves it open, so that each parse gives the same order."""
    sorter = TopologicalSorter(
        {
            uid: sorted(parent for parent in _parents(node) if parent in manifest["nodes"])
            for uid, node in sorted(manifest["nodes"].items())
            if node["resource_type"] == "model"
        }
    )
    sorter.prepare()
    order: list[str] = []
    while sorter.is_active():
        level = sorted(sorter.get_ready())
        order += level
        sorter.done(*level)
    return order


def _ancestors(manifest: Mapping[str, Any], members: set[str]) -> set[str]:
    found: set[str] = set()
    ahead = list(members)
    while ahead:
        for parent in manifest["parent_map"].get(ahead.pop(), ()):
            if parent not in found:
                found.add(parent)
                ahead.append(parent)
    return found
