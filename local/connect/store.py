"""What the worker must remember: each connector's configuration and target state, one JSON file a connector.

A file is replaced as a whole and flushed to the disk before the change is acknowledged, so kill -9 leaves the old state
or the new one. Offsets are not here: they are in Kafka.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import quote


@dataclass
class Entry:
    """One connector: `target` is STARTED, PAUSED or STOPPED; `epoch` counts alterations of its offsets by hand."""

    name: str
    config: dict[str, str]
    target: str = "STARTED"
    epoch: int = 0
    topics: list[str] = field(default_factory=list)


class Store:
    """The entries of a folder, which is made if missing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def load(self) -> list[Entry]:
        """Every entry, by name; raises ValueError that names the file where one cannot be read."""
        entries = []
        for path in sorted(self._folder.glob("*.json")):
            try:
                entries.append(Entry(**json.loads(path.read_text())))
            except (ValueError, TypeError) as error:
                text = f"{path} is not a connector's state ({error}): delete it, and create that connector again"
                raise ValueError(text) from error
        return sorted(entries, key=lambda entry: entry.name)

    def save(self, entry: Entry) -> None:
        """Keep the entry, durably."""
        path = self._path(entry.name)
        temporary = path.with_suffix(".new")
        # Configurations hold passwords and keys.
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(entry), file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        self._flush_folder()

    def delete(self, name: str) -> None:
        """Forget an entry, durably."""
        self._path(name).unlink(missing_ok=True)
        self._flush_folder()

    def _path(self, name: str) -> Path:
        return self._folder / f"{quote(name, safe='')}.json"

    def _flush_folder(self) -> None:
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
