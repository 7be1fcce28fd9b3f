"""The ledger of a real broker, a real ClickHouse and a real Snowflake, in which rows go missing."""

import threading
import time
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from confluent_kafka import TopicPartition

from include.connections import KAFKA, ConnectionMissing, Endpoint
from include.contracts.event import Event
from include.kafka import burst, client, redrives
from include.kafka.redrives import Outgoing
from include.ledger import minutes
from include.warehouses import WarehouseError, clickhouse, snowflake

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]


def test_rows_that_somebody_deletes_are_told_by_their_offsets(stream):
    orders = stream()
    (receipt,) = orders.produce(20)
    assert orders.totals() == (20, None, 0, 0, 0)
    orders.land()
    assert orders.totals() == (20, None, 20, 20, 0)
    assert orders.holes() == {}
    first, last = receipt.first_offset, receipt.last_offset
    orders.delete("clickhouse", (first, first + 7, first + 8))
    orders.delete("snowflake", (first + 3, last))
    assert orders.totals(count_kafka=True) == (20, 20, 17, 18, 0)
    assert orders.holes() == {
        "clickhouse": [(3, [(first, first), (first + 7, first + 8)])],
        "snowflake": [(2, [(first + 3, first + 3), (last, last)])],
    }
    hole = orders.ledger().holes[0]
    assert (hole.domain, hole.topic, hole.partition, hole.bursts) == (orders.name, orders.name, 0, (receipt.burst,))
    assert (hole.in_kafka, hole.produced_at) == (True, receipt.produced_at)
    # What the hole names is what fills it.
    orders.land("clickhouse", only=hole.ranges)
    assert list(orders.holes()) == ["snowflake"]
    assert orders.totals() == (20, None, 20, 18, 0)


def test_minutes_and_partitions_add_up_to_what_the_receipts_say(stream):
    orders = stream(partitions=3)
    receipts = [receipt for _ in range(3) for receipt in orders.produce(30)]
    orders.land()
    ledger = orders.ledger()
    assert {cell.partition for cell in ledger.cells} == {0, 1, 2}
    for cell in ledger.cells:
        mine = [one for one in receipts if (one.partition, minute(one.produced_at)) == (cell.partition, cell.minute)]
        assert cell.produced == cell.clickhouse == cell.snowflake == sum(one.events for one in mine)
    assert not any(cell.differs for cell in ledger.cells)
    # The same offset of another partition does not stand in for one that is missing.
    lost = next(one for one in receipts if one.partition == 1)
    orders.delete("clickhouse", (lost.first_offset,), partition=1)
    (hole,) = orders.ledger().holes
    assert (hole.partition, hole.ranges) == (1, ((lost.first_offset, lost.first_offset),))


def minute(at):
    return at.replace(second=0, microsecond=0)


@pytest.mark.parametrize("merged", [True, False], ids=["merged", "not merged"])
def test_a_burst_that_is_repeated_counts_once(stream, merged):
    orders = stream()
    name = orders.id()
    for _ in range(3):
        (receipt,) = orders.produce(15, name)
    orders.land()
    if merged:
        orders.clients["clickhouse"].command(f"optimize table landing.{orders.name} final")
        (row,) = orders.clients["clickhouse"].query(f"select count() as rows from landing.{orders.name}")
        assert row["rows"] == 15
    assert orders.totals() == (15, None, 15, 15, 0)
    assert orders.holes() == {}
    # An event of the latest copy is missing, though Snowflake still has its earlier ones.
    for place in ("clickhouse", "snowflake"):
        orders.delete(place, (receipt.last_offset,))
    gone = [(1, [(receipt.last_offset,) * 2])]
    assert orders.holes() == {"clickhouse": gone, "snowflake": gone}


