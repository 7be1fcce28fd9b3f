"""How `break --all` goes from one fault to the next, on a platform of the test's own that tells and heals at once."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from commands.console import CommandError
from commands.faults import fault as faults
from commands.faults import trials
from commands.faults.fault import Fault, Target
from commands.faults.trials import Progress, Trials
from include.alerts import Severity
from include.incidents import Incident
from include.ledger.counts import Stream
from local.place import Place

KAFKA = Target()


class Platform(Trials):
    """Notes what is done to it; opens an incident at a fault, and closes it when it is healed or mended."""

    def __init__(self, home: Path, *, patience_s: float = 0.5) -> None:
        super().__init__(Place(home, {}, {}), None, Progress(quiet=True), patience_s)  # type: ignore[arg-type]
        self.done: list[str] = []
        self.told: list[dict[str, Any]] = []
        self.incident: Incident | None = None
        self.behind = 0

    def fault(self, name: str = "yawn", *, heals: bool = True, tells: bool = True, **more: Any) -> Fault:
        def make(place: Place, target: Target) -> dict[str, Any]:
            self.done.append(f"make {name}")
            self.open(name)
            if tells:
                self.say(f"CRITICAL {name}: it is broken.")
            if heals:
                self.normal(name)
            return {"said": "made"}

        def mend(place: Place, target: Target, facts: dict[str, Any]) -> str:
            self.done.append(f"mend {name}")
            self.normal(name)
            return "mended"

        given = {
            "name": name,
            "help": "",
            "make": make,
            "mend": mend,
            "rule": "place_away",
            "subject": lambda target: name,
        }
        return Fault(**{**given, **more})

    def open(self, subject: str) -> None:
        at = datetime.now(UTC)
        self.incident = Incident(
            rule="place_away", subject=subject, domain="d", asset="a", severity=Severity.CRITICAL, headline="",
            opened_at=at, seen_at=at, told_at=at, since=at,
        )  # fmt: skip

    def say(self, text: str, thread: str | None = None) -> str:
        time.sleep(0.002)
        ts = f"{time.time():.6f}"
        self.told.append({"ts": ts, "thread_ts": thread, "channel": "c", "text": text})
        return ts

    def normal(self, subject: str) -> None:
        if self.told:
            self.say(f"NORMAL {subject}: it is not broken.", self.told[-1]["thread_ts"] or self.told[-1]["ts"])
        if self.incident:
            self.incident.closed_at = datetime.now(UTC)

    def _incidents(self) -> dict[str, Incident]:
        return {} if self.incident is None else {self.incident.fingerprint: self.incident}

    def _caught(self) -> list[dict[str, Any]]:
        self._messages = list(self.told)
        return self._messages

    def _streams(self) -> list[Stream]:
        landed = 10 - self.behind
        return [Stream(domain="d", topic="t", produced=10, clickhouse=landed, snowflake=10, rejected=0)]

    def try_(self, *some: Fault) -> list[Any]:
        return list(self.all([(one, KAFKA) for one in some]))


@pytest.fixture
def platform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Platform:
    monkeypatch.setattr(trials, "LOOK_S", 0.01)
    monkeypatch.setattr(trials, "LANDING_S", 0.1)
    return Platform(tmp_path)


def noted(platform: Platform, one: Fault) -> list[Any]:
    return faults.noted(platform._place, one)


def test_what_heals_by_itself_is_not_undone(platform: Platform) -> None:
    one, other = platform.fault("one"), platform.fault("other")
    rows = platform.try_(one, other)
    assert [(row.fault, row.wrong, row.threads, row.missing, row.twice) for row in rows] == [
        ("one", [], 1, 0, 0),
        ("other", [], 1, 0, 0),
    ]
    assert all(0 <= row.seen_after_s <= row.told_after_s <= row.healed_after_s for row in rows)
    assert platform.done == ["make one", "make other"]
    assert noted(platform, one) == []


def test_what_a_person_must_lift_is_undone_once_it_was_told(platform: Platform) -> None:
    (row,) = platform.try_(platform.fault(heals=False, lift="told"))
    assert row.wrong == []
    assert platform.done == ["make yawn", "mend yawn"]


def test_what_keeps_it_from_being_told_is_undone_once_it_was_seen(platform: Platform) -> None:
    def mend(place: Place, target: Target, facts: dict[str, Any]) -> str:
        platform.say("CRITICAL yawn: it was broken.")
        platform.normal("yawn")
        return "mended"

    (row,) = platform.try_(platform.fault(heals=False, tells=False, lift="seen", mend=mend))
    assert row.wrong == []


def test_what_does_not_heal_is_undone_and_the_next_one_comes(platform: Platform) -> None:
    one, other = platform.fault("one", heals=False, tells=False), platform.fault("other")
    rows = platform.try_(one, other)
    assert rows[0].wrong == ["not told", "not healed"]
    assert rows[0].healed_after_s is None
    assert platform.done == ["make one", "mend one", "make other"]
    assert rows[1].wrong == []
    assert noted(platform, one) == []


def test_what_cannot_be_undone_is_forgotten(platform: Platform) -> None:
    one = platform.fault(heals=False, mend=None, no_undo="it is over.")
    (row,) = platform.try_(one)
    assert row.wrong == ["not healed"]
    assert noted(platform, one) == []


def test_a_fault_that_cannot_be_made_is_a_line_too(platform: Platform) -> None:
    def make(place: Place, target: Target) -> dict[str, Any]:
        raise CommandError("There is nothing to lose.")

    rows = platform.try_(platform.fault("one", make=make), platform.fault("other"))
    assert rows[0].wrong == ["There is nothing to lose", "not seen", "not told", "not healed"]
    assert rows[1].wrong == []


def test_it_waits_until_it_is_quiet_and_says_where_it_was_not(platform: Platform) -> None:
    platform.open("something else")
    (row,) = platform.try_(platform.fault())
    assert row.wrong == ["it was not quiet before"]


def test_rows_that_do_not_land_are_counted(platform: Platform) -> None:
    def make(place: Place, target: Target) -> dict[str, Any]:
        platform.behind = 4
        platform.open("yawn")
        platform.say("CRITICAL yawn: it is broken.")
        platform.normal("yawn")
        return {}

    (row,) = platform.try_(platform.fault(make=make))
    assert (row.missing, row.twice, row.wrong) == (4, 0, ["4 rows missing"])


def test_an_interruption_undoes_the_fault(platform: Platform) -> None:
    one = platform.fault(heals=False)

    def interrupted(trial: Any) -> bool:
        raise KeyboardInterrupt

    platform._is_told = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        platform.try_(one)
    assert platform.done == ["make yawn", "mend yawn"]


def test_what_was_made_along_with_it_is_settled_too(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    side = platform.fault("side", heals=False)
    monkeypatch.setitem(trials.FAULTS, "side", side)
    one = platform.fault(heals=False, lift="told", along=("side", KAFKA), subject=lambda target: "side")
    (row,) = platform.try_(one)
    assert platform.done == ["make yawn", "make side", "mend yawn"]  # what heals by itself is only forgotten
    assert noted(platform, side) == []
    assert row.threads == 2


def test_what_was_whole_is_reckoned_and_not_the_burst_that_comes_next(platform: Platform) -> None:
    whole, next_one = platform._streams(), msgspec.structs.replace(platform._streams()[0], produced=1)
    answers = iter([whole, [next_one], [next_one]])
    platform._streams = lambda: next(answers)  # type: ignore[method-assign]
    assert platform._landed() == whole
