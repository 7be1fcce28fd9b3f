"""`floodgate`: the command line. Each module of this folder that has an `app` adds its commands.

It starts in a fraction of a second: a command imports what it needs when it runs, never at the top of its module.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys

import typer

import commands
from commands import console
from local.place import PlaceError
from local.service import ServiceError

EXPECTED = (PlaceError, ServiceError, console.CommandError)


def build() -> typer.Typer:
    """The application with the commands of every module, in the order of the modules' `ORDER` (default 50), then name."""
    app = typer.Typer(
        help="A streaming platform you can break and watch heal.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    names = sorted(module.name for module in pkgutil.iter_modules(commands.__path__))
    rooms = [importlib.import_module(f"commands.{name}") for name in names if name not in ("main", "console")]
    for room in sorted(rooms, key=lambda room: getattr(room, "ORDER", 50)):
        if hasattr(room, "app"):
            app.add_typer(room.app)
    return app


def main() -> None:
    """Runs a command; an expected error is one sentence on standard error and exit code 1."""
    try:
        build()()
    except EXPECTED as error:
        if "--json" in sys.argv:
            console.emit({"error": str(error)})
        console.complain(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
