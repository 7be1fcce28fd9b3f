"""A real exchange's ticker, played by one on loopback that misbehaves."""

import asyncio
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

import jsonschema
import pytest

from include.contracts import load
from include.contracts.event import BurstId, Event, Window
from include.contracts.json_schema import json_schema
from include.sources.coinbase import Tally, listen, name
from include.sources.coinbase_reader import REMEMBERED, TOPIC, Lost, Reader, Refusal
from include.sources.coinbase_settings import SourceError, settings
from tests.include.sources.exchange import (
    Act,
    Exchange,
    closes_slowly,
    drops,
    heartbeat,
    running,
    say,
    stalls,
    tells,
    ticker,
)

FAST = {"silent_s": 0.3, "wait_first_s": 0.01, "wait_most_s": 0.05, "flush_s": 0.05, "close_s": 0.2, "open_s": 1.0}


class Kept:
    """An outbox in memory; `slow_s`: what each burst takes."""

    def __init__(self, slow_s: float = 0.0, error: Exception | None = None) -> None:
        self.bursts: list[tuple[BurstId, list[Event]]] = []
        self.refusals: list[Refusal] = []
        self.slow_s, self.error = slow_s, error
        self.before: list[tuple[str, int]] = []
        self.first = threading.Event()

    def known(self) -> list[tuple[str, int]]:
        return self.before

    def produce(self, name: BurstId, events: list[Event]) -> None:
        self.first.set()
        time.sleep(self.slow_s)
        if self.error:
            raise self.error
        self.bursts.append((name, events))

    def refuse(self, refusals: list[Refusal]) -> None:
        self.refusals += refusals

    @property
    def numbers(self) -> list[int]:
        return [json.loads(event.value or b"")["sequence"] for _, events in self.bursts for event in events]


def listened(
    *acts: Act, until: Callable[[Kept, Tally, Exchange], bool], outbox: Kept | None = None, **given: Any
) -> tuple[Kept, Tally, Exchange]:
    """Listens until the condition holds; fails after 10 seconds."""
    kept = outbox or Kept()

    async def run() -> tuple[Tally, Exchange]:
        async with running(*acts) as exchange:
            stop, latest = asyncio.Event(), Tally()

            def told(tally: Tally) -> None:
                nonlocal latest
                latest = tally

            feed = settings(exchange.endpoint, **(FAST | given))
            task = asyncio.create_task(listen(feed, kept, run="live-test", stop=stop, told=told))
            async with asyncio.timeout(10):
                while not (task.done() or until(kept, latest, exchange)):
                    await asyncio.sleep(0.01)
                stop.set()
                return await task, exchange

    tally, exchange = asyncio.run(run())
    return kept, tally, exchange


def has(*numbers: int) -> Callable[[Kept, Tally, Exchange], bool]:
    return lambda kept, tally, exchange: set(numbers) <= set(kept.numbers)


def test_trades_become_bursts_that_keep_the_contract() -> None:
    kept, tally, _ = listened(tells(ticker(1), ticker(2, "ETH-USD"), heartbeat()), until=has(1, 2))
    assert (tally.trades, tally.produced, tally.lost) == (2, 2, 0)
    validator = jsonschema.Draft202012Validator(json_schema(load("coinbase").topic(TOPIC)))
    for _, events in kept.bursts:
        for event in events:
            value = json.loads(event.value or b"")
            assert list(validator.iter_errors(value)) == [] and "type" not in value
            assert (event.topic, event.key) == (TOPIC, value["product_id"].encode())
            assert datetime.fromisoformat(value["time"]).timestamp() * 1000 // 1 == event.time_ms
    assert len({str(burst) for burst, _ in kept.bursts}) == len(kept.bursts)


@pytest.mark.parametrize(("ends", "silences"), [(drops, 0), (stalls, 1), (closes_slowly, 1)])
def test_a_lost_connection_is_made_again_and_what_is_told_twice_counts_once(ends: Act, silences: int) -> None:
    first, second = tells(ticker(1), ticker(2), then=ends), tells(ticker(1), ticker(2), ticker(3))
    kept, tally, exchange = listened(first, second, until=has(1, 2, 3))
    assert sorted(kept.numbers) == [1, 2, 3]
    assert (tally.told_again, tally.silences, exchange.connections) == (2, silences, 2)
    assert (tally.connections, tally.lost) == (2, 1)


def test_what_an_earlier_run_handed_over_is_not_handed_over_again() -> None:
    kept = Kept()
    kept.before = [("BTC-USD", 1), ("ETH-USD", 2)]
    _, tally, _ = listened(tells(ticker(1), ticker(2), ticker(2, "ETH-USD"), ticker(3)), until=has(2, 3), outbox=kept)
    assert kept.numbers == [2, 3] and tally.told_again == 2


