"""Rows put into landing tables by hand, as the sinks put them there, in tables that belong to one test alone."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import count
from typing import Any

import msgspec

from include.contracts import Contract
from include.warehouses.landing import LANDING, clickhouse_ddl, snowflake_ddl

NUMBERS = count()
Json = dict[str, Any]
#: The time Kafka has for a record, and the record.
Row = tuple[datetime, Json]


def ms(at: datetime) -> int:
    return round(at.timestamp() * 1000)


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def alone(contract: Contract, **changes: Any) -> Contract:
    """A contract like this one, whose topics and tables nobody else has."""
    number = next(NUMBERS)
    domain = f"{contract.domain}_{number}"
    topics = tuple(
        msgspec.structs.replace(topic, name=f"{topic.name}_{number}", table=f"{topic.table}_{number}", domain=domain)
        for topic in contract.topics
    )
    return msgspec.structs.replace(contract, domain=domain, topics=topics, **changes)


class Warehouse:
    """One of the two."""

    def __init__(self, name: str, client: Any) -> None:
        self.name, self.client = name, client
        self.offsets = count()

    def make(self, contract: Contract) -> Contract:
        """Its landing tables."""
        ddl = {"clickhouse": clickhouse_ddl, "snowflake": snowflake_ddl}[self.name]
        for statement in ddl(contract):
            self.client.command(statement)
        return contract

    def land(self, contract: Contract, number: int, rows: list[Row], *, stamp: str = "CreateTime") -> None:
        """Rows of the contract's topic of that number, at offsets of their own."""
        topic = contract.topics[number]
        lines: list[Any] = []
        for at, record in rows:
            offset = next(self.offsets)
            if self.name == "clickhouse":
                place = {"_topic": topic.name, "_partition": 0, "_offset": offset, "_timestamp": ms(at)}
                lines.append(msgspec.json.encode(record | place))
            else:
                place = {"topic": topic.name, "partition": 0, "offset": offset, stamp: ms(at)}
                lines.append((msgspec.json.encode(place), msgspec.json.encode(record)))
        if lines:
            self.client.land(f"{LANDING}.{topic.table}", lines)
