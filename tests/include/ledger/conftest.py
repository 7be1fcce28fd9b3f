"""A broker and both warehouses, and streams in them that belong to one test alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from include.connections import Endpoint
from include.contracts import Contract, load
from include.contracts.event import BurstId, Event, Window
from include.generators import events
from include.kafka import burst, client, offsets, receipts, topics
from include.kafka.reading import records
from include.kafka.receipts import Receipt
from include.ledger import minutes
from include.ledger.minutes import Ledger
from include.ledger.runs import Run
from include.warehouses import clickhouse, snowflake
from include.warehouses.landing import LANDING, clickhouse_ddl, snowflake_ddl
from tests.include.dbt.conftest import endpoints
from tests.include.kafka.conftest import broker, kafka

__all__ = ["broker", "endpoints", "kafka"]

NUMBERS = count()
CONNECT = {"clickhouse": clickhouse.connect, "snowflake": snowflake.connect}


class Stream:
    """Orders under a name of their own: produced as bursts are, landed as sinks land, deleted as nobody should."""

    def __init__(self, kafka: Endpoint, endpoints: dict[str, Endpoint], partitions: int = 1, **changes: Any) -> None:
        self.kafka, self.endpoints = kafka, endpoints
        name = f"orders_{next(NUMBERS)}"
        whole = load("ecommerce")
        topic = msgspec.structs.replace(
            whole.topic("orders"), name=name, table=name, domain=name, partitions=partitions
        )
        self.contract: Contract = msgspec.structs.replace(whole, domain=name, topics=(topic,), **changes)
        self.name = name
        topics.ensure(kafka, [self.contract])
        self.clients: dict[str, Any] = {place: CONNECT[place](endpoint) for place, endpoint in endpoints.items()}
        for place, ddl in (("clickhouse", clickhouse_ddl), ("snowflake", snowflake_ddl)):
            for statement in ddl(self.contract):
                self.clients[place].command(statement)
        self.since = datetime.now(UTC)
        self.bursts = count()

    def id(self) -> BurstId:
        """The name of the next burst."""
        start = datetime(2026, 5, 1, tzinfo=UTC) + timedelta(minutes=2 * next(self.bursts))
        return BurstId(self.name, Window(start, start + timedelta(minutes=2)))

    def events(self, name: BurstId, size: int) -> Iterator[Event]:
        """Orders, the same for the same name."""
        for event in events(load("ecommerce"), name.window, seed=1, size=size, shard="test"):
            if event.topic == "orders":
                yield Event(self.name, event.key, event.value, event.time_ms)

    def produce(self, size: int, name: BurstId | None = None, extra: tuple[Event, ...] = ()) -> tuple[Receipt, ...]:
        """Produces a burst."""
        name = name or self.id()
        made = burst.produce(self.kafka, self.contract, name, [*self.events(name, size), *extra])
        self.settled(made)
        return made

    def settled(self, made: tuple[Receipt, ...]) -> None:
        """Waits for the marks of a transaction: on a busy broker they come some time after its end was confirmed."""
        until = time.monotonic() + 60
        while True:
            found = receipts.read(self.kafka, self.since - timedelta(minutes=10))
            ends = offsets.extents(self.kafka, [self.name])
            if all(
                found.get(one.key) == one and ends[self.name, one.partition].end > one.last_offset + 1 for one in made
            ):
                return
            assert time.monotonic() < until, "a transaction's marks did not come"
            time.sleep(0.05)

    def land(self, *places: str, without: tuple[int, ...] = (), only: tuple[Run, ...] | None = None) -> None:
        """Lands the topic's records as they are, less some offsets, or only some."""
        found = [
            record
            for record in records(self.kafka, self.name)
            if record.value() is not None
            and record.offset() not in without
            and (only is None or any(first <= record.offset() <= last for first, last in only))
        ]
        for place in places or ("clickhouse", "snowflake"):
            rows: list[Any] = []
            for record in found:
                at, offset, value = record.timestamp()[1], record.offset(), json.loads(record.value())
                if place == "clickhouse":
                    stamp = {"_topic": self.name, "_partition": record.partition(), "_offset": offset, "_timestamp": at}
                    rows.append(json.dumps(value | stamp).encode())
                else:
                    metadata = {"topic": self.name, "partition": record.partition(), "offset": offset, "CreateTime": at}
                    rows.append((json.dumps(metadata).encode(), json.dumps(value).encode()))
            if rows:
                self.clients[place].land(f"{LANDING}.{self.name}", rows)

    def delete(self, place: str, offsets: tuple[int, ...], partition: int = 0) -> None:
        """Rows that somebody takes away."""
        some = ", ".join(map(str, offsets))
        if place == "clickhouse":
            self.clients[place].command(
                f"alter table {LANDING}.{self.name} delete where _partition = {partition} and _offset in ({some}) "
                "settings mutations_sync = 2"
            )
        else:
            self.clients[place].command(
                f"delete from {LANDING}.{self.name} where record_metadata:offset::int in ({some}) "
                f"and record_metadata:partition::int = {partition}"
            )

    def ledger(self, **options: Any) -> Ledger:
        """The ledger since the stream was made."""
        given = {"since": self.since, "until": datetime.now(UTC) + timedelta(seconds=1)} | options
        kafka = given.pop("kafka", self.kafka)
        clients = given.pop("clients", self.clients)
        return minutes.read(kafka, clients, [self.contract], **given)

    def sent(self, *ages: int) -> list[int]:
        """Records that are so many seconds older than the stream, sent without a receipt; their offsets."""
        given: list[int] = []
        producer = client.producer(self.kafka, {})
        for age, event in zip(ages, self.events(self.id(), len(ages)), strict=True):
            at_ms = int((self.since - timedelta(seconds=age)).timestamp() * 1000)
            report = lambda error, message: given.append(message.offset())  # noqa: E731
            producer.produce(self.name, event.value, event.key, timestamp=at_ms, on_delivery=report)
        producer.flush(10)
        return given

    def told(self, first: int, last: int, *, age: float, burst: str = "by hand") -> None:
        """A receipt of a burst that ended so many seconds before the stream was made."""
        at = self.since - timedelta(seconds=age)
        receipt = Receipt(
            event_id=f"{burst}/{self.name}/0", burst=burst, domain=self.name, window_start=at, window_end=at, shard="0",
            topic=self.name, partition=0, events=last - first + 1, first_offset=first, last_offset=last,
            min_event_time=at, max_event_time=at, produced_at=at,
        )  # fmt: skip
        producer = client.producer(self.kafka, {})
        producer.produce(receipts.TOPIC, msgspec.json.encode(receipt), receipt.event_id.encode())
        producer.flush(10)

    def totals(self, **options: Any) -> tuple[int | None, ...]:
        """Produced, in Kafka, ClickHouse, Snowflake, rejected: all cells together."""
        ledger = self.ledger(**options)
        assert not ledger.blind
        cells = ledger.cells
        assert {cell.domain for cell in cells} <= {self.name}
        columns = ("produced", "kafka", "clickhouse", "snowflake", "rejected")
        found = ([getattr(cell, column) for cell in cells] for column in columns)
        return tuple(None if None in numbers else sum(numbers) for numbers in found)

    def holes(self, **options: Any) -> dict[str, list[tuple[int, list[Run]]]]:
        """Warehouse -> missing events and ranges."""
        told: dict[str, list[tuple[int, list[Run]]]] = {}
        ledger = self.ledger(**options)
        assert not ledger.blind
        for hole in ledger.holes:
            told.setdefault(hole.warehouse, []).append((hole.missing, list(hole.ranges)))
        return told

    def close(self) -> None:
        """Ends the sessions."""
        for one in self.clients.values():
            one.close()


@pytest.fixture
def stream(kafka: Endpoint, endpoints: dict[str, Endpoint]) -> Iterator[Callable[..., Stream]]:
    """Makes streams."""
    made: list[Stream] = []

    def make(**changes: Any) -> Stream:
        made.append(Stream(kafka, endpoints, **changes))
        return made[-1]

    yield make
    for one in made:
        one.close()
