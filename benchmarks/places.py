"""A place of the benchmarks' own: a fresh home, ports that are free, services that are ended whatever happens."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.progress import say
from local import control
from local.place import PORTS, Place, PlaceError, here

#: A service that is not ready by then never will be.
READY_S = 300


@contextmanager
def fresh() -> Iterator[Place]:
    """An empty place, which this process's environment names while the block lasts; all of it is ended and removed.

    Connections and Airflow settings of the user's shell are out of sight: what is measured is the local stack.
    """
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith(("AIRFLOW", "FLOODGATE"))]:
        del os.environ[name]
    os.environ["FLOODGATE_PORT_OFFSET"] = str(free_offset(int(before.get("FLOODGATE_PORT_OFFSET") or 0)))
    home = Path(tempfile.mkdtemp(prefix="floodgate-bench-"))
    os.environ["FLOODGATE_HOME"] = str(home)
    place = here()
    try:
        yield place
    finally:
        left = control.stop(place)
        os.environ.clear()
        os.environ.update(before)
        if left:
            say(f"not ended, so {home} stays: {' '.join(left)}")
        else:
            shutil.rmtree(home, ignore_errors=True)


@contextmanager
def services(*names: str) -> Iterator[Place]:
    """A fresh place with these services, and those that they need, running; its connections in the environment."""
    from commands.pipeline import environed

    with fresh() as place:
        say(f"starting {', '.join(names)}")
        control.start(place, names)
        begun = time.monotonic()
        for status in control.watch(place):
            failed = [f"{one['name']}: {one['waiting_for']}" for one in status["services"] if one["state"] == "failed"]
            if failed or status["supervisor"] is None or time.monotonic() - begun > READY_S:
                raise PlaceError(
                    f"the services did not start: {'; '.join(failed) or control.last_words(place, 'supervisor', 3)}"
                )
        environed()
        yield place


def free_offset(first: int = 0) -> int:
    """The first offset from `first` on, in steps of 100, at which nobody listens; raises PlaceError."""
    for offset in range(first, first + 10_000, 100):
        if not any(_taken(port + offset) for port in PORTS.values()):
            return offset
    raise PlaceError(
        f"no range of ports is free from offset {first} on: end other stacks, or set FLOODGATE_PORT_OFFSET"
    )


def _taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
