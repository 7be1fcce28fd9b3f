"""What both warehouses say of the last minutes, against the same computed here, row by row."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from include.contracts import Contract, Field, load
from include.monitors import arrivals
from include.monitors.rows import Arrivals
from tests.include.monitors.by_hand import Json, Row, Warehouse, alone, iso, ms

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
MINUTE, SECOND, MS = timedelta(minutes=1), timedelta(seconds=1), timedelta(milliseconds=1)
IDS = count()
ORDERS, SHIPMENTS, DISPATCHES, COMPLETIONS = 3, 4, 5, 6
CLICKS, LINES = 0, 1
#: Rows of half a year, evenly, and a change's image of each.
MANY, EVERY_MS = 500_000, 200 * 86400_000 // 500_000
CHANGED = """concat('{"id":', toString(number), '}')"""


def order(happened: datetime, event_id: str = "") -> Json:
    return {
        "event_id": event_id or f"e{next(IDS)}", "id": "o", "product_id": 1, "customer_id": 1, "quantity": 1,
        "total_price": 1.5, "created_at": iso(happened),
    }  # fmt: skip


def shipment(happened: datetime) -> Json:
    return {
        "event_id": f"e{next(IDS)}", "order_id": "o", "revision_number": 1, "status": 0, "vendor_id": 1,
        "shipping_method_id": 1, "cost": 1.5, "modified_at": iso(happened),
    }  # fmt: skip


def change(captured: datetime, *, row: int | None = None, lsn: int | None = None, op: str = "c") -> Json:
    """As Debezium writes it; `created_at` and the source's own time are another matter."""
    image = {"id": next(IDS) if row is None else row, "created_at": iso(TEN - timedelta(days=3))}
    source = {"lsn": next(IDS) if lsn is None else lsn, "ts_ms": 1, "table": "clicks"}
    return {
        "op": op, "ts_ms": ms(captured), "source": source, "before": image if op in "ud" else None,
        "after": image if op in "cu" else None,
    }  # fmt: skip


# ------------------------------------------------------------------------------------------------------- rows a minute


def reckoned(rows: list[Row], since: datetime, until: datetime) -> list[tuple[datetime, int]]:
    """Each minute from that of the first row on, to the last that begins before the end."""
    there = [at for at, _ in rows if since <= at < until]
    if not there:
        return []
    told, minute = [], min(there).replace(second=0, microsecond=0)
    while minute < until:
        told.append((minute, sum(minute <= at < minute + MINUTE for at in there)))
        minute += MINUTE
    return told


@pytest.fixture(scope="module")
def shop(live: Warehouse) -> Contract:
    return live.make(alone(load("ecommerce")))


@pytest.mark.parametrize("seed", range(8))
def test_rows_a_minute_agree_with_those_counted_here(live: Warehouse, seed: int) -> None:
    shop, draw = live.make(alone(load("ecommerce"))), random.Random(seed)
    end = 90
    busy = draw.sample(range(-5, end), draw.randint(1, 40))
    moments = [
        TEN + timedelta(minutes=m, milliseconds=draw.randrange(60_000))
        for m in busy
        for _ in range(draw.randint(1, 30))
    ]
    moments += [TEN + timedelta(minutes=draw.randrange(end)) for _ in range(5)]
    moments += [TEN + timedelta(minutes=draw.randrange(end)) - MS for _ in range(5)]
    draw.shuffle(moments)
    rows = [(at, order(at)) for at in moments]
    for part in range(0, len(rows), 50):
        live.land(shop, ORDERS, rows[part : part + 50])
    # Another topic has rows of its own in the minutes that are empty here.
    live.land(shop, COMPLETIONS, [(TEN + m * MINUTE, shipment(TEN)) for m in range(end)])
    for since, until in windows(draw, end):
        found = arrivals.a_minute(live.client, shop.topics[ORDERS], since, until)
        assert found == reckoned(rows, since, until), f"{since} to {until}"
        assert all(minute.tzinfo is not None for minute, _ in found)


