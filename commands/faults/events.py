"""Faults of producers: orders with wrong totals, records that no sink can land, old events, events sent again."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from commands.console import CommandError
from commands.faults.fault import Facts, Target, noted
from local.place import Place

if TYPE_CHECKING:
    from include.kafka.receipts import Receipt

#: Orders of the burst with wrong totals, and how many of them are wrong.
ORDERS, WRONG = 20, 3
BIG = 2_000_000
#: Size of the late burst, and how late it is: more rows, and later, than what the rule about late rows lets pass.
LATE, BEHIND = 200, timedelta(hours=3)
#: Records that are sent again, at least: more than what the rule about rows that come twice lets pass.
AGAIN = 200
#: The partition of a record that may go wherever its key sends it.
BY_KEY = -1


def wrong_totals(place: Place, target: Target) -> Facts:
    """A burst of orders some of whose totals are wrong."""
    from commands.faults.register import FAULTS

    known = noted(place, FAULTS["bad-totals"])
    start = datetime.fromisoformat(known[-1][1]["window_start"]) if known else _window_before(timedelta(0))
    _orders(start, WRONG)
    said = (
        f"{ORDERS} orders were sent, {WRONG} of them with a wrong total: the next transform of each warehouse is "
        "held and Slack is told. `floodgate break bad-totals --undo` sends the same orders rightly."
    )
    return {"window_start": start.isoformat(), "orders": ORDERS, "wrong": WRONG, "said": said}


def right_totals(place: Place, target: Target, facts: Facts) -> str:
    """The same burst, rightly made: ids are the same."""
    _orders(datetime.fromisoformat(facts["window_start"]), 0)
    return f"The same {ORDERS} orders were sent again with right totals; the next transform publishes the marts."


def _orders(start: datetime, wrong: int) -> None:
    from include.contracts import load
    from include.contracts.event import BurstId, Window
    from include.generators import events
    from include.kafka import burst

    contract = load("ecommerce")
    assert contract.burst is not None  # noqa: S101 - ecommerce has one
    window = Window(start, start + timedelta(minutes=2))
    made = events(contract, window, seed=contract.burst.seed, size=ORDERS, shard="bad-totals", wrong_totals=wrong)
    burst.produce(_kafka(), contract, BurstId("ecommerce", window, "bad-totals"), made)


def late(place: Place, target: Target) -> Facts:
    """A burst of a window of hours ago, with its receipts, produced now: more than all else of these minutes."""
    from include.contracts import load
    from include.contracts.event import BurstId, Window
    from include.generators import events
    from include.kafka import burst

    contract = load(target.domain)
    if contract.burst is None:
        raise CommandError(f"{target.domain} has no bursts.")
    start = _window_before(BEHIND)
    window = Window(start, start + timedelta(minutes=2))
    made = events(contract, window, seed=contract.burst.seed, size=LATE, shard="late")
    receipts = burst.produce(_kafka(), contract, BurstId(target.domain, window, "late"), made)
    count = sum(receipt.events for receipt in receipts)
    said = f"{count} events of {start:%H:%M} UTC, {BEHIND // timedelta(hours=1)} hours ago, were produced now."
    return {"burst": f"{target.domain}/{window}/late", "events": count, "said": said}


def duplicates(place: Place, target: Target) -> Facts:
    """The latest burst's records again and again, byte for byte, as a careless producer sends them: without a receipt,
    without a transaction, at offsets of their own."""
    from include.kafka import receipts

    known = [receipt for receipt in receipts.read(_kafka()).values() if receipt.domain == target.domain]
    last = max(known, key=lambda receipt: receipt.produced_at, default=None)
    if last is None:
        raise CommandError(f"{target.domain} has no burst yet: `floodgate run burst_{target.domain} --unpause`.")
    burst = [receipt for receipt in known if receipt.burst == last.burst]
    found = list(_read(burst))
    if not found:
        raise CommandError(f"The records of {last.burst} are no longer in Kafka.")
    times = max(2, -(-AGAIN // len(found)))  # once more is what a burst that is run again does
    _send([(topic, partition, key, value) for _ in range(times) for topic, partition, key, value in found])
    count = times * len(found)
    said = f"{len(found)} events of the latest burst were sent {times} times more: {count} records that count not once."
    return {"burst": last.burst, "events": len(found), "times": times, "records": count, "said": said}


def _read(burst: Iterable[Receipt]) -> Iterable[tuple[str, int, bytes, bytes]]:
    """Topic, partition, key and value of a burst's records, tombstones aside; raises KafkaError."""
    from confluent_kafka import TopicPartition

    from include.kafka.client import consumer

    client = consumer(_kafka(), {"enable.partition.eof": False})
    try:
        for receipt in burst:
            client.assign([TopicPartition(receipt.topic, receipt.partition, receipt.first_offset)])
            offset, deadline = -1, time.monotonic() + 20
            while offset < receipt.last_offset and time.monotonic() < deadline:
                for message in client.consume(500, timeout=0.5):
                    offset = int(message.offset() or 0)
                    value = message.value()
                    if message.error() is None and value is not None and offset <= receipt.last_offset:
                        yield receipt.topic, receipt.partition, message.key() or b"", value
    finally:
        client.close()


def poison(place: Place, target: Target) -> Facts:
    """Four records that no sink can land, as another producer might send them, among the good ones."""
    records = poisons(str(time.time_ns()))
    _send([("orders", BY_KEY, f"poison-{name}".encode(), value) for name, value in records.items()])
    said = (
        f"{len(records)} records that cannot land were sent to orders ({', '.join(records)}); "
        "see `rejected` in `floodgate status`."
    )
    return {"topic": "orders", "records": list(records), "said": said}


def poisons(stamp: str) -> dict[str, bytes]:
    """The bad records: name -> bytes; `stamp` makes them new ones each time."""
    good = {
        "event_id": f"poison-{stamp}",
        "id": f"poison-{stamp}",
        "product_id": 1,
        "customer_id": 1,
        "quantity": 1,
        "total_price": 1.0,
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    return {
        "not-json": b'{"event_id": "poison-' + stamp.encode() + b'", oops',
        "missing-field": json.dumps({name: value for name, value in good.items() if name != "created_at"}).encode(),
        "wrong-type": json.dumps(good | {"quantity": "several"}).encode(),
        "too-big": json.dumps(good | {"id": "x" * BIG}).encode(),
    }


def _send(records: Iterable[tuple[str, int, bytes, bytes]]) -> None:
    """Produces records as they are, without a transaction; raises CommandError."""
    from include.kafka.client import producer

    errors: list[str] = []
    client = producer(_kafka(), {"message.max.bytes": BIG + 100_000})
    for topic, partition, key, value in records:
        client.produce(
            topic,
            key=key,
            value=value,
            partition=partition,
            on_delivery=lambda error, _: errors.append(str(error)) if error else None,
        )
    if client.flush(30) or errors:
        raise CommandError(f"The broker did not take the records: {'; '.join(errors[:3]) or 'no answer within 30 s'}")


def _window_before(ago: timedelta) -> datetime:
    """The start of the last whole window of two minutes, so long ago."""
    then = datetime.now(UTC).replace(second=0, microsecond=0) - ago
    return then - timedelta(minutes=then.minute % 2 + 2)


def _kafka() -> Any:
    from include import connections

    return connections.from_env(connections.KAFKA)
