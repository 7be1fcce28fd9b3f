"""Rows that are lost and brought back, on a real broker, in both warehouses, beside the sinks that had landed them."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition

from include.contracts import Contract, load
from include.contracts.event import Event
from include.healing import replay as module
from include.kafka import KafkaError, client, offsets
from include.kafka.progress import progress
from include.kafka.receipts import Receipt
from tests.include.healing.line import At, Line, a_line

pytestmark = [pytest.mark.stack, pytest.mark.timeout(900)]

BOTH = pytest.mark.parametrize("warehouse", ["clickhouse", "snowflake"])
DOMAINS = pytest.mark.parametrize("domain", ["ecommerce", "fashion"])


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Line]:
    with a_line(tmp_path_factory.mktemp("line") / "home") as line:
        yield line


def places(receipts: tuple[Receipt, ...], line: Line, contract: Contract, warehouse: str) -> list[At]:
    """Where the rows of a burst came from, in order."""
    mine = [(one.topic, one.partition, range(one.first_offset, one.last_offset + 1)) for one in receipts]
    there = line.rows(contract, warehouse)
    return sorted(at for at in there for topic, number, span in mine if at[:2] == (topic, number) and at[2] in span)


def groups(line: Line, contract: Contract, warehouse: str) -> dict[tuple[str, int], tuple[int, int]]:
    group = f"connect-{warehouse}-{contract.domain}"
    return progress(line.kafka, {group: [topic.name for topic in contract.topics]})[group]


@BOTH
@DOMAINS
def test_exactly_what_is_missing_comes_back_as_it_was(line: Line, domain: str, warehouse: str) -> None:
    contract = load(domain)
    made = line.produce(contract, 40)
    before, events, at = (
        line.rows(contract, warehouse),
        line.events(contract, warehouse),
        groups(line, contract, warehouse),
    )
    there = places(made, line, contract, warehouse)
    assert len({(topic, partition) for topic, partition, _ in there}) >= 4
    gone = sorted(random.Random(domain).sample(there, len(there) // 3)) + [there[0], there[-1]]
    line.delete(contract, warehouse, gone)
    plan = line.plan(contract, warehouse)
    assert plan.rows == len(set(gone))
    named = {
        (step.topic, step.partition, offset)
        for step in plan.replays
        for first, last in step.ranges
        for offset in range(first, last + 1)
    }
    assert set(gone) <= named
    assert not named & (set(there) - set(gone)), "no row that is there is asked for"
    assert line.heal(contract, plan) == len(set(gone))
    after = line.rows(contract, warehouse)
    assert after.keys() == before.keys()
    for place in sorted(set(gone)):
        assert after[place] == before[place], place
    assert after == before
    assert line.events(contract, warehouse) == events
    assert line.holes(contract) == []
    assert groups(line, contract, warehouse) == at, "the connector's own group is where it was"


@BOTH
def test_the_other_warehouse_is_not_touched(line: Line, warehouse: str) -> None:
    contract = load("ecommerce")
    made = line.produce(contract)
    other = {"clickhouse": "snowflake", "snowflake": "clickhouse"}[warehouse]
    before = line.rows(contract, other)
    line.delete(contract, warehouse, places(made, line, contract, warehouse))
    line.heal(contract, line.plan(contract, warehouse))
    assert line.rows(contract, other) == before
    assert line.holes(contract) == []


@BOTH
@DOMAINS
def test_replaying_twice_changes_nothing_that_is_counted(line: Line, domain: str, warehouse: str) -> None:
    contract = load(domain)
    made = line.produce(contract)
    events = line.events(contract, warehouse)
    line.delete(contract, warehouse, places(made, line, contract, warehouse)[::2])
    plan = line.plan(contract, warehouse)
    once, again = line.heal(contract, plan), line.heal(contract, plan)
    assert once == again == plan.rows
    assert line.events(contract, warehouse) == events
    assert line.holes(contract) == []
    assert line.plan(contract, warehouse).empty
    if warehouse == "clickhouse":
        for table in contract.tables:
            sql = (
                f"select count() as rows, uniqExact(_topic, _partition, _offset) as places from landing.`{table}` final"
            )
            (found,) = line.clients[warehouse].query(sql)
            assert found["rows"] == found["places"]


class Killed(Exception):
    """As when the task's process ends here."""


