"""Whether rows are where they should be, once: readings, verdicts, and the words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from include.contracts import load
from include.kafka.receipts import Receipt
from include.ledger.minutes import Hole
from include.monitors import Kind, Verdict, rows
from include.monitors.rows import Arrivals

NOW = datetime(2026, 3, 2, 12, 10, tzinfo=UTC)
MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
SHOP = load("ecommerce")


def hole(ago: float = 2, missing: int = 3, **given: Any) -> Hole:
    """Of a burst that was produced so many minutes ago."""
    at = NOW - ago * MINUTE
    known: dict[str, Any] = {
        "warehouse": "clickhouse", "domain": "ecommerce", "topic": "orders", "partition": 0,
        "ranges": ((10, 10 + missing - 1),), "missing": missing, "minute": at.replace(second=0), "produced_at": at,
        "in_kafka": True,
    }  # fmt: skip
    return Hole(**{**known, **given})


READ_PAST = {"orders/0": 1000, "orders/1": 1000, "shipments/0": 1000}
BEFORE = {"orders/0": 5, "orders/1": 5}


def judged(holes: list[Hole] | None, committed: dict[str, int] | None, **given: Any) -> dict[str, Verdict]:
    return {one.rule: one for one in rows.missing(SHOP, "clickhouse", holes, committed, NOW, **given)}


F, B, N = Kind.FIRING, Kind.BLIND, Kind.FINE
#: What the ledger lacks, how far the sink is, when it was last idle; rows_missing, rows_waiting.
TABLE: list[tuple[str, list[Hole] | None, dict[str, int] | None, float | None, Kind, Kind]] = [
    ("nothing", [], {}, None, N, N),
    ("the ledger could not look", None, READ_PAST, None, B, B),
    ("the sink's place is not known", [hole()], None, None, B, B),
    ("read past and due", [hole()], READ_PAST, None, F, N),
    ("read past a moment ago", [hole(1.3)], READ_PAST, None, N, N),
    ("due to the second", [hole(80 / 60)], READ_PAST, None, F, N),
    ("read up to the hole's last row", [hole()], {"orders/0": 12}, None, N, N),
    ("read past the hole's last row", [hole()], {"orders/0": 13}, None, F, N),
    ("read past a part of it", [hole(ranges=((10, 11), (500, 500)))], {"orders/0": 100}, None, N, N),
    ("another partition was read", [hole()], {"orders/1": 1000}, None, N, N),
    ("nothing was ever read", [hole()], {}, None, N, N),
    ("not read for four minutes", [hole(4.9)], BEFORE, None, N, N),
    ("not read for five", [hole(5)], BEFORE, None, N, F),
    ("one is lost, another waits", [hole(2, partition=1), hole(9)], BEFORE | {"orders/1": 99}, None, F, F),
    ("it waits for a sink that takes nothing now", [hole(9)], BEFORE, 0, N, B),
    ("for one that took nothing until a moment ago", [hole(30)], BEFORE, 4.9, N, B),
    ("for one that has had its time since", [hole(30)], BEFORE, 5, N, F),
    ("what is lost is lost, whatever the sink does", [hole(9)], READ_PAST, 0, F, N),
]  # fmt: skip


@pytest.mark.parametrize(
    ("holes", "committed", "idle", "missing", "waiting"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_lost_or_on_its_way(
    holes: list[Hole] | None, committed: dict[str, int] | None, idle: float | None, missing: Kind, waiting: Kind
) -> None:
    found = judged(holes, committed, idle_at=None if idle is None else NOW - idle * MINUTE)
    assert (found["rows_missing"].kind, found["rows_waiting"].kind) == (missing, waiting)


GONE = hole(9, 4, in_kafka=False)


def test_rows_that_kafka_no_longer_has_are_lost_once_nothing_else_can_be_brought_back() -> None:
    both = judged([GONE, hole(2, partition=1)], READ_PAST)["rows_missing"]
    assert (both.kind, both.headline) == (
        F,
        "7 rows that were produced and read by the sink are not in ClickHouse. 4 of them are no longer in Kafka.",
    )
    lost = judged([GONE], READ_PAST)["rows_missing"]
    assert (lost.kind, lost.firing) == (Kind.LOST, False)
    assert lost.headline == (
        "4 rows that were produced and read by the sink are not in ClickHouse, and Kafka no longer has them: Floodgate "
        "cannot bring them back."
    )
    assert lost.facts == (("orders", "4 rows, 2026-03-02 12:01 UTC"),)
    assert "docs/runbooks" not in lost.act and "backfill" in lost.act


def test_one_of_each_is_said_as_one() -> None:
    lost = judged([hole(2, 1)], READ_PAST)["rows_missing"]
    assert lost.headline == "1 row that was produced and read by the sink is not in ClickHouse."
    assert lost.facts == (("orders", "1 row, 2026-03-02 12:08 UTC"),)
    gone_too = judged([hole(2, 1, in_kafka=False), hole(2, 2, partition=1)], READ_PAST)["rows_missing"]
    assert gone_too.headline.endswith("3 rows that were produced and read by the sink are not in ClickHouse. "
                                      "1 of them is no longer in Kafka.")  # fmt: skip
    alone = judged([hole(2, 1, in_kafka=False)], READ_PAST)["rows_missing"]
    assert alone.headline == (
        "1 row that was produced and read by the sink is not in ClickHouse, and Kafka no longer has it: Floodgate cannot "
        "bring it back."
    )
    assert alone.act.startswith("It may still be had elsewhere")
    assert judged([hole(6, 1)], BEFORE)["rows_waiting"].headline.startswith("1 row waits for ClickHouse, the oldest ")
    assert rows.rejected(SHOP, {"orders": 1}).headline == "1 record could not land and is in ecommerce.dlq."


def test_they_are_said_once() -> None:
    place = "clickhouse/orders/0"
    assert rows.gone([GONE, hole()]) == {place: [(10, 13)]}
    assert judged([GONE], READ_PAST, given_up={place: [(10, 13)]})["rows_missing"].kind is N
    assert judged([GONE], READ_PAST, given_up={place: [(10, 12)]})["rows_missing"].kind is Kind.LOST
    assert judged([GONE], READ_PAST, given_up={"snowflake/orders/0": [(10, 13)]})["rows_missing"].kind is Kind.LOST
    more = judged([GONE, hole(partition=1)], READ_PAST, given_up={place: [(10, 13)]})["rows_missing"]
    assert more.headline == "3 rows that were produced and read by the sink are not in ClickHouse."


def test_what_was_lost_for_good_is_not_said_to_be_there() -> None:
    found = judged([GONE], READ_PAST, given_up={"clickhouse/orders/0": [(10, 13)]})["rows_missing"]
    assert found.normal == "Every event that could be brought back is in ClickHouse, once."
    assert judged([], READ_PAST)["rows_missing"].normal == "Every event produced is in ClickHouse, once."


def test_the_contracts_latency_says_what_is_due() -> None:
    slow = msgspec.structs.replace(SHOP, latency_s=600)
    found = [rows.missing(slow, "snowflake", [hole(ago)], READ_PAST, NOW)[0].kind for ago in (10, 10.4)]
    assert found == [N, F]


def test_the_words_of_what_is_lost() -> None:
    some = [hole(9, 1200), hole(3, 4, partition=1), hole(5, 7, topic="shipments", in_kafka=False)]
    verdict = judged(some, READ_PAST | {"orders/0": 9999})["rows_missing"]
    assert verdict.headline == (
        "1,211 rows that were produced and read by the sink are not in ClickHouse. 7 of them are no longer in Kafka."
    )
    assert verdict.facts == (
        ("orders", "1,204 rows, 2026-03-02 12:01 UTC to 12:07"),
        ("shipments", "7 rows, 2026-03-02 12:05 UTC"),
    )
    assert verdict.since == NOW - 9 * MINUTE
    assert (verdict.fingerprint, verdict.severity) == ("rows_missing:ecommerce@clickhouse", "critical")
    assert judged([], {})["rows_missing"].normal == "Every event produced is in ClickHouse, once."


def test_the_words_of_what_waits() -> None:
    verdict = judged([hole(7, 40), hole(6, 2)], BEFORE)["rows_waiting"]
    assert verdict.headline == "42 rows wait for ClickHouse, the oldest for 7 min (promised 60 s)."
    assert (verdict.severity, verdict.since) == ("warning", NOW - 7 * MINUTE)
    assert "clickhouse-ecommerce" in verdict.act


# ------------------------------------------------------------------------------------------------- late, and again


def late(*arrivals: tuple[int, int], expected: int = 0) -> Verdict:
    return rows.late(
        SHOP, [Arrivals(topic=f"t{n}", rows=r, late=old) for n, (r, old) in enumerate(arrivals)], expected=expected
    )


LATE = [
    ("nothing came", [], 0, N),
    ("all about now", [(100, 0)], 0, N),
    ("half of them", [(100, 50)], 0, N),
    ("more than half", [(100, 51)], 0, F),
    ("all of a few", [(19, 19)], 0, N),
    ("all of a few more", [(20, 20)], 0, F),
    ("of one topic alone, among others", [(40, 40), (100, 0)], 0, N),
    ("a backfill", [(80, 80)], 80, N),
    ("a backfill among others", [(180, 80)], 80, N),
    ("a backfill, and a few more", [(100, 99)], 80, N),
    ("a backfill, and others as old", [(180, 160)], 80, F),
    ("more were expected than came", [(50, 50)], 80, N),
]


@pytest.mark.parametrize(("arrivals", "expected", "kind"), [row[1:] for row in LATE], ids=[row[0] for row in LATE])
def test_late_rows(arrivals: list[tuple[int, int]], expected: int, kind: Kind) -> None:
    assert late(*arrivals, expected=expected).kind is kind


def test_the_words_of_late_rows() -> None:
    verdict = late((900, 800), (340, 0))
    assert verdict.headline == "800 of 1,240 rows of the last minutes are about more than 1 h ago (at most 50%)."
    assert verdict.facts == (("t0", "800 of 900 late"),)
    assert rows.late(SHOP, None).kind is B


def twice(*arrivals: tuple[int, int], expected: int = 0) -> Verdict:
    return rows.twice(
        SHOP, [Arrivals(topic=f"t{n}", rows=r, events=e) for n, (r, e) in enumerate(arrivals)], expected=expected
    )


TWICE = [
    ("nothing came", [], 0, N),
    ("each once", [(100, 100)], 0, N),
    ("a fifth", [(100, 80)], 0, N),
    ("more than a fifth", [(100, 79)], 0, F),
    ("a few", [(30, 11)], 0, N),
    ("a few more", [(30, 10)], 0, F),
    ("a burst that was run again", [(60, 30), (40, 20)], 50, N),
    ("one more than that", [(61, 30), (40, 20)], 50, F),
]


@pytest.mark.parametrize(("arrivals", "expected", "kind"), [row[1:] for row in TWICE], ids=[row[0] for row in TWICE])
def test_events_that_come_again(arrivals: list[tuple[int, int]], expected: int, kind: Kind) -> None:
    verdict = twice(*arrivals, expected=expected)
    assert verdict.kind is kind
    again = sum(r - e for r, e in arrivals)
    assert rows.repeats([Arrivals(topic="t", rows=r, events=e) for r, e in arrivals]) in (0, again)


def test_the_words_of_events_that_come_again() -> None:
    verdict = twice((1600, 40), (20, 20))
    assert verdict.headline == "1,560 of 1,620 rows of the last minutes are events that had landed (at most 20%)."
    assert verdict.facts == (("t0", "1,560 of 1,600"),)
    assert rows.twice(SHOP, None).kind is B


def receipt(
    ago: float, events: int, *, late_s: float = 120, shard: str = "0", domain: str = "ecommerce", partition: int = 0
) -> Receipt:
    """A burst that was produced so many minutes ago, of events the oldest of which was so old then."""
    at = NOW - ago * MINUTE
    first = at - timedelta(seconds=late_s)
    start = first.replace(second=0, microsecond=0)
    return Receipt(
        event_id="e", burst=f"{domain}/{start}/{shard}", domain=domain, window_start=start, window_end=start + 2 * MINUTE,
        shard=shard, topic="orders", partition=partition, events=events, first_offset=0, last_offset=events - 1,
        min_event_time=first, max_event_time=first + MINUTE, produced_at=at,
    )  # fmt: skip


def test_what_a_backfill_brings_is_known_by_its_receipts() -> None:
    known = [
        receipt(1, 10, late_s=3601), receipt(2, 20, late_s=90_000, partition=1),
        receipt(1, 1000, late_s=3599),  # in time
        receipt(1, 2000, late_s=9000, shard="late"),  # no window of the schedule's
        receipt(4, 4000, late_s=9000),  # before
        receipt(1, 8000, late_s=9000, domain="fashion"),
    ]  # fmt: skip
    assert rows.backfilled(SHOP, known, NOW - 3 * MINUTE) == 30
    history = [receipt(1, 16_000, late_s=9000, shard="history-of-4.1"), receipt(1, 32_000, late_s=9000, shard="of-4.1")]
    assert rows.backfilled(SHOP, [*known, *history], NOW - 3 * MINUTE) == 16_030


def test_the_largest_burst_is_that_of_all_its_partitions() -> None:
    known = [
        receipt(1, 10), receipt(1, 5, partition=1), receipt(1, 12, shard="size-12.0"), receipt(9, 999),
        receipt(1, 500, domain="fashion"),
    ]  # fmt: skip
    assert rows.largest(SHOP, known, NOW - 3 * MINUTE) == 15
    assert rows.largest(SHOP, [], NOW) == 0


# ----------------------------------------------------------------------------------------------------------- rejected


def test_rejected_records() -> None:
    assert rows.rejected(SHOP, None).kind is B
    assert rows.rejected(SHOP, {}).kind is rows.rejected(SHOP, {"orders": 0}).kind is N
    verdict = rows.rejected(SHOP, {"shipments": 1, "orders": 1200}, ["no such field", "x" * 300])
    assert (verdict.kind, verdict.severity, verdict.subject) == (F, "warning", "ecommerce")
    assert verdict.headline == "1,201 records could not land and are in ecommerce.dlq."
    assert verdict.facts == (
        ("orders", "1,200 records"), ("shipments", "1 record"), ("Reason", "no such field"), ("Reason", "x" * 200),
    )  # fmt: skip
    assert verdict.act == "Mend who produces them, then `floodgate redrive ecommerce`."
