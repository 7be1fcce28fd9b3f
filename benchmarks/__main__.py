"""`python -m benchmarks [--only PART] [--cold] [--write]`: the budgets as a JSON list on standard output.

Each entry holds name, value, unit, budget and met; budget and met are null for a figure that only explains others. A
budget that is not met is a fact and no failure; the exit code is 1 only where something could not be measured.
What was measured is kept in benchmarks/results, and --write makes docs/benchmarks.md of the latest of each.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial

from benchmarks import burst, demo, gate, page, parse, results, stack, watching
from benchmarks.budgets import Figure
from benchmarks.progress import say
from benchmarks.results import Measured

Part = Callable[[], Iterator[Figure]]
COLD = "cold"
LIGHT: dict[str, Part] = {
    "parse": parse.measure, "burst": burst.measure, "gate": gate.measure, "watching": watching.measure
}  # fmt: skip


def main(arguments: list[str]) -> int:
    """Measures and prints; see the module."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="The budgets, measured.")
    names = (*LIGHT, *stack.PARTS, COLD)
    parser.add_argument(
        "--only", action="append", choices=names, metavar="PART", help=f"one of {', '.join(names)}; may be given again"
    )
    parser.add_argument(
        "--cold", action="store_true", help="the demo from a fresh copy with empty caches, too: minutes, 3 GB"
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    given = parser.parse_args(arguments)
    wanted = given.only or [name for name in names if name != COLD]
    parts = {name: part for name, part in LIGHT.items() if name in wanted}
    if needing := [name for name in stack.PARTS if name in wanted]:
        parts[", ".join(needing)] = partial(stack.measure, needing)
    if given.cold or COLD in wanted:
        parts[COLD] = _cold
    everything: list[Measured] = []
    broken = [name for name, part in parts.items() if not _measured(name, part, everything)]
    if given.write:
        page.write(results.kept())
    print(json.dumps([one.figure.facts() for one in everything], indent=2))
    if broken:
        say(f"not measured: {'; '.join(broken)}")
    return 1 if broken else 0


def _measured(name: str, part: Part, everything: list[Measured]) -> bool:
    """Adds a part's figures and keeps them; False where it broke, which ends that part and no other."""
    say(f"== {name}")
    found: list[Measured] = []
    try:
        for figure in part():
            say(f"{figure.name}: {figure.text}{'' if figure.met is not False else '  NOT MET'}")
            found.append(results.now(figure))
    except Exception:
        traceback.print_exc()
        return False
    finally:
        everything += found
    results.keep(found)
    return True


def _cold() -> Iterator[Figure]:
    yield demo.cold()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    sys.exit(main(sys.argv[1:]))
