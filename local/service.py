"""What the supervisor knows of a service: how to prepare it, start it, ask whether it is ready, and end it."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


class ServiceError(Exception):
    """A service that cannot be prepared or started; the text says what happened and what to do next."""


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Service:
    """One child process in a process group of its own.

    `prepare` runs before each start and is safe to repeat (format a disk, make a certificate, fetch jars); it raises
    ServiceError. `ready` gives None when the service answers, else what is being waited for, within a second or two.
    """

    name: str
    argv: tuple[str, ...]
    ready: Callable[[], str | None]
    ports: tuple[int, ...] = ()
    needs: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None
    prepare: Callable[[], None] = _nothing
    stop_signal: int = signal.SIGTERM
    stop_within_s: float = 15.0
    start_within_s: float = 120.0
