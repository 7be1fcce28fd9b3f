"""What a stream is, as the rest of the code sees it: frozen, checked, without a trace of the file format."""

from __future__ import annotations

import re

import msgspec


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """One field of a record; `fields` are those of a nested object."""

    name: str
    logical: str
    physical: str
    description: str
    required: bool = False
    personal: bool = False
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    pattern: str | None = None
    fields: tuple[Field, ...] = ()

    @property
    def decimal(self) -> tuple[int, int] | None:
        """Precision and scale of a decimal, else None."""
        match = re.fullmatch(r"decimal\((\d+),(\d+)\)", self.physical)
        return (int(match[1]), int(match[2])) if match else None


class Sequence(msgspec.Struct, frozen=True, kw_only=True):
    """A field that grows by one within each value of another: a hole in it is a loss at the source."""

    field: str
    by: str


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One Kafka topic and the landing table it ends in.

    `key`, `event_id` (one or more) and `event_time` are paths into the record: names joined by dots, alternatives by |.
    `landing_days`: so long ClickHouse keeps a row after it landed; None for ever.
    """

    name: str
    domain: str
    description: str
    fields: tuple[Field, ...]
    key: str
    event_id: tuple[str, ...]
    event_time: str
    partitions: int
    table: str
    cleanup: str = "delete"
    retention_s: int = 7 * 86400
    change_events: bool = False
    floor: int | None = None
    sequence: Sequence | None = None
    landing_days: int | None = None


class Burst(msgspec.Struct, frozen=True, kw_only=True):
    """When a domain's generator runs (cron, UTC), how many events it makes (least, most) and its seed."""

    schedule: str
    size: tuple[int, int]
    seed: int


class Contract(msgspec.Struct, frozen=True, kw_only=True):
    """One domain: its topics, its owner, its promises.

    `latency_s`: from event to landing. `late_after_s`: an event that is older than this when it is produced is late.
    `approve_above`: rows that are healed without asking a person, at most.
    """

    domain: str
    title: str
    version: str
    purpose: str
    usage: str
    owner: str
    channel: str
    tier: int
    topics: tuple[Topic, ...]
    burst: Burst | None = None
    latency_s: int = 60
    late_after_s: int = 3600
    approve_above: int = 10_000

    @property
    def dead_letters(self) -> str:
        """The topic that both of the domain's connectors send bad records to."""
        return f"{self.domain}.dlq"

    @property
    def parked(self) -> str:
        """The topic of dead letters that were sent again often enough."""
        return f"{self.domain}.parked"

    @property
    def tables(self) -> dict[str, tuple[Topic, ...]]:
        """Landing table -> the topics that end in it, which have one schema."""
        tables: dict[str, tuple[Topic, ...]] = {}
        for topic in self.topics:
            tables[topic.table] = (*tables.get(topic.table, ()), topic)
        return tables

    def topic(self, name: str) -> Topic:
        """The topic of that name; raises KeyError."""
        for topic in self.topics:
            if topic.name == name:
                return topic
        raise KeyError(f"contract {self.domain} has no topic {name!r}; it has {', '.join(t.name for t in self.topics)}")


def table_name(topic: str) -> str:
    """A topic's name as a table's: every character that an identifier cannot have is an underscore."""
    return re.sub(r"[^A-Za-z0-9]", "_", topic)
