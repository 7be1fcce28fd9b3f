"""Rows of one whole burst vanish from a warehouse, as if somebody had deleted them: Kafka and the sink know nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from itertools import groupby
from typing import TYPE_CHECKING, Any

from commands.console import CommandError
from commands.faults.fault import Facts, Target
from local.place import Place

if TYPE_CHECKING:
    from include.contracts import Contract, Topic
    from include.kafka.receipts import Receipt

#: What landed so long ago is no longer on its way.
SETTLED = timedelta(minutes=1)
#: Bursts that are looked at, the latest first, for one that is there whole.
LOOKED_AT = 20


def lose(place: Place, target: Target) -> Facts:
    """Deletes what the latest whole burst put into the domain's first topic with a floor, wherever its events lie.

    A burst so large that a person would have to approve its healing is passed over: the fault is to heal by itself.
    """
    from commands.facts import CLIENTS, CONNECTIONS
    from include import connections
    from include.contracts import load
    from include.kafka import receipts

    contract = load(target.domain)
    topic = watched(contract)
    table = Table(target.warehouse, contract, topic)
    made = receipts.read(connections.from_env(connections.KAFKA)).values()
    endpoint = connections.from_env(CONNECTIONS[target.warehouse])
    with CLIENTS[target.warehouse].connect(endpoint, run_id="floodgate break") as client:
        for burst in settled(made, topic.name, datetime.now(UTC), at_most=contract.approve_above)[:LOOKED_AT]:
            events = _events(burst)
            if table.events(client, burst) == events:
                rows = table.delete(client, burst)
                break
        else:
            raise CommandError(
                f"No burst of {topic.name} of at most {contract.approve_above:,} events has landed whole in "
                f"{target.warehouse} for a minute: "
                f"`floodgate run burst_{target.domain} --unpause`, then try again in a minute."
            )
    minute = burst[0].produced_at.replace(second=0, microsecond=0)
    return {
        "warehouse": target.warehouse,
        "topic": topic.name,
        "burst": burst[0].burst,
        "minute": minute.isoformat(),
        "events": events,
        "rows": rows,
        "said": f"{events} events of {topic.name}, produced at {minute:%H:%M} UTC, are gone from {target.warehouse} "
        f"({rows} rows).",
    }


def watched(contract: Contract) -> Topic:
    """The first topic that is to have rows in each window."""
    return next((topic for topic in contract.topics if topic.floor), contract.topics[0])


def settled(receipts: Iterable[Receipt], topic: str, now: datetime, *, at_most: int) -> list[list[Receipt]]:
    """A topic's receipts, burst by burst, the latest first, without those of the last minute, empty, or larger."""
    known = [one for one in receipts if one.topic == topic]
    known.sort(key=lambda one: one.burst)
    bursts = [list(group) for _, group in groupby(known, key=lambda one: one.burst)]
    latest = {group[0].burst: max(one.produced_at for one in group) for group in bursts}
    over = [group for group in bursts if latest[group[0].burst] <= now - SETTLED and 0 < _events(group) <= at_most]
    return sorted(over, key=lambda group: latest[group[0].burst], reverse=True)


def _events(burst: list[Receipt]) -> int:
    return sum(one.events for one in burst)


class Table:
    """A topic's landing table in one warehouse."""

    def __init__(self, warehouse: str, contract: Contract, topic: Topic) -> None:
        from include.contracts import paths
        from include.warehouses.landing import LANDING

        self._clickhouse = warehouse == "clickhouse"
        table = next(name for name, topics in contract.tables.items() if topic in topics)
        if self._clickhouse:
            self._name = f"{LANDING}.`{table}`"
            self._event = f"({', '.join(f'`{paths.column(path)}`' for path in topic.event_id)})"
        else:
            self._name = f"{LANDING}.{table}"
            parts = [f"{paths.snowflake(topic, path)}::varchar" for path in topic.event_id]
            self._event = " || '/' || ".join(parts)

    def events(self, client: Any, burst: list[Receipt]) -> int:
        """Distinct events of a burst that are there. Raises WarehouseError."""
        sql = f"select count(distinct {self._event}) as n from {self._name} where {self._within(burst)}"
        return int(client.query(sql)[0]["n"])

    def delete(self, client: Any, burst: list[Receipt]) -> int:
        """Deletes every row of the burst's events, at whatever offset; gives how many. Raises WarehouseError."""
        these = f"{self._event} in (select {self._event} from {self._name} where {self._within(burst)})"
        rows = int(client.query(f"select count(*) as n from {self._name} where {these}")[0]["n"])
        if self._clickhouse:
            client.command(f"alter table {self._name} delete where {these} settings mutations_sync = 1")
        else:
            client.command(f"delete from {self._name} where {these}")
        return rows

    def _within(self, burst: list[Receipt]) -> str:
        if self._clickhouse:
            topic, partition, offset = "_topic", "_partition", "_offset"
        else:
            topic, partition, offset = (
                f"record_metadata:{name}"
                for name in ("topic::varchar", "partition::number(38, 0)", "offset::number(38, 0)")
            )
        ranges = " or ".join(
            f"({partition} = {one.partition} and {offset} between {one.first_offset} and {one.last_offset})"
            for one in burst
        )
        return f"{topic} = '{burst[0].topic}' and ({ranges})"