def test_a_closed_door_is_knocked_at_ever_more_rarely() -> None:
    acts = [drops] * 6 + [tells(ticker(1))]
    _, tally, exchange = listened(*acts, until=has(1), wait_first_s=0.05, wait_most_s=0.4)
    assert (exchange.connections, tally.lost) == (7, 6)
    waits = [b - a for a, b in pairwise(exchange.came_at)]
    assert all(wait >= 0.04 for wait in waits) and max(waits) < 1.0
    assert sum(waits[3:]) > 1.5 * sum(waits[:3])


def test_a_connection_that_lasted_begins_the_waits_anew() -> None:
    async def lasts(exchange: Exchange, socket: Any) -> None:
        await asyncio.sleep(0.1)
        socket.transport.abort()

    acts = [tells(then=lasts)] * 8 + [tells(ticker(1))]
    _, _, exchange = listened(*acts, until=has(1), wait_first_s=0.2, wait_most_s=5.0, steady_s=0.05)
    assert max(b - a for a, b in pairwise(exchange.came_at)) < 0.4


def test_garbage_is_set_aside_with_its_reason_and_stops_nothing() -> None:
    bad: list[Any] = [
        "not json",
        b"\xff\xfe",
        "[1, 2]",
        ticker(2, price="dear"),
        ticker(3, time="yesterday"),
        ticker(4, "btc"),
        {name: value for name, value in ticker(5).items() if name != "last_size"},
        ticker(6) | {"sequence": "6"},
    ]
    kept, tally, _ = listened(tells(ticker(1), *bad, ticker(9)), until=has(1, 9))
    assert kept.numbers == [1, 9]
    assert (tally.refused, len(kept.refusals), tally.lost) == (len(bad), len(bad), 0)
    reasons = " ".join(one.reason for one in kept.refusals)
    assert (
        "no message of the feed" in reasons
        and "last_size" in reasons
        and "$.price" in reasons
        and "$.sequence" in reasons
    )
    assert kept.refusals[0].value == b"not json"


def test_a_message_that_is_far_too_long_costs_the_connection_and_no_memory() -> None:
    _, tally, _ = listened(tells(ticker(1), "x" * 300_000), tells(ticker(2)), until=has(1, 2))
    assert tally.lost == 1


def test_missing_and_late_numbers_are_counted() -> None:
    told = [ticker(n) for n in (1, 2, 6, 4, 7)]
    kept, tally, _ = listened(tells(*told), until=has(1, 7))
    assert kept.numbers == [1, 2, 6, 4, 7]
    assert (tally.skipped, tally.late) == (3, 1)


def test_a_slow_kafka_stops_the_reading_and_loses_nothing() -> None:
    """The queue is bounded; what does not fit waits in the network, and at last at the exchange."""
    sent = []

    async def pours(exchange: Exchange, socket: Any) -> None:
        for number in range(1, 601):
            await say(socket, ticker(number, filler="x" * 30_000))
            sent.append(number)
        await stalls(exchange, socket)

    kept = Kept(slow_s=0.1)
    seen: list[int] = []

    def until(kept: Kept, tally: Tally, exchange: Exchange) -> bool:
        if kept.first.is_set() and not kept.bursts:
            seen.append(len(sent))
        return len(kept.numbers) == 600

    _, tally, _ = listened(
        tells(then=pours), until=until, outbox=kept, queue=50, flush_events=1_000, silent_s=5.0, flush_s=0.01
    )
    assert sorted(kept.numbers) == list(range(1, 601))
    assert tally.waited > 0 and tally.lost == 0
    assert 0 < max(seen) < 590


def test_products_are_asked_for_some_at_a_time_and_not_too_fast() -> None:
    products = [f"C{number}-USD" for number in range(10)]
    limits = {"products_a_message": 3, "messages_a_second": 20.0}
    _, _, exchange = listened(tells(ticker(1), requests=4), until=has(1), products=products, **limits)
    asked = exchange.asked[0]
    assert [one for _, request in asked for one in request["product_ids"]] == products
    assert all(request["channels"] == ["ticker", "heartbeat"] for _, request in asked)
    assert all(b - a >= 0.04 for (a, _), (b, _) in pairwise(asked))


def test_a_subscription_that_is_refused_ends_it() -> None:
    async def refuses(exchange: Exchange, socket: Any) -> None:
        await socket.recv()
        await say(socket, {"type": "error", "message": "Failed to subscribe", "reason": "X-USD is not a valid product"})
        await asyncio.sleep(5)

    with pytest.raises(SourceError, match="X-USD is not a valid product"):
        listened(refuses, until=lambda *_: False)


def test_a_subscription_that_is_not_confirmed_is_made_again() -> None:
    async def ignores(exchange: Exchange, socket: Any) -> None:
        while True:
            await say(socket, heartbeat())
            await asyncio.sleep(0.02)

    _, tally, _ = listened(ignores, tells(ticker(1)), until=has(1), open_s=0.2)
    assert (tally.connections, tally.lost) == (2, 1)


