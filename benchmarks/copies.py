"""Contracts copied, so that there are more domains than the project has: the first as they are, the others renamed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from include.contracts import Contract, load, loader
from include.contracts.event import Event, Window
from include.generators import events
from include.generators.size import SCHEDULED

_COPY = "_copy"
#: One whose events follow from earlier ones and land in one table from several topics, and one of change events.
_ORIGINALS = ("ecommerce", "fashion")


def write(folder: Path, number: int) -> list[str]:
    """Writes so many domains' contracts, and the platform's own, into an empty folder; gives the domains' names.

    Topics, and the tables they end in, bear the copy's number, so that no two domains have one in common.
    """
    names: list[str] = []
    for at in count():
        for original in _ORIGINALS:
            if len(names) == number:
                _write(folder, loader.PLATFORM, "")
                return names
            suffix = f"{_COPY}{at}" if at else ""
            _write(folder, original, suffix)
            names.append(original + suffix)
    raise AssertionError("count() does not end")


def _write(folder: Path, original: str, suffix: str) -> None:
    document = yaml.safe_load((loader.FOLDER / f"{original}{loader.SUFFIX}").read_text())
    document["id"] = document["domain"] = original + suffix
    for topic in document["schema"]:
        topic["name"] += suffix
        # A list of its own: the file's anchors share one among topics.
        topic["customProperties"] = [_renamed(one, suffix) for one in topic.get("customProperties", ())]
    for promise in document.get("slaProperties", ()):
        if "element" in promise:
            promise["element"] += suffix
    (folder / f"{original}{suffix}{loader.SUFFIX}").write_text(yaml.safe_dump(document, sort_keys=False))


def _renamed(custom: Mapping[str, Any], suffix: str) -> dict[str, Any]:
    if custom["property"] == "landingTable":
        return {**custom, "value": custom["value"] + suffix}
    return dict(custom)


def be(folder: Path) -> None:
    """From now on this process knows the contracts of that folder and no others."""
    loader.FOLDER = folder
    load.cache_clear()


def burst(contract: Contract, window: Window, *, size: int | None = None) -> Iterator[Event]:
    """The burst of a window, by the generator of the domain that the contract was copied from."""
    original, _, _ = contract.domain.partition(_COPY)
    suffix = contract.domain.removeprefix(original)
    assert contract.burst is not None  # noqa: S101 - every domain that is copied has bursts
    shard = SCHEDULED if size is None else "history"
    for event in events(load(original), window, seed=contract.burst.seed, size=size, shard=shard):
        yield Event(event.topic + suffix, event.key, event.value, event.time_ms)
