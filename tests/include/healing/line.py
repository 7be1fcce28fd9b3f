"""A line without Airflow: a broker, both warehouses and a Connect worker with the connectors that the contracts ask for.

Rows are landed by the sinks, deleted as nobody should, counted by the ledger.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from include import generators
from include.connections import Endpoint
from include.connectors.client import ConnectClient
from include.connectors.render import configs
from include.contracts import Contract, all_contracts
from include.contracts.event import Window
from include.healing.plan import Gap, Plan, plan
from include.healing.replay import replay
from include.kafka import burst, receipts, topics
from include.kafka.receipts import Receipt
from include.ledger import counts, minutes
from include.ledger.minutes import Hole
from include.warehouses import clickhouse, snowflake
from include.warehouses.landing import LANDING, clickhouse_ddl, snowflake_ddl
from local import clickhouse as local_clickhouse
from local import connect as local_connect
from local import kafka as local_kafka
from local import snowflake as local_snowflake
from tests.local.running import a_place, running

LOOPBACK = "127.0.0.1"
DAY = datetime(2026, 5, 1, tzinfo=UTC)
Row = dict[str, Any]
#: Topic, partition, offset.
At = tuple[str, int, int]


def until(what: Callable[[], Any], within_s: float = 120.0) -> Any:
    """The first true answer."""
    deadline = time.monotonic() + within_s
    while not (answer := what()):
        assert time.monotonic() < deadline, f"still {answer!r} after {within_s} s"
        time.sleep(0.3)
    return answer


class Line:
    """All of it, for one module of tests. Windows are used once."""

    def __init__(self, kafka: Endpoint, connect: Endpoint, clients: dict[str, Any]) -> None:
        self.kafka, self.connect, self.clients = kafka, connect, clients
        self.since = datetime.now(UTC)
        self._windows = count()

    def produce(self, contract: Contract, size: int = 20, extra: tuple[Any, ...] = ()) -> tuple[Receipt, ...]:
        """A burst of a window of its own, waited for until both warehouses have it."""
        start = DAY + timedelta(minutes=2 * next(self._windows))
        window = Window(start, start + timedelta(minutes=2))
        name, events = generators.burst(contract, window, seed=1, size=size, shard=generators.shard_of(size))
        made = burst.produce(self.kafka, contract, name, [*events, *extra])
        until(lambda: self.landed(contract, made))
        return made

    def landed(self, contract: Contract, made: tuple[Receipt, ...]) -> bool:
        """Whether both warehouses have every event of a burst. What is committed may be held back for a while yet, its
        receipts too, and is no hole as long."""
        if not {(one.burst, one.topic, one.partition) for one in made} <= receipts.read(self.kafka).keys():
            return False
        now = datetime.now(UTC) + timedelta(seconds=1)
        cells = minutes.read(self.kafka, self.clients, [contract], since=self.since, until=now).cells
        places = {(one.topic, one.partition) for one in made}
        return {(one.topic, one.partition) for one in cells} >= places and all(
            cell.produced == cell.clickhouse == cell.snowflake for cell in cells
        )

    def holes(self, contract: Contract, warehouse: str = "") -> list[Hole]:
        """What the ledger says is missing."""
        now = datetime.now(UTC) + timedelta(seconds=1)
        found = minutes.read(self.kafka, self.clients, [contract], since=self.since, until=now)
        assert not found.blind
        return [hole for hole in found.holes if warehouse in ("", hole.warehouse)]

    def plan(self, contract: Contract, warehouse: str) -> Plan:
        """As DAG heal makes it."""
        gap = Gap(kind="rows", fingerprint="f", domain=contract.domain, warehouse=warehouse, since=self.since)
        return plan([gap], [(gap, hole) for hole in self.holes(contract, warehouse)])

    def heal(self, contract: Contract, made: Plan, progress: Callable[[int], None] = lambda rows: None) -> int:
        """Carries out the replays of a plan."""
        return sum(
            replay(
                self.kafka, self.clients[step.warehouse], contract.topic(step.topic), step.partition, step.ranges,
                now_ms=int(time.time() * 1000), progress=progress,
            )
            for step in made.replays
        )  # fmt: skip

    def rows(self, contract: Contract, warehouse: str) -> dict[At, list[Row]]:
        """Every row of the contract's landing tables, by its place in Kafka; what tells when it landed left out."""
        found: dict[At, list[Row]] = {}
        for table in contract.tables:
            if warehouse == "clickhouse":
                asked = self.clients[warehouse].query(f"select * except (_landed_at) from {LANDING}.`{table}`")
                for row in asked:
                    found.setdefault((row["_topic"], row["_partition"], row["_offset"]), []).append(row)
                continue
            for row in self.clients[warehouse].query(f"select record_metadata, record_content from {LANDING}.{table}"):
                metadata, content = json.loads(row["record_metadata"]), json.loads(row["record_content"])
                metadata.pop("SnowflakeConnectorPushTime")
                at = (metadata["topic"], metadata["partition"], metadata["offset"])
                found.setdefault(at, []).append({"metadata": metadata, "content": content})
        return found

    def delete(self, contract: Contract, warehouse: str, places: list[At]) -> None:
        """Rows that somebody takes away."""
        for topic in contract.topics:
            mine = [(partition, offset) for name, partition, offset in places if name == topic.name]
            if not mine:
                continue
            if warehouse == "clickhouse":
                these = ", ".join(map(str, mine))
                self.clients[warehouse].command(
                    f"alter table {LANDING}.`{topic.table}` delete where _topic = '{topic.name}' "
                    f"and (_partition, _offset) in ({these}) settings mutations_sync = 2"
                )
                continue
            these = ", ".join(f"'{partition}/{offset}'" for partition, offset in mine)
            self.clients[warehouse].command(
                f"delete from {LANDING}.{topic.table} where record_metadata:topic::varchar = '{topic.name}' and "
                f"record_metadata:partition::varchar || '/' || record_metadata:offset::varchar in ({these})"
            )

    def events(self, contract: Contract, warehouse: str) -> dict[str, int]:
        """Topic -> distinct events: what is counted."""
        ask: Any = {"clickhouse": counts.clickhouse, "snowflake": counts.snowflake}[warehouse]
        return dict(ask(self.clients[warehouse], [contract]))


