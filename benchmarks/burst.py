"""Bursts against what the client library does with the same events when they are made beforehand.

CPU seconds of this process: the library's own threads count, the broker does not. The ceiling is the library's fastest
call on records that lie ready, in one transaction, without a word on each record's delivery; burst and ceiling take
turns, so that a machine that slows down slows both.
"""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from benchmarks import places
from benchmarks.budgets import BUDGETS, Figure
from benchmarks.progress import say
from include import connections
from include.connections import Endpoint
from include.contracts import Contract, all_contracts, load
from include.contracts.event import Event, Window
from include.enrichment import enrich
from include.generators import burst as made
from include.generators import events, shard_of
from include.kafka import burst, client, topics

ORDERS, CLICKS, STEPS, TRADES = 50_000, 50_000, 100_000, 200_000
TIMES = 5
#: Users of the music service, each with a budget.
YEARS = (1000, 5000)
#: As a burst's producer is set.
SETTINGS = {
    "transactional.id": "benchmarks",
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 20,
    "batch.size": 1_000_000,
    "queue.buffering.max.messages": 1_000_000,
}
BATCH = 10_000


def measure() -> Iterator[Figure]:
    """Generation of each domain; then, with a broker, bursts of those with a rate to keep, and the ceiling."""
    for domain, size in (("clickstream", STEPS), ("ecommerce", ORDERS), ("fashion", CLICKS)):
        generate(load(domain), window(-1), size)  # what is drawn once, whatever the number of events
        rates = [generate(load(domain), window(number), size) for number in range(TIMES)]
        # A domain with a budget of its own has a row of its own.
        of = f"generate_{domain}" if f"generate_{domain}" in BUDGETS else "generate"
        yield Figure(of, statistics.median(rates), domain)
    yield Figure("enrich", statistics.median(enriched(window(number)) for number in range(TIMES)), "clickstream")
    ticker = load("coinbase")
    yield Figure("generate_ticker", statistics.median(generate(ticker, window(n), TRADES) for n in range(TIMES)))
    yield Figure("scheduled_ticker", statistics.median(scheduled(ticker, days=4 * n) for n in range(1, TIMES + 1)))
    for users in YEARS:
        yield Figure(f"generate_{users}", year(load("eventsim"), users), "eventsim")
    with places.services("kafka"):
        kafka = connections.from_env(connections.KAFKA)
        topics.ensure(kafka, all_contracts())
        for domain in ("clickstream", "ecommerce", "eventsim"):
            yield from against_ceiling(kafka, load(domain))


def against_ceiling(kafka: Endpoint, contract: Contract) -> Iterator[Figure]:
    """Bursts of a domain and the client library alone, in turns."""
    produce(kafka, contract, window(0), 1000)  # the first transaction of a broker waits for its coordinator
    ceilings, bursts = [], []
    for number in range(TIMES):
        ceilings.append(ceiling(kafka, contract, window(number), ORDERS))
        bursts.append(produce(kafka, contract, window(number), ORDERS))
        say(f"{contract.domain}: client library {ceilings[-1]:,.0f}, burst {bursts[-1]:,.0f} events per CPU s")
    yield Figure("produce", statistics.median(ceilings), contract.domain)
    yield Figure("burst", statistics.median(bursts), contract.domain)
    ratios = [made_here / best for made_here, best in zip(bursts, ceilings, strict=True)]
    yield Figure("burst_ratio", statistics.median(ratios), contract.domain)


def window(number: int) -> Window:
    """Windows of two minutes, one after another."""
    start = datetime(2026, 1, 5, 10, tzinfo=UTC) + timedelta(minutes=2 * number)
    return Window(start, start + timedelta(minutes=2))


def generate(contract: Contract, at: Window, size: int) -> float:
    """Events per CPU second of generation alone."""
    assert contract.burst is not None  # noqa: S101 - these domains have bursts
    stream = events(contract, at, seed=contract.burst.seed, size=size, shard=shard_of(size))

    def one() -> int:
        return deque(enumerate(stream, start=1), maxlen=1)[0][0]

    return _rate(one)


def scheduled(contract: Contract, days: int) -> float:
    """CPU seconds of the scheduled burst of a window so many days after the others."""
    assert contract.burst is not None  # noqa: S101 - every domain with a generator has bursts
    begun, at = time.process_time(), window(0).earlier(-720 * days)
    deque(events(contract, at, seed=contract.burst.seed), maxlen=0)
    return time.process_time() - begun


def year(contract: Contract, users: int) -> float:
    """Events per CPU second of a music service's second year, what comes before it gone through as well."""
    assert contract.burst is not None  # noqa: S101 - the service has bursts
    start = datetime(2025, 1, 1, tzinfo=UTC)
    stream = events(contract, Window(start, start + timedelta(days=365)), seed=contract.burst.seed, users=users)

    def one() -> int:
        return deque(enumerate(stream, start=1), maxlen=1)[0][0]

    return _rate(one)


def enriched(at: Window) -> float:
    """Events per CPU second of the enrichment alone; user agents are known by then, as they are after a while."""
    contract = load("clickstream")
    assert contract.burst is not None  # noqa: S101 - the phone shop has bursts
    stream = events(contract, at, seed=contract.burst.seed, size=STEPS, shard=shard_of(STEPS))
    values = [event.value for event in stream if event.value]
    for value in values[:2000]:
        enrich(value)
    return _rate(lambda: deque(enumerate(map(enrich, values), start=1), maxlen=1)[0][0])


def produce(kafka: Endpoint, contract: Contract, at: Window, size: int) -> float:
    """Events per CPU second of a whole burst."""
    assert contract.burst is not None  # noqa: S101 - the shop has bursts

    def one() -> int:
        name, stream = made(contract, at, seed=contract.burst.seed, size=size, shard=shard_of(size))  # type: ignore[union-attr]
        return sum(receipt.events for receipt in burst.produce(kafka, contract, name, stream))

    return _rate(one)


def ceiling(kafka: Endpoint, contract: Contract, at: Window, size: int) -> float:
    """Events per CPU second of the library's fastest call: records lie ready by topic, in one transaction, no callback.

    The dictionaries that the call takes are made here, as whoever calls it has to make them.
    """
    assert contract.burst is not None  # noqa: S101 - the shop has bursts
    ready: dict[str, list[Event]] = {}
    for event in events(contract, at, seed=contract.burst.seed, size=size, shard=shard_of(size)):
        ready.setdefault(event.topic, []).append(event)

    def one() -> int:
        producer = client.producer(kafka, SETTINGS)
        producer.init_transactions(60)
        producer.begin_transaction()
        taken = 0
        for topic, records in ready.items():
            for first in range(0, len(records), BATCH):
                batch = [{"key": record.key, "value": record.value} for record in records[first : first + BATCH]]
                taken += producer.produce_batch(topic, batch)
        producer.commit_transaction(60)
        return taken

    return _rate(one)


def _rate(work: Callable[[], int]) -> float:
    begun = time.process_time()
    count = work()
    return count / (time.process_time() - begun)
