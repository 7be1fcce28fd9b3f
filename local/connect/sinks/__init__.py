"""What a sink is: it takes a unit of records and either has them safely, or says which it cannot take.

A unit is what one put covers: records that share `unit(record)` (a table, or a table's partition). The task puts a unit
again, the same records in the same order, for as long as the sink raises Retriable.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from local.connect.faults import Rejected
from local.connect.records import Record


@dataclass(frozen=True)
class Start:
    """What a sink is started with: the connector's name and configuration, its task's number, and `epoch`.

    `epoch` counts how often the connector's offsets were altered by hand: a rewound record is then not taken for a
    repetition that the warehouse has already seen.
    """

    connector: str
    config: Mapping[str, str]
    task: int
    epoch: int


@dataclass(frozen=True)
class Buffer:
    """How long (seconds) and how much (records, bytes of Kafka messages) a task gathers before it puts."""

    linger_s: float = 0.2
    records: int = 10_000
    size: int = 8_000_000


class Sink(Protocol):
    """One task's way into a warehouse. Every method may raise Retriable or, to end the task, another ConnectFault."""

    buffer: Buffer

    def open(self) -> None:
        """Look whether the other side can be worked with; called again until it does not raise Retriable."""

    def assigned(self, committed: Mapping[tuple[str, int], int]) -> None:
        """Learn from which offset each (topic, partition) will be read on; -1 where nothing was committed."""

    def unit(self, record: Record) -> Hashable:
        """What the record is put together with."""

    def put(self, records: Sequence[Record]) -> list[Rejected]:
        """Bring one unit's records to safety; returns those that were refused for a reason of their own."""

    def close(self) -> None:
        """Let go of connections; never raises."""
