"""What generators hand to Kafka: an event, the window it happened in, and the name of the burst that carries it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec


class Event(msgspec.Struct, frozen=True, gc=False):
    """One record, ready to be sent: JSON bytes in `value` (None is a tombstone); `time_ms` is its event time."""

    topic: str
    key: bytes
    value: bytes | None
    time_ms: int


class Window(msgspec.Struct, frozen=True):
    """A stretch of event time, end excluded; both ends aware and in whole seconds. Raises ValueError."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        for name, moment in (("start", self.start), ("end", self.end)):
            if moment.tzinfo is None:
                raise ValueError(f"window {name} {moment.isoformat()} has no time zone; give it in UTC")
            if moment.microsecond:
                raise ValueError(f"window {name} {moment.isoformat()} is not a whole second; cut it to one")
        if self.end <= self.start:
            raise ValueError(
                f"window {self.start.isoformat()} to {self.end.isoformat()} is empty; its end must be later"
            )

    @property
    def start_ms(self) -> int:
        """First millisecond, since 1970."""
        return int(self.start.timestamp()) * 1000

    @property
    def end_ms(self) -> int:
        """The millisecond after the last."""
        return int(self.end.timestamp()) * 1000

    @property
    def seconds(self) -> int:
        """Its length."""
        return (self.end_ms - self.start_ms) // 1000

    def earlier(self, steps: int) -> Window:
        """The window of the same length that many lengths before."""
        shift = timedelta(seconds=self.seconds * steps)
        return Window(self.start - shift, self.end - shift)

    def __str__(self) -> str:
        return f"{self.start.astimezone(UTC):%Y%m%dT%H%M%SZ}/{self.seconds}"


class BurstId(msgspec.Struct, frozen=True):
    """A burst's name: domain, window, shard. What it contains follows from its name, so a repeat replaces it."""

    domain: str
    window: Window
    shard: str = "0"

    def __post_init__(self) -> None:
        # A slash would let two bursts share a name.
        if "/" in self.domain or "/" in self.shard or not self.shard:
            raise ValueError(f"burst of {self.domain!r}: shard {self.shard!r} must be a name without a slash")

    def __str__(self) -> str:
        return f"{self.domain}/{self.window}/{self.shard}"
