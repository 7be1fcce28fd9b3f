"""`dbt build` of chosen models and tests, in this process, from the manifest as it was made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from include.connections import Endpoint
from include.operators import profiles
from include.operators.graph import Group
from include.operators.manifest import target

GOOD = ("success", "pass", "warn")
BAD = ("error", "fail", "runtime error", "partial success")


class BuildError(Exception):
    """dbt itself broke, or did not do what it was asked."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of one model or test: dbt's status and message, and seconds it took."""

    status: str
    message: str
    seconds: float


class Record(msgspec.Struct, frozen=True):
    """What a model's task shows: `good`, `bad`, or `open` where dbt left out the model or one of its tests."""

    verdict: str
    lines: tuple[str, ...]


def build(
    folder: Path, warehouse: str, endpoint: Endpoint, group: Group, models: Iterable[str], until_ms: int | None = None
) -> dict[str, Record]:
    """Builds models of a group with their tests: id -> record. Raises BuildError for what no record would tell.

    `until_ms`: staging shows what had landed by then (Unix time), so that marts get no row that the gate has not seen.
    """
    wanted = {model: (model, *group.tests[model]) for model in models}
    selected = sorted({group.names[uid] for uids in wanted.values() for uid in uids})
    outcomes, success = _invoke(folder, warehouse, endpoint, selected, until_ms)
    asked = {uid for uids in wanted.values() for uid in uids}
    stray = {uid: outcome for uid, outcome in outcomes.items() if uid not in asked and outcome.status not in GOOD}
    if stray:
        raise BuildError(f"failed, and no model's task would show it: {stray}")
    missing = sorted(set(wanted) - outcomes.keys())
    if missing:
        raise BuildError(f"dbt left out {', '.join(missing)}")
    records = {model: _record(uids, outcomes) for model, uids in wanted.items()}
    if not success and all(record.verdict == "good" for record in records.values()):
        raise BuildError("dbt says that it failed, yet every model and test passed: see its log above")
    return records


def _record(uids: tuple[str, ...], outcomes: Mapping[str, Outcome]) -> Record:
    statuses = [outcomes[uid].status if uid in outcomes else "not run" for uid in uids]
    verdict = "good" if all(s in GOOD for s in statuses) else "bad" if any(s in BAD for s in statuses) else "open"
    lines = []
    for uid, status in zip(uids, statuses, strict=True):
        outcome = outcomes.get(uid)
        told = f" in {outcome.seconds:.2f} s: {' '.join(outcome.message.split())[:1000]}" if outcome else ""
        lines.append(f"{uid}: {status}{told}")
    return Record(verdict, tuple(lines))


def _invoke(
    folder: Path, warehouse: str, endpoint: Endpoint, selected: list[str], until_ms: int | None
) -> tuple[dict[str, Outcome], bool]:
    from dbt.cli.main import dbtRunner

    with tempfile.TemporaryDirectory(prefix="dbt_") as temporary:
        variables = profiles.write(Path(temporary), warehouse, endpoint)
        where = ["--project-dir", str(folder), "--profiles-dir", temporary, "--target-path", temporary]
        quiet = ["--log-path", temporary, "--log-level-file", "none", "--no-use-colors", "--no-write-json"]
        silent = ["--no-send-anonymous-usage-stats", "--no-version-check"]
        given = ["--vars", f"{{until_ms: {until_ms}}}"] if until_ms is not None else []
        with profiles.environment(variables):
            result = dbtRunner(manifest=_parsed(folder, warehouse, endpoint)).invoke(
                ["build", *where, *quiet, *silent, *given, "--indirect-selection", "empty", "--select", *selected]
            )
    if result.exception:
        raise BuildError(f"dbt broke: {result.exception}") from result.exception
    results: Any = result.result
    return {
        each.node.unique_id: Outcome(str(each.status), each.message or "", each.execution_time)
        for each in results.results
    }, result.success


def _parsed(folder: Path, warehouse: str, endpoint: Endpoint) -> Any:
    """dbt's own manifest, which saves a parse of 2 s; None (so that dbt parses) where the connection's database is
    another than the one the manifest was made for, because dbt writes that name into every relation.
    """
    from dbt.contracts.graph.manifest import Manifest

    if profiles.database(warehouse, endpoint) != profiles.database(warehouse, profiles.PLACEHOLDERS[warehouse]):
        return None
    manifest = Manifest.from_msgpack((target(folder) / "partial_parse.msgpack").read_bytes())
    manifest.build_flat_graph()
    return manifest
