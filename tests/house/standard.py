"""`python -m tests.house.standard`: the contracts against the open standard, and against what they promised before.

The tool of the standard (datacontract-cli) wants an environment of its own, which is made at the first call from
locks/contracts.lock. The standard's JSON Schema comes with the tool, so nothing is asked of the network after that.
A change that breaks consumers passes only with a new major version. The check first proves that it can see offenders.
"""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from local import install

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / "tests" / "house" / ".venv"
LOCK = ROOT / "locks" / "contracts.lock"
CONTRACTS = "include/contracts/*.odcs.yaml"

#: Of what the standard leaves to customProperties, the part on which consumers build.
_PROMISED = re.compile(r"\.customProperties\.(key|eventId|eventTime|landingTable|changeEvents|cleanup)\b")

#: A contract in small, and changes of it that must be refused: by the standard, and as a break of what was promised.
SAMPLE = """
apiVersion: v3.1.0
kind: DataContract
id: sample
name: Sample
version: 1.2.3
status: active
schema:
  - name: orders
    physicalType: topic
    customProperties: [{property: key, value: id}]
    properties:
      - {name: id, logicalType: string, physicalType: uuid, required: true, primaryKey: true}
      - {name: quantity, logicalType: integer, physicalType: int, logicalTypeOptions: {minimum: 1, maximum: 10}}
"""
OUTSIDE_THE_STANDARD = (
    ("required: true", "requird: true"),
    ("maximum: 10", "maximun: 10"),
    ("kind: DataContract", "kind: Contract"),
)
BREAKS = (
    ("physicalType: uuid, required: true", "physicalType: uuid"),
    ("logicalType: string, physicalType: uuid", "logicalType: boolean, physicalType: boolean"),
    ("name: quantity", "name: amount"),
    ("maximum: 10", "maximum: 99"),
    ("property: key, value: id", "property: key, value: quantity"),
)


def main() -> int:
    """0 where every contract keeps to both; else 1 and a line for each offence."""
    if Path(sys.prefix).resolve() != VENV.resolve():
        return _inside()
    logging.disable()  # what it would log is in its verdict as well
    paths = sorted(ROOT.glob(CONTRACTS))
    found = [] if paths else [f"no contract at {CONTRACTS}, so nothing was judged"]
    found += _blind()
    for path in paths:
        text = path.read_text()
        found += [f"{path.name}: {offence}" for offence in offences(text) or _broken(path, text)]
    print("\n".join(found) or f"{len(paths)} contracts keep to the standard, and to what they promised before")
    return int(bool(found))


def _inside() -> int:
    """The same again with the tool's Python; ends this process's part."""
    try:
        install.make(VENV, LOCK)
    except install.InstallError as error:
        print(f"the environment of the standard's tool: {error}", file=sys.stderr)
        return 1
    command = [str(VENV / "bin" / "python"), "-m", "tests.house.standard"]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False).returncode


def offences(text: str) -> list[str]:
    """What the standard says against a contract; its warnings count as well."""
    checks = _contract(text, all_errors=True).lint().checks
    if not checks:
        return ["the tool judged nothing"]
    return [f"{one.reason or one.name}" for one in checks if one.result.value != "passed"]


def breaks(old: str, new: str) -> Iterator[str]:
    """Changes on which consumers of the old text would stumble, unless the major version tells them."""
    before, after = _contract(old), _contract(new)
    versions = [str(one.get_data_contract().version) for one in (before, after)]
    least, now = (int(version.partition(".")[0]) for version in versions)
    if now > least:
        return
    for change in before.breaking(after).entries:
        level, kind = change.level.value, change.change_type.value
        if level == "error" or (kind != "added" and _PROMISED.search(change.path)):
            yield f"{change.message} breaks consumers of {versions[0]}: take it back, or make it {least + 1}.0.0"


def _broken(path: Path, text: str) -> list[str]:
    before = _before(path)
    if before is None:
        return []
    commit, old = before
    if offences(old):  # whoever mends it must not be held up by what it was
        print(f"{path.name}: not compared with {commit}, which was outside the standard")
        return []
    return [f"{broken} (compared with {commit})" for broken in breaks(old, text)]


def _contract(text: str, **options: Any) -> Any:
    from datacontract.data_contract import DataContract

    return DataContract(data_contract_str=text, inline_references=False, **options)


def _blind() -> Iterator[str]:
    """Offenders that the tool no longer sees: a check that cannot be red is none."""
    for good, bad in OUTSIDE_THE_STANDARD:
        if not offences(SAMPLE.replace(good, bad)):
            yield f"this check is blind: {bad!r} for {good!r} is outside the standard and was not refused"
    for good, bad in BREAKS:
        changed = SAMPLE.replace(good, bad)
        if not list(breaks(SAMPLE, changed)):
            yield f"this check is blind: {bad!r} for {good!r} was not seen as a break"
        if list(breaks(SAMPLE, changed.replace("version: 1.2.3", "version: 2.0.0"))):
            yield f"this check is wrong: {bad!r} for {good!r} with a new major version was refused"


def _before(path: Path) -> tuple[str, str] | None:
    """The commit and text to compare with: HEAD's where the file differs from it, else the one before its last change.

    None where there is no history, as in an archive, or the contract is new.
    """
    name = path.relative_to(ROOT).as_posix()
    commits = _git("log", "--format=%h", "-2", "--", name).split()
    earlier = commits if _git("status", "--porcelain", "--", name) else commits[1:]
    if not earlier:
        print(f"{path.name}: no earlier version here to compare with")
        return None
    return earlier[0], _git("show", f"{earlier[0]}:{name}")


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
