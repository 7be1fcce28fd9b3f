"""A Kafka message as it was read, and the record that converters and transforms make of it for a sink."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple


class Message(NamedTuple):
    """A message as it stands in Kafka: bytes untouched, `timestamp` in ms since 1970 (-1: none)."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_kind: str  # CreateTime, LogAppendTime or NoTimestampType
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()


@dataclass(slots=True)
class Record:
    """A message after conversion: `key` and `value` are Python values; `topic` may have been renamed by a transform."""

    message: Message
    topic: str
    key: Any
    value: Any

    @property
    def place(self) -> tuple[str, int]:
        """Topic and partition that the record was read from."""
        return self.message.topic, self.message.partition
