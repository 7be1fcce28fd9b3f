"""`python -m tests [unit | check | PART ...]`: every test, part by part, in the environment that each part needs.

Parts run one after another, because the machine may have two cores; all run even where one fails, and the last lines
say which. Arguments after `--` go to pytest.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RUNTIME = str(ROOT / ".venv" / "bin" / "python")
EMULATORS = str(ROOT / "local" / ".venv" / "bin" / "python")

NEITHER = "not stack and not journey"
PARTS = {
    "unit": [RUNTIME, "-m", "pytest", "tests", "--ignore=tests/local", "-m", NEITHER],
    "local": [EMULATORS, "-m", "pytest", "tests/local"],
    "stack": [RUNTIME, "-m", "pytest", "tests", "--ignore=tests/local", "-m", "stack and not journey"],
    "journeys": [RUNTIME, "-m", "pytest", "tests/journeys", "-m", "journey"],
}
CHECKS = {
    "contracts": [RUNTIME, "-m", "include.contracts", "--check"],
    "standard": [RUNTIME, "-m", "tests.house.standard"],
    "ruff": [RUNTIME, "-m", "ruff", "check", "."],
    "format": [RUNTIME, "-m", "ruff", "format", "--check", "."],
    "airflow rules": [RUNTIME, "-m", "ruff", "check", "--preview", "--select", "AIR", "dags", "include", "plugins"],
    "types": [RUNTIME, "-m", "mypy"],
}


def main(arguments: list[str]) -> int:
    """Runs the parts asked for, all by default; 1 where one failed."""
    own, _, extra = (arguments, "", []) if "--" not in arguments else _split(arguments)
    known = PARTS | CHECKS
    names = list(CHECKS) if own == ["check"] else own or list(PARTS)
    if unknown := [name for name in names if name not in known]:
        print(f"no part {', '.join(unknown)}: there are {', '.join(PARTS)} and check", file=sys.stderr)
        return 2
    results = {name: _part(name, [*known[name], *extra]) for name in names}
    print(
        "\n"
        + "\n".join(
            f"{name:14} {'passed' if code == 0 else 'FAILED'}  {s:6.1f} s" for name, (code, s) in results.items()
        )
    )
    return int(any(code for code, _ in results.values()))


def _split(arguments: list[str]) -> tuple[list[str], str, list[str]]:
    at = arguments.index("--")
    return arguments[:at], "--", arguments[at + 1 :]


def _part(name: str, command: list[str]) -> tuple[int, float]:
    print(f"\n== {name}", flush=True)
    begun = time.monotonic()
    # A home of its own: a test must find neither the user's Airflow nor the stack they have running.
    home = tempfile.mkdtemp(prefix=f"floodgate-{name.replace(' ', '-')}-")
    try:
        code = subprocess.run(command, cwd=ROOT, env=_environment(home), check=False).returncode
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return code, time.monotonic() - begun


def _environment(home: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "FLOODGATE_HOME"))}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "AIRFLOW_HOME": f"{home}/airflow",
        "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
        "AIRFLOW__CORE__UNIT_TEST_MODE": "false",
        "GX_ANALYTICS_ENABLED": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
