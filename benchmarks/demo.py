"""`make demo`, from its call to its end: to marts in both warehouses."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks import places
from benchmarks.budgets import Figure
from benchmarks.progress import say
from local.place import ROOT, Place

WITHIN_S = 900
#: What a fresh clone does not have.
MADE = (".git", ".venv", ".venv-*", ".uv", ".floodgate", "target", "logs", "__pycache__", ".*_cache")


@contextmanager
def warm() -> Iterator[tuple[Place, Figure]]:
    """A fresh place in which the demo has run, which goes on until the block ends; and how long the demo took.

    What the Makefile's recipe does, with --json for the steps.
    """
    with places.fresh() as place:
        say("demo, caches warm")
        begun = time.monotonic()
        _run([sys.executable, "-m", "local.install"])
        told = json.loads(_run([sys.executable, "-m", "commands", "demo", "--json"]))
        figure = Figure("demo_warm", time.monotonic() - begun)
        for step in told["steps"]:
            say(f"  {step['seconds']:6.1f} s  {step['step']}")
        _whole(told)
        yield place, figure


def cold() -> Figure:
    """`make demo` in a copy of the tree without anything that was made in it, and with empty caches."""
    with tempfile.TemporaryDirectory(prefix="floodgate-cold-") as temporary:
        Path(temporary).chmod(0o755)  # as open as a folder that one clones into
        copy, caches = Path(temporary) / "floodgate", Path(temporary) / "caches"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*MADE))
        environ = {
            name: v for name, v in os.environ.items() if not name.startswith(("AIRFLOW", "FLOODGATE", "VIRTUAL"))
        }
        environ |= {name: str(caches / name.lower()) for name in ("UV_CACHE_DIR", "PIP_CACHE_DIR", "XDG_CACHE_HOME")}
        environ["FLOODGATE_PORT_OFFSET"] = str(places.free_offset(int(os.environ.get("FLOODGATE_PORT_OFFSET") or 0)))
        say("demo, nothing in a cache")
        begun = time.monotonic()
        try:
            said = _run(["make", "demo"], cwd=copy, environ=environ)
            seconds = time.monotonic() - begun
            _whole(json.loads(_run([str(copy / ".venv" / "bin" / "floodgate"), "status", "--json"], copy, environ)))
        finally:
            _run(["make", "down"], cwd=copy, environ=environ)
        for line in said.splitlines():
            if " s  " in line or line.startswith("setup:"):
                say(f"  {line}")
        return Figure("demo_cold", seconds)


def _whole(facts: dict[str, Any]) -> None:
    """A demo that leaves a mart without rows was fast for nothing: RuntimeError."""
    if empty := [f"{one['domain']}.{one['model']} in {one['warehouse']}" for one in facts["marts"] if not one["rows"]]:
        raise RuntimeError(f"the demo ended without rows in {', '.join(empty)}")


def _run(command: list[str], cwd: Path = ROOT, environ: dict[str, str] | None = None) -> str:
    done = subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True, timeout=WITHIN_S, check=False)
    if done.returncode:
        raise RuntimeError(
            f"`{' '.join(command)}` ended with {done.returncode}:\n{(done.stdout + done.stderr)[-3000:]}"
        )
    return done.stdout
