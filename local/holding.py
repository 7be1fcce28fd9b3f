"""Services kept down on purpose: while `run/held/<service>` is there, its keeper ends it and starts it no more.

A file, so that whoever holds a service need not reach the supervisor. It is gone with `down`, `reset`, the next `up`.
"""

from __future__ import annotations

from pathlib import Path

from local.place import Place

#: What status.json says such a service waits for.
WORDS = "held by floodgate break"


def is_held(place: Place, name: str) -> bool:
    """Whether the service is to be down now."""
    return _file(place, name).exists()


def hold(place: Place, name: str) -> None:
    """Asks for a service to be ended and not started again."""
    file = _file(place, name)
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.touch()


def release(place: Place, name: str) -> None:
    """Lets a service be started again; does nothing where it is not held."""
    _file(place, name).unlink(missing_ok=True)


def release_all(place: Place) -> None:
    """Nothing is held any more."""
    for file in (place.home / "run" / "held").glob("*"):
        file.unlink(missing_ok=True)


def _file(place: Place, name: str) -> Path:
    return place.home / "run" / "held" / name