def windows(draw: random.Random, end: int) -> list[tuple[datetime, datetime]]:
    """All of it, one minute, edges on a minute and within one, and before and after all rows."""
    some = [
        (TEN, TEN + end * MINUTE),
        (TEN - timedelta(days=1), TEN + 2 * end * MINUTE),
        (TEN - 50 * MINUTE, TEN - 30 * MINUTE),
    ]
    for _ in range(12):
        first = draw.randrange(end)
        since = TEN + first * MINUTE + draw.choice([0, 1, 30_000, 59_999]) * MS
        some.append((since, since + draw.choice([MS, MINUTE, MINUTE + MS, 7 * MINUTE, 45 * MINUTE - MS])))
    return some


def test_edges_of_a_minute_and_of_the_window(live: Warehouse, shop: Contract) -> None:
    rows = [(TEN + m * MINUTE + d * MS, order(TEN)) for m, d in ((0, 0), (0, 59_999), (1, 0), (3, 0), (3, 59_999))]
    live.land(shop, ORDERS, rows)

    def minutes(since: datetime, until: datetime) -> list[tuple[int, int]]:
        return [
            ((at - TEN) // MINUTE, n) for at, n in arrivals.a_minute(live.client, shop.topics[ORDERS], since, until)
        ]

    assert minutes(TEN, TEN + 5 * MINUTE) == [(0, 2), (1, 1), (2, 0), (3, 2), (4, 0)]
    assert minutes(TEN + MS, TEN + 3 * MINUTE) == [(0, 1), (1, 1), (2, 0)]
    assert minutes(TEN + MINUTE, TEN + 3 * MINUTE + MS) == [(1, 1), (2, 0), (3, 1)]
    assert minutes(TEN + 1 * MINUTE + MS, TEN + 3 * MINUTE) == []


def test_a_row_that_landed_twice_is_one(live: Warehouse) -> None:
    shop = live.make(alone(load("ecommerce")))
    rows = [(TEN + n * 10_000 * MS, order(TEN)) for n in range(10)]
    first = next(live.offsets)
    for some in (rows, rows[:4]):  # as a sink that starts again lands the same offsets
        live.offsets = count(first)
        live.land(shop, ORDERS, some)
    live.offsets = count(first + len(rows))
    assert live.client.query(f"select count() as n from landing.{shop.topics[ORDERS].table}") == [{"n": 14}]
    found = arrivals.a_minute(live.client, shop.topics[ORDERS], TEN, TEN + 2 * MINUTE)
    assert found == [(TEN, 6), (TEN + MINUTE, 4)]


# ----------------------------------------------------------------------------------------------------------- late rows


def columns(live: Warehouse, table: str, last: str) -> list[str]:
    """Those of a table that are inserted, in the order of `select *` with three at the end."""
    sql = "select name from system.columns where database = 'landing' and table = {table:String} and default_kind != 'MATERIALIZED' order by position"
    names = [row["name"] for row in live.client.query(sql, {"table": table})]
    return [name for name in names if name not in (last, "_offset", "_timestamp")] + [last, "_offset", "_timestamp"]


def read(live: Warehouse, table: str, since: datetime) -> int:
    """Rows that the server read for the last question about the table."""
    live.client.command("system flush logs")
    (row,) = live.client.query(
        "select read_rows from system.query_log where type = 'QueryFinish' and query like {like:String} and query not like "
        "'%query_log%' and event_time_microseconds >= {since:DateTime64(6)} order by event_time_microseconds desc limit 1",
        {"since": since, "like": f"%countIf%{table}%"},
    )
    return int(row["read_rows"])


def late(live: Warehouse, *contracts: Contract, since: datetime = TEN) -> dict[str, tuple[int, int]]:
    """Topic, its number taken off -> rows, and those that are late."""
    found = arrivals.late(live.client, contracts, since)
    assert all(one.topic == topic and one.events == 0 for topic, one in found.items())
    return {topic.rpartition("_")[0]: (one.rows, one.late) for topic, one in found.items()}


def test_an_order_is_late_beyond_what_the_contract_allows(live: Warehouse) -> None:
    shop = live.make(alone(load("ecommerce"), late_after_s=3600))
    hour = timedelta(hours=1)
    ages = [timedelta(0), timedelta(minutes=59), hour, hour + MS, timedelta(days=400), -hour]
    live.land(shop, ORDERS, [(TEN + n * MINUTE, order(TEN + n * MINUTE - age)) for n, age in enumerate(ages)])
    live.land(shop, ORDERS, [(TEN - MS, order(TEN - timedelta(days=1)))])
    assert late(live, shop) == {"orders": (6, 2)}
    assert late(live, shop, since=TEN - MS) == {"orders": (7, 3)}
    assert late(live, shop, since=TEN + timedelta(days=1)) == {}


def test_topics_of_one_table_are_told_apart(live: Warehouse) -> None:
    shop = live.make(alone(load("ecommerce"), late_after_s=60))
    for number, ages in ((SHIPMENTS, (0, 0, 61)), (DISPATCHES, (61, 62)), (COMPLETIONS, (59,))):
        live.land(shop, number, [(TEN, shipment(TEN - timedelta(seconds=age))) for age in ages])
    assert late(live, shop) == {"shipments": (3, 1), "shipment_dispatches": (2, 2), "shipment_completions": (1, 0)}


def test_topics_of_one_table_may_have_event_times_of_their_own(live: Warehouse) -> None:
    shop = alone(load("ecommerce"), late_after_s=60)
    closed = Field(name="closed_at", logical="timestamp", physical="iso8601", description="When it was closed")
    topics = tuple(
        msgspec.structs.replace(
            topic, fields=(*topic.fields, closed), event_time="closed_at" if number == COMPLETIONS else topic.event_time
        )
        if topic.table == shop.topics[SHIPMENTS].table
        else topic
        for number, topic in enumerate(shop.topics)
    )
    shop = live.make(msgspec.structs.replace(shop, topics=topics))
    old, new = TEN - 61 * SECOND, TEN
    for modified, closed_at in ((old, new), (new, old), (new, old)):
        record = {**shipment(modified), "closed_at": iso(closed_at)}
        live.land(shop, SHIPMENTS, [(TEN, record)])
        live.land(shop, COMPLETIONS, [(TEN, {**record, "event_id": f"e{next(IDS)}"})])
    assert late(live, shop) == {"shipments": (3, 1), "shipment_completions": (3, 2)}


@pytest.mark.parametrize("domain", ["ecommerce", "fashion"])
def test_some_minutes_of_half_a_year_read_a_small_share(live: Warehouse, domain: str) -> None:
    contract = live.make(alone(load(domain)))
    topic = contract.topics[ORDERS if domain == "ecommerce" else CLICKS]
    record = order(TEN) if domain == "ecommerce" else change(TEN)
    live.land(contract, contract.topics.index(topic), [(TEN, record)])
    key, value = ("event_id", "toString(number)") if domain == "ecommerce" else ("after", CHANGED)
    live.client.command(
        f"insert into landing.`{topic.table}` ({', '.join(columns(live, topic.table, key))}) "
        f"select one.* except ({key}, _offset, _timestamp), {value}, number, {ms(TEN)} - number * {EVERY_MS} "
        f"from landing.`{topic.table}` as one cross join numbers(1, {MANY}) as numbers"
    )
    for settled in (False, True):
        if settled:
            live.client.command(f"optimize table landing.`{topic.table}` final")
        before = datetime.now(UTC)
        assert sum(n for n, _ in late(live, contract, since=TEN - timedelta(hours=1)).values()) in range(100, 110)
        assert read(live, topic.table, before) <= MANY / 20


def test_a_change_is_late_by_when_it_was_captured(live: Warehouse) -> None:
    """Neither when the row was made, nor the source's own time: a row of years ago that changes now is not late."""
    shop = live.make(alone(load("fashion"), late_after_s=600))
    ages = [timedelta(0), timedelta(minutes=10), timedelta(minutes=10) + MS, timedelta(days=2)]
    live.land(shop, CLICKS, [(TEN, change(TEN - age, op=op)) for age in ages for op in "cud"])
    live.land(shop, LINES, [(TEN, change(TEN))])
    assert late(live, shop) == {"streaming.public.clicks": (12, 6), "streaming.public.transactions": (1, 0)}


def test_all_contracts_are_one_question(live: Warehouse) -> None:
    shop, fashion = (
        live.make(alone(load("ecommerce"), late_after_s=60)),
        live.make(alone(load("fashion"), late_after_s=600)),
    )
    live.land(shop, ORDERS, [(TEN, order(TEN - timedelta(seconds=300)))])
    live.land(fashion, CLICKS, [(TEN, change(TEN - timedelta(seconds=300)))])
    assert late(live, shop, fashion) == {"orders": (1, 1), "streaming.public.clicks": (1, 0)}


# ------------------------------------------------------------------------------------------- events that come again


def twice(history: Warehouse, *contracts: Contract, since: datetime = TEN) -> dict[str, tuple[int, int]]:
    """Topic, its number taken off -> rows, and distinct events."""
    found = arrivals.twice(history.client, contracts, since)
    assert all(one == Arrivals(topic=topic, rows=one.rows, events=one.events) for topic, one in found.items())
    return {topic.rpartition("_")[0]: (one.rows, one.events) for topic, one in found.items()}


def test_an_order_is_one_event_however_often_it_lands(history: Warehouse) -> None:
    shop = history.make(alone(load("ecommerce")))
    rows = [(TEN + n * MINUTE, order(TEN, event_id=event)) for n, event in enumerate("aabcccde")]
    history.land(shop, ORDERS, rows)
    history.land(shop, ORDERS, [(TEN - MS, order(TEN, event_id="a")), (TEN - MINUTE, order(TEN, event_id="z"))])
    assert twice(history, shop) == {"orders": (8, 5)}
    assert twice(history, shop, since=TEN - MINUTE) == {"orders": (10, 6)}
    assert twice(history, shop, since=TEN + timedelta(days=1)) == {}


def test_changes_are_told_apart_by_row_and_place_in_the_log(history: Warehouse) -> None:
    shop = history.make(alone(load("fashion")))
    places: list[tuple[int, int, str]] = [
        (1, 1, "c"),
        (1, 2, "u"),
        (1, 3, "d"),
        (2, 3, "d"),
        (11, 1, "c"),
        (1, 11, "u"),
    ]
    history.land(shop, CLICKS, [(TEN, change(TEN, row=row, lsn=lsn, op=op)) for row, lsn, op in places])
    assert twice(history, shop) == {"streaming.public.clicks": (6, 6)}
    history.land(shop, CLICKS, [(TEN, change(TEN, row=row, lsn=lsn, op=op)) for row, lsn, op in places[1:4]])
    assert twice(history, shop) == {"streaming.public.clicks": (9, 6)}


def test_what_has_no_identity_is_no_event_that_came_again(history: Warehouse) -> None:
    """Snowflake's landing takes any JSON; ClickHouse's refuses it, and the dead letters tell."""
    shop = history.make(alone(load("ecommerce")))
    bad: list[Any] = [{"id": "no event id"}, {"event_id": None}, {}, [1], "text", 7]
    history.land(shop, ORDERS, [(TEN, order(TEN)), (TEN, order(TEN)), *((TEN, record) for record in bad * 10)])
    assert twice(history, shop) == {"orders": (2, 2)}


def test_a_topic_may_stamp_its_records_when_they_are_appended(history: Warehouse) -> None:
    shop = history.make(alone(load("ecommerce")))
    rows = [(TEN, order(TEN, event_id=event)) for event in "aab"]
    history.land(shop, ORDERS, rows, stamp="LogAppendTime")
    assert twice(history, shop) == {"orders": (3, 2)}