def test_bursts_side_by_side_are_compared_together(stream):
    orders = stream()
    started = threading.Event()

    def slowly(name):
        for number, event in enumerate(orders.events(name, 40)):
            if number == 20:
                started.set()
                time.sleep(3)
            yield event

    one = orders.id()
    given = {}
    thread = threading.Thread(
        target=lambda: given.update(one=burst.produce(orders.kafka, orders.contract, one, slowly(one)))
    )
    batch = burst.BATCH
    burst.BATCH = 5  # so that what was generated is on its way before the pause
    try:
        thread.start()
        assert started.wait(20)
        time.sleep(0.5)
        (within,) = orders.produce(10)
        # Committed, and yet nobody may read it, for the other transaction is still open.
        orders.land()
        assert orders.totals()[:3] == (10, None, 0)
        assert orders.holes() == {}
        thread.join(60)
    finally:
        burst.BATCH = batch
    (around,) = given["one"]
    orders.settled(given["one"])
    assert around.first_offset < within.first_offset <= within.last_offset < around.last_offset
    orders.land()
    assert orders.totals() == (50, None, 50, 50, 0)
    lost = (around.first_offset + 1, within.first_offset, around.last_offset)
    orders.delete("snowflake", lost)
    # The mark that ended the burst within took an offset in the range of the other: no event, but nobody can tell.
    ((missing, ranges),) = orders.holes()["snowflake"]
    assert missing == 3
    assert {offset for first, last in ranges for offset in range(first, last + 1)} == {*lost, within.last_offset + 1}
    # Unless Kafka is read.
    ((missing, ranges),) = orders.holes(count_kafka=True)["snowflake"]
    assert (missing, ranges) == (3, [(offset, offset) for offset in lost])


def test_tombstones_take_offsets_and_are_no_events(stream):
    orders = stream()
    tombstones = tuple(Event(orders.name, b"gone", None, 0) for _ in range(3))
    (receipt,) = orders.produce(10, extra=tombstones)
    assert receipt.last_offset - receipt.first_offset == 12
    orders.land()
    assert orders.totals(count_kafka=True) == (10, 10, 10, 10, 0)
    assert orders.holes() == {}
    orders.delete("clickhouse", (receipt.first_offset + 4,))
    tail = (receipt.last_offset - 2, receipt.last_offset)
    lost = (receipt.first_offset + 4,) * 2
    assert orders.holes() == {"clickhouse": [(1, [lost, tail])]}
    assert orders.holes(count_kafka=True) == {"clickhouse": [(1, [lost])]}


def reject(orders, offset, *connectors, partition=0):
    """As connectors do: the record with its own time, and why."""
    producer = client.producer(orders.kafka, {})
    for connector in connectors:
        facts = {"topic": orders.name, "partition": partition, "offset": offset, "connector.name": connector}
        headers = [(f"__connect.errors.{name}", str(value).encode()) for name, value in facts.items()]
        producer.produce(orders.contract.dead_letters, b"{}", b"k", headers=headers)
    producer.flush(10)


def test_rejected_records_are_told_and_are_no_hole(stream):
    orders = stream()
    (receipt,) = orders.produce(10)
    both, one = receipt.first_offset + 2, receipt.first_offset + 5
    orders.land("clickhouse", without=(both,))
    orders.land("snowflake", without=(both, one))
    gone = {"clickhouse": [(1, [(both, both)])], "snowflake": [(2, [(both, both), (one, one)])]}
    assert orders.holes() == gone
    reject(orders, both, f"clickhouse-{orders.name}", f"snowflake-{orders.name}")
    reject(orders, one, f"clickhouse-{orders.name}")
    # The other one was rejected by ClickHouse alone, and is missing in Snowflake.
    assert orders.totals() == (10, None, 9, 8, 2)
    assert orders.holes() == {"snowflake": [(1, [(one, one)])]}
    reject(orders, one, f"snowflake-{orders.name}")
    assert orders.holes() == {}


def test_a_record_that_was_sent_again_is_where_it_landed(stream):
    orders = stream()
    (receipt,) = orders.produce(10)
    offset = receipt.first_offset + 4
    orders.land(without=(offset,))
    reject(orders, offset, f"clickhouse-{orders.name}", f"snowflake-{orders.name}")
    name = orders.id()
    value = next(orders.events(name, 1)).value
    place = (orders.name, 0, offset)
    letter = Outgoing(
        domain=orders.name, place=place, origin=redrives.text(place), times=1, fix=None, topic=orders.name, partition=0,
        key=b"k", value=value, headers=(), at_ms=int(receipt.produced_at.timestamp() * 1000),
    )  # fmt: skip
    (sent,) = redrives.produce(orders.kafka, lambda done: [letter], now=datetime.now(UTC))
    assert orders.totals() == (10, None, 9, 9, 0)
    assert orders.holes() == {}
    orders.land("snowflake", only=((sent.to_offset, sent.to_offset),))
    assert orders.totals() == (10, None, 9, 10, 0)
    # What was put aside for good stays rejected.
    parked = receipt.first_offset + 6
    for connector in ("clickhouse", "snowflake"):
        orders.delete(connector, (parked,))
    reject(orders, parked, f"clickhouse-{orders.name}", f"snowflake-{orders.name}")
    assert orders.totals() == (10, None, 8, 9, 1)
    place = (orders.name, 0, parked)
    aside = msgspec.structs.replace(letter, place=place, origin=redrives.text(place), topic=orders.contract.parked)
    redrives.produce(orders.kafka, lambda done: [aside], now=datetime.now(UTC))
    assert orders.totals() == (10, None, 8, 9, 1)
    assert orders.holes() == {}


