"""A connector's minutes: what is read, what is judged, and the words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from include.monitors import Kind, Verdict, connectors
from include.monitors.connectors import Memory, Reading, behind, doubtful, judge

START = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def reading(committed: int | None = 10, end: int = 10, **given: Any) -> Reading:
    known: dict[str, Any] = {
        "name": "clickhouse-ecommerce",
        "domain": "ecommerce",
        "warehouse": "clickhouse",
        "state": "RUNNING",
        "tasks": ("RUNNING",),
        "committed": None if committed is None else {"orders/0": committed},
        "ends": None if committed is None else {"orders/0": end},
    }
    return Reading(**{**known, **given})


class Minutes:
    """The same connector, looked at once a minute; what waits came half a minute before the look that first saw it."""

    def __init__(self) -> None:
        self.memory, self.minute = Memory(), 0
        self.came: dict[tuple[str, int], datetime] = {}

    def look(self, given: Reading, *, looks: bool = True, records: bool = True) -> dict[str, Any]:
        """A look; `looks`: the second one, into Kafka, can tell; `records`: what is behind are records, no marks."""
        now = START + timedelta(minutes=self.minute)
        for place, at in behind(given, self.memory).items():
            self.came.setdefault((place, at), now - timedelta(seconds=30))
        doubts = doubtful(given, self.memory)
        if looks and records:
            waiting = {place: self.came[place, at] for place, at in doubts.items()}
            given = msgspec.structs.replace(given, waiting=waiting)
        elif looks:
            given = msgspec.structs.replace(given, empty=frozenset(doubts))
        self.minute += 1
        verdicts, self.memory = judge(given, self.memory, now)
        return {verdict.rule: verdict for verdict in verdicts}


@pytest.fixture
def minutes() -> Minutes:
    return Minutes()


def firing(found: dict[str, Any]) -> list[str]:
    return [rule for rule, verdict in found.items() if verdict.firing]


def test_a_connector_that_gets_on_is_fine(minutes: Minutes) -> None:
    for committed, end in [(10, 10), (10, 25), (25, 40), (40, 40), (40, 41)]:
        assert not firing(minutes.look(reading(committed, end)))


def test_a_failed_task_is_told_with_its_trace_although_the_connector_says_running(minutes: Minutes) -> None:
    found = minutes.look(reading(tasks=("RUNNING", "FAILED"), trace="ConnectException: no such table."))
    assert firing(found) == ["connector_failed"]
    assert found["connector_failed"].headline == "1 of 2 tasks FAILED: ConnectException: no such table."
    assert found["connector_stalled"].kind is Kind.BLIND, "nothing is known of how a failed one gets on"
    assert minutes.look(reading())["connector_failed"].normal == "It runs, all its tasks with it."


def test_one_that_says_running_and_commits_nothing_is_stalled_when_a_record_has_waited(minutes: Minutes) -> None:
    minutes.look(reading(10, 10))
    assert not firing(minutes.look(reading(10, 52))), "what has just come may still be on its way"
    found = minutes.look(reading(10, 90))
    assert firing(found) == ["connector_stalled"]
    assert found["connector_stalled"].headline == (
        "It says RUNNING, yet 80 offsets wait, the first since 10:00:30 UTC, and none of theirs was committed since."
    )
    assert found["connector_stalled"].since == START + timedelta(seconds=30)
    assert not firing(minutes.look(reading(90, 90)))


def test_one_that_goes_on_after_a_pause_is_not_blamed_for_what_waited_meanwhile(minutes: Minutes) -> None:
    minutes.look(reading(10, 10))
    for end in (20, 300, 4000):
        minutes.look(reading(10, end, state="PAUSED", tasks=("PAUSED",)))
    assert not firing(minutes.look(reading(10, 5000)))
    assert not firing(minutes.look(reading(800, 5000)))


def test_what_could_not_be_looked_into_is_not_called_stalled(minutes: Minutes) -> None:
    minutes.look(reading(10, 10))
    minutes.look(reading(10, 52))
    for _ in range(5):
        found = minutes.look(reading(10, 90), looks=False)
        assert not firing(found)


def test_one_task_of_two_that_stands_is_seen_although_the_other_gets_on(minutes: Minutes) -> None:
    def both(first: int) -> Reading:
        committed, ends = {"orders/0": first, "orders/1": 10}, {"orders/0": 10_000, "orders/1": 90}
        return msgspec.structs.replace(reading(), tasks=("RUNNING", "RUNNING"), committed=committed, ends=ends)

    seen = [bool(firing(minutes.look(both(first)))) for first in range(10, 100, 10)]
    assert seen == [False] * 5 + [True] * 4


def test_marks_of_transactions_are_no_records_that_wait(minutes: Minutes) -> None:
    """The log ends one behind the last record for ever; a look into Kafka finds nothing there, once."""
    minutes.look(reading(10, 11))
    still = reading(10, 11)
    assert doubtful(still, minutes.memory) == {"orders/0": 10}
    assert not firing(minutes.look(still, records=False))
    for _ in range(3):
        assert doubtful(still, minutes.memory) == {}, "it was looked at up to this very end"
        assert not firing(minutes.look(still))
    assert doubtful(reading(10, 15), minutes.memory) == {"orders/0": 10}, "what came since is another matter"


def test_a_backlog_that_shrinks_slowly_is_no_stall(minutes: Minutes) -> None:
    for committed in range(0, 1000, 100):
        assert not firing(minutes.look(reading(committed, 100_000)))


@pytest.mark.parametrize("state", ["PAUSED", "STOPPED"])
def test_paused_on_purpose_is_quiet_however_much_waits(minutes: Minutes, state: str) -> None:
    minutes.look(reading(10, 10))
    for end in (20, 300, 4000):
        found = minutes.look(reading(10, end, state=state, tasks=() if state == "STOPPED" else ("PAUSED",)))
        assert not firing(found)
        assert found["connector_failed"].kind is Kind.FINE


def test_a_missing_one_is_told_at_once(minutes: Minutes) -> None:
    found = minutes.look(reading(state=None, tasks=()))
    assert firing(found) == ["connector_missing"]
    assert found["connector_failed"].kind is Kind.BLIND


def test_blind_is_never_fine(minutes: Minutes) -> None:
    found = minutes.look(reading(None, state=None, tasks=(), blind=True))
    assert {verdict.kind for verdict in found.values()} == {Kind.BLIND}


def test_one_that_never_settles_is_told_after_a_while(minutes: Minutes) -> None:
    unsettled = reading(state="UNASSIGNED", tasks=("UNASSIGNED",))
    assert minutes.look(unsettled)["connector_failed"].kind is Kind.BLIND
    assert not firing(minutes.look(unsettled))
    assert firing(minutes.look(unsettled)) == ["connector_failed"]
    assert timedelta(seconds=90) == connectors.UNSETTLED


def test_one_offset_is_said_as_one(minutes: Minutes) -> None:
    minutes.look(reading(10, 10))
    minutes.look(reading(10, 11))
    stalled = minutes.look(reading(10, 11))["connector_stalled"]
    assert stalled.headline.startswith("It says RUNNING, yet 1 offset waits, the first since ")
    assert stalled.facts == (("Waiting", "1 offset in 1 partition"),)
    lost = minutes.look(reading(9, 11))["offsets_lost"]
    assert lost.headline == "Its group went back by 1 offset: what had landed is read again."


def test_one_that_is_being_made_has_longer(minutes: Minutes) -> None:
    made = reading(state="PROVISIONING", tasks=())
    for _ in range(10):
        assert not firing(minutes.look(made))
    assert firing(minutes.look(made)) == ["connector_failed"]
    assert timedelta(minutes=10) == connectors.BEING_MADE


def test_a_group_that_went_back_is_told_until_it_has_read_on(minutes: Minutes) -> None:
    minutes.look(reading(500, 500))
    found = minutes.look(msgspec.structs.replace(reading(500, 500), committed={}))
    assert firing(found) == ["offsets_lost"]
    assert found["offsets_lost"].headline == "Its group went back by 500 offsets: what had landed is read again."
    assert firing(minutes.look(reading(200, 500))) == ["offsets_lost"]
    found = minutes.look(reading(500, 500))
    assert not firing(found)
    assert "counts once" in found["offsets_lost"].normal


def test_what_an_absence_has_done_is_told_only_when_it_outlasts_it() -> None:
    def failed(kind: Kind = Kind.FIRING, cause: str = "") -> Verdict:
        return Verdict(rule="connector_failed", subject="c", kind=kind, domain="d", asset="a", cause=cause)

    away = failed(cause="place_away:kafka")
    #: Reading after reading, a minute apart, and what is told of it.
    minutes = [
        (failed(), Kind.FIRING),  # of itself: at once
        (failed(Kind.FINE), Kind.FINE),
        (away, Kind.FIRING),  # with its cause, which is not told either
        (away, Kind.FIRING),
        (failed(), Kind.BLIND),
        (failed(Kind.BLIND), Kind.BLIND),
        (failed(), Kind.FIRING),  # three minutes after
        (failed(), Kind.FIRING),
        (away, Kind.FIRING),
        (failed(), Kind.BLIND),
        (failed(Kind.FINE), Kind.FINE),
        (failed(), Kind.FIRING),  # it had recovered: this is another failure
    ]
    excused: dict[str, datetime] = {}
    for minute, (verdict, kind) in enumerate(minutes):
        (told,), excused = connectors.spared([verdict], excused, START + timedelta(minutes=minute))
        assert told.kind is kind, minute
