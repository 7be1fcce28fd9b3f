"""The whole way of a live trade, from an exchange on loopback to committed records with receipts in a real broker."""

import asyncio
import json
from datetime import UTC, datetime, timedelta

import pytest

from include.connections import Endpoint
from include.contracts import load
from include.contracts.event import BurstId, Event, Window
from include.kafka import KafkaError, dead_letters, receipts
from include.kafka.reading import records
from include.sources import coinbase_outbox
from include.sources.coinbase import Tally, listen
from include.sources.coinbase_outbox import KafkaOutbox
from include.sources.coinbase_reader import TOPIC
from include.sources.coinbase_settings import settings
from tests.include.sources.exchange import drops, running, tells, ticker

pytestmark = pytest.mark.stack
CONTRACT = load("coinbase")
START = datetime(2026, 3, 1, tzinfo=UTC)
WINDOW = Window(START, START + timedelta(seconds=2))
FAST = {"wait_first_s": 0.01, "wait_most_s": 0.05, "flush_s": 0.2}


def test_what_the_exchange_tells_is_in_kafka_with_receipts(kafka: Endpoint) -> None:
    first = tells(*(ticker(n) for n in range(1, 40)), ticker(40, "ETH-USD"), "garbage", ticker(41, "eth"), then=drops)
    second = tells(*(ticker(n) for n in range(30, 60)))

    async def run() -> Tally:
        async with running(first, second) as exchange:
            stop = asyncio.Event()

            def told(tally: Tally) -> None:
                if tally.produced >= 60:
                    stop.set()

            feed = settings(exchange.endpoint, **FAST)
            outbox = KafkaOutbox(kafka, CONTRACT, START)
            async with asyncio.timeout(60):
                return await listen(feed, outbox, run="live-test", stop=stop, told=told)

    tally = asyncio.run(run())
    assert (tally.produced, tally.told_again, tally.refused) == (60, 10, 2)
    landed = [json.loads(record.value() or b"") for record in records(kafka, TOPIC)]
    assert sorted((row["product_id"], row["sequence"]) for row in landed) == sorted(
        [("ETH-USD", 40), *(("BTC-USD", n) for n in range(1, 60) if n != 40), ("BTC-USD", 40)]
    )
    known = [one for one in receipts.read(kafka).values() if one.topic == TOPIC]
    assert sum(one.events for one in known) == 60
    assert all(one.shard.startswith("live-test.") for one in known)
    letters = list(dead_letters.read(kafka, CONTRACT))
    assert [(one.connector, one.stage, one.value is not None) for one in letters] == 2 * [
        ("source-coinbase", "SOURCE", True)
    ]
    assert set(KafkaOutbox(kafka, CONTRACT, START).known()) == {(row["product_id"], row["sequence"]) for row in landed}
    assert "no message of the feed" in letters[0].reason and "product_id" in letters[1].reason
    assert dead_letters.count(kafka, CONTRACT) == {"coinbase.dlq": 2}


def test_the_same_burst_again_replaces_its_receipt(kafka: Endpoint) -> None:
    outbox = KafkaOutbox(kafka, CONTRACT, START)
    name = BurstId("coinbase", WINDOW, "live-twice.0")
    events = [Event(TOPIC, b"BTC-USD", json.dumps({"n": n}).encode(), name.window.start_ms) for n in range(3)]
    outbox.produce(name, events)
    outbox.produce(name, events)
    assert [one.events for one in receipts.read(kafka).values() if one.shard == "live-twice.0"] == [3]


def test_a_broker_that_is_away_is_told_after_some_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = []

    def away(*arguments: object) -> None:
        attempts.append(arguments)
        raise KafkaError("no broker answers")

    monkeypatch.setattr(coinbase_outbox.burst, "produce", away)
    monkeypatch.setattr(coinbase_outbox, "ATTEMPTS", 2)
    name = BurstId("coinbase", WINDOW, "live-x.0")
    with pytest.raises(KafkaError, match="no broker answers"):
        KafkaOutbox(Endpoint(conn_id="kafka_events"), CONTRACT, START).produce(name, [])
    assert len(attempts) == 2 and attempts[0][2] == attempts[1][2] == name
