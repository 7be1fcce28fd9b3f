"""What `floodgate silence` takes, refuses and writes; others' silences stay."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from commands import airflow_api, main, pipeline, silences
from commands import slack as rooms
from commands.console import CommandError
from include.incidents import Book, Silence
from include.monitors import RULES
from tests.commands.test_incidents import incident

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
OTHERS = Silence(match="run_failed:*", reason="upgrade", until=NOW + timedelta(days=365 * 9), by="ann")


class Airflow:
    """The state stores; `meanwhile` is done by somebody else right after a write."""

    def __init__(self) -> None:
        self.stores: dict[str, dict[str, Any]] = {"silences": {}}
        self.meanwhile: Callable[[], None] = lambda: None
        self.writes = 0

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_: object) -> None: ...

    def asset_value(self, name: str, key: str) -> Any:
        return self.stores.get(name, {}).get(key)

    def set_asset_value(self, name: str, key: str, value: Any) -> None:
        self.writes += 1
        self.stores[name][key] = json.loads(json.dumps(value))
        self.meanwhile()

    @property
    def kept(self) -> list[Silence]:
        return msgspec.convert(self.stores["silences"].get("silences", []), list[Silence])

    def keep(self, *some: Silence) -> None:
        self.stores["silences"]["silences"] = msgspec.to_builtins(list(some))


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    one = Airflow()
    monkeypatch.setattr(pipeline, "environed", lambda: None)
    monkeypatch.setattr(airflow_api, "connect", lambda place: one)
    monkeypatch.setattr(rooms, "user", lambda: "bob")
    return one


def told(*arguments: str) -> str:
    return CliRunner().invoke(main.build(), list(arguments), catch_exceptions=False).output


@pytest.mark.parametrize(
    ("pattern", "match"),
    [
        ("rows_late:orders@snowflake", "rows_late:orders@snowflake"),
        ("rows_late", "rows_late:*"),
        ("rows_*:fashion*", "rows_*:fashion*"),
        ("*", "*:*"),
        (" rows_late ", "rows_late:*"),
    ],
)
def test_patterns(pattern: str, match: str) -> None:
    assert silences.matched(pattern) == match


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_can_be_named(rule: str) -> None:
    assert silences.matched(rule) == f"{rule}:*"


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("rows_lat", "No rule matches 'rows_lat': connector_failed, .*, watch_silent"),
        ("ROWS_LATE", "No rule matches"),
        ("orders@snowflake", "No rule matches"),
        ("", "is no pattern|No rule matches"),
        ("rows_late:", "is no pattern: it looks like"),
        ("rows_late:[ab]", "is no pattern"),
        ("rows_late:a b", "is no pattern"),
    ],
)
def test_a_pattern_that_nothing_can_match_is_an_error(pattern: str, said: str) -> None:
    with pytest.raises(CommandError, match=said):
        silences.matched(pattern)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "has a reason"),
        ({"reason": " "}, "has a reason"),
        ({"reason": "x"}, "one end"),
        ({"reason": "x", "until": "12:00", "length": "1h"}, "one end"),
        ({"reason": "x", "length": "soon"}, r"--for soon is no length of time"),
        ({"reason": "x", "length": "31d"}, "30 days at most, until 2026-04-01 12:00 UTC"),
        ({"reason": "x", "until": "2026-03-02T11:59"}, "is 2026-03-02 11:59 UTC, which is over"),
        ({"reason": "x", "until": "2026-03-02T12:30+01:00"}, "which is over"),
        ({"reason": "x", "until": "2027-01-01"}, "30 days at most"),
        ({"reason": "x", "until": "tomorrow"}, "--until tomorrow is no time: it looks like"),
        ({"reason": "x", "until": "25:00"}, "is no time"),
    ],
)
def test_a_reason_and_an_end_are_asked_for(given: dict[str, str], said: str) -> None:
    asked: dict[str, Any] = {"until": None, "length": None, "reason": None, **given}
    with pytest.raises(CommandError, match=said):
        silences.made_of("rows_late:*", asked["until"], asked["length"], asked["reason"], NOW)


@pytest.mark.parametrize(
    ("given", "until"),
    [
        ({"length": "2h"}, NOW + timedelta(hours=2)),
        ({"length": "30d"}, NOW + timedelta(days=30)),
        ({"until": "12:01"}, NOW + timedelta(minutes=1)),
        ({"until": "12:00"}, NOW + timedelta(days=1)),
        ({"until": "2026-03-02T14:00"}, NOW + timedelta(hours=2)),
        ({"until": "2026-03-02 14:00+01:00"}, NOW + timedelta(hours=1)),
    ],
)
def test_ends(given: dict[str, str], until: datetime) -> None:
    made = silences.made_of("rows_late:*", given.get("until"), given.get("length"), " we  move\ntables ", NOW)
    assert (made.until, made.until.tzinfo, made.reason) == (until, UTC, "we move tables")


def test_it_is_written_beside_the_others_and_says_what_it_covers(airflow: Airflow) -> None:
    airflow.keep(OTHERS)
    some = incident("rows_late", "fashion"), incident("rows_late", "ecommerce", closed_at=NOW), incident()
    book = Book(incidents={one.fingerprint: one for one in some})
    airflow.stores["watch_ingestion"] = {"incidents": msgspec.to_builtins(book)}
    text = told("silence", "rows_late", "--for", "2h", "--reason", "we move tables")
    mine = airflow.kept[1]
    assert airflow.kept == [OTHERS, mine]
    assert (mine.match, mine.reason, mine.by) == ("rows_late:*", "we move tables", "bob")
    assert mine.covers("rows_late:fashion", datetime.now(UTC))
    until = f"{mine.until:%Y-%m-%d %H:%M} UTC"
    assert text == f"rows_late:* is not told until {until}: we move tables. Open now: rows_late:fashion.\n"
    assert told("silences") == (
        f"run_failed:* until {OTHERS.until:%Y-%m-%d %H:%M} UTC, by ann: upgrade.\n"
        f"rows_late:* until {until}, by bob: we move tables. Open and not told: rows_late:fashion.\n"
    )
    found = json.loads(told("silences", "--json"))["silences"]
    assert [(one["match"], one["by"], one["holds"], one["covers"]) for one in found] == [
        ("run_failed:*", "ann", True, []),
        ("rows_late:*", "bob", True, ["rows_late:fashion"]),
    ]


def test_ones_own_is_replaced_and_anothers_is_not(airflow: Airflow) -> None:
    airflow.keep(msgspec.structs.replace(OTHERS, match="rows_late:*"))
    for length in ("1h", "2h"):
        found = json.loads(told("silence", "rows_late", "--for", length, "--reason", "x", "--json"))
    assert [one.by for one in airflow.kept] == ["ann", "bob"]
    assert (found["silence"]["by"], len(found["ended"]), found["covers"]) == ("bob", 1, [])


def test_it_ends(airflow: Airflow) -> None:
    over = Silence(match="rows_late:*", reason="x", until=NOW - timedelta(days=365 * 9), by="bob")
    airflow.keep(OTHERS, over)
    assert ", which is over: the next look tells it, by bob" in told("silences")
    assert told("silence", "rows_late", "--end") == "rows_late:* is told again.\n"
    assert airflow.kept == [OTHERS]
    with pytest.raises(CommandError, match=r"rows_late:\* is not silenced; silenced is run_failed:\*\."):
        told("silence", "rows_late", "--end")
    with pytest.raises(CommandError, match="nothing but the pattern"):
        told("silence", "run_failed", "--end", "--for", "1h")
    assert json.loads(told("silence", "run_failed", "--end", "--json"))["ended"][0]["by"] == "ann"
    assert airflow.kept == []
    assert told("silences") == "Nothing is silenced.\n"


def test_what_another_writes_at_the_same_moment_is_not_lost(airflow: Airflow) -> None:
    theirs = [OTHERS]

    def overwritten() -> None:
        if theirs:
            airflow.keep(theirs.pop())  # by somebody who had read before this was written

    airflow.meanwhile = overwritten
    told("silence", "rows_late", "--for", "2h", "--reason", "x")
    assert [one.by for one in airflow.kept] == ["ann", "bob"]
    assert airflow.writes == 2
    airflow.meanwhile = lambda: airflow.keep(OTHERS)
    with pytest.raises(CommandError, match="at the same moment"):
        told("silence", "rows_late", "--for", "2h", "--reason", "x")


def test_what_is_not_understood_is_begun_anew_as_the_watches_do(airflow: Airflow) -> None:
    airflow.stores["silences"]["silences"] = {"of": "another version"}
    told("silence", "rows_late", "--for", "2h", "--reason", "x")
    assert [one.by for one in airflow.kept] == ["bob"]
