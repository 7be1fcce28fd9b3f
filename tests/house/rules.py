"""The rules of the house, each a function from a file's path and text to its offences. Tests show each one red, too."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("dags", "include", "plugins", "local", "commands", "benchmarks", "tests")

#: A room and what it may import, itself aside. A longer name counts before a shorter one.
MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "include.contracts": (),
    "include.connections": (),
    "include.generators": ("include.contracts",),
    "include.kafka": ("include.contracts", "include.connections"),
    "include.sources": ("include.contracts", "include.connections", "include.kafka"),
    "include.warehouses": ("include.contracts", "include.connections"),
    "include.connectors": ("include.contracts", "include.connections", "include.warehouses"),
    "include.alerts": ("include.contracts", "include.connections"),
    "include.expectations": ("include.contracts", "include.connections", "include.warehouses", "include.alerts"),
    "include.ledger": (
        "include.contracts",
        "include.connections",
        "include.kafka",
        "include.warehouses",
        "include.connectors",
    ),
    "include.enrichment": ("include.contracts", "include.connections", "include.kafka"),
    "include.healing": (
        "include.contracts",
        "include.connections",
        "include.generators",
        "include.kafka",
        "include.warehouses",
        "include.alerts",
        "include.ledger",
        "include.monitors",
    ),
    "include.operators": ("include",),
    "dags": ("include.contracts", "include.operators"),
    "plugins": ("include",),
    "local": (),
    "commands": ("include", "local"),
    "benchmarks": ("include", "local", "commands"),
    "tests": ("include", "local", "commands", "dags", "plugins", "benchmarks"),
}
NAMELESS = ("utils", "util", "common", "helpers", "helper", "base", "misc", "lib")
#: A module past this many lines must be two.
LINES = 300


def files(*rooms: str) -> list[Path]:
    """The Python files of the rooms, without environments and what was generated."""
    return sorted(
        path
        for room in rooms or ROOMS
        for path in (ROOT / room).rglob("*.py")
        if not {".venv", "target", "__pycache__"} & set(path.relative_to(ROOT).parts)
    )


def module(path: Path) -> str:
    """`include/kafka/topics.py` -> `include.kafka.topics`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(text: str) -> Iterator[str]:
    """Every module a text imports, wherever in it; names taken from a package count as modules of it."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _within(name: str, room: str) -> bool:
    return name == room or name.startswith(f"{room}.")


def room_of(name: str) -> str | None:
    """The room of MAY_IMPORT that a module stands in; None for one of another project."""
    rooms = [room for room in MAY_IMPORT if _within(name, room)]
    return max(rooms, key=len) if rooms else None


def imports_in_one_direction(path: Path, text: str) -> Iterator[str]:
    """A room imports only what MAY_IMPORT says."""
    own = room_of(module(path))
    if own is None:
        return
    for name in sorted(set(imported(text))):
        there = room_of(name)
        if there and there != own and not any(_within(name, allowed) for allowed in MAY_IMPORT[own]):
            yield f"{path}: {own} must not import {name}"


def only_operators_know_airflow(path: Path, text: str) -> Iterator[str]:
    """Outside include/operators, dags, plugins and tests nothing imports Airflow or Cosmos."""
    if room_of(module(path)) in ("include.operators", "dags", "plugins", "tests"):
        return
    for name in sorted(set(imported(text))):
        if name.split(".")[0] in ("airflow", "cosmos"):
            yield f"{path}: must not import {name}; what needs Airflow is an operator"


def no_clock_and_no_chance(path: Path, text: str) -> Iterator[str]:
    """Contracts, generators, expectations and ledger take `now` and a seed as arguments."""
    if room_of(module(path)) not in (
        "include.contracts",
        "include.generators",
        "include.expectations",
        "include.ledger",
    ):
        return
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            if re.search(r"(^|\.)(now|utcnow|today|time_ns|uuid1|uuid4|urandom)$|^time\.time$|^random\.\w+$", called):
                yield f"{path}:{node.lineno}: {called}() reads a clock or draws without a seed"
            if called.endswith("default_rng") and not node.args and not node.keywords:
                yield f"{path}:{node.lineno}: default_rng() without a seed"


def names_say_what_a_room_knows(path: Path, text: str) -> Iterator[str]:
    """No module or folder is called utils and the like."""
    for part in (*path.parent.parts, path.stem):
        if part in NAMELESS:
            yield f"{path}: {part!r} says nothing of what is in it"


def modules_are_short(path: Path, text: str) -> Iterator[str]:
    """Code past LINES lines wants to be two modules."""
    lines = text.count("\n")
    if lines > LINES and path.parts[0] != "tests":
        yield f"{path}: {lines} lines, {LINES} at most"


def no_branch_on_where_it_runs(path: Path, text: str) -> Iterator[str]:
    """Production code cannot tell the local stack from real services."""
    if path.parts[0] not in ("dags", "include", "plugins"):
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if re.search(r"\bif\b.*\b(127\.0\.0\.1|localhost|is_local|emulat\w+|fakesnow|chdb)\b", line):
            yield f"{path}:{number}: asks where it runs: {line.strip()}"


def no_registry_is_named(path: Path, text: str) -> Iterator[str]:
    """Packages come from wherever the user's clients are told to look."""
    hosts = r"(pypi|pythonhosted|npmjs|maven|crates)\.(org|com|io)|repo1\.maven|proxy\.golang"
    for number, line in enumerate(text.splitlines(), start=1):
        if re.search(hosts, line):
            yield f"{path}:{number}: names a registry's host"


RULES = (
    imports_in_one_direction,
    only_operators_know_airflow,
    no_clock_and_no_chance,
    names_say_what_a_room_knows,
    modules_are_short,
    no_branch_on_where_it_runs,
)
