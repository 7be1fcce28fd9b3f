"""DAG files' parse, as the DAG processor does it: a process that has the imports forks one for each file.

The manifests are fresh, as they are but for the first parse after a dbt project was changed.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator

from benchmarks.budgets import Figure
from benchmarks.progress import say
from include.operators import manifest
from local.place import ROOT

TIMES = 5
#: Given paths and how often; prints path -> seconds. `dag-processor` among its arguments makes Airflow's local settings
#: load what they do in that process.
PROGRAM = """
import json, os, sys, time
answer = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # Airflow logs to standard output
from airflow.dag_processing.dagbag import DagBag
import airflow.settings
airflow.settings.initialize()

def parse(path):
    reading, writing = os.pipe()
    if os.fork() == 0:
        begun = time.perf_counter()
        bag = DagBag(path)
        seconds = time.perf_counter() - begun
        errors = [*bag.import_errors.values()] + ([] if bag.dags else [f"{path} makes no DAG"])
        os.write(writing, json.dumps([seconds, errors]).encode()[:60000])
        os._exit(0)
    os.close(writing)
    os.wait()
    with os.fdopen(reading) as pipe:
        seconds, errors = json.loads(pipe.read())
    if errors:
        sys.exit(errors[0])
    return seconds

times, paths = int(sys.argv[1]), [path for path in sys.argv[2:] if path != "dag-processor"]
print(json.dumps({path: [parse(path) for _ in range(times)] for path in paths}), file=answer, flush=True)
"""


def measure() -> Iterator[Figure]:
    """Each file and the whole bag, the median of TIMES; then each file in a process without Cosmos' import."""
    for warehouse in manifest.WAREHOUSES:
        manifest.ensure(warehouse)
    folder = ROOT / "dags"
    files = [str(path) for path in sorted(folder.glob("*.py"))]
    seconds = _parsed(TIMES, [*files, str(folder)], "dag-processor")
    for path in files:
        say(f"parse of {os.path.basename(path)}: {', '.join(f'{one:.3f}' for one in seconds[path])} s")
        yield Figure("parse_file", statistics.median(seconds[path]), os.path.basename(path))
    yield Figure("parse_bag", statistics.median(seconds[str(folder)]))
    alone = _parsed(3, files)
    for path in files:
        yield Figure("parse_alone", statistics.median(alone[path]), os.path.basename(path))


def _parsed(times: int, paths: list[str], *arguments: str) -> dict[str, list[float]]:
    with tempfile.TemporaryDirectory(prefix="floodgate-bench-") as home:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM, str(times), *paths, *arguments],
            env={name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
            | {
                "AIRFLOW_HOME": home,
                "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
                "AIRFLOW__CORE__PLUGINS_FOLDER": f"{ROOT}/plugins",
            }
            | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'config'}", "DO_NOT_TRACK": "1"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"the DAG files could not be parsed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))
