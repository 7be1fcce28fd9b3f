"""dbt as one would run it by hand: `dbt build` in a process of its own, with the connection that the DAGs take."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from include import connections
from include.operators import graph, manifest, profiles
from local.place import ROOT, here

CONNECTIONS = {"clickhouse": connections.CLICKHOUSE, "snowflake": connections.SNOWFLAKE}
LAYERS = ("staging", "marts")
WITHIN_S = 300


def nodes(warehouse: str, domain: str, layers: Iterable[str] = LAYERS) -> list[str]:
    """The models and tests that a transform of the domain builds, as --select names them."""
    manifest.ensure(warehouse)
    found = manifest.read(manifest.project(warehouse))
    groups = [graph.group(found, f"models/{layer}/{domain}") for layer in layers]
    return sorted({name for group in groups for name in group.names.values()})


def build(warehouse: str, selected: Iterable[str]) -> float:
    """Seconds of dbt's process, from its start to its end; raises RuntimeError where it fails.

    What dbt keeps of a parse is kept between calls in one place, so that all but the first parse nothing anew.
    """
    target = here().data("bench-dbt") / warehouse
    folder = manifest.project(warehouse)
    with tempfile.TemporaryDirectory() as temporary:
        variables = profiles.write(Path(temporary), warehouse, connections.from_env(CONNECTIONS[warehouse]))
        command = [str(ROOT / ".venv" / "bin" / "dbt"), "build", "--project-dir", str(folder)]
        command += ["--profiles-dir", temporary, "--target-path", str(target), "--log-path", str(target)]
        command += ["--indirect-selection", "empty", "--select", *selected]
        begun = time.perf_counter()
        done = subprocess.run(
            command,
            env=os.environ | variables,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"dbt build of {warehouse} failed:\n{done.stdout[-3000:]}")
    return time.perf_counter() - begun
