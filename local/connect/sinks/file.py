"""FileStreamSinkConnector: a line a record. Kafka ships it for trying things out, and so is it meant here."""

from __future__ import annotations

import os
import sys
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from local.connect.faults import ConnectFault, Rejected
from local.connect.records import Record
from local.connect.sinks import Buffer, Start


class FileSink:
    """Appends to the file `file`, or to standard output; what is put is on the disk when put returns."""

    buffer = Buffer(linger_s=0.05)

    def __init__(self, start: Start) -> None:
        self._path = start.config.get("file")
        self._file: TextIO = sys.stdout

    def open(self) -> None:
        """Open the file; raises ConnectFault where it cannot be made."""
        if self._path:
            try:
                self._file = Path(self._path).open("a", encoding="utf-8")  # noqa: SIM115 - closed by close()
            except OSError as error:
                text = f"Couldn't find or create file '{self._path}' for FileStreamSinkTask"
                raise ConnectFault(text) from error

    def assigned(self, committed: Mapping[tuple[str, int], int]) -> None:
        """A file knows no offsets: a record may be written twice."""

    def unit(self, record: Record) -> Hashable:
        """One file, one unit."""
        return self._path

    def put(self, records: Sequence[Record]) -> list[Rejected]:
        """Write the values, one a line."""
        self._file.writelines(f"{record.value}\n" for record in records)
        self._file.flush()
        if self._path:
            os.fsync(self._file.fileno())
        return []

    def close(self) -> None:
        """Close the file."""
        if self._path and self._file is not sys.stdout:
            self._file.close()
