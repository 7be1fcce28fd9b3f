"""Whether bursts come: the schedule's windows, minute by minute."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from include.contracts import load
from include.kafka.receipts import Receipt
from include.monitors import Kind, Verdict
from include.monitors.generators import AGAIN, GRACE, Memory, Reading, Span, expects, judge, owed, produced, remember

START = datetime(2026, 3, 2, 10, 0, 20, tzinfo=UTC)
SHOP, FASHION = load("ecommerce"), load("fashion")


class Line:
    """Domains whose bursts come, or not, looked at once a minute."""

    def __init__(self, *contracts: str) -> None:
        self.contracts = [load(domain) for domain in contracts]
        self.memory = {c.domain: Memory() for c in self.contracts}
        self.produced: dict[str, set[datetime]] = {c.domain: set() for c in self.contracts}
        self.silent: set[str] = set()
        self.paused: set[str] = set()
        self.blind = False
        self.together = False
        self.minute = 0
        self.missing: dict[str, list[Span]] = {}

    @property
    def now(self) -> datetime:
        return START + timedelta(minutes=self.minute)

    def look(self) -> dict[str, Verdict]:
        self.minute += 1
        looked = {}
        for contract in self.contracts:
            domain = contract.domain
            if domain not in self.silent | self.paused:
                self.produced[domain] |= {s for s, _ in owed(contract, self.now - timedelta(minutes=2), self.now)}
            reading = Reading(
                domain=domain,
                paused=domain in self.paused,
                produced=None if self.blind else frozenset(self.produced[domain]),
            )
            self.missing[domain], self.memory[domain] = remember(contract, reading, self.memory[domain], self.now)
            looked[domain] = not self.blind
        found = judge(self.contracts, self.missing, looked, self.now, together=self.together)
        self.together = any(one.firing and one.subject == "bursts" for one in found)
        return {one.subject: one for one in found}

    def minutes(self, count: int) -> list[list[str]]:
        return [sorted(name for name, one in self.look().items() if one.firing) for _ in range(count)]


def test_windows_of_the_schedule() -> None:
    at = datetime(2026, 3, 2, 10, 1, 30, tzinfo=UTC)
    windows = owed(SHOP, at, at + timedelta(minutes=5))
    assert [(s.minute, e.minute) for s, e in windows] == [(0, 2), (2, 4), (4, 6)]
    assert owed(SHOP, at, at + timedelta(seconds=20)) == []


def test_a_burst_each_two_minutes_is_no_gap_in_the_odd_ones() -> None:
    assert Line("ecommerce", "fashion").minutes(120) == [[]] * 120


def test_a_silent_generator_is_seen_once_its_window_is_over_and_some() -> None:
    line = Line("ecommerce", "fashion")
    line.minutes(6)
    line.silent = {"ecommerce"}
    seen = line.minutes(4)
    assert seen.index(["ecommerce"]) <= 2, seen
    found = line.look()["ecommerce"]
    assert found.headline == "2 bursts did not come (schedule */2 * * * *, at least 1 row each)."
    assert found.since == datetime(2026, 3, 2, 10, 8, tzinfo=UTC)
    assert found.does == "", "while it is silent there is nothing a machine can do"
    assert timedelta(seconds=75) == GRACE


def test_when_bursts_come_again_the_missing_ones_are_owed_until_they_are_there() -> None:
    line = Line("ecommerce")
    line.minutes(4)
    line.silent = {"ecommerce"}
    line.minutes(6)
    line.silent = set()
    line.minutes(4)
    found = line.look()["ecommerce"]
    assert found.firing
    assert found.does == AGAIN
    line.produced["ecommerce"] |= {start for start, _ in line.missing["ecommerce"]}
    assert not line.look()["ecommerce"].firing
    assert line.minutes(10) == [[]] * 10


def test_all_silent_together_is_one_incident_until_nothing_is_missing() -> None:
    line = Line("ecommerce", "fashion")
    line.minutes(4)
    line.silent = {"ecommerce", "fashion"}
    assert line.minutes(4)[-1] == ["bursts", "ecommerce", "fashion"]
    found = line.look()
    assert {one.cause for one in found.values()} == {"", "generator_silent:bursts"}
    assert found["bursts"].headline.startswith("No generator produces:")
    line.silent = set()
    line.minutes(3)
    line.produced["ecommerce"] |= {start for start, _ in line.missing["ecommerce"]}
    assert [name for name, one in line.look().items() if one.firing and not one.cause] == ["bursts"]
    line.produced["fashion"] |= {start for start, _ in line.missing["fashion"]}
    assert line.minutes(5) == [[]] * 5


def test_a_dag_that_was_paused_on_purpose_owes_nothing_then_nor_later() -> None:
    line = Line("ecommerce", "fashion")
    line.minutes(4)
    line.paused = {"ecommerce", "fashion"}
    assert line.minutes(30) == [[]] * 30
    line.paused = set()
    assert line.minutes(30) == [[]] * 30


def test_the_first_look_owes_nothing() -> None:
    line = Line("ecommerce")
    line.silent = {"ecommerce"}
    assert line.minutes(1) == [[]]


def test_blind_is_not_fine_and_forgets_nothing() -> None:
    line = Line("ecommerce")
    line.minutes(4)
    line.blind, line.silent = True, {"ecommerce"}
    assert {one.kind for one in line.look().values()} == {Kind.BLIND}
    line.minutes(5)
    line.blind = False
    assert line.look()["ecommerce"].firing


def test_a_burst_that_is_late_by_a_minute_is_no_news() -> None:
    line = Line("ecommerce")
    line.minutes(4)
    line.silent = {"ecommerce"}
    assert line.minutes(1) == [[]]
    line.produced["ecommerce"] |= {s for s, _ in owed(SHOP, line.now - timedelta(minutes=4), line.now)}
    line.silent = set()
    assert line.minutes(20) == [[]] * 20


@pytest.mark.parametrize("contract", [SHOP, FASHION])
def test_a_contract_without_a_floor_promises_nothing(contract: object) -> None:
    assert expects(contract)  # type: ignore[arg-type]
    topics = tuple(msgspec.structs.replace(topic, floor=None) for topic in contract.topics)  # type: ignore[attr-defined]
    bare = msgspec.structs.replace(contract, topics=topics)  # type: ignore[type-var]
    assert not expects(bare)  # type: ignore[arg-type]


def receipt(minute: int, events: int, topic: str = "orders", shard: str = "0", domain: str = "ecommerce") -> Receipt:
    start = datetime(2026, 3, 2, 10, minute, tzinfo=UTC)
    return Receipt(
        event_id="e", burst=f"{start}/{shard}", domain=domain, window_start=start, window_end=start + timedelta(minutes=2),
        shard=shard, topic=topic, partition=0, events=events, first_offset=0, last_offset=0, min_event_time=start,
        max_event_time=start, produced_at=start,
    )  # fmt: skip


def test_a_window_is_produced_when_each_topic_with_a_floor_has_enough() -> None:
    floors = {"orders": 5, "shipments": 1}
    contract = msgspec.structs.replace(
        SHOP, topics=tuple(msgspec.structs.replace(topic, floor=floors.get(topic.name)) for topic in SHOP.topics)
    )
    known = [
        receipt(0, 3), receipt(0, 2), receipt(0, 1, "shipments"),  # in two partitions
        receipt(2, 9),  # nothing of the other topic
        receipt(4, 4), receipt(4, 9, "shipments"),  # too few
        receipt(6, 9, shard="size-9.0"), receipt(6, 9, "shipments", shard="size-9.0"),  # somebody's own
        receipt(8, 9, domain="fashion"), receipt(8, 9, "shipments", domain="fashion"),
        receipt(10, 9, "customers"),
    ]  # fmt: skip
    assert produced(contract, known) == {datetime(2026, 3, 2, 10, 0, tzinfo=UTC)}
    assert produced(contract, []) == frozenset()


def test_a_pause_is_remembered_for_those_who_look_back() -> None:
    line = Line("ecommerce")
    line.minutes(4)
    earliest = START
    assert line.memory["ecommerce"].on_since(earliest) == earliest
    line.paused = {"ecommerce"}
    line.minutes(3)
    last = line.now
    line.paused = set()
    line.minutes(5)
    assert line.memory["ecommerce"].on_since(earliest) == last
    assert line.memory["ecommerce"].on_since(last + timedelta(hours=1)) == last + timedelta(hours=1)
    line.blind = True
    line.minutes(2)
    assert line.memory["ecommerce"].on_since(earliest) == last
