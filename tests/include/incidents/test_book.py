"""Verdicts minute by minute: what is told, where, and how often."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from include.alerts import Severity, plain
from include.incidents import Book, Silence, fold
from include.incidents.book import FLAP, KEPT, WAITING, note
from include.monitors import Kind, Verdict

START = datetime(2026, 3, 2, 14, 2, tzinfo=UTC)


def verdict(kind: Kind = Kind.FIRING, subject: str = "orders@clickhouse", **given: Any) -> Verdict:
    words = {"headline": "3 rows are not in ClickHouse.", "act": "Look.", "normal": "All are there."}
    return Verdict(
        rule="rows_missing", subject=subject, kind=kind, domain="ecommerce", asset="bursts_ecommerce",
        **{**words, **given},
    )  # fmt: skip


class Watch:
    """A watch that folds once a minute, with a Slack that takes all or nothing."""

    def __init__(self) -> None:
        self.book, self.minute, self.told = Book(), 0, []  # type: ignore[var-annotated]
        self.slack = True

    def look(self, *verdicts: Verdict, minutes: float = 1, **given: Any) -> list[str]:
        now = START + timedelta(minutes=self.minute)
        self.minute += minutes  # type: ignore[assignment]
        # As between two runs: the book is kept as JSON.
        self.book = msgspec.json.decode(msgspec.json.encode(self.book), type=Book)
        changes = fold(self.book, verdicts, now, run="http://run", **given)
        self.send()
        return [change.what for change in changes]

    def send(self) -> None:
        for incident in [*self.book.incidents.values(), *self.book.recent]:
            if self.slack:
                self.told += [(letter.kind, plain(letter.message).splitlines()[0]) for letter in incident.letters]
                incident.letters = []

    def said(self) -> list[str]:
        told, self.told = self.told, []
        return [text for kind, text in told if kind != "edit"]


@pytest.fixture
def watch() -> Watch:
    return Watch()


FINE = verdict(Kind.FINE)


def test_it_is_told_once_and_once_when_it_is_over(watch: Watch) -> None:
    assert watch.look(FINE) == []
    assert watch.look(verdict()) == ["opened"]
    for _ in range(5):
        assert watch.look(verdict(headline="4 rows are not in ClickHouse.")) == []
    assert watch.look(FINE) == ["closed"]
    assert watch.look(FINE) == []
    assert watch.said() == [
        "CRITICAL orders@clickhouse: 3 rows are not in ClickHouse. Since 2026-03-02 14:03 UTC.",
        "NORMAL orders@clickhouse: All are there. It lasted 6 min.",
    ]


def test_the_first_message_has_all_parts(watch: Watch) -> None:
    fold(watch.book, [verdict(does="A restart was sent.", facts=(("Topic", "orders"),))], START, run="http://run")
    (letter,) = watch.book.incidents["rows_missing:orders@clickhouse"].letters
    assert plain(letter.message) == (
        "CRITICAL orders@clickhouse: 3 rows are not in ClickHouse. Since 2026-03-02 14:02 UTC.\n"
        "Topic: orders\n"
        "A restart was sent.\n"
        "Look.\n"
        "Runbook: docs/runbooks/rows_missing.md\n"
        "Run: http://run"
    )


def test_blind_neither_opens_nor_closes(watch: Watch) -> None:
    assert watch.look(verdict(Kind.BLIND)) == []
    watch.look(verdict())
    assert watch.look(verdict(Kind.BLIND)) == []
    assert watch.look() == []
    assert watch.book.open("rows_missing:orders@clickhouse")


LOST = verdict(Kind.LOST, headline="2 rows are lost for good.", act="Backfill them.")


def test_what_is_lost_ends_as_lost_and_not_as_normal(watch: Watch) -> None:
    watch.look(verdict())
    assert watch.look(LOST) == ["closed"]
    (incident,) = watch.book.incidents.values()
    assert (incident.open, incident.end) == (False, "lost")
    assert watch.said()[1:] == [
        "LOST orders@clickhouse: 2 rows are lost for good. Backfill them. It lasted 1 min.",
    ]
    assert watch.look(FINE, minutes=20) == []
    assert watch.said() == []
    watch.look(FINE)
    assert [one.end for one in watch.book.recent] == ["lost"]


def test_what_is_lost_when_it_is_first_seen_is_told_and_over(watch: Watch) -> None:
    assert watch.look(LOST) == ["opened", "closed"]
    assert [text.split()[0] for text in watch.said()] == ["CRITICAL", "LOST"]
    assert watch.look(verdict()) == ["again"]
    assert watch.look(FINE) == ["closed"]
    (incident,) = watch.book.incidents.values()
    assert incident.end == "normal"


def test_one_row_that_was_brought_back_is_said_as_one(watch: Watch) -> None:
    watch.look(verdict())
    watch.book.incidents["rows_missing:orders@clickhouse"].brought_back = 1
    watch.look(FINE)
    assert watch.said()[-1] == "NORMAL orders@clickhouse: All are there. 1 row was brought back. It lasted 1 min."


def test_what_nobody_looks_at_any_more_is_closed_with_a_word(watch: Watch) -> None:
    watch.look(verdict(), verdict(subject="b@clickhouse"))
    watch.said()
    assert watch.look(verdict(subject="b@clickhouse"), gone=["rows_missing:orders@clickhouse", "never:open"]) == [
        "closed"
    ]
    assert watch.said() == [
        "CLOSED orders@clickhouse: No contract asks for it any more, so nobody looks at it. It lasted 1 min.",
    ]
    incident = watch.book.incidents["rows_missing:orders@clickhouse"]
    assert (incident.open, incident.end) == (False, "gone")
    assert watch.book.open("rows_missing:b@clickhouse")


def test_what_floodgate_does_is_told_in_the_thread(watch: Watch) -> None:
    watch.look(verdict(does="Restart 1 of 5 sent."))
    watch.look(verdict(does="Restart 1 of 5 sent."))
    assert watch.look(verdict(does="It did not help.")) == ["updated"]
    assert watch.said()[1:] == ["UPDATE orders@clickhouse: It did not help."]


def test_what_gets_worse_is_told_and_what_gets_better_is_not(watch: Watch) -> None:
    watch.look(verdict(severity=Severity.WARNING))
    watch.look(verdict(severity=Severity.CRITICAL))
    watch.look(verdict(severity=Severity.WARNING))
    assert [text.split()[0] for text in watch.said()] == ["WARNING", "UPDATE"]


def test_it_is_told_again_after_an_hour(watch: Watch) -> None:
    for _ in range(125):
        watch.look(verdict())
    assert [text.split()[0] for text in watch.said()] == ["CRITICAL", "STILL", "STILL"]


def test_one_cause_over_many_subjects_is_one_incident(watch: Watch) -> None:
    cause = Verdict(rule="place_away", subject="kafka", kind=Kind.FIRING, domain="floodgate", asset="place_kafka")
    many = [verdict(subject=f"t{n}@clickhouse", cause="place_away:kafka") for n in range(9)]
    assert watch.look(cause, *many) == ["opened"]
    assert watch.look(cause, *many) == []
    assert watch.look(*many) == [], "it is open, though nobody spoke of it this time"
    over = msgspec.structs.replace(cause, kind=Kind.FINE)
    assert watch.look(over, *[msgspec.structs.replace(one, kind=Kind.FINE) for one in many]) == ["closed"]
    assert watch.look(*[msgspec.structs.replace(one, cause="") for one in many[:1]]) == ["opened"]


def test_a_cause_in_the_other_watchs_book_counts(watch: Watch) -> None:
    ill = verdict(cause="place_away:kafka")
    assert watch.look(ill, causes=["place_away:kafka"]) == []
    assert watch.look(ill) == ["opened"]


def test_flapping_goes_on_in_its_thread(watch: Watch) -> None:
    watch.look(verdict())
    watch.look(FINE)
    assert watch.look(verdict()) == ["again"]
    assert watch.look(FINE) == ["closed"]
    assert [text.split()[0] for text in watch.said()] == ["CRITICAL", "NORMAL", "AGAIN", "NORMAL"]
    watch.minute += FLAP.total_seconds() / 60 + 1  # type: ignore[assignment]
    assert watch.look(verdict()) == ["opened"]
    assert [kind for kind, _ in watch.told] == ["first"]


def test_what_was_done_the_last_time_is_not_said_to_be_done_now(watch: Watch) -> None:
    watch.look(verdict(does="Restart 3 of 5 sent."))
    watch.look(FINE)
    watch.slack = False
    assert watch.look(verdict()) == ["again"]
    (incident,) = watch.book.incidents.values()
    assert not any("Restart 3" in plain(letter.message) for letter in incident.letters)
    assert incident.opened_at == START + timedelta(minutes=2)
    assert watch.look(verdict(does="Restart 3 of 5 sent.")) == ["updated"]


def test_a_silence_holds_until_its_end_and_then_what_goes_on_is_told(watch: Watch) -> None:
    silence = Silence(match="rows_missing:*", reason="move of tables", until=START + timedelta(minutes=3))
    assert watch.look(verdict(), silences=[silence]) == ["opened"]
    watch.look(verdict(), silences=[silence])
    assert watch.said() == []
    watch.look(verdict(), minutes=2, silences=[silence])
    assert watch.look(verdict(), silences=[silence]) == ["updated"]
    assert [text.split()[0] for text in watch.said()] == ["CRITICAL"]


def test_what_opens_and_ends_in_silence_is_never_told(watch: Watch) -> None:
    silence = Silence(match="rows_*", reason="r", until=START + timedelta(hours=1))
    watch.look(verdict(), silences=[silence])
    assert watch.look(FINE, silences=[silence]) == ["closed"]
    assert watch.said() == []
    other = verdict(subject="clicks@snowflake")
    watch.look(msgspec.structs.replace(other, rule="sequence_hole"), silences=[silence])
    assert len(watch.said()) == 1


def test_slack_that_was_away_gets_everything_once(watch: Watch) -> None:
    watch.slack = False
    watch.look(verdict())
    watch.look(verdict(does="Restart 1 of 5 sent."))
    watch.look(FINE)
    watch.minute += 60
    watch.look(FINE)
    assert watch.said() == []
    watch.slack = True
    watch.look(FINE)
    assert [text.split()[0] for text in watch.said()] == ["CRITICAL", "UPDATE", "NORMAL"]
    watch.look(FINE)
    assert watch.said() == []


def test_letters_do_not_pile_up_without_end(watch: Watch) -> None:
    watch.slack = False
    for minute in range(100):
        watch.look(verdict(does=f"step {minute}"))
    (incident,) = watch.book.incidents.values()
    assert len(incident.letters) <= WAITING
    assert incident.letters[0].kind == "first"
    assert "step 99" in plain(incident.letters[-2].message)


def test_healing_is_told_with_what_it_brought_back(watch: Watch) -> None:
    watch.look(verdict())
    incident = watch.book.incidents["rows_missing:orders@clickhouse"]
    note(incident, "Plan: 3 rows of orders.")
    incident.brought_back = 3
    watch.look(FINE)
    assert watch.said()[1:] == [
        "UPDATE orders@clickhouse: Plan: 3 rows of orders.",
        "NORMAL orders@clickhouse: All are there. 3 rows were brought back. It lasted 1 min.",
    ]


def test_closed_incidents_are_kept_for_a_while_and_not_for_ever(watch: Watch) -> None:
    for number in range(KEPT + 20):
        watch.look(verdict(subject=f"s{number}"))
        watch.look(verdict(Kind.FINE, subject=f"s{number}"), minutes=20)
    assert len(watch.book.incidents) == 1
    assert len(watch.book.recent) == KEPT
    assert watch.book.recent[0].subject == f"s{KEPT + 18}"
