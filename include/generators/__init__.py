"""Generators: what happens in a domain, as a pure function of contract, window, seed, shard and size.

The same arguments give the same bytes: no clock, no unseeded draw. A domain's generator is the module of its name, found
by it; it has `events(contract, window, *, seed, size=None, shard="0", **options)` and `bootstrap(contract)`.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from include.contracts import Contract
from include.contracts.event import BurstId, Event, Window

__all__ = ["BurstId", "Event", "GeneratorMissing", "Window", "bootstrap", "events", "opening", "shard_of"]


class GeneratorMissing(LookupError):
    """A domain without a generator; the text says where to put one."""


def events(
    contract: Contract, window: Window, *, seed: int, size: int | None = None, shard: str = "0", **options: Any
) -> Iterator[Event]:
    """The events of a window, as the domain's generator makes them; raises GeneratorMissing, ValueError."""
    return _module(contract.domain).events(contract, window, seed=seed, size=size, shard=shard, **options)  # type: ignore[no-any-return]


def bootstrap(contract: Contract) -> Iterator[Event]:
    """What the domain has before its first burst; none for most. Raises GeneratorMissing."""
    return _module(contract.domain).bootstrap(contract)  # type: ignore[no-any-return]


def opening(contract: Contract) -> BurstId:
    """The name of the burst that carries the bootstrap."""
    return BurstId(contract.domain, _module(contract.domain).OPENING, "bootstrap")


def shard_of(size: int | None, index: int = 0) -> str:
    """The shard a burst belongs in: "0" on schedule, else one of its own for each size, so that none replaces another."""
    return "0" if size is None else f"size-{size}.{index}"


def _module(domain: str) -> ModuleType:
    name = f"{__name__}.{domain}"
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise GeneratorMissing(
            f"domain {domain!r} has no generator: write include/generators/{domain}.py with events() and bootstrap()"
        ) from None
