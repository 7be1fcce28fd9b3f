"""Generators: what happens in a domain, as a pure function of contract, window, seed, shard and size.

The same arguments give the same bytes: no clock, no unseeded draw. A domain's generator is the module of its name. It
has `events(contract, window, *, seed, size=None, shard="0", **options)`, `bootstrap(contract)`, and OPENING, the window
that the bootstrap lies in.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from include.contracts import Contract
from include.contracts.event import BurstId, Event, Window

__all__ = ["BurstId", "Event", "GeneratorMissing", "Window", "bootstrap", "burst", "events", "opening", "shard_of"]


class GeneratorMissing(LookupError):
    """A domain without a generator; the text says where to put one."""


def events(
    contract: Contract, window: Window, *, seed: int, size: int | None = None, shard: str = "0", **options: Any
) -> Iterator[Event]:
    """The events of a window, as the domain's generator makes them; raises GeneratorMissing, ValueError."""
    return _module(contract.domain).events(contract, window, seed=seed, size=size, shard=shard, **options)  # type: ignore[no-any-return]


def burst(
    contract: Contract, window: Window, *, seed: int, size: int | None = None, shard: str = "0", **options: Any
) -> tuple[BurstId, Iterator[Event]]:
    """The events of a window, and the name of the burst to produce them as.

    Mostly that of domain, window and shard; a replay of files bears a name that the files decide. Raises as events().
    """
    module = _module(contract.domain)
    if hasattr(module, "burst"):
        return module.burst(contract, window, seed=seed, size=size, shard=shard, **options)  # type: ignore[no-any-return]
    name = BurstId(contract.domain, window, shard)
    return name, events(contract, window, seed=seed, size=size, shard=shard, **options)


def bootstrap(contract: Contract) -> Iterator[Event]:
    """What the domain has before its first burst; none for most. Raises GeneratorMissing."""
    return _module(contract.domain).bootstrap(contract)  # type: ignore[no-any-return]


def opening(contract: Contract) -> BurstId:
    """The name of the burst that carries the bootstrap."""
    return BurstId(contract.domain, _module(contract.domain).OPENING, "bootstrap")


def shard_of(size: int | None, index: int = 0, *, shards: int = 1, seed: int | None = None) -> str:
    """The shard a burst belongs in: "0" on schedule, else one a size, number of shards, seed and index.

    Whatever makes other events makes another name, or one burst would replace another's receipts and not its events.
    `seed` is None for the contract's own.
    """
    given = [f"size-{size}"] if size is not None else []
    given += [f"of-{shards}"] if shards > 1 else []
    given += [f"seed-{seed}"] if seed is not None else []
    return f"{'-'.join(given)}.{index}" if given else "0"


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
