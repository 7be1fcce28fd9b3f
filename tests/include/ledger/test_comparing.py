"""Minutes as tables: what was promised in orders/0, what landed, and the hole that must be told."""

from datetime import UTC, datetime, timedelta

import pytest

from include.kafka.offsets import Extent
from include.kafka.receipts import Receipt
from include.ledger.comparing import Facts, Rejection, compare
from include.ledger.landed import Landed
from include.ledger.promises import Held, by_receipts, by_records

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
ORDERS = ("orders", 0)
EXTENT = Extent(0, 10_000, 10_000)


def receipt(first, last, events=None, *, burst="b1", at=30, partition=0):
    """A burst that ended so many seconds after noon."""
    return Receipt(
        event_id=f"{burst}/orders/{partition}", burst=burst, domain="ecommerce", window_start=NOON, window_end=NOON,
        shard="0", topic="orders", partition=partition, events=last - first + 1 if events is None else events,
        first_offset=first, last_offset=last, min_event_time=NOON, max_event_time=NOON,
        produced_at=NOON + timedelta(seconds=at),
    )  # fmt: skip


def ledger(receipts, clickhouse=(), snowflake=None, *, rejected=(), held=None, extent=EXTENT, since=NOON, minutes=10):
    """Cells and holes. What is in Snowflake is as in ClickHouse where it is not given."""
    snowflake = clickhouse if snowflake is None else snowflake
    facts = Facts(
        domains={"orders": "ecommerce"},
        promises=by_receipts(receipts),
        extents={ORDERS: extent},
        landed={
            "clickhouse": {ORDERS: Landed(list(clickhouse))},
            "snowflake": {ORDERS: snowflake if isinstance(snowflake, Landed) else Landed(list(snowflake))},
        },
        rejected={ORDERS: sorted(rejected, key=lambda one: one.offset)},
        held=None if held is None else {ORDERS: held},
    )
    return compare(facts, since=since, until=since + timedelta(minutes=minutes))


BOTH = frozenset({"clickhouse", "snowflake"})


def rejection(offset, warehouses=BOTH, sent_to=None, at=5):
    return Rejection(offset, int(NOON.timestamp() * 1000) + at * 1000, frozenset(warehouses), sent_to)


#: What it is about, receipts, runs in ClickHouse, rejected records; then missing events and ranges of its hole.
TABLE = [
    ("nothing is missing", [receipt(10, 19)], [(10, 19)], [], None),
    ("more has landed around it", [receipt(10, 19)], [(0, 400)], [], None),
    ("nothing has landed", [receipt(10, 19)], [], [], (10, [(10, 19)])),
    ("the first are missing", [receipt(10, 19)], [(12, 19)], [], (2, [(10, 11)])),
    ("the last are missing", [receipt(10, 19)], [(0, 15)], [], (4, [(16, 19)])),
    ("missing in the middle", [receipt(10, 19)], [(10, 12), (15, 19)], [], (2, [(13, 14)])),
    ("missing in two places", [receipt(10, 19)], [(10, 10), (12, 17), (19, 19)], [], (2, [(11, 11), (18, 18)])),
    ("a tombstone never lands", [receipt(10, 19, 9)], [(10, 13), (15, 19)], [], None),
    ("only tombstones", [receipt(10, 19, 0)], [], [], None),
    # Which of the two is the tombstone, only Kafka knows: both are replayed, one is missing.
    ("an event beside a tombstone", [receipt(10, 19, 9)], [(10, 12), (15, 19)], [], (1, [(13, 14)])),
    ("a rejected record does not land", [receipt(10, 19)], [(10, 12), (14, 19)], [rejection(13)], None),
    ("one rejected, one missing", [receipt(10, 19)], [(10, 12), (15, 19)], [rejection(13)], (1, [(14, 14)])),
    ("a rejected record that landed after all", [receipt(10, 19)], [(10, 18)], [rejection(13)], (1, [(19, 19)])),
    ("rejected by the other warehouse", [receipt(10, 19)], [(10, 18)], [rejection(19, {"snowflake"})], (1, [(19, 19)])),
    ("rejected by a connector of somebody else", [receipt(10, 19)], [(10, 18)], [rejection(19, ())], (1, [(19, 19)])),
    ("sent again, not landed there yet", [receipt(10, 19)], [(10, 18)], [rejection(19, (), ("orders", 0, 50))], None),
    ("foreign records land outside", [receipt(10, 19)], [(10, 18), (21, 29)], [], (1, [(19, 19)])),
    ("side by side, nothing missing", [receipt(10, 30, 11), receipt(11, 29, 9, burst="b2")], [(10, 28), (30, 30)], [], None),
    ("side by side, some missing", [receipt(10, 29, 10), receipt(11, 28, 9, burst="b2")], [(10, 20)], [], (8, [(21, 29)])),
    ("one within the other", [receipt(10, 50, 30), receipt(20, 21, 2, burst="b2")], [(10, 40)], [], (1, [(41, 50)])),
]  # fmt: skip


