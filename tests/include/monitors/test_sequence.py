"""Holes in the numbers of a source: what ClickHouse finds of them, and what is told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import msgspec
import pytest

from include.contracts import Contract, Field, load
from include.contracts.contract import Sequence
from include.kafka.receipts import Receipt
from include.ledger.entries import Cell, Ledger
from include.monitors import Kind, sequence
from include.monitors.rows import GRACE
from include.monitors.sequence import EDGE, Hole, Holes, judge
from include.warehouses.clickhouse import Clickhouse
from tests.include.monitors.by_hand import Row, Warehouse, alone

SINCE = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
WINDOW = timedelta(minutes=15)
NOW = SINCE + WINDOW
EVENTS = count()


def exchange(**changes: Any) -> Contract:
    """Of ecommerce, a copy with one topic: trades, numbered within each product."""

    def field(name: str, logical: str, physical: str, *, required: bool = True) -> Field:
        return Field(name=name, logical=logical, physical=physical, description=name, required=required)

    fields = (
        field("event_id", "string", "varchar"),
        field("product", "string", "varchar", required=False),
        field("trade_id", "integer", "bigint", required=False),
    )
    whole = load("ecommerce")
    topic = msgspec.structs.replace(
        whole.topic("orders"),
        name="trades", table="trades", fields=fields, key="product", event_id=("event_id",),
        event_time="trade_id",  # of no use here, and a field it must be
        sequence=Sequence(field="trade_id", by="product"),
    )  # fmt: skip
    return alone(msgspec.structs.replace(whole, topics=(topic,), latency_s=60), **changes)


def trade(minute: float, product: str | None, number: int | None) -> Row:
    return SINCE + timedelta(minutes=minute), {"event_id": f"e{next(EVENTS)}", "product": product, "trade_id": number}


def steady(product: str, *numbers: int, begin: float = 1.0, step: float = 0.1) -> list[Row]:
    """These numbers, one after the other."""
    return [trade(begin + step * place, product, number) for place, number in enumerate(numbers)]


class Counting:
    """A client that counts what it is asked."""

    def __init__(self, client: Clickhouse) -> None:
        self.client, self.asked = client, 0

    def query(self, sql: str) -> Any:
        self.asked += 1
        return self.client.query(sql)


def found(live: Warehouse, *contracts: Contract, since: datetime = SINCE, now: datetime = NOW) -> dict[str, Holes]:
    client = Counting(live.client)
    holes = sequence.read(client, contracts, {one.domain: since for one in contracts}, now)  # type: ignore[arg-type]
    assert client.asked == 1
    return holes


# ----------------------------------------------------------------------------------------------- what ClickHouse finds

stack = pytest.mark.stack


@pytest.fixture
def shop(live: Warehouse) -> Contract:
    return live.make(exchange())


CASES: dict[str, tuple[list[Row], list[Hole]]] = {
    "nothing at all": ([], []),
    "one number": (steady("A", 7), []),
    "whole": (steady("A", 1, 2, 3, 4), []),
    "one hole of one": (steady("A", 1, 2, 4, 5), [Hole("A", 3, 3)]),
    "one hole of many": (steady("A", 1, 2, 9), [Hole("A", 3, 8)]),
    "two holes, the larger first": (steady("A", 1, 3, 4, 8), [Hole("A", 5, 7), Hole("A", 2, 2)]),
    "arrived in another order": (steady("A", 4, 1, 3, 2, 5), []),
    "a number twice, and thrice": (steady("A", 1, 2, 2, 2, 3, 1), []),
    "twice beside a hole": (steady("A", 1, 1, 3, 3), [Hole("A", 2, 2)]),
    "by itself whole, side by side": (steady("A", 1, 2, 3) + steady("B", 2, 3, 4), []),
    "what is in one does not stand in for the other": (
        steady("A", 1, 3) + steady("B", 2, 4),
        [Hole("A", 2, 2), Hole("B", 3, 3)],
    ),
    "numbers far from nought": (steady("A", 2**53, 2**53 + 2), [Hole("A", 2**53 + 1, 2**53 + 1)]),
    "below nought": (steady("A", -2, 1), [Hole("A", -1, 0)]),
    "without a number it is none": (steady("A", 1, 2) + [trade(1, "A", None)], []),
    "without a product it is one of its own": ([trade(1, None, 1), trade(1, None, 3)], [Hole("null", 2, 2)]),
    "the row before the window is no predecessor": ([trade(-5, "A", 1), trade(3, "A", 9)], []),
    "a hole over the window's edge": ([trade(-0.5, "A", 1), trade(3, "A", 9)], []),
    "a number before the window is there all the same": (
        [trade(0.1, "A", 1), trade(-0.9, "A", 2), trade(0.2, "A", 3)],
        [],
    ),
    "a hole within what is still on its way": ([trade(1, "A", 1), trade(14, "A", 3)], []),
    "a number that is late fills its hole": ([trade(1, "A", 1), trade(2, "A", 3), trade(14.9, "A", 2)], []),
}


@stack
@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_holes_of_one_topic(live: Warehouse, shop: Contract, case: str) -> None:
    rows, holes = CASES[case]
    live.land(shop, 0, rows)
    given = found(live, shop)
    if not holes:
        assert given == {}
        return
    (one,) = given.values()
    assert list(one.largest) == holes
    assert one.missing == sum(hole.last - hole.first + 1 for hole in holes)
    assert one.holes == len(holes)
    assert one.sources == len({hole.by for hole in holes})


@stack
def test_a_merge_and_an_event_sent_again_change_nothing(live: Warehouse, shop: Contract) -> None:
    rows = steady("A", 1, 2, 4)
    live.land(shop, 0, rows)
    live.land(shop, 0, [(at + timedelta(minutes=2), row) for at, row in rows])
    before = found(live, shop)
    live.client.command(f"optimize table landing.{shop.topics[0].table} final")
    after = found(live, shop)
    assert [list(one.largest) for one in (*before.values(), *after.values())] == [[Hole("A", 3, 3)]] * 2


@stack
def test_what_is_told_is_bounded_and_what_is_counted_is_not(live: Warehouse, shop: Contract) -> None:
    live.land(shop, 0, [row for n in range(40) for row in steady(f"P{n:02}", 1, 3 + n % 7)])
    (one,) = found(live, shop).values()
    assert (one.holes, one.sources) == (40, 40)
    assert one.missing == sum(1 + n % 7 for n in range(40))
    assert [(hole.by, hole.last - hole.first + 1) for hole in one.largest] == [
        (f"P{n:02}", 7) for n in (6, 13, 20, 27, 34)
    ]


@stack
def test_since_when_is_the_last_number_before_the_first_hole(live: Warehouse, shop: Contract) -> None:
    live.land(
        shop,
        0,
        [trade(1, "A", 1), trade(2, "A", 2), trade(4, "A", 5), trade(6, "A", 7), trade(3, "B", 1), trade(3.5, "B", 5)],
    )
    (one,) = found(live, shop).values()
    assert one.since == SINCE + timedelta(minutes=2)


@stack
def test_it_is_over_when_the_window_has_passed_on(live: Warehouse, shop: Contract) -> None:
    live.land(shop, 0, steady("A", *[n for n in range(60) if n != 20], begin=0, step=0.5))
    seen = []
    for minute in range(12, 40):
        now = SINCE + timedelta(minutes=minute)
        seen.append(bool(found(live, shop, since=now - WINDOW, now=now)))
    # 20 was due at 10:10; its neighbour before leaves the window after 10:24:30.
    assert seen == [True] * 13 + [False] * 15


@stack
def test_one_question_for_all_topics(live: Warehouse) -> None:
    one, other, without = live.make(exchange()), live.make(exchange()), live.make(alone(load("ecommerce")))
    live.land(one, 0, steady("A", 1, 3))
    live.land(other, 0, steady("B", 1, 2, 3, 7))
    holes = found(live, one, without, other)
    assert {topic: each.missing for topic, each in holes.items()} == {one.topics[0].name: 1, other.topics[0].name: 3}


@stack
def test_topics_of_one_table_are_numbered_each_for_itself(live: Warehouse) -> None:
    contract = exchange()
    (topic,) = contract.topics
    second = msgspec.structs.replace(topic, name=f"{topic.name}_b")
    third = msgspec.structs.replace(topic, name=f"{topic.name}_c", sequence=None)
    contract = live.make(msgspec.structs.replace(contract, topics=(topic, second, third)))
    live.land(contract, 0, steady("A", 1, 3))
    live.land(contract, 1, steady("A", 2, 4, 5))
    live.land(contract, 2, steady("A", 1, 9))
    assert {name: list(one.largest) for name, one in found(live, contract).items()} == {
        topic.name: [Hole("A", 2, 2)],
        second.name: [Hole("A", 3, 3)],
    }


def test_without_a_sequence_nothing_is_asked() -> None:
    client = Counting(None)  # type: ignore[arg-type]
    contract = load("ecommerce")
    assert sequence.read(client, [contract], {contract.domain: SINCE}, NOW) == {}  # type: ignore[arg-type]
    assert judge(contract, {}, {}, WINDOW) == []
    assert client.asked == 0


@stack
@pytest.mark.parametrize("settled", [False, True], ids=["fresh", "merged"])
def test_it_costs_what_the_window_holds(live: Warehouse, shop: Contract, settled: bool) -> None:
    rows, table = 400_000, f"landing.{shop.topics[0].table}"
    live.client.command(
        f"insert into {table} (event_id, product, trade_id, _topic, _partition, _offset, _timestamp) "
        f"select toString(generateUUIDv4(number)), concat('P', toString(number % 5)), intDiv(number, 5), "
        f"'{shop.topics[0].name}', 0, number, {int(NOW.timestamp() * 1000)} - (400000 - number) * 1000 "
        f"from numbers({rows}) where number != 399500"
    )
    if settled:
        live.client.command(f"optimize table {table} final")
    before = datetime.now(UTC)
    assert [one.missing for one in found(live, shop).values()] == [1]
    live.client.command("system flush logs")
    (read,) = live.client.query(
        "select read_rows from system.query_log where type = 'QueryFinish' and query like '%lagInFrame%' "
        "and query not like '%query_log%' and event_time_microseconds >= {before:DateTime64(6)} "
        "order by event_time_microseconds desc limit 1",
        {"before": before},
    )
    assert read["read_rows"] <= rows / 20


# --------------------------------------------------------------------------------------------------------- what is told

TRADES = exchange()
TOPIC = TRADES.topics[0].name


def holes(missing: int = 1, **given: Any) -> Holes:
    known: dict[str, Any] = {
        "topic": TOPIC,
        "missing": missing,
        "holes": 1,
        "sources": 1,
        "since": SINCE,
        "largest": (Hole("BTC-USD", 1001, 1000 + missing),),
    }
    return Holes(**{**known, **given})


VERDICTS: list[tuple[str, Holes | None, dict[str, int] | None, Kind]] = [
    ("no hole", None, {}, Kind.FINE),
    ("no hole, and the ledger is blind", None, None, Kind.FINE),
    ("a hole", holes(), {}, Kind.FIRING),
    ("as many are on their way", holes(3), {TOPIC: 3}, Kind.BLIND),
    ("more are on their way", holes(3), {TOPIC: 30}, Kind.BLIND),
    ("fewer are on their way", holes(3), {TOPIC: 2}, Kind.FIRING),
    ("another topic's are on their way", holes(3), {"other": 30}, Kind.FIRING),
    ("nobody knows what is on its way", holes(3), None, Kind.BLIND),
]


@pytest.mark.parametrize(
    ("given", "elsewhere", "kind"), [case[1:] for case in VERDICTS], ids=[case[0] for case in VERDICTS]
)
def test_a_table_of_verdicts(given: Holes | None, elsewhere: dict[str, int] | None, kind: Kind) -> None:
    (verdict,) = judge(TRADES, {TOPIC: given} if given else {}, elsewhere, WINDOW)
    assert verdict.kind is kind
    assert (verdict.fingerprint, verdict.domain) == (f"sequence_hole:{TOPIC}", TRADES.domain)


def test_where_clickhouse_could_not_be_asked_it_is_blind() -> None:
    assert [verdict.kind for verdict in judge(TRADES, None, {}, WINDOW)] == [Kind.BLIND]


TEXTS = [
    (holes(), "1 number of trade_id is missing in 1 hole, for product BTC-USD.", (("BTC-USD", "1001"),)),
    (
        holes(1234),
        "1,234 numbers of trade_id are missing in 1 hole, for product BTC-USD.",
        (("BTC-USD", "1001 to 2234, 1,234 numbers"),),
    ),
    (
        holes(9, holes=4, sources=3, largest=(Hole("A", 1, 5), Hole("B", 1, 2), Hole("A", 9, 9))),
        "9 numbers of trade_id are missing in 4 holes, for product A, B and 1 more.",
        (("A", "1 to 5, 5 numbers"), ("B", "1 to 2, 2 numbers"), ("A", "9")),
    ),
]


@pytest.mark.parametrize(("given", "headline", "facts"), TEXTS)
def test_the_words(given: Holes, headline: str, facts: tuple[tuple[str, str], ...]) -> None:
    (verdict,) = judge(TRADES, {TOPIC: given}, {}, WINDOW)
    assert (verdict.headline, verdict.facts, verdict.since) == (headline, facts, SINCE)
    assert verdict.severity == "critical"
    assert verdict.act == (
        "They never came to Kafka, so no machine here can bring them back: reconnect what reads the source, and backfill "
        "them from the exchange."
    )


def test_what_other_rules_tell_is_a_fact_and_a_cause_is_named() -> None:
    (verdict,) = judge(TRADES, {TOPIC: holes(10)}, {TOPIC: 4}, WINDOW, cause="generator_silent:x")
    assert verdict.facts[-1] == ("Behind Kafka", "4 of them: on their way, lost or rejected")
    assert verdict.cause == "generator_silent:x"
    (fine,) = judge(TRADES, {}, {}, WINDOW)
    assert fine.normal == "The numbers of the last 15 min have no hole; what was missing before still is."


def test_what_a_row_may_take_is_what_the_other_rules_allow() -> None:
    assert timedelta(minutes=1) == EDGE
    assert timedelta(seconds=20) == GRACE


def test_a_dag_that_is_paused_owes_no_number_and_half_a_window_closes_nothing() -> None:
    (paused,) = judge(TRADES, {TOPIC: holes()}, {}, WINDOW, paused=True)
    assert (paused.kind, paused.normal) == (Kind.FINE, "It is paused on purpose.")
    for kind, found in ((Kind.BLIND, {}), (Kind.FIRING, {TOPIC: holes()})):
        assert [one.kind for one in judge(TRADES, found, {}, WINDOW, whole=False)] == [kind]


def burst(produced: float, window: float, domain: str = TRADES.domain) -> Receipt:
    start = SINCE + timedelta(minutes=window)
    at = SINCE + timedelta(minutes=produced)
    return Receipt(
        event_id="e", burst=f"{domain}/{start}", domain=domain, window_start=start, window_end=start + timedelta(minutes=2),
        shard="0", topic=TOPIC, partition=0, events=1, first_offset=0, last_offset=0, min_event_time=start,
        max_event_time=start, produced_at=at,
    )  # fmt: skip


ORDERS: list[tuple[str, list[Receipt], float]] = [
    ("nothing was produced", [], 0),
    ("one window after the other", [burst(2, 0), burst(4, 2), burst(6, 4)], 0),
    ("a window again at once", [burst(2, 0), burst(4, 2), burst(4.5, 2), burst(6, 4)], 0),
    ("one late, in its place", [burst(2, 0), burst(5, 2), burst(6, 4)], 0),
    ("receipts in another order", [burst(6, 4), burst(2, 0), burst(4, 2)], 0),
    ("an old window in between", [burst(2, 0), burst(4, 2), burst(5, -600), burst(6, 4)], 5),
    ("healed windows", [burst(2, 0), burst(10, 8), burst(10.5, 2), burst(10.6, 4), burst(12, 10)], 10.6),
    ("of another domain", [burst(2, 0), burst(4, 2), burst(5, -600, "other"), burst(6, 4)], 0),
    ("long ago", [burst(-9, -11), burst(-8, -600), burst(2, 0)], 0),
]


@pytest.mark.parametrize(("receipts", "minute"), [case[1:] for case in ORDERS], ids=[case[0] for case in ORDERS])
def test_numbers_are_compared_since_windows_came_in_order(receipts: list[Receipt], minute: float) -> None:
    since = sequence.in_order_since(TRADES, receipts, SINCE)
    assert since == (SINCE if not minute else SINCE + timedelta(minutes=minute, milliseconds=1))


def cell(**given: Any) -> Cell:
    known: dict[str, Any] = {"produced": 10, "kafka": None, "clickhouse": 10, "snowflake": 10, "rejected": 0}
    return Cell(domain=TRADES.domain, topic=TOPIC, partition=0, minute=SINCE, **{**known, **given})


@pytest.mark.parametrize(
    ("ledger", "behind"),
    [
        (Ledger(), {}),
        (Ledger(cells=(cell(),)), {TOPIC: 0}),
        (Ledger(cells=(cell(clickhouse=7), cell(clickhouse=9))), {TOPIC: 4}),
        (Ledger(cells=(cell(clickhouse=8, rejected=2),)), {TOPIC: 2}),
        (Ledger(cells=(cell(produced=0, clickhouse=0, rejected=3),)), {TOPIC: 3}),
        (Ledger(cells=(cell(clickhouse=12),)), {TOPIC: 0}),
        (Ledger(cells=(cell(snowflake=None),), blind={"snowflake": "away"}), {TOPIC: 0}),
        (Ledger(cells=(cell(clickhouse=None),), blind={"clickhouse": "away"}), None),
        (Ledger(blind={"kafka": "away"}), None),
    ],
)
def test_what_is_behind_kafka_is_not_missing_at_the_source(ledger: Ledger, behind: dict[str, int] | None) -> None:
    assert sequence.elsewhere(ledger) == behind
