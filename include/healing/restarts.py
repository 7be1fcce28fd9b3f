"""When a connector is restarted, how, and when Floodgate stops and asks a person. Pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from include.alerts.message import lasting
from include.monitors.verdict import Verdict

#: Restarts without a proven recovery, after which a person is asked.
BUDGET = 5
LONGEST = timedelta(hours=1)
#: A restart may take so long to show; before that nobody says that it did not help.
SETTLE = timedelta(seconds=45)


class Cure(enum.StrEnum):
    """What is done to a connector; the cheapest that fits."""

    CREATE = "make it again"
    RESTART_FAILED = "restart of what failed"
    RESTART_ALL = "full restart"


CURES = {
    "connector_missing": Cure.CREATE,
    "connector_failed": Cure.RESTART_FAILED,
    "connector_stalled": Cure.RESTART_ALL,
}


class Restarts(msgspec.Struct, frozen=True, kw_only=True):
    """A connector's budget: attempts since the last proven recovery, and the last of them."""

    count: int = 0
    at: datetime | None = None
    rule: str = ""
    cure: str = ""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What to do now (None: wait), what to remember, and what to tell. `rule` is the verdict it answers."""

    rule: str
    cure: Cure | None
    restarts: Restarts
    says: str


def pause(count: int) -> timedelta:
    """How long after so many restarts the next may come: n² + n minutes, an hour at most."""
    return min(LONGEST, timedelta(minutes=count * count + count))


def decide(verdicts: Iterable[Verdict], restarts: Restarts, now: datetime, *, failed: bool = True) -> Decision | None:
    """The cure of the first verdict that fires and has one; None where none does. `failed`: the connector or a task is
    FAILED; what only does not come to run, as one that no worker has taken, is not helped by a restart of what failed.

    A restart that did not bring things back did not help, and says so when the next is due. A verdict that a cause
    explains is not cured here: the cause is elsewhere.
    """
    ill = next((one for one in verdicts if one.firing and one.rule in CURES and not one.cause), None)
    if ill is None:
        return None
    cure = CURES[ill.rule]
    if cure is Cure.RESTART_FAILED and not failed:
        cure = Cure.RESTART_ALL
    tried = restarts.count and restarts.rule == ill.rule
    before = restarts.cure or cure
    in_vain = f"The {before} at {restarts.at:%H:%M} UTC did not help. " if tried and restarts.at else ""
    if restarts.count >= BUDGET:
        says = f"{in_vain}{BUDGET} restarts are used up: Floodgate waits for a person."
        return Decision(rule=ill.rule, cure=None, restarts=restarts, says=says)
    if tried and restarts.at is not None and now - restarts.at < SETTLE:
        return Decision(rule=ill.rule, cure=None, restarts=restarts, says=_sent(before, restarts.count))
    if restarts.at is not None and now - restarts.at < pause(restarts.count):
        due = restarts.at + pause(restarts.count)
        nth = f"Restart {restarts.count + 1} of {BUDGET}"
        says = (
            f"{in_vain}{nth} comes at {due:%H:%M} UTC, {lasting(pause(restarts.count).total_seconds())} after the last."
        )
        return Decision(rule=ill.rule, cure=None, restarts=restarts, says=says)
    later = Restarts(count=restarts.count + 1, at=now, rule=ill.rule, cure=cure)
    return Decision(rule=ill.rule, cure=cure, restarts=later, says=f"{in_vain}{_sent(cure, later.count)}")


def _sent(cure: str, count: int) -> str:
    return f"{cure[0].upper()}{cure[1:]} sent, {count} of {BUDGET}."


def proven(verdicts: Iterable[Verdict], *, moved: bool) -> bool:
    """Whether a connector has recovered: nothing fires, its rules could look, and it read on or has nothing to read."""
    given = list(verdicts)
    return (
        moved
        and not any(one.firing for one in given)
        and not any(one.kind == "blind" for one in given if one.rule in CURES)
    )