@pytest.mark.parametrize(
    ("receipts", "landed", "rejected", "hole"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_a_hole_is_what_was_promised_and_is_not_there(receipts, landed, rejected, hole):
    whole = [(receipts[0].first_offset, max(one.last_offset for one in receipts))]
    (cell,), holes = ledger(receipts, landed, whole, rejected=rejected)
    assert cell.produced == sum(one.events for one in receipts)
    told = [(one.missing, list(one.ranges)) for one in holes]
    assert told == ([] if hole is None else [hole])
    assert {one.warehouse for one in holes} <= {"clickhouse"}
    assert {one.bursts for one in holes} <= {tuple(one.burst for one in receipts)}


def test_a_cell_counts_events_where_they_are():
    (cell,), holes = ledger([receipt(10, 19)], [(10, 17)], [(0, 100)], rejected=[rejection(19)])
    assert (cell.produced, cell.kafka, cell.clickhouse, cell.snowflake, cell.rejected) == (10, None, 8, 10, 1)
    assert (cell.domain, cell.topic, cell.partition, cell.minute) == ("ecommerce", "orders", 0, NOON)
    assert cell.differs
    (hole,) = holes
    assert (hole.missing, hole.ranges, hole.minute, hole.produced_at) == (
        1,
        ((18, 18),),
        NOON,
        NOON + timedelta(seconds=30),
    )
    (whole,), _ = ledger([receipt(10, 19)], [(10, 19)])
    assert not whole.differs
    (spoiled,), _ = ledger([receipt(10, 19)], [(10, 19)], rejected=[rejection(19)])
    assert spoiled.differs


@pytest.mark.parametrize("runs", [[(100, 109)], [(10, 19), (100, 109)]], ids=["ClickHouse", "Snowflake"])
def test_a_repeated_burst_is_where_its_latest_receipt_says(runs):
    """ClickHouse keeps the later copy of each event, Snowflake both: either way all is there, and nothing more."""
    again = receipt(100, 109, at=90)
    (cell,), holes = ledger([again], runs)
    assert not holes
    assert (cell.minute, cell.produced, cell.clickhouse, cell.snowflake) == (NOON + timedelta(minutes=1), 10, 10, 10)
    # The earlier copy does not stand in for the later one.
    _, holes = ledger([again], [(10, 19), (100, 105)], runs)
    assert [(one.warehouse, one.ranges) for one in holes] == [("clickhouse", ((106, 109),))]


def test_minutes_and_partitions_are_told_apart():
    later = receipt(30, 34, burst="b2", at=70)
    other = receipt(0, 4, burst="b3", partition=1)
    cells, holes = ledger([later, other, receipt(10, 19)], [(10, 19), (30, 33)])
    assert [(cell.partition, (cell.minute - NOON).seconds, cell.produced, cell.clickhouse) for cell in cells] == [
        (0, 0, 10, 10),
        (1, 0, 5, 0),
        (0, 60, 5, 4),
    ]
    assert [hole.ranges for hole in holes if hole.partition == 0] == [((34, 34),)] * 2


def test_only_what_was_produced_in_the_stretch_of_time_is_told():
    some = [receipt(10, 19, at=-1), receipt(30, 39, burst="b2", at=0), receipt(50, 59, burst="b3", at=60)]
    cells, holes = ledger(some, minutes=1)
    assert [cell.produced for cell in cells] == [10]
    assert {hole.ranges for hole in holes} == {((30, 39),)}
    # A burst that goes on into the next stretch takes those that it overlaps with it.
    cells, _ = ledger([receipt(10, 19, 5, at=50), receipt(12, 25, 9, burst="b2", at=70)], minutes=1)
    assert not cells
    cells, _ = ledger([receipt(10, 19, 5, at=50), receipt(12, 25, 9, burst="b2", at=70)])
    assert [(cell.produced, cell.minute) for cell in cells] == [(14, NOON + timedelta(minutes=1))]


def test_rows_that_stand_there_again_are_copies():
    twice = Landed([(10, 19)], {2: [(12, 13), (19, 19)], 4: [(15, 15)]})
    (cell,), holes = ledger([receipt(10, 18)], [(10, 18)], twice)
    assert (cell.snowflake, cell.copies_snowflake, cell.copies_clickhouse) == (9, 2 + 3, 0)
    assert not holes


def test_a_rejected_record_without_a_receipt_is_told_in_its_minute():
    poison = rejection(25, {"clickhouse"}, at=61)
    cells, holes = ledger([receipt(10, 19)], [(10, 19)], [(10, 25)], rejected=[poison])
    assert [(cell.produced, cell.clickhouse, cell.snowflake, cell.rejected) for cell in cells] == [
        (10, 10, 10, 0),
        (0, 0, 1, 1),
    ]
    assert cells[1].minute == NOON + timedelta(minutes=1)
    assert not holes


def test_a_record_that_was_sent_again_is_no_longer_rejected_and_has_landed_once_it_has():
    sent = rejection(14, {"snowflake"}, ("orders", 0, 70))
    runs = [(10, 13), (15, 19)]
    (cell,), holes = ledger([receipt(10, 19)], runs, rejected=[sent])
    assert (cell.rejected, cell.snowflake, holes) == (0, 9, ())
    (cell,), holes = ledger([receipt(10, 19)], [*runs, (70, 70)], rejected=[sent])
    # In ClickHouse the record sent again has taken the place of the first one.
    assert (cell.rejected, cell.clickhouse, cell.snowflake, holes) == (0, 10, 10, ())
    assert not cell.differs


@pytest.mark.parametrize(
    ("extent", "in_kafka"),
    [
        (Extent(0, 20, 20), True),
        (Extent(15, 30, 30), True),
        (Extent(20, 30, 30), False),  # retention took them
        (Extent(0, 19, 19), False),  # the broker lost the last of them
        (Extent(0, 0, 0), False),
    ],
)
def test_a_hole_says_whether_kafka_can_fill_it(extent, in_kafka):
    _, holes = ledger([receipt(10, 19)], [(10, 14)], [(10, 19)], extent=extent)
    assert [(hole.ranges, hole.in_kafka) for hole in holes] == [(((15, 19),), in_kafka)]


def test_what_retention_has_taken_a_part_of_is_two_holes_one_of_which_can_be_filled():
    clickhouse = [(10, 11), (14, 15)]
    _, holes = ledger([receipt(10, 19)], clickhouse, [(10, 19)], extent=Extent(17, 30, 30))
    assert [(hole.ranges, hole.missing, hole.in_kafka) for hole in holes] == [
        (((12, 13), (16, 16)), 3, False),
        (((17, 19),), 3, True),
    ]
    # Offsets that are no events may be in either part: what is told as gone is not told too small.
    _, holes = ledger([receipt(10, 19, 8)], clickhouse, [(10, 19)], extent=Extent(17, 30, 30))
    assert [(hole.missing, hole.in_kafka) for hole in holes] == [(3, False), (1, True)]
    _, holes = ledger([receipt(10, 19, 6)], clickhouse, [(10, 19)], extent=Extent(17, 30, 30))
    assert [(hole.missing, hole.in_kafka) for hole in holes] == [(2, False)]


def test_what_no_sink_may_read_yet_is_no_hole():
    """A transaction that began before and is still open holds it back."""
    (cell,), holes = ledger([receipt(10, 19)], [], extent=Extent(0, 8, 40))
    assert (cell.produced, cell.clickhouse, holes) == (10, 0, ())


def test_where_kafka_was_read_a_hole_is_exact():
    tombstone_at_13 = [(10, 12), (14, 19)]
    (cell,), holes = ledger([receipt(10, 19, 9)], [(10, 12), (15, 19)], held=tombstone_at_13)
    assert (cell.produced, cell.kafka) == (9, 9)
    assert {hole.ranges for hole in holes} == {((14, 14),)}
    # Kafka lost some that neither warehouse has: they are in the hole, and Kafka cannot fill it.
    (cell,), holes = ledger([receipt(10, 19)], [(10, 12)], held=[(10, 15)])
    assert (cell.kafka, cell.differs) == (6, True)
    assert {(hole.ranges, hole.missing, hole.in_kafka) for hole in holes} == {(((13, 19),), 7, False)}


def test_a_place_that_was_not_asked_has_no_number_and_no_hole():
    facts = Facts(
        domains={"orders": "ecommerce"},
        promises=by_receipts([receipt(10, 19)]),
        extents={ORDERS: EXTENT},
        landed={"clickhouse": None},
    )
    (cell,), holes = compare(facts, since=NOON, until=NOON + timedelta(minutes=1))
    assert (cell.clickhouse, cell.snowflake, cell.copies_clickhouse, cell.kafka, holes) == (None, None, None, None, ())
    assert not cell.differs


def test_without_receipts_kafkas_records_are_the_promise():
    start = int(NOON.timestamp() * 1000)
    some = [Held(offset, start + offset * 10_000, offset == 3) for offset in range(10)]
    facts = Facts(
        domains={"orders": "ecommerce"},
        promises=by_records(ORDERS, some),
        extents={ORDERS: EXTENT},
        landed={"clickhouse": {ORDERS: Landed([(0, 4), (6, 9)])}, "snowflake": {ORDERS: Landed([(0, 2), (4, 9)])}},
    )
    cells, holes = compare(facts, since=NOON, until=NOON + timedelta(minutes=10))
    assert [(cell.produced, cell.clickhouse, cell.snowflake) for cell in cells] == [(5, 4, 5), (4, 4, 4)]
    assert [(hole.warehouse, hole.ranges, hole.missing, hole.bursts) for hole in holes] == [
        ("clickhouse", ((5, 5),), 1, ())
    ]
