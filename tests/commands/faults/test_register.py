"""The faults there are, their targets, and what is noted of them; nothing is broken here."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest

from commands import faults as command
from commands.console import CommandError
from commands.faults import fault as faults
from commands.faults.fault import Fault, Target
from commands.faults.register import FAULTS
from commands.faults.trials import chosen
from include.contracts import all_contracts, domains
from include.monitors import generators
from include.monitors.verdict import RULES
from local.place import Place

#: As the issue lists them, and one more.
ISSUE = ["connector-fail", "connector-stall", "connector-missing", "generator-silent", "lose-rows", "lose-offsets",
         "duplicates", "late", "poison", "broker-down", "warehouse-down", "slack-down", "watch-dead", "bad-totals"]  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, {}, {})


def fault(**more: object) -> Fault:
    """A fault that only counts."""
    given = {
        "name": "yawn",
        "help": "",
        "make": lambda place, target: {"target_was": target.connector, "said": "made"},
        "mend": lambda place, target, facts: f"mended {facts['target_was']}",
        "takes": ("warehouse",),
        "rule": "rows_late",
        "subject": lambda target: target.domain,
    }
    return Fault(**{**given, **more})  # type: ignore[arg-type]


def test_every_fault_is_there_under_its_name() -> None:
    assert list(FAULTS) == ISSUE
    assert all(name == one.name for name, one in FAULTS.items())


@pytest.mark.parametrize("one", FAULTS.values(), ids=list(FAULTS))
def test_a_fault_leads_to_a_rule_there_is_and_is_undone_or_says_why_not(one: Fault) -> None:
    assert one.rule in RULES
    assert bool(one.mend) != bool(one.no_undo)
    assert one.mend or not one.lift  # what a person must lift can be lifted
    assert set(one.takes) <= {"warehouse", "domain", "connector"}
    if one.along:
        assert one.along[0] in FAULTS


def test_no_two_trials_lead_to_one_incident() -> None:
    # What ends and begins anew within a quarter of an hour goes on in its thread, and would not be told as new.
    trials = chosen("", lambda one: None)
    assert len(trials) == 15
    incidents = [(one.rule, one.subject(target)) for one, target in trials]
    assert len(set(incidents)) == len(incidents)
    targets = {target for _, target in trials} | {one.along[1] for one, _ in trials if one.along}
    assert {target.domain for target in targets} <= {contract.domain for contract in all_contracts()}


def test_the_subjects_are_those_of_the_watch() -> None:
    assert FAULTS["generator-silent"].subject(Target()) == generators.TOGETHER
    assert FAULTS["lose-rows"].subject(Target(warehouse="snowflake")) == "ecommerce@snowflake"
    assert FAULTS["connector-missing"].subject(Target(domain="fashion")) == "clickhouse-fashion"
    name, target = FAULTS["slack-down"].along or ("", Target())
    assert FAULTS["slack-down"].subject(Target()) == FAULTS[name].subject(target)
    assert FAULTS["slack-down"].rule == FAULTS[name].rule


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("connector-stall", ("", "", ""), None),
        ("connector-stall", ("clickhouse", "", ""), Target(warehouse="clickhouse")),
        ("connector-stall", ("", "fashion", ""), Target(warehouse="snowflake", domain="fashion")),
        ("connector-fail", ("", "", "snowflake-fashion"), Target(warehouse="snowflake", domain="fashion")),
        ("warehouse-down", ("snowflake", "", ""), Target(warehouse="snowflake")),
    ],
)
def test_options_choose_the_target(name: str, options: tuple[str, str, str], expected: Target | None) -> None:
    assert command._target(FAULTS[name], *options) == expected


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("poison", ("clickhouse", "", ""), "poison takes no target, not --warehouse."),
        ("lose-rows", ("", "", "clickhouse-ecommerce"), "lose-rows takes --warehouse, --domain, not --connector."),
        ("lose-rows", ("oracle", "", ""), "There is no warehouse 'oracle': clickhouse, snowflake."),
        ("late", ("", "shoes", ""), f"There is no domain 'shoes': {', '.join(domains())}."),
        ("connector-fail", ("", "", "clickhouse"), f"There is no domain '': {', '.join(domains())}."),
    ],
)
def test_wrong_targets_are_sentences(name: str, options: tuple[str, str, str], words: str) -> None:
    with pytest.raises(CommandError) as told:
        command._target(FAULTS[name], *options)
    assert str(told.value) == words


def test_what_is_made_is_noted_and_undone_with_what_it_noted(place: Place) -> None:
    yawn = fault()
    assert faults.noted(place, yawn) == []
    faults.make(place, yawn, Target())
    faults.make(place, yawn, Target(warehouse="snowflake"))
    file = place.home / "faults" / "yawn.snowflake.json"
    noted = json.loads(file.read_text())
    assert (noted["target"]["warehouse"], noted["target_was"]) == ("snowflake", "snowflake-ecommerce")
    assert [target.warehouse for target, _ in faults.noted(place, yawn)] == ["clickhouse", "snowflake"]
    assert faults.undo(place, yawn, Target()) == "mended clickhouse-ecommerce"
    assert faults.undo(place, yawn, None) == "mended snowflake-ecommerce"
    with pytest.raises(CommandError, match=r"^yawn is not made here: nothing to undo\.$"):
        faults.undo(place, yawn, None)


def test_a_fault_that_is_made_twice_is_noted_once(place: Place) -> None:
    # A note outlives `floodgate down`, which ends what it tells of.
    down = fault(lift="told")
    faults.make(place, down, Target())
    faults.make(place, down, Target())
    assert len(faults.noted(place, down)) == 1


def test_what_cannot_be_undone_says_why(place: Place) -> None:
    with pytest.raises(CommandError, match="yawn cannot be undone by hand: it is over"):
        faults.undo(place, fault(mend=None, no_undo="it is over."), None)


def test_a_label_names_what_the_fault_takes() -> None:
    assert fault(takes=()).label(Target()) == "yawn"
    assert fault(takes=("domain",)).label(Target()) == "yawn ecommerce"
    assert fault(takes=("warehouse", "domain")).label(Target()) == "yawn clickhouse-ecommerce"


def test_trials_are_chosen_by_name_and_target() -> None:
    labels = [one.label(target) for one, target in chosen("late, lose-rows", lambda one: None)]
    assert labels == ["lose-rows clickhouse-ecommerce", "lose-rows snowflake-ecommerce", "late ecommerce"]
    fashion = Target(domain="fashion")
    assert chosen("late", lambda one: fashion) == [(FAULTS["late"], fashion)]
    with pytest.raises(CommandError, match="There is no fault 'nap': connector-fail, "):
        chosen("late,nap", lambda one: None)
    with pytest.raises(CommandError, match="bad-totals is not for --all"):
        chosen("bad-totals", lambda one: None)


def test_targets_are_kept_as_they_were() -> None:
    target = Target(warehouse="snowflake", domain="fashion")
    assert msgspec.convert(msgspec.to_builtins(target), Target) == target
