"""dbt manifests, which the transform DAGs are rendered from: `python -m include.operators.manifest` makes them.

manifest.json (what Cosmos reads), partial_parse.msgpack (what a task builds from without parsing) and the digest of
the files they were made from are put in place together, in include/dbt/<warehouse>/target. The DAG processor makes
them again when a project changes, so that a DAG never shows another project than the one that is built.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec

PROJECTS = Path(__file__).resolve().parent.parent / "dbt"
WAREHOUSES = ("clickhouse", "snowflake")
#: The DAG processor gives a file 30 s; a parse takes 4 to 8 s, on a busy machine twice as long.
TIMEOUT_S = 25
_SOURCES = {".sql", ".yml", ".yaml", ".csv", ".py", ".md"}
_MADE = {"target", "logs", "dbt_packages"}


class ManifestError(Exception):
    """A project that dbt cannot parse, or a manifest that is older than its project."""


def project(warehouse: str) -> Path:
    """The folder of a warehouse's dbt project."""
    return PROJECTS / warehouse


def target(folder: Path) -> Path:
    """Where a project's manifest is kept."""
    return folder / "target"


def digest(folder: Path) -> str:
    """A hash of every file of a project that dbt's parse depends on: SQL, YAML, macros, tests, seeds."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.suffix in _SOURCES and not _MADE & set(inside.parts):
            total.update(f"{inside}\0".encode() + hashlib.sha256(path.read_bytes()).digest())
    return total.hexdigest()


def stamp(folder: Path) -> str:
    """The digest that the project's manifest was made from; empty where there is none."""
    path = target(folder) / "digest"
    return path.read_text() if path.exists() else ""


def read(folder: Path) -> dict[str, Any]:
    """The manifest; raises ManifestError where it is missing or was made from other files than are there now."""
    if stamp(folder) != digest(folder):
        raise ManifestError(
            f"the manifest of {folder} is missing or older than the project: run `python -m include.operators.manifest`"
            " (the DAG processor does so too, at its next look at the DAG file)"
        )
    manifest: dict[str, Any] = msgspec.json.decode((target(folder) / "manifest.json").read_bytes())
    return manifest


def ensure(warehouse: str) -> Path:
    """Makes the manifest where it is missing or stale; gives the project's folder. Raises ManifestError."""
    folder = project(warehouse)
    if stamp(folder) == digest(folder):
        return folder
    # A process of its own: dbt's imports and state stay out of the DAG processor.
    command = [sys.executable, "-m", "include.operators.manifest", warehouse]
    try:
        done = subprocess.run(
            command, cwd=PROJECTS.parent.parent, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ManifestError(f"dbt took longer than {TIMEOUT_S} s to parse {folder}: run {' '.join(command)}") from None
    if done.returncode:
        raise ManifestError(f"dbt cannot parse {folder}:\n{(done.stdout + done.stderr)[-1500:]}")
    return folder


def make(warehouse: str, folder: Path | None = None) -> bool:
    """Parses a project into its target folder, connecting to nothing; False if it was fresh. Raises ManifestError."""
    folder = folder or project(warehouse)
    target(folder).mkdir(exist_ok=True)
    with (target(folder) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # two processors, or a processor and a person
        made_from = digest(folder)
        if stamp(folder) == made_from:
            return False
        for left in target(folder).glob("parse_*"):  # of a parse that was killed
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(prefix="parse_", dir=target(folder)) as temporary:
            _parse(warehouse, folder, Path(temporary))
            _slim(Path(temporary) / "manifest.json")
            # The digest last: until it stands, readers see a stale manifest and not half of a new one.
            (target(folder) / "digest").unlink(missing_ok=True)
            for name in ("manifest.json", "partial_parse.msgpack"):
                (Path(temporary) / name).replace(target(folder) / name)
            (Path(temporary) / "digest").write_text(made_from)
            (Path(temporary) / "digest").replace(target(folder) / "digest")
    return True


def _parse(warehouse: str, folder: Path, output: Path) -> None:
    from dbt.cli.main import dbtRunner

    from include.operators import profiles

    variables = profiles.write(output, warehouse, profiles.PLACEHOLDERS[warehouse])
    where = ["--project-dir", str(folder), "--profiles-dir", str(output), "--target-path", str(output)]
    quiet = ["--log-path", str(output), "--log-level-file", "none", "--no-send-anonymous-usage-stats", "--quiet"]
    with profiles.environment(variables):
        result = dbtRunner().invoke(["parse", *where, *quiet, "--no-version-check"])
    if not result.success:
        raise ManifestError(f"dbt cannot parse {folder}: {result.exception or 'see above'}")


def _slim(path: Path) -> None:
    """Leaves out the macros, nine tenths of the file: Cosmos reads it once a group in every parse."""
    manifest = msgspec.json.decode(path.read_bytes())
    path.write_bytes(msgspec.json.encode({**manifest, "macros": {}, "docs": {}}))


def main(warehouses: list[str]) -> int:
    """Makes the manifests of the given warehouses, of all by default; 1 where one cannot be made."""
    failed = 0
    for warehouse in warehouses or WAREHOUSES:
        try:
            made = make(warehouse)
        except ManifestError as error:
            print(error, file=sys.stderr)
            failed = 1
        else:
            print(f"{target(project(warehouse))}: {'made' if made else 'up to date'}")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