@contextmanager
def a_line(home: Path) -> Iterator[Line]:
    """Starts the services, makes what `prepare` makes."""
    place = a_place(home)
    with (
        pytest.MonkeyPatch.context() as environ,
        running(local_kafka.service(place), place),
        running(local_clickhouse.service(place), place),
        running(local_snowflake.service(place), place),
        running(local_connect.service(place), place),
    ):
        environ.setenv("REQUESTS_CA_BUNDLE", str(place.ca_bundle))
        environ.setenv("FLOODGATE_CLICKHOUSE_HTTP_PORT", str(place.ports["clickhouse_http"]))
        servers = {"bootstrap.servers": f"{LOOPBACK}:{place.ports['kafka']}"}
        kafka = Endpoint(conn_id="kafka_events", conn_type="kafka", extra=servers)
        connect = Endpoint(
            conn_id="connect_sinks", host=LOOPBACK, port=place.ports["connect"], extra={"replication.factor": 1}
        )
        live = Endpoint(
            conn_id="clickhouse_live", host=LOOPBACK, port=place.ports["clickhouse_native"], login="floodgate",
            password=place.secrets["clickhouse_writer"], schema="default",
        )  # fmt: skip
        history = Endpoint(
            conn_id="snowflake_history", login="FLOODGATE", schema="LANDING",
            extra={"account": "floodgate", "host": "localhost", "port": place.ports["snowflake"]}
            | dict.fromkeys(("database", "warehouse", "role"), "FLOODGATE")
            | {"private_key_content": place.snowflake_key.read_text()},
        )  # fmt: skip
        with clickhouse.connect(live) as one, snowflake.connect(history) as other:
            line = Line(kafka, connect, {"clickhouse": one, "snowflake": other})
            topics.ensure(kafka, all_contracts())
            for contract in all_contracts():
                for name, ddl in (("clickhouse", clickhouse_ddl), ("snowflake", snowflake_ddl)):
                    for statement in ddl(contract):
                        line.clients[name].command(statement)
            asyncio.run(_sinks(line, live, history))
            yield line


async def _sinks(line: Line, live: Endpoint, history: Endpoint) -> None:
    async with ConnectClient(line.connect) as connect:
        for contract in all_contracts():
            if contract.burst is None:
                continue
            for name, config in configs(contract, live, history, line.connect).items():
                await connect.put(name, config)
                await connect.until_healthy(name, within_s=120)
