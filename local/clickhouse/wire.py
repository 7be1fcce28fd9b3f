"""Numbers and strings of ClickHouse's binary formats, read from a socket or from bytes."""

from __future__ import annotations

import struct
from typing import Protocol


class Source(Protocol):
    """Where a Reader gets more bytes: a socket."""

    def recv(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


def varint(number: int) -> bytes:
    """A whole number >= 0, seven bits a byte, low bits first."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def string(value: str | bytes) -> bytes:
    """A string behind its length."""
    data = value.encode("utf-8", "surrogateescape") if isinstance(value, str) else value
    return varint(len(data)) + data


class Reader:
    """Reads a stream and keeps what was read since the last drop(), so that it can be passed on as it came.

    Raises EOFError where the stream ends.
    """

    def __init__(self, source: Source | None = None, data: bytes = b"") -> None:
        self._source, self.buffer, self.position = source, bytearray(data), 0

    def _need(self, size: int) -> None:
        while len(self.buffer) - self.position < size:
            chunk = self._source.recv(1 << 18) if self._source else b""
            if not chunk:
                raise EOFError
            self.buffer += chunk

    def drop(self) -> bytes:
        """Gives and forgets what was read."""
        taken = bytes(self.buffer[: self.position])
        del self.buffer[: self.position]
        self.position = 0
        return taken

    def skip(self, size: int) -> None:
        """Reads past `size` bytes."""
        self._need(size)
        self.position += size

    def take(self, size: int) -> bytes:
        """The next `size` bytes."""
        self.skip(size)
        return bytes(self.buffer[self.position - size : self.position])

    def byte(self) -> int:
        """The next byte as a number."""
        self.skip(1)
        return self.buffer[self.position - 1]

    def varint(self) -> int:
        """The next number that varint() wrote."""
        number = shift = 0
        while True:
            byte = self.byte()
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    def u64(self) -> int:
        """The next number of eight bytes."""
        return struct.unpack("<Q", self.take(8))[0]

    def text(self) -> str:
        """The next string."""
        return self.take(self.varint()).decode("utf-8", "surrogateescape")

    def skip_strings(self, count: int) -> None:
        """Skips strings behind their lengths: the one hot loop."""
        buffer, position, size = self.buffer, self.position, len(self.buffer)
        for _ in range(count):
            length = buffer[position] if position < size else 128
            if length < 128 and position + length < size:
                position += 1 + length
            else:  # a long string, or one that has not arrived
                self.position = position
                self.skip(self.varint())
                position, size = self.position, len(self.buffer)
        self.position = position
