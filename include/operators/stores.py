"""What is kept in an asset's state store: JSON, and nothing that only looks like it."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

#: Key of the silences, in the store of their asset.
SILENCED = "silences"

Kept = TypeVar("Kept")


def keep(store: Any, key: str, value: Any) -> None:
    """Keeps a value; structs become objects, times text. The store refuses tuples and the like by itself."""
    store.set(key, plain(value))


def recall(store: Any, key: str, kind: type[Kept], default: Kept) -> Kept:
    """The value that was kept, as what it was; the default where there is none, or where an earlier version kept
    something that is no longer understood: a watch starts anew rather than not at all."""
    found = store.get(key)
    if found is None:
        return default
    try:
        return msgspec.convert(found, kind)
    except msgspec.ValidationError:
        return default


def plain(value: Any) -> Any:
    """As JSON has it."""
    return msgspec.json.decode(msgspec.json.encode(value))
