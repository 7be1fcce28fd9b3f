"""Which offsets have landed: one query a warehouse, in proportion to the time asked for.

A row more or less changes a run, a run more or less is a row of the answer; what has landed whole, however much it is,
answers with a row for each transaction.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from include.contracts import Contract
from include.ledger.entries import Partition
from include.ledger.runs import Run, joined, within
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING
from include.warehouses.snowflake import Snowflake


class Landed(msgspec.Struct, frozen=True):
    """What one partition's rows hold: offsets as runs, and by how many rows each, where it is more than one."""

    runs: list[Run]
    again: dict[int, list[Run]] = {}

    def copies(self, first: int, last: int) -> int:
        """Rows from first to last beyond one an offset."""
        return sum(
            (rows - 1) * (end - start + 1)
            for rows, runs in self.again.items()
            for start, end in within(runs, first, last)
        )

    def joined_by(self, runs: Iterable[Run]) -> Landed:
        """The same, and other offsets."""
        return Landed(joined((*self.runs, *runs)), self.again)


NOTHING = Landed([])

# Offsets less their number within the partition are the same all along a run. Runs are told apart by the number of
# rows an offset has, so that copies can be counted for any part of them.
_RUNS = """
select topic, part, copies, min(place) as low, max(place) as high
from (
    select
        topic, part, place, copies,
        place - row_number() over (partition by topic, part, copies order by place) as run
    from ({rows}) as landed
) as numbered
group by topic, part, copies, run
"""


def clickhouse(
    client: Clickhouse, contracts: Iterable[Contract], since: datetime, until: datetime
) -> dict[Partition, Landed]:
    """What has landed of records whose Kafka timestamp is from `since` until `until`. Raises WarehouseError.

    Without `final`, which would read whole tables: two versions of an event are two offsets until a merge.
    """
    rows = " union all ".join(
        "select toString(_topic) as topic, _partition as part, _offset as place, toInt64(count()) as copies "
        f"from {LANDING}.`{table}` where _timestamp >= {_ms(since)} and _timestamp < {_ms(until)} "
        "group by _topic, part, place"
        for table in _tables(contracts)
    )
    return _by_partition(client.query(_RUNS.format(rows=rows))) if rows else {}


def snowflake(
    client: Snowflake, contracts: Iterable[Contract], since: datetime, until: datetime
) -> dict[Partition, Landed]:
    """As `clickhouse`. A topic may stamp its records when they are produced or when they are appended."""
    within = " or ".join(
        f"(record_metadata:{name}::number >= {_ms(since)} and record_metadata:{name}::number < {_ms(until)})"
        for name in ("CreateTime", "LogAppendTime")
    )
    rows = " union all ".join(
        "select record_metadata:topic::varchar as topic, record_metadata:partition::int as part, "
        f"record_metadata:offset::int as place, count(*) as copies from {LANDING}.{table} where {within} "
        "group by 1, 2, 3"
        for table in _tables(contracts)
    )
    return _by_partition(client.query(_RUNS.format(rows=rows))) if rows else {}


Ask = Callable[[Any, Iterable[Contract], datetime, datetime], dict[Partition, Landed]]
ASK: Mapping[str, Ask] = {"clickhouse": clickhouse, "snowflake": snowflake}


def _tables(contracts: Iterable[Contract]) -> list[str]:
    return sorted({table for contract in contracts for table in contract.tables})


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def _by_partition(rows: Iterable[Mapping[str, Any]]) -> dict[Partition, Landed]:
    runs: defaultdict[Partition, list[Run]] = defaultdict(list)
    again: defaultdict[Partition, defaultdict[int, list[Run]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        if row["topic"] is None or row["part"] is None or row["low"] is None:
            continue  # put there by hand, without its place in Kafka
        place, run = (str(row["topic"]), int(row["part"])), (int(row["low"]), int(row["high"]))
        runs[place].append(run)
        if int(row["copies"]) > 1:
            again[place][int(row["copies"])].append(run)
    return {
        place: Landed(joined(found), {copies: sorted(some) for copies, some in again[place].items()})
        for place, found in runs.items()
    }
