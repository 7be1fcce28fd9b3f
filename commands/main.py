"""`floodgate`: the command line. Each room of `ROOMS` is a module beside this one whose `app` adds its commands.

It starts in a fraction of a second: a command imports what it needs when it runs, never at the top of its module.
"""

from __future__ import annotations

import importlib
import sys

import typer

from commands import console
from local.place import PlaceError
from local.service import ServiceError

# In the order of the help.
ROOMS = (
    "stack",
    "pipeline",
    "ledger",
    "incidents",
    "silences",
    "slack",
    "redrive",
    "faults",
    "replay",
    "listen",
    "demo",
)
EXPECTED = (PlaceError, ServiceError, console.CommandError)


def build() -> typer.Typer:
    """The application with the commands of every room."""
    app = typer.Typer(
        help="A streaming platform you can break and watch heal.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for room in ROOMS:
        app.add_typer(importlib.import_module(f"commands.{room}").app)
    return app


def main() -> None:
    """Runs a command; an expected error is one sentence on standard error and exit code 1."""
    try:
        build()()
    except Exception as error:
        # Every exception that include defines is worded for people, as those of this package and of local are.
        if not isinstance(error, EXPECTED) and not type(error).__module__.startswith("include."):
            raise
        if "--json" in sys.argv:
            console.emit({"error": str(error)})
        console.complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
