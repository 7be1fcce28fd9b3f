"""What happens when a run fails: someone is told. Imports come late, because every DAG file imports this one."""

from __future__ import annotations

import logging
from typing import Any

log = logging.getLogger(__name__)

#: The task whose failure speaks for itself: it knows whether it is held, and since when.
GATE = "gate"


def run_failed(context: Any) -> None:
    """A DAG's on_failure_callback: one message a failed run. Never raises, whatever Slack does."""
    try:
        task, reason = getattr(context.get("ti"), "task_id", ""), context.get("reason") or ""
        # Without a task that failed: some were cleared and went well, others still wait for what was told before.
        if task != GATE and (task or reason != "task_failure"):
            _tell(context, task, reason)
    except Exception:
        log.exception("the failure of %s could not be told", context.get("run_id"))


def gate_failed(context: Any) -> None:
    """The gate's on_failure_callback: it tells by itself that marts are held, but not that it broke."""
    from include.operators.gate import Held

    try:
        if not isinstance(context.get("exception"), Held):
            _tell(context, GATE, str(context.get("exception") or ""))
    except Exception:
        log.exception("the failure of %s could not be told", context.get("run_id"))


def _tell(context: Any, task: str, why: str) -> None:
    from include.alerts import Message, Severity
    from include.contracts import load
    from include.operators.notices import run_link, tell

    dag = context["dag"]
    what = f"task {task} failed and has no try left." if task and task != GATE else f"the run failed: {why[:500]}"
    domain = next((tag.removeprefix("domain:") for tag in dag.tags if tag.startswith("domain:")), "floodgate")
    message = Message(
        severity=Severity.CRITICAL,
        word="FAILED",
        subject=dag.dag_id,
        headline=what,
        facts=(("Run", context["run_id"]),),
        does="Its tries are used up; the next scheduled run, where there is one, begins anew.",
        act=f"Read the log of {task or 'the run'}; clear it when the cause is gone.",
        run=run_link(dag.dag_id, context["run_id"]),
    )
    tell(load(domain), message)
