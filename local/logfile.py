"""Output of services on disk: written by one, bounded in size, the last few files kept."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

SIZE_BYTES = 10_000_000
KEPT = 3


class LogFile:
    """An append-only file that becomes `<name>.1` at `size` bytes (`.1` becomes `.2`, up to `kept`). Thread-safe.

    A full disk loses lines, not the service: what could not be written is counted and told at the next chance.
    """

    def __init__(self, path: Path, size: int = SIZE_BYTES, kept: int = KEPT) -> None:
        self.path, self.size, self.kept = path, size, kept
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self._lost = 0

    def write(self, data: bytes) -> None:
        """Appends; begins a new file at the first line end past `size` bytes."""
        with self._lock:
            try:
                file = self._open()
                if self._lost:
                    file.write(f"[{self._lost} bytes of output were lost: the disk was full]\n".encode())
                    self._lost = 0
                file.write(data)
                if (file.tell() >= self.size and data.endswith(b"\n")) or file.tell() >= 2 * self.size:
                    self._rotate()
            except OSError:
                self._lost += len(data)

    def copy(self, pipe: BinaryIO) -> None:
        """Writes what comes through `pipe` until its end."""
        with pipe:
            while data := pipe.read1(65536):  # type: ignore[attr-defined]
                self.write(data)

    def close(self) -> None:
        """Closes the file; a later write opens it again."""
        with self._lock:
            self._close()

    def _open(self) -> BinaryIO:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "ab", buffering=0)  # noqa: SIM115
        return self._file

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _rotate(self) -> None:
        self._close()
        for number in range(self.kept, 0, -1):
            older = self._numbered(number)
            newer = self._numbered(number - 1)
            if newer.exists():
                newer.replace(older)

    def _numbered(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}") if number else self.path


def tail(path: Path, lines: int) -> str:
    """The last `lines` lines of a log, the file before the current one included; empty where there is none."""
    wanted: list[bytes] = []
    for part in (path, path.with_name(f"{path.name}.1")):
        if part.exists() and len(wanted) < lines:
            with part.open("rb") as file:
                file.seek(0, 2)
                file.seek(max(0, file.tell() - 400 * lines - 4096))
                wanted = file.read().splitlines()[-(lines - len(wanted)) :] + wanted
    return b"\n".join(wanted).decode(errors="replace")


def follow(path: Path, every_s: float = 0.3) -> Iterator[str]:
    """What is written from now on, without end; a file that becomes `.1` is read to its end first."""
    file = path.open("rb")
    file.seek(0, 2)
    while True:
        if data := file.read(65536):
            yield data.decode(errors="replace")
            continue
        try:
            replaced = path.stat().st_ino != os.fstat(file.fileno()).st_ino
        except FileNotFoundError:
            replaced = False  # between two files: the next one is opened by the next line
        if replaced:
            rest = file.read()
            file.close()
            file = path.open("rb")
            if rest:
                yield rest.decode(errors="replace")
        else:
            time.sleep(every_s)
