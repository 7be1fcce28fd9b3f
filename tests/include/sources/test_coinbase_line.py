"""Generated and live trades through a broker and the sinks into both warehouses: all there, as they were told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include import generators
from include.contracts import load
from include.contracts.event import BurstId, Window
from include.kafka import burst, receipts
from include.sources.coinbase import Tally, listen
from include.sources.coinbase_outbox import KafkaOutbox
from include.sources.coinbase_reader import TOPIC
from include.sources.coinbase_settings import settings
from tests.include.healing.line import Line, a_line, until
from tests.include.sources.exchange import drops, running, tells, ticker

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]
CONTRACT = load("coinbase")
START = datetime(2026, 4, 1, 12, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(minutes=2))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with a_line(tmp_path_factory.mktemp("line") / "home") as line:
        yield line


def produced(line: Line, shard: str = "0", **options: Any) -> list[dict[str, Any]]:
    """The values of a burst, once both warehouses have it."""
    made = list(generators.events(CONTRACT, WINDOW, seed=5, shard=shard, **options))
    told = burst.produce(line.kafka, CONTRACT, BurstId("coinbase", WINDOW, shard), made)
    until(lambda: line.landed(CONTRACT, told))
    return [json.loads(event.value or b"") for event in made]


def landed(line: Line, warehouse: str) -> dict[tuple[str, int], dict[str, Any]]:
    """Rows by product and number; ClickHouse's as text where that is what a record has."""
    found = {}
    for rows in line.rows(CONTRACT, warehouse).values():
        for row in rows:
            value = row if warehouse == "clickhouse" else row["content"]
            found[value["product_id"], value["sequence"]] = value
    return found


def the_same(line: Line, values: list[dict[str, Any]]) -> None:
    for warehouse in ("clickhouse", "snowflake"):
        rows = landed(line, warehouse)
        for value in values:
            row = rows[value["product_id"], value["sequence"]]
            for name, told in value.items():
                if name == "time" and warehouse == "clickhouse":
                    ours = row[name] if row[name].tzinfo else row[name].replace(tzinfo=UTC)
                    assert abs(ours - datetime.fromisoformat(told)) < timedelta(milliseconds=1)
                else:
                    assert row[name] == told, f"{warehouse} {name}"


def counted_alike(line: Line) -> int:
    """Distinct events of the market's topic: as the receipts say, and as both warehouses do."""
    told = receipts.produced(receipts.read(line.kafka))
    for warehouse in ("clickhouse", "snowflake"):
        found = line.events(CONTRACT, warehouse)
        assert {topic: found.get(topic, 0) for topic in told} == told, warehouse
    assert line.holes(CONTRACT) == []
    return told["coinbase_ticker"]


def test_trades_land_as_they_were_told(line: Line) -> None:
    values = produced(line)
    the_same(line, values)
    assert counted_alike(line) == len(values)


def test_the_burst_without_holes_is_the_correction(line: Line) -> None:
    before = counted_alike(line)
    values = produced(line, "size-400.0", size=400, reconnections=2, holes=3)
    assert len(values) < 400 - 3
    assert counted_alike(line) == before + len(values)
    whole = produced(line, "size-400.0", size=400)
    the_same(line, whole)
    assert counted_alike(line) == before + 400


def test_a_real_exchanges_trades_land_beside_them(line: Line) -> None:
    first = tells(*(ticker(n) for n in range(1, 30)), then=drops)
    second = tells(*(ticker(n) for n in range(20, 50)), "garbage")

    async def run() -> Tally:
        async with running(first, second) as exchange, asyncio.timeout(60):
            stop = asyncio.Event()

            def told(tally: Tally) -> None:
                if tally.produced >= 49 and tally.refused:
                    stop.set()

            feed = settings(exchange.endpoint, wait_first_s=0.01, flush_s=0.3)
            return await listen(feed, KafkaOutbox(line.kafka, CONTRACT, START), run="live-line", stop=stop, told=told)

    assert asyncio.run(run()).produced == 49
    mine = tuple(one for one in receipts.read(line.kafka).values() if one.topic == TOPIC)
    until(lambda: line.landed(CONTRACT, mine))
    values = [{name: value for name, value in ticker(n).items() if name not in ("type", "time")} for n in range(1, 50)]
    the_same(line, values)
    counted_alike(line)
