"""How a watch asks for a healing and tells of it: once, again after a while, three times, then a person."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from include.alerts import plain
from include.incidents import Book, fold
from include.monitors import Kind, Verdict
from include.operators import healings
from include.operators.assets import GAPS
from include.operators.healings import DEAD, REFUSED, TRIES, Healing, ask, progress, read, write
from tests.include.operators.contexts import Airflow

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LOST = "rows_missing:ecommerce@clickhouse"
GAP = {"kind": "rows", "domain": "ecommerce", "warehouse": "clickhouse", "since": NOON.isoformat()}


class Watch:
    """A watch, a look a minute; what it tells; and a heal that says what the test has it say."""

    def __init__(self) -> None:
        self.airflow, self.book, self.now = Airflow(), Book(), NOON
        self.told: list[str] = []

    @property
    def context(self) -> Any:
        return self.airflow.context()

    @property
    def asked(self) -> int:
        return len(self.airflow.events)

    def look(self, *, lost: bool = True, minutes: float = 1) -> None:
        """As the operator does it."""
        kind = Kind.FIRING if lost else Kind.FINE
        verdict = Verdict(
            rule="rows_missing", subject="ecommerce@clickhouse", kind=kind, domain="ecommerce", asset="bursts_ecommerce",
            headline="3 rows.", normal="All are there.",
        )  # fmt: skip
        progress(self.context, self.book)
        fold(self.book, [verdict], self.now)
        ask(self.context, self.book, [verdict], {LOST: GAP} if lost else {}, self.now)
        for incident in self.book.incidents.values():
            self.told += [plain(one.message).splitlines()[0] for one in incident.letters if one.kind != "edit"]
            incident.letters = []
        self.now += minutes * MINUTE

    def looks(self, count: int) -> list[int]:
        """So many looks; how often was asked after each."""
        return [(self.look(), self.asked)[1] for _ in range(count)]  # type: ignore[func-returns-value]

    def heal(self, state: str, *steps: str, back: int = 0) -> None:
        """What tasks of DAG heal write."""
        healing = read(self.context, LOST)
        assert healing is not None
        healing.state, healing.said_at = state, self.now
        healing.steps += steps
        healing.brought_back += back
        write(self.context, LOST, healing)

    def words(self) -> list[str]:
        told, self.told = self.told, []
        return [text.split(": ", 1)[0].split()[0] + ": " + text.split(": ", 1)[1] for text in told]


@pytest.fixture
def watch() -> Watch:
    return Watch()


def test_it_is_asked_once_with_what_is_to_be_healed(watch: Watch) -> None:
    assert watch.looks(30) == [1] * 30
    assert watch.airflow.events == [(GAPS.name, {"fingerprint": LOST, **GAP})]
    healing = read(watch.context, LOST)
    assert healing == Healing(asked_at=NOON, said_at=NOON, gap=GAP)


def test_nothing_is_asked_for_what_is_no_open_incident(watch: Watch) -> None:
    ask(watch.context, watch.book, [], {LOST: GAP, "generator_silent:x": {"kind": "windows"}}, NOON)
    assert watch.asked == 0


def test_steps_are_told_once_each_and_what_came_back_at_the_end(watch: Watch) -> None:
    watch.look()
    watch.heal("planned", "Plan: 3 rows.")
    watch.look()
    watch.look()
    watch.heal("curing", "3 rows were sent again.")
    watch.heal("done", "Recount: 0 missing.", back=3)
    watch.look(lost=False)
    watch.look(lost=False)
    assert watch.words() == [
        "CRITICAL: 3 rows. Since 2026-03-02 12:00 UTC.",
        "UPDATE: Plan: 3 rows.",
        "UPDATE: 3 rows were sent again.",
        "UPDATE: Recount: 0 missing.",
        "NORMAL: All are there. 3 rows were brought back. It lasted 3 min.",
    ]
    assert watch.asked == 1


def test_one_that_did_not_help_is_asked_again_later_and_later_and_then_a_person(watch: Watch) -> None:
    watch.look()
    asked_at: list[int] = [0]
    for minute in range(1, 60):
        if watch.asked == len(asked_at) and minute == asked_at[-1] + 1:
            watch.heal("failed", f"Recount {watch.asked}: 3 missing.")
        watch.look()
        if watch.asked > len(asked_at):
            asked_at.append(minute)
    # It ends a minute after it was asked; then come 2 and 6 minutes.
    assert asked_at == [0, 3, 10]
    assert len(asked_at) == TRIES
    assert watch.words() == [
        "CRITICAL: 3 rows. Since 2026-03-02 12:00 UTC.",
        "UPDATE: Recount 1: 3 missing.",
        "UPDATE: Recount 2: 3 missing.",
        "UPDATE: Recount 3: 3 missing.",
        "UPDATE: Three healings did not bring it back: a person is needed, see the runbook.",
    ]


def test_what_came_back_by_several_healings_is_summed(watch: Watch) -> None:
    watch.look()
    watch.heal("failed", "Recount: 1 missing.", back=2)
    watch.looks(4)
    assert watch.asked == 2
    watch.heal("done", "Recount: 0 missing.", back=1)
    watch.look(lost=False)
    assert watch.words()[-1].startswith("NORMAL: All are there. 3 rows were brought back.")


def test_one_under_way_is_waited_for_and_one_that_died_is_not(watch: Watch) -> None:
    watch.look()
    watch.heal("waiting", "About 20,000 rows: approve or reject.")
    assert set(watch.looks(int(DEAD / MINUTE))) == {1}
    assert watch.looks(3)[-1] == 2


def test_what_a_person_rejected_is_not_asked_again(watch: Watch) -> None:
    watch.look()
    watch.heal(REFUSED, "Rejected.")
    assert set(watch.looks(100)) == {1}


def test_an_incident_that_was_over_and_comes_again_is_healed_anew_and_old_steps_stay_told(watch: Watch) -> None:
    """Within the time in which it flaps: the thread is the same, the healing is not."""
    watch.look()
    watch.heal("failed", "Recount: 3 missing.", back=2)
    watch.looks(4)
    watch.heal("done", "Recount: 0 missing.", back=1)
    watch.look(lost=False)
    watch.words()
    watch.look()
    assert watch.asked == 3, "at once, and as a first try"
    healing = read(watch.context, LOST)
    assert healing is not None and (healing.tries, healing.steps, healing.brought_back) == (1, [], 0)
    watch.look()
    watch.heal("done", "Recount: 0 missing, again.", back=5)
    watch.look(lost=False)
    words = watch.words()
    assert [text.split(":")[0] for text in words] == ["AGAIN", "UPDATE", "NORMAL"]
    assert words[1] == "UPDATE: Recount: 0 missing, again."
    assert " 5 rows were brought back." in words[2]


def test_a_healing_of_an_earlier_incident_is_not_told_in_a_new_thread(watch: Watch) -> None:
    watch.look()
    watch.heal("done", "Recount: 0 missing.", back=3)
    watch.look(lost=False, minutes=60)
    watch.words()
    watch.look()
    watch.look()
    assert [text.split(":")[0] for text in watch.words()] == ["CRITICAL"]
    assert watch.asked == 2


def test_what_was_kept_and_is_no_longer_understood_is_begun_anew(watch: Watch) -> None:
    watch.look()
    watch.airflow.store(GAPS).set(healings.key(LOST), {"state": 7})
    watch.look()
    assert watch.asked == 2