@BOTH
def test_killed_in_the_middle_and_run_again_it_is_whole(
    line: Line, warehouse: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    contract = load("fashion")
    made = line.produce(contract, 60)
    before = line.rows(contract, warehouse)
    gone = places(made, line, contract, warehouse)
    line.delete(contract, warehouse, gone)
    monkeypatch.setitem(module.BATCH, warehouse, 7)
    landed: list[int] = []

    def kill(rows: int) -> None:
        landed.append(rows)
        if len(landed) == 3:
            raise Killed

    with pytest.raises(Killed):
        line.heal(contract, line.plan(contract, warehouse), kill)
    left = line.plan(contract, warehouse)
    assert 0 < left.rows < len(gone), "what was landed before stays"
    assert line.heal(contract, left) == left.rows
    assert line.rows(contract, warehouse) == before
    assert line.holes(contract) == []


@BOTH
def test_tombstones_and_marks_of_transactions_are_no_rows(line: Line, warehouse: str) -> None:
    contract = load("ecommerce")
    tombstones = tuple(Event("orders", f"gone-{n}".encode(), None, 0) for n in range(12))
    made = line.produce(contract, extra=tombstones)
    before = line.rows(contract, warehouse)
    orders = [receipt for receipt in made if receipt.topic == "orders"]
    gone = [at for at in places(made, line, contract, warehouse) if at[0] == "orders"]
    line.delete(contract, warehouse, gone)
    plan = line.plan(contract, warehouse)
    asked = sum(last - first + 1 for step in plan.replays for first, last in step.ranges)
    assert asked == len(gone) + len(tombstones) == sum(one.last_offset - one.first_offset + 1 for one in orders)
    assert line.heal(contract, plan) == len(gone) == plan.rows
    assert line.rows(contract, warehouse) == before
    # And with the mark behind it: the end of what is asked for is not the last record's place.
    number = orders[0].partition
    topic, client = contract.topic("orders"), line.clients[warehouse]
    stretch = (orders[0].first_offset, orders[0].last_offset + 1)
    assert module.replay(line.kafka, client, topic, number, (stretch,), now_ms=1) == orders[0].events


def send(
    line: Line, topic: str, value: bytes, key: bytes | None = b"k", headers: list[tuple[str, bytes]] | None = None
) -> At:
    """A record as somebody sends it."""
    told: list[At] = []
    producer = client.producer(line.kafka, {})
    producer.produce(
        topic, value, key, partition=0, headers=headers or [],
        on_delivery=lambda _, message: told.append((topic, message.partition(), message.offset())),
    )  # fmt: skip
    producer.flush(20)
    return told[0]


ORDER = (
    b'{"event_id":"%b","id":"o","product_id":1,"customer_id":2,"quantity":3,"total_price":4.50,'
    b'"created_at":"2026-05-01T00:00:00.123Z"}'
)


@BOTH
def test_a_records_key_and_headers_come_back_too(line: Line, warehouse: str) -> None:
    from tests.include.healing.line import until

    contract = load("ecommerce")
    headers = [("floodgate.redrive.count", b"1"), ("note", b"\xff")]
    name = f"odd-{warehouse}".encode()
    sent = [
        send(line, "orders", ORDER % b"%b-1" % name, b"caf\xe9", headers),
        send(line, "orders", ORDER % b"%b-2" % name, None),
        send(line, "orders", (ORDER % b"%b-3" % name).replace(b"4.50", b"4").replace(b":3,", b':"3",')),
    ]
    until(lambda: set(sent) <= line.rows(contract, warehouse).keys())
    before = line.rows(contract, warehouse)
    line.delete(contract, warehouse, sent)
    assert not set(sent) & line.rows(contract, warehouse).keys()
    topic, to = contract.topic("orders"), line.clients[warehouse]
    stretches = tuple((offset, offset) for _, _, offset in sent)
    assert module.replay(line.kafka, to, topic, 0, stretches, now_ms=1) == 3
    after = line.rows(contract, warehouse)
    for at in sent:
        assert after[at] == before[at]


@BOTH
def test_what_no_sink_could_land_is_left_out(line: Line, warehouse: str) -> None:
    contract, topic = load("ecommerce"), load("ecommerce").topic("orders")
    bad = [send(line, "orders", value) for value in (b"not json", b'"text"', b"[1]", b"7")]
    good = send(line, "orders", ORDER % f"good-{warehouse}".encode())
    stretch = (bad[0][2], good[2])
    assert module.replay(line.kafka, line.clients[warehouse], topic, 0, (stretch,), now_ms=1) == 1
    assert good in line.rows(contract, warehouse)
    assert not set(bad) & line.rows(contract, warehouse).keys()


def test_what_retention_has_taken_is_told_and_planned_as_beyond(line: Line) -> None:
    contract = load("ecommerce")
    made = line.produce(contract, 30)
    gone = {name: places(made, line, contract, name) for name in line.clients}
    for name, some in gone.items():
        line.delete(contract, name, some)
    plans = {name: line.plan(contract, name) for name in line.clients}
    (first,) = [one for one in made if (one.topic, one.partition) == ("shipments", 1)]
    low = first.first_offset + 2
    admin = client.admin(line.kafka)  # whose answers come for as long as somebody holds it
    futures = admin.delete_records([TopicPartition("shipments", 1, low)])
    assert [future.result(30).low_watermark for future in futures.values()] == [low]
    assert offsets.watermarks(line.kafka, ["shipments"])["shipments", 1][0] == low
    for name, plan in plans.items():
        step = next(step for step in plan.replays if (step.topic, step.partition) == ("shipments", 1))
        with pytest.raises(KafkaError) as told:
            module.replay(line.kafka, line.clients[name], contract.topic("shipments"), 1, step.ranges, now_ms=1)
        assert str(told.value) == (
            f"shipments, partition 1: offset {first.first_offset} is gone, the first that is left is {low}: produce the "
            "burst again, or restore the rows from the other warehouse"
        )
        later = line.plan(contract, name)
        assert later.beyond == 2
        (step,) = [step for step in later.replays if (step.topic, step.partition) == ("shipments", 1)]
        assert (step.ranges[0][0], step.rows) == (low, first.events - 2)
        assert line.heal(contract, later) == later.rows == len(gone[name]) - 2
        left = {(hole.topic, hole.partition, hole.missing) for hole in line.holes(contract, name)}
        assert left == {("shipments", 1, 2)}
