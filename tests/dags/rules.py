"""The rules of DAGs: each a function from a DAG, or a DAG file, to its offences. test_integrity.py shows each one red."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from include.contracts import all_contracts
from include.operators.airflow_look import watched_dags
from include.operators.defaults import FAMILIES, TIERS

LINES = 80
MAY_IMPORT = ("airflow.sdk", "include.contracts", "include.operators")
#: A DAG file that reads these does so at each parse.
READS = {"Variable", "Connection", "BaseHook", "open", "now", "utcnow", "today", "environ", "getenv"}


def owned(dag: Any) -> Iterator[str]:
    """Every task's owner is the owner in a contract."""
    owners = {contract.owner for contract in all_contracts()}
    yield from (f"{task.task_id}: owner {task.owner!r}" for task in dag.tasks if task.owner not in owners)


def tagged(dag: Any) -> Iterator[str]:
    """Three tags, from the closed lists: tier, domain, family."""
    domains = {contract.domain for contract in all_contracts()}
    closed = {"tier": {str(tier) for tier in TIERS}, "domain": domains, "family": set(FAMILIES)}
    kinds = [tag.partition(":")[0] for tag in dag.tags]
    if sorted(kinds) != sorted(closed):
        yield f"tags are of {sorted(kinds)}"
    for kind, _, value in (tag.partition(":") for tag in dag.tags):
        if value not in closed.get(kind, ()):
            yield f"tag {kind}:{value}"


def documented(dag: Any) -> Iterator[str]:
    """A page that says when it runs, what a failure means, and who owns it; every param is described."""
    for wanted in ("**When.**", "**When it fails.**", "Owner:"):
        if wanted not in (dag.doc_md or ""):
            yield f"its page lacks {wanted}"
    for name, param in dag.params.items():
        if not dag.params.get_param(name).description:
            yield f"param {name} is not described ({param!r})"


def bounded(dag: Any) -> Iterator[str]:
    """Work is tried again and ended in time; runs do not pile up; the watch tells of a failed run."""
    if dag.catchup or dag.max_active_runs > 4:
        yield f"catchup {dag.catchup}, max_active_runs {dag.max_active_runs}"
    if dag.dag_id not in watched_dags(all_contracts()) and "family:watch" not in dag.tags:
        yield "nobody is told when it fails"
    for task in dag.tasks:
        if task.retries < 1 or not task.execution_timeout:
            yield f"{task.task_id}: {task.retries} retries, execution_timeout {task.execution_timeout}"


def named(dag: Any) -> Iterator[str]:
    """The file is the id or its prefix."""
    stem = Path(dag.fileloc).stem
    if not re.fullmatch(rf"{stem}(_[a-z]+)?", dag.dag_id):
        yield f"{dag.dag_id} is in {stem}.py"


def short(path: Path) -> Iterator[str]:
    """A DAG file is wiring."""
    lines = path.read_text().count("\n")
    if lines > LINES:
        yield f"{path.name}: {lines} lines, more than {LINES}"


def wiring_only(path: Path) -> Iterator[str]:
    """It imports airflow.sdk, contracts, operators, and reads nothing that a parse would wait for."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (f"{path.name}:{node.lineno}: import {alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if not any(module == allowed or module.startswith(f"{allowed}.") for allowed in MAY_IMPORT):
                yield f"{path.name}:{node.lineno}: from {module} import"
            yield from (f"{path.name}:{node.lineno}: {alias.name}" for alias in node.names if alias.name in READS)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            if name in READS:
                yield f"{path.name}:{node.lineno}: {name}() at parse"


OF_DAGS = (owned, tagged, documented, bounded, named)
OF_FILES = (short, wiring_only)
