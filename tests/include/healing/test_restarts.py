from datetime import UTC, datetime, timedelta

from include.healing.restarts import BUDGET, Cure, Restarts, decide, pause, proven
from include.monitors import Kind, Verdict

NOW = datetime(2026, 3, 2, 10, 0, tzinfo=UTC)


def verdict(rule: str, kind: Kind = Kind.FIRING, cause: str = "") -> Verdict:
    return Verdict(rule=rule, subject="c", kind=kind, domain="ecommerce", asset="connector_c", cause=cause)


def test_pauses_grow_and_are_an_hour_at_most() -> None:
    assert [pause(n).total_seconds() / 60 for n in range(9)] == [0, 2, 6, 12, 20, 30, 42, 56, 60]


def test_each_ill_has_its_cure_and_the_cheapest_first() -> None:
    cures = {rule: decide([verdict(rule)], Restarts(), NOW) for rule in
             ("connector_failed", "connector_stalled", "connector_missing")}  # fmt: skip
    assert [made.cure for made in cures.values() if made] == [Cure.RESTART_FAILED, Cure.RESTART_ALL, Cure.CREATE]
    assert cures["connector_failed"] and cures["connector_failed"].says == "Restart of what failed sent, 1 of 5."


def test_what_is_neither_failed_nor_running_is_restarted_whole_and_told_by_that_name() -> None:
    """A restart of what failed would touch nothing of it."""
    first = decide([verdict("connector_failed")], Restarts(), NOW, failed=False)
    assert first and (first.cure, first.says) == (Cure.RESTART_ALL, "Full restart sent, 1 of 5.")
    later = decide([verdict("connector_failed")], first.restarts, NOW + timedelta(minutes=2), failed=True)
    assert later and later.cure is Cure.RESTART_FAILED
    assert later.says.startswith("The full restart at 10:00 UTC did not help. ")


def test_nothing_is_done_for_what_has_no_cure_or_another_cause() -> None:
    assert decide([verdict("offsets_lost")], Restarts(), NOW) is None
    assert decide([verdict("connector_failed", Kind.BLIND)], Restarts(), NOW) is None
    assert decide([verdict("connector_stalled", cause="place_away:clickhouse")], Restarts(), NOW) is None


def test_a_restart_that_did_not_help_says_so_and_waits() -> None:
    first = decide([verdict("connector_stalled")], Restarts(), NOW)
    assert first
    soon = decide([verdict("connector_stalled")], first.restarts, NOW + timedelta(seconds=4))
    assert soon and soon.cure is None
    assert soon.says == first.says, "it has not had the time to help"
    waits = decide([verdict("connector_stalled")], first.restarts, NOW + timedelta(minutes=1))
    assert waits and waits.cure is None
    assert waits.says == (
        "The full restart at 10:00 UTC did not help. Restart 2 of 5 comes at 10:02 UTC, 2 min after the last."
    )
    second = decide([verdict("connector_stalled")], first.restarts, NOW + timedelta(minutes=2))
    assert second and second.cure is Cure.RESTART_ALL
    assert second.restarts.count == 2


def test_when_the_budget_is_used_up_a_person_is_asked() -> None:
    restarts, now, sent = Restarts(), NOW, 0
    for _ in range(600):
        made = decide([verdict("connector_failed")], restarts, now)
        assert made
        sent += made.cure is not None
        restarts, now = made.restarts, now + timedelta(minutes=1)
    assert sent == BUDGET
    assert made.says.endswith("5 restarts are used up: Floodgate waits for a person.")


def test_recovery_is_proven_by_reading_on_not_by_a_state() -> None:
    fine = [verdict(rule, Kind.FINE) for rule in ("connector_failed", "connector_stalled", "connector_missing")]
    assert proven(fine, moved=True)
    assert not proven(fine, moved=False)
    assert not proven([*fine[:2], verdict("connector_missing", Kind.BLIND)], moved=True)
    assert not proven([*fine, verdict("offsets_lost")], moved=True)
