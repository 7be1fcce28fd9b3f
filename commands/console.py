"""How the command line speaks: sentences and tables for people, JSON for programs, one sentence for an error."""

from __future__ import annotations

import json
import sys
from typing import Any

from rich.console import Console

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class CommandError(Exception):
    """A command that cannot do what it was asked; the text says what happened and what to do next."""


def emit(facts: Any) -> None:
    """Prints facts as JSON on standard output, for `--json`."""
    sys.stdout.write(json.dumps(facts, indent=2, default=str) + "\n")


def say(text: str) -> None:
    """Prints a sentence; no markup is read in it."""
    out.print(text, markup=False)


def complain(text: str) -> None:
    """Prints a sentence of an error on standard error."""
    err.print(text, style="red", markup=False)
