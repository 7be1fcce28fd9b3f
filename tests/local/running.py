"""Real services for tests: a place of free ports in a folder of its own, and a service run in it while a test lasts."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from local.place import PASSWORDS, PORTS, Place
from local.service import Service


def a_place(home: Path) -> Place:
    """A place with ports nobody listens on; its secrets are in the home, as a service that reads them expects."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    known = {name: secrets.token_urlsafe(18) for name in PASSWORDS}
    (home / "secrets.json").write_text(json.dumps(known))
    return Place(home, dict(zip(PORTS, free_ports(len(PORTS)), strict=True)), known)


def free_ports(count: int) -> list[int]:
    """Ports on loopback that were free a moment ago, all different."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def start(service: Service, place: Place) -> subprocess.Popen[bytes]:
    """Prepares and starts a service, and waits until it is ready."""
    service.prepare()
    with place.log(service.name).open("ab") as log:
        child = subprocess.Popen(
            service.argv,
            cwd=service.cwd or place.root,
            env=os.environ | dict(service.env),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    until = time.monotonic() + service.start_within_s
    while (wanting := service.ready()) is not None:
        if child.poll() is not None or time.monotonic() > until:
            kill(child)
            raise AssertionError(
                f"{service.name} did not start ({wanting}):\n{place.log(service.name).read_text()[-3000:]}"
            )
        time.sleep(0.05)
    return child


def stop(service: Service, child: subprocess.Popen[bytes]) -> None:
    """Ends a service as the supervisor does; it must not need to be killed."""
    if child.poll() is None:
        child.send_signal(service.stop_signal)
        try:
            child.wait(service.stop_within_s)
        finally:
            kill(child)


def kill(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL to the whole group, and nothing where it has ended."""
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait(10)


@contextmanager
def running(service: Service, place: Place) -> Iterator[subprocess.Popen[bytes]]:
    """The service while the block lasts."""
    child = start(service, place)
    try:
        yield child
    finally:
        stop(service, child)