def test_foreign_records_neither_count_nor_stand_in(stream):
    orders = stream()
    (receipt,) = orders.produce(10)
    producer = client.producer(orders.kafka, {})
    for event in orders.events(orders.id(), 5):
        producer.produce(orders.name, event.value, event.key)
    producer.flush(10)
    orders.land(without=(receipt.first_offset,))
    assert orders.totals(count_kafka=True) == (10, 10, 9, 9, 0)
    lost = [(1, [(receipt.first_offset, receipt.first_offset)])]
    assert orders.holes() == {"clickhouse": lost, "snowflake": lost}


@pytest.mark.parametrize("late", [True, False], ids=["due", "on its way"])
def test_an_event_that_was_corrected_is_not_missing(stream, late):
    """By hand, so that no receipt tells: the first version's offset is gone from ClickHouse after a merge."""
    orders = stream(latency_s=0 if late else 60)
    name = orders.id()
    (receipt,) = orders.produce(10, name)
    orders.land()
    producer = client.producer(orders.kafka, {})
    for event in list(orders.events(name, 10))[2:5]:
        producer.produce(orders.name, event.value, event.key)
    producer.flush(10)
    orders.land()
    orders.clients["clickhouse"].command(f"optimize table landing.{orders.name} final")
    (row,) = orders.clients["clickhouse"].query(
        f"select count() as rows, max(_offset) as last from landing.{orders.name}"
    )
    assert row["rows"] == 10 and row["last"] > receipt.last_offset
    if not late:
        assert orders.totals() == (10, None, 7, 10, 0)
        return
    assert orders.totals() == (10, None, 10, 10, 0)
    assert orders.holes() == {}
    # One that is gone, corrected or not, is missing.
    third, lost = receipt.first_offset + 2, receipt.first_offset + 7
    orders.clients["clickhouse"].command(
        f"alter table landing.{orders.name} delete where _offset in ({lost}, {receipt.last_offset + 2}) "
        "settings mutations_sync = 2"
    )
    assert orders.holes() == {"clickhouse": [(2, [(third, third), (lost, lost)])]}
    assert orders.totals() == (10, None, 8, 10, 0)


def test_rows_that_land_twice_are_copies(stream):
    orders = stream()
    (receipt,) = orders.produce(10)
    orders.land()
    some = ((receipt.first_offset + 1, receipt.first_offset + 3),)
    for _ in range(2):
        orders.land(only=some)
    (cell,) = orders.ledger().cells
    assert (cell.clickhouse, cell.snowflake) == (10, 10)
    assert (cell.copies_clickhouse, cell.copies_snowflake) == (6, 6)
    orders.clients["clickhouse"].command(f"optimize table landing.{orders.name} final")
    (cell,) = orders.ledger().cells
    assert (cell.copies_clickhouse, cell.copies_snowflake) == (0, 6)


def test_without_bursts_kafka_itself_says_what_was_produced(stream):
    orders = stream(burst=None)
    producer = client.producer(orders.kafka, {})
    for number, event in enumerate(orders.events(orders.id(), 10)):
        producer.produce(orders.name, None if number == 6 else event.value, event.key)
    producer.flush(10)
    orders.land(without=(3,))
    assert orders.totals() == (9, None, 8, 8, 0)
    assert orders.totals(count_kafka=True) == (9, 9, 8, 8, 0)
    assert orders.holes() == {"clickhouse": [(1, [(3, 3)])], "snowflake": [(1, [(3, 3)])]}


def test_what_kafka_no_longer_has_is_said(stream):
    orders = stream()
    (old,), (new,) = orders.produce(10), orders.produce(10)
    gone = [TopicPartition(orders.name, 0, old.first_offset + 3)]
    admin = client.admin(orders.kafka)
    for future in admin.delete_records(gone).values():
        future.result(20)
    assert [hole.in_kafka for hole in orders.ledger().holes] == [False, True, False, True, True, True]
    assert {hole.bursts for hole in orders.ledger().holes if not hole.in_kafka} == {(old.burst,)}
    assert orders.totals(count_kafka=True) == (20, 17, 0, 0, 0)
    orders.land("clickhouse", only=((new.first_offset, new.last_offset),))
    assert orders.holes()["clickhouse"] == [
        (3, [(old.first_offset, old.first_offset + 2)]),
        (7, [(old.first_offset + 3, old.last_offset)]),
    ]


