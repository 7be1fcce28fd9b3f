"""The journeys share one stack: it is brought up by the first, which is the demo, and taken down by the last."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from local.place import PORTS
from tests.journeys.stack import Stack


def _free(offset: int) -> bool:
    for port in PORTS.values():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port + offset)) == 0:
                return False
    return True


def free_offset(first: int) -> int:
    """A port offset at which nothing listens, from `first` on."""
    return next(offset for offset in range(first, first + 3000, 100) if _free(offset))


@pytest.fixture(scope="session")
def stack() -> Iterator[Stack]:
    home = Path(tempfile.mkdtemp(prefix="floodgate-journeys-"))
    stack = Stack(home, free_offset(10000))
    yield stack
    stack.run("down")
    shutil.rmtree(home, ignore_errors=True)