def test_an_exchange_that_asks_for_patience_is_asked_again() -> None:
    too_much = {"type": "error", "message": "rate limit exceeded"}
    _, tally, _ = listened(tells(ticker(1), too_much), tells(ticker(2)), until=has(1, 2))
    assert tally.lost == 1


def test_what_had_come_is_handed_over_at_the_end() -> None:
    enough: list[int] = []

    def until(kept: Kept, tally: Tally, exchange: Exchange) -> bool:
        enough.append(1)
        return len(enough) > 30

    kept, tally, _ = listened(tells(ticker(1), ticker(2)), until=until, flush_s=60.0)
    assert kept.numbers == [1, 2] and tally.bursts == 1


def test_what_comes_during_the_last_burst_is_handed_over_too() -> None:
    async def trickles(exchange: Exchange, socket: Any) -> None:
        for number in range(1, 10_000):
            await say(socket, ticker(number))
            await asyncio.sleep(0.005)

    kept = Kept(slow_s=0.3)
    kept, tally, _ = listened(
        tells(then=trickles), until=lambda kept, *_: kept.first.is_set(), outbox=kept, flush_s=0.01
    )
    assert tally.bursts >= 2 and tally.trades == tally.produced == len(kept.numbers)


def test_a_kafka_that_gives_up_ends_it() -> None:
    with pytest.raises(RuntimeError, match="no broker"):
        listened(tells(ticker(1)), until=lambda *_: False, outbox=Kept(error=RuntimeError("no broker")))


# ------------------------------------------------------------------------------------------------ without a connection


def reader() -> tuple[Reader, Tally]:
    tally = Tally()
    return Reader(load("coinbase").topic(TOPIC), tally), tally


def frame(message: dict[str, Any]) -> bytes:
    return json.dumps(message).encode()


def test_what_is_no_trade_is_only_counted() -> None:
    one, tally = reader()
    state = {name: value for name, value in ticker(1).items() if name not in ("trade_id", "time", "side")}
    assert [one.read(frame(message)) for message in (heartbeat(), state, {"type": "status"})] == [None] * 3
    assert (tally.heartbeats, tally.without_trade, tally.other, tally.messages) == (1, 1, 1, 3)


def test_numbers_are_each_products_own_and_long_ago_is_forgotten() -> None:
    one, tally = reader()
    assert isinstance(one.read(frame(ticker(1))), Event) and isinstance(one.read(frame(ticker(1, "ETH-USD"))), Event)
    for number in range(2, REMEMBERED + 2):
        one.read(frame(ticker(number)))
    assert one.read(frame(ticker(2))) is None and tally.told_again == 1


def test_an_error_after_the_confirmation_is_no_mistake_of_ours() -> None:
    one, _ = reader()
    one.read(frame({"type": "subscriptions", "channels": [{"name": "ticker"}]}))
    with pytest.raises(Lost, match="something broke"):
        one.read(frame({"type": "error", "message": "something broke"}))
    one.connected()
    with pytest.raises(SourceError, match="something broke"):
        one.read(frame({"type": "error", "message": "something broke"}))


def test_a_bursts_window_is_where_its_trades_are() -> None:
    events = [Event(TOPIC, b"k", b"{}", ms) for ms in (1_772_366_403_999, 1_772_366_400_000)]
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    assert name(events, "live-x", 3) == BurstId("coinbase", Window(at, at.replace(second=4)), "live-x.3")


@pytest.mark.parametrize(
    ("changed", "extra", "words"),
    [
        ({"schema": "http"}, {}, "is no WebSocket"),
        ({"host": ""}, {}, "is no WebSocket"),
        ({}, {"queue": 0}, "queue is 0: give more than 0"),
        ({}, {"patience": 3}, "unknown field `patience`"),
        ({}, {"products": " , "}, "products is empty"),
        ({}, {"silent_s": "long"}, "silent_s"),
    ],
)
def test_settings_that_cannot_be_are_told(changed: dict[str, Any], extra: dict[str, Any], words: str) -> None:
    import msgspec

    from include.sources.coinbase_settings import PUBLIC

    with pytest.raises(SourceError, match=words):
        settings(msgspec.structs.replace(PUBLIC, extra=extra, **changed))


def test_settings_come_from_the_connection() -> None:
    from include.connections import from_env
    from include.sources.coinbase_settings import FEED, PRODUCTS, PUBLIC

    assert (settings(PUBLIC).url, settings(PUBLIC).products) == ("wss://ws-feed.exchange.coinbase.com", PRODUCTS)
    given = json.dumps({"host": "h", "port": 81, "schema": "ws", "extra": {"products": "A-USD, B-USD", "flush_s": "2"}})
    made = settings(from_env(FEED, {"AIRFLOW_CONN_COINBASE_FEED": given}), flush_events=7, products=None)
    assert (made.url, made.products, made.flush_s, made.flush_events) == ("ws://h:81", ("A-USD", "B-USD"), 2.0, 7)
