"""What must hold before anything is started: free ports and room on the disk, or a sentence on who is in the way."""

from __future__ import annotations

import contextlib
import errno
import shutil
import socket
from collections.abc import Mapping
from pathlib import Path

import psutil

from local import processes
from local.place import PlaceError

LEAST_FREE_BYTES = 1_000_000_000


def port_free(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket() as probe:
        # Connections of a server that has just ended linger; only a listening one is in the way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise PlaceError(
                f"Port {port} on 127.0.0.1 cannot be used ({error.strerror}): set FLOODGATE_PORT_OFFSET."
            ) from error
    return True


def port_owner(port: int) -> psutil.Process | None:
    """The process that holds `port`, where this user may know it: a server, else a client that got it as its end."""
    try:
        held = [(c.status, c.pid) for c in psutil.net_connections("tcp") if c.laddr and c.laddr.port == port]
    except psutil.AccessDenied:  # macOS shows each process's own connections only
        held = [(status, process.pid) for process in psutil.process_iter() for status in _holds(process, port)]
    for _, pid in sorted(((status != psutil.CONN_LISTEN, pid) for status, pid in held if pid)):
        with contextlib.suppress(psutil.Error):
            return psutil.Process(pid)
    return None


def _holds(process: psutil.Process, port: int) -> list[str]:
    try:
        return [c.status for c in process.net_connections("tcp") if c.laddr and c.laddr.port == port]
    except psutil.Error:
        return []


def ports_in_use(ports: Mapping[int, str]) -> list[str]:
    """One sentence for each port (port -> the service that wants it) that something already listens on."""
    sentences = []
    for port, service in ports.items():
        if port_free(port):
            continue
        owner = port_owner(port)
        who = processes.describe(owner) if owner else "a process that this user may not see"
        sentences.append(
            f"Port {port} for {service} is in use by {who}: end it, "
            "or set FLOODGATE_PORT_OFFSET to a number that moves all ports, for example 1000."
        )
    return sentences


def check_ports(ports: Mapping[int, str]) -> None:
    """Raises PlaceError, one line a port, where a port (port -> service) is taken."""
    if sentences := ports_in_use(ports):
        raise PlaceError("\n".join(sentences))


def disk_problem(folder: Path) -> str | None:
    """A sentence where less than about 1 GB is free at `folder`, else None."""
    free = shutil.disk_usage(folder).free
    if free >= LEAST_FREE_BYTES:
        return None
    return (
        f"Only {free / 1e6:.0f} MB are free at {folder} and the stack needs {LEAST_FREE_BYTES / 1e6:.0f} MB: "
        "free some, run `floodgate reset`, or set FLOODGATE_HOME to a folder on a larger disk."
    )


def check_disk(folder: Path) -> None:
    """Raises PlaceError where the disk at `folder` is nearly full."""
    if problem := disk_problem(folder):
        raise PlaceError(problem)
