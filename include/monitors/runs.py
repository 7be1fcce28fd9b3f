"""DAGs whose last run failed: told once, over when a run is good. Judged on counts of runs; pure."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from include.alerts import Severity
from include.alerts.message import lasting
from include.monitors.verdict import Kind, Verdict


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """How many runs of a DAG have failed and been good so far; None where Airflow did not tell."""

    failed: int
    good: int


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of the last look, and whether a failure is open."""

    failed: int = -1
    good: int = 0
    open: bool = False


def judge(
    dag_id: str, domain: str, runs: Runs | None, memory: Memory, *, paused: bool | None, explained: bool, link: str = ""
) -> tuple[Verdict, Memory]:
    """`explained`: something that is told already makes runs fail, so that a failure now is no news, nor later.

    What failed before the first look is history. Runs that were deleted lower the counts: they are counted anew.
    """

    def verdict(kind: Kind, **words: str) -> Verdict:
        asset = "watch_ingestion"
        return Verdict(rule="run_failed", subject=dag_id, kind=kind, domain=domain, asset=asset, **words)  # type: ignore[arg-type]

    if runs is None:
        return verdict(Kind.BLIND), memory
    first = memory.failed < 0 or runs.failed < memory.failed or runs.good < memory.good
    news = not first and runs.failed > memory.failed and not explained
    good = not first and runs.good > memory.good
    is_open = (news or memory.open) and not (good and not news) and not paused and not first
    later = Memory(failed=runs.failed, good=runs.good, open=is_open)
    if paused:
        return verdict(Kind.FINE, normal="It is paused on purpose."), later
    if not is_open:
        return verdict(Kind.FINE, normal="A run went well."), later
    return (
        verdict(
            Kind.FIRING,
            headline=f"A run failed, and none has gone well since. {link}".strip(),
            act="Read the log of the task that failed; clear it when the cause is gone.",
        ),
        later,
    )


def late(dag_id: str, domain: str, run_id: str, within: timedelta, *, ended: bool = False) -> Verdict:
    """deadline_missed: a run that was queued that long ago has not ended; `ended`: by now it has, well or not."""
    given: dict[str, Any] = {"rule": "deadline_missed", "subject": dag_id, "domain": domain, "asset": "watch_ingestion"}
    if ended:
        return Verdict(kind=Kind.FINE, normal="The run has ended.", **given)
    return Verdict(
        kind=Kind.FIRING,
        severity=Severity.CRITICAL if dag_id.startswith("watch_") else Severity.WARNING,
        headline=f"A run has not ended within {lasting(within.total_seconds())} of being queued.",
        facts=(("Run", run_id),),
        act="See whether its tasks wait for a slot, hang, or wait for a place that is away.",
        **given,
    )
