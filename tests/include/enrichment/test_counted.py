"""The ledger over both topics: what is enriched is produced, and lands, and is missed where it is gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.connections import Endpoint
from include.contracts import load
from include.enrichment.clickstream import SOURCE, TARGET
from include.enrichment.partition import enrich_partition, waiting
from include.generators import BurstId, Window, events
from include.healing.replay import replay
from include.kafka import burst, client, receipts
from include.ledger import counts, minutes
from include.warehouses import clickhouse, snowflake
from include.warehouses.landing import clickhouse_ddl, snowflake_ddl
from tests.include.dbt.conftest import endpoints

__all__ = ["endpoints"]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

CONTRACT = load("clickstream")
START = datetime(2026, 3, 1, tzinfo=UTC)
PLACES = {"clickhouse": (clickhouse.connect, clickhouse_ddl), "snowflake": (snowflake.connect, snowflake_ddl)}


@pytest.fixture
def clients(endpoints: dict[str, Endpoint]) -> Iterator[dict[str, Any]]:
    made = {}
    for place, (connect, ddl) in PLACES.items():
        made[place] = connect(endpoints[place])
        for statement in ddl(CONTRACT):
            made[place].command(statement)
    yield made
    for one in made.values():
        one.close()


def ledger(kafka: Endpoint, clients: dict[str, Any], since: datetime) -> Any:
    found = minutes.read(kafka, clients, [CONTRACT], since=since, until=datetime.now(UTC) + timedelta(seconds=1))
    assert not found.blind
    return found


def totals(found: Any, topic: str) -> tuple[int, ...]:
    cells = [cell for cell in found.cells if cell.topic == topic]
    return tuple(sum(getattr(cell, name) for cell in cells) for name in ("produced", "clickhouse", "snowflake"))


def test_enriched_events_are_counted_as_any_burst(kafka: Endpoint, clients: dict[str, Any]) -> None:
    since = datetime.now(UTC)
    for number, times in ((0, 1), (1, 2), (2, 1)):  # the second is produced twice
        start = START + timedelta(minutes=2 * number)
        name = BurstId("clickstream", Window(start, start + timedelta(minutes=2)), "counted")
        for _ in range(times):
            burst.produce(kafka, CONTRACT, name, events(CONTRACT, name.window, seed=1, size=200, shard="counted"))
    producer = client.producer(kafka, {})
    producer.produce(SOURCE, b"not json", b"stranger", 0)
    assert producer.flush(20) == 0
    for partition in waiting(kafka):
        enrich_partition(kafka, CONTRACT, partition)
    assert totals(ledger(kafka, clients, since), TARGET) == (600, 0, 0)
    for place in clients:
        for topic in CONTRACT.topics:
            for partition in range(3):
                landed(kafka, clients[place], topic, partition)
    found = ledger(kafka, clients, since)
    assert totals(found, SOURCE) == totals(found, TARGET) == (600, 600, 600)
    assert not found.holes

    made = receipts.produced(receipts.read(kafka))
    for place in clients:
        told = getattr(counts, place)(clients[place], [CONTRACT])
        assert told[SOURCE] == told[TARGET] == made[SOURCE] == made[TARGET]

    gone = next(one for key, one in receipts.read(kafka).items() if key[1:] == (TARGET, 1) and "counted" in key[0])
    clients["clickhouse"].command(
        f"alter table landing.{TARGET} delete where _partition = 1 and _offset = {gone.last_offset} "
        "settings mutations_sync = 2"
    )
    [hole] = ledger(kafka, clients, since).holes
    assert (hole.warehouse, hole.topic, hole.missing) == ("clickhouse", TARGET, 1)
    assert hole.ranges == ((gone.last_offset, gone.last_offset),)
    landed(kafka, clients["clickhouse"], CONTRACT.topic(TARGET), 1, hole.ranges)
    assert not ledger(kafka, clients, since).holes


def landed(kafka: Endpoint, place: Any, topic: Any, partition: int, stretches: Any = None) -> None:
    """Lands a partition, or a part of it, as the sink would have."""
    whole = ((0, 10_000_000),)
    replay(kafka, place, topic, partition, stretches or whole, now_ms=int(datetime.now(UTC).timestamp() * 1000))
