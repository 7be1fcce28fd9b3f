"""Events that a later record took the place of. ClickHouse keeps one version of an event, that of the greatest offset.

So the offset of one that was corrected, or sent again by somebody, is gone from there, and the event is not. Which
events stood at the offsets, Kafka knows; whether they are there, the table's own key tells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from include.connections import Endpoint
from include.contracts import Contract, Topic
from include.contracts.paths import column, value
from include.kafka import ranges
from include.ledger.entries import Hole, Partition
from include.ledger.runs import Run, joined, size
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING

#: Beyond so many offsets it is no correction, and nothing is looked up.
MOST = 10_000
AT_ONCE = 2_000  # of some 40 letters: a statement is 256 KiB at most

Id = tuple[Any, ...]


def corrected(
    client: Clickhouse, kafka: Endpoint, contracts: Iterable[Contract], holes: Iterable[Hole]
) -> dict[Partition, list[Run]]:
    """Of the offsets of ClickHouse's holes, those whose events are there all the same.

    Costs what the holes are large, nothing where there is none. Raises WarehouseError, KafkaError.
    """
    topics = {topic.name: topic for contract in contracts for topic in contract.topics}
    some = [hole for hole in holes if hole.warehouse == "clickhouse" and hole.in_kafka]
    found: dict[Partition, list[Run]] = {}
    if sum(size(hole.ranges) for hole in some) > MOST:
        return found
    for hole in some:
        topic = topics[hole.topic]
        at: defaultdict[Id, list[Run]] = defaultdict(list)
        for message in ranges.read(kafka, hole.topic, hole.partition, hole.ranges):
            if (identity := _identity(topic, message.value())) is not None:
                offset = int(message.offset() or 0)
                at[identity].append((offset, offset))
        place = (hole.topic, hole.partition)
        there = [run for identity in _there(client, topic, at) for run in at[identity]]
        found[place] = joined((*found.get(place, ()), *there))
    return found


def _identity(topic: Topic, record: bytes | str | None) -> Id | None:
    """The event's id; None for what has none, and cannot have landed."""
    try:
        decoded = msgspec.json.decode(record or b"null")
    except msgspec.DecodeError:
        return None
    if not isinstance(decoded, dict):
        return None
    identity = tuple(value(decoded, path) for path in topic.event_id)
    return identity if all(isinstance(part, str | int) for part in identity) else None


def _there(client: Clickhouse, topic: Topic, wanted: Mapping[Id, Any]) -> Iterator[Id]:
    columns = ", ".join(f"`{column(path)}`" for path in topic.event_id)
    left = iter(wanted)
    while some := list(islice(left, AT_ONCE)):
        values = ", ".join(f"({', '.join(map(_literal, identity))})" for identity in some)
        table = f"{LANDING}.`{topic.table}`"
        rows = client.query(f"select distinct {columns} from {table} where ({columns}) in ({values})")
        yield from (identity for row in rows if (identity := tuple(row.values())) in wanted)


def _literal(part: str | int) -> str:
    if isinstance(part, int):
        return str(int(part))
    return "'" + part.replace("\\", "\\\\").replace("'", "\\'") + "'"
