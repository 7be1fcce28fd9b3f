"""What is wrong becomes a plan: what comes back from where, what a person is asked, and the words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from include.contracts import load
from include.healing import plan as module
from include.healing.plan import BURST_S, RATE, Again, Gap, Plan, Replay, plan, words
from include.ledger.minutes import Hole

TEN = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
ROWS = Gap(
    kind="rows", fingerprint="rows_missing:ecommerce@clickhouse", domain="ecommerce", warehouse="clickhouse", since=TEN
)


def hole(missing: int = 3, **given: Any) -> Hole:
    known: dict[str, Any] = {
        "warehouse": "clickhouse", "domain": "ecommerce", "topic": "orders", "partition": 0,
        "ranges": ((10, 10 + missing - 1),), "missing": missing, "minute": TEN, "produced_at": TEN, "in_kafka": True,
    }  # fmt: skip
    return Hole(**{**known, **given})


def windows(domain: str, *minutes: int) -> dict[str, list[tuple[datetime, datetime]]]:
    return {domain: [(TEN + m * MINUTE, TEN + (m + 2) * MINUTE) for m in minutes]}


def of(*holes: Hole, gap: Gap = ROWS) -> Plan:
    return plan([gap], [(gap, one) for one in holes])


def test_a_hole_is_replayed_offset_by_offset() -> None:
    made = of(hole(5, ranges=((10, 12), (20, 21))))
    assert made.replays == (
        Replay(
            fingerprint=ROWS.fingerprint, domain="ecommerce", warehouse="clickhouse", topic="orders", partition=0,
            ranges=((10, 12), (20, 21)), rows=5, since=TEN,
        ),
    )  # fmt: skip
    assert (made.rows, made.expected, made.beyond, made.bursts, made.empty) == (5, 5, 0, (), False)


def test_nothing_missing_is_an_empty_plan_that_asks_nobody() -> None:
    made = of()
    assert (made.empty, made.asks, made.seconds) == (True, False, 0)
    assert words(made) == "Plan: nothing is missing any more."


def test_what_kafka_no_longer_has_is_beyond() -> None:
    made = of(hole(3), hole(4, partition=1, in_kafka=False), hole(5, topic="shipments", in_kafka=False))
    assert [(one.topic, one.rows) for one in made.replays] == [("orders", 3)]
    assert made.beyond == 9
    assert words(made).endswith(" 9 rows beyond Kafka's retention: not to be brought back.")


def test_where_all_is_beyond_it_is_said() -> None:
    made = of(hole(4, in_kafka=False))
    assert (made.empty, made.asks) == (True, False)
    assert words(made) == "Plan: nothing can be done. 4 rows beyond Kafka's retention: not to be brought back."


def test_bursts_come_again_window_by_window_in_order() -> None:
    gap = Gap(kind="windows", fingerprint="f", windows=windows("fashion", 0, 2) | windows("ecommerce", 4))
    made = plan([gap], [])
    assert made.bursts == (
        Again(fingerprint="f", domain="ecommerce", start=TEN + 4 * MINUTE, end=TEN + 6 * MINUTE),
        Again(fingerprint="f", domain="fashion", start=TEN, end=TEN + 2 * MINUTE),
        Again(fingerprint="f", domain="fashion", start=TEN + 2 * MINUTE, end=TEN + 4 * MINUTE),
    )
    most = {domain: load(domain).burst.size[1] for domain in ("ecommerce", "fashion")}  # type: ignore[union-attr]
    assert (made.rows, made.expected) == (0, most["ecommerce"] + 2 * most["fashion"])


LIMITS = [
    ("below", [hole(10)], 10, False),
    ("above", [hole(11)], 10, True),
    ("together above", [hole(6), hole(5, partition=1)], 10, True),
    ("what is beyond is not touched", [hole(6), hole(50, partition=1, in_kafka=False)], 10, False),
    ("no limit at all", [hole(1)], 0, True),
]


@pytest.mark.parametrize(("holes", "limit", "asks"), [case[1:] for case in LIMITS], ids=[case[0] for case in LIMITS])
def test_above_the_contracts_limit_a_person_is_asked(
    monkeypatch: pytest.MonkeyPatch, holes: list[Hole], limit: int, asks: bool
) -> None:
    contract = msgspec.structs.replace(load("ecommerce"), approve_above=limit)
    monkeypatch.setattr(module, "load", lambda _: contract)
    made = of(*holes)
    assert (made.asks, made.limit) == (asks, limit)


def test_the_least_of_the_limits_counts_of_the_domains_concerned(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"ecommerce": 100, "fashion": 20, "floodgate": 1}
    monkeypatch.setattr(
        module, "load", lambda domain: msgspec.structs.replace(load(domain), approve_above=limits[domain])
    )
    assert of(hole(30)).limit == 100
    made = of(hole(30), hole(1, domain="fashion", topic="streaming.public.clicks"))
    assert (made.limit, made.asks) == (20, True)


def test_bursts_count_by_the_most_they_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "load", lambda domain: msgspec.structs.replace(load(domain), approve_above=80))
    for count, asks in ((1, False), (2, True)):
        gap = Gap(kind="windows", windows=windows("fashion", *range(0, 2 * count, 2)))
        assert plan([gap], []).asks is asks


def test_how_long_it_takes_depends_on_the_warehouse() -> None:
    made = of(hole(40_000), hole(6_000, warehouse="snowflake"))
    assert made.seconds == 40_000 / RATE["clickhouse"] + 6_000 / RATE["snowflake"]
    gap = Gap(kind="windows", windows=windows("fashion", 0, 2, 4))
    assert plan([gap], []).seconds == 3 * BURST_S


TEXTS = [
    (
        of(hole(3)),
        "Plan: 3 rows of orders from Kafka into ClickHouse: 1 stretch of offsets in 1 partition; about 1 s.",
    ),
    (
        of(hole(3), hole(1200, partition=2, ranges=((5, 600), (700, 1303))), hole(1, topic="shipments")),
        "Plan: 1,203 rows of orders from Kafka into ClickHouse: 3 stretches of offsets in 2 partitions; "
        "1 row of shipments from Kafka into ClickHouse: 1 stretch of offsets in 1 partition; about 1 s.",
    ),
    (
        plan([Gap(kind="windows", windows=windows("fashion", 0))], []),
        "Plan: 1 burst of fashion again, 2026-03-02 10:00 UTC to 2026-03-02 10:02 UTC; about 5 s.",
    ),
    (
        plan([Gap(kind="windows", windows=windows("fashion", 0, 2, 4) | windows("ecommerce", 2))], []),
        "Plan: 1 burst of ecommerce again, 2026-03-02 10:02 UTC to 2026-03-02 10:04 UTC; "
        "3 bursts of fashion again, 2026-03-02 10:00 UTC to 2026-03-02 10:06 UTC; about 20 s.",
    ),
]


@pytest.mark.parametrize(("made", "text"), TEXTS)
def test_the_words(made: Plan, text: str) -> None:
    assert words(made) == text


def test_each_incident_hears_of_its_own_part() -> None:
    other = Gap(kind="rows", fingerprint="g", domain="ecommerce", warehouse="snowflake", since=TEN)
    made = plan([ROWS, other], [(ROWS, hole(3)), (other, hole(4, warehouse="snowflake", partition=1, in_kafka=False))])
    assert words(made, ROWS.fingerprint).startswith("Plan: 3 rows of orders from Kafka into ClickHouse")
    assert "beyond" not in words(made, ROWS.fingerprint)
    assert words(made, "g") == "Plan: nothing can be done. 4 rows beyond Kafka's retention: not to be brought back."


def test_it_is_json_and_comes_back_as_it_was() -> None:
    made = plan(
        [ROWS, Gap(kind="windows", windows=windows("fashion", 0))], [(ROWS, hole(5, ranges=((10, 12), (20, 21))))]
    )
    assert msgspec.convert(msgspec.json.decode(msgspec.json.encode(made)), Plan) == made
