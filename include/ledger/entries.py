"""What the ledger says: cells, one a minute of a partition, and holes, each with the offsets that would fill it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from include.ledger.runs import Run

#: Topic, partition.
Partition = tuple[str, int]
WAREHOUSES = ("clickhouse", "snowflake")


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """Events of one partition that were produced in one minute (UTC), by where they are now. None: that place could not
    be asked; for `kafka` also that it was not to be counted.

    `rejected` are records that any connector set aside, and nobody sent again since. `copies_*` are rows beyond the
    first of one offset: harmless, for they count once where they are read.
    """

    domain: str
    topic: str
    partition: int
    minute: datetime
    produced: int | None
    kafka: int | None
    clickhouse: int | None
    snowflake: int | None
    rejected: int | None
    copies_clickhouse: int | None = None
    copies_snowflake: int | None = None

    @property
    def differs(self) -> bool:
        """Some place that was asked has more or less than was produced, or something was rejected."""
        known = {self.kafka, self.clickhouse, self.snowflake} - {None}
        return bool(known - {self.produced}) or bool(self.rejected)


class Hole(msgspec.Struct, frozen=True, kw_only=True):
    """Events that one warehouse lacks, of bursts that were produced together in one partition.

    `missing` counts events. `ranges` are offsets (both ends included) of which they are a part: those that took an
    offset and are no event, such as tombstones, are in there, too. `in_kafka`: all of the ranges can still be read.
    `bursts` are the names of the bursts, none for a topic without receipts.
    """

    warehouse: str
    domain: str
    topic: str
    partition: int
    ranges: tuple[Run, ...]
    missing: int
    minute: datetime
    produced_at: datetime
    in_kafka: bool
    bursts: tuple[str, ...] = ()


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """Cells in the order of topic, minute, partition; holes; `blind`: a place that could not be asked -> why.

    A place that is away has no holes, and None in its column. Without Kafka nobody knows what was produced: no cells.
    """

    cells: tuple[Cell, ...] = ()
    holes: tuple[Hole, ...] = ()
    blind: dict[str, str] = {}