def test_only_the_time_asked_for_is_told(stream):
    orders = stream()
    now = datetime.now(UTC)
    (receipt,) = orders.produce(5)
    orders.land()
    assert orders.totals(since=now - timedelta(days=1)) == (5, None, 5, 5, 0)
    assert orders.ledger(until=receipt.produced_at).cells == ()
    assert orders.ledger(since=receipt.produced_at + timedelta(minutes=1)).cells == ()
    # A minute is told whole.
    assert orders.totals(since=minute(receipt.produced_at) + timedelta(seconds=59.9)) == (5, None, 5, 5, 0)


def test_records_are_older_than_the_receipt_of_their_burst(stream):
    """By what a transaction may take: they have landed all the same."""
    orders = stream()
    first, *_, last = orders.sent(*[250] * 10, *[1] * 5)
    orders.told(first, last, age=-1)
    orders.land(without=(last,))
    assert orders.totals(since=orders.since) == (15, None, 14, 14, 0)
    assert orders.holes(since=orders.since)["clickhouse"] == [(1, [(last, last)])]


def test_a_burst_before_the_time_asked_for_is_told_from_one_that_it_mingles_with(stream):
    orders = stream()
    offsets = orders.sent(*[480] * 6, *[100] * 6)
    first, last = offsets[0], offsets[-1]
    orders.told(first, first + 7, age=200, burst="earlier")
    orders.told(first + 6, last, age=-1, burst="later")
    # What the earlier one has does not stand in for what the later one lacks.
    orders.land(without=(last, last - 1))
    assert orders.totals() == (14, None, 10, 10, 0)


def test_a_place_that_is_away_is_said_and_leaves_the_others(stream, monkeypatch):
    orders = stream()
    orders.produce(5)
    orders.land("snowflake")
    monkeypatch.setenv("FLOODGATE_CLICKHOUSE_HTTP_PORT", "1")
    nobody = Endpoint(conn_id="clickhouse_live", host="127.0.0.1")
    clients = {"clickhouse": lambda: clickhouse.connect(nobody), "snowflake": orders.clients["snowflake"]}
    ledger = orders.ledger(clients=clients)
    assert list(ledger.blind) == ["clickhouse"] and "does not answer" in ledger.blind["clickhouse"]
    assert [(cell.clickhouse, cell.snowflake, cell.differs) for cell in ledger.cells] == [(None, 5, False)]
    assert ledger.holes == ()

    def forgotten():
        raise ConnectionMissing("no connection snowflake_history")

    ledger = orders.ledger(clients={"snowflake": forgotten})
    assert ledger.blind == {"snowflake": "no connection snowflake_history"}
    assert [(cell.clickhouse, cell.snowflake, cell.differs) for cell in ledger.cells] == [(None, None, False)]


def test_without_kafka_nothing_is_known(stream, monkeypatch):
    monkeypatch.setattr("include.kafka.client.CALL_S", 1.0)
    orders = stream()
    nobody = Endpoint(conn_id=KAFKA, extra={"bootstrap.servers": "127.0.0.1:1"})
    ledger = orders.ledger(kafka=nobody)
    assert list(ledger.blind) == ["kafka"] and "no broker answers" in ledger.blind["kafka"]
    assert (ledger.cells, ledger.holes) == ((), ())


def test_a_client_that_was_made_is_closed(stream):
    orders = stream()
    orders.produce(5)
    made = []

    def make(name, connect):
        made.append(connect(orders.endpoints[name]))
        return made[-1]

    orders.ledger(
        clients={
            "clickhouse": lambda: make("clickhouse", clickhouse.connect),
            "snowflake": lambda: make("snowflake", snowflake.connect),
        }
    )
    assert len(made) == 2
    with pytest.raises(WarehouseError):
        next(one for one in made if isinstance(one, snowflake.Snowflake)).query("select 1")


def test_what_the_ledger_says_is_json():
    cell = minutes.Cell(
        domain="d", topic="t", partition=0, minute=datetime(2026, 5, 1, tzinfo=UTC), produced=1, kafka=None,
        clickhouse=None, snowflake=1, rejected=0,
    )  # fmt: skip
    ledger = minutes.Ledger(cells=(cell,), blind={"clickhouse": "away"})
    assert msgspec.json.decode(msgspec.json.encode(ledger), type=minutes.Ledger) == ledger
