"""Redrive as tasks: what would be done, and the doing."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator, Param
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException

from include.connections import KAFKA
from include.contracts import domains
from include.healing.fixes import FIXES
from include.operators.endpoints import endpoint

#: redrive.AT_MOST; a DAG file is parsed without what that module imports.
_AT_MOST = 3
_MAYBE_TEXT = ["null", "string"]


def params() -> dict[str, Param]:
    """What a redrive can be given."""
    fixes = "; ".join(f"{name}: {(fix.__doc__ or '').split('.')[0]}" for name, fix in FIXES.items())
    return {
        "domain": Param(None, type=_MAYBE_TEXT, enum=[None, *domains()], description="Whose dead letters; null: all."),
        "topic": Param(None, type=_MAYBE_TEXT, description="Only those of this topic."),
        "reason": Param(None, type=_MAYBE_TEXT, description="Only those whose reason has this text in it."),
        "connector": Param(None, type=_MAYBE_TEXT, description="Only those that this connector rejected."),
        "since": Param(None, type=_MAYBE_TEXT, description="Only records not older: 15m, 1h, 2d, or a time (UTC)."),
        "until": Param(None, type=_MAYBE_TEXT, description="Only records older than this, as since."),
        "fix": Param(None, type=_MAYBE_TEXT, enum=[None, *FIXES], description=f"Done to each before. {fixes}."),
        "at_most": Param(
            _AT_MOST, type="integer", minimum=0, description="So often a record is sent; then it is parked."
        ),
        "dry_run": Param(True, type="boolean", description="Only say what would be done."),
    }


class ListDeadLetters(BaseOperator):
    """Says what a redrive with the run's params would do, and changes nothing."""

    def execute(self, context: Any) -> list[dict[str, Any]]:
        """A `Told` a domain. Raises AirflowFailException for what cannot be asked, KafkaError."""
        from include.healing import redrive

        return _told(self, [redrive.look(endpoint(KAFKA), order) for order in _orders(context)], "would")


class Redrive(BaseOperator):
    """Sends dead letters again, or parks them, one transaction a domain; in a dry run it is skipped.

    A retry goes on where the last try ended: what was sent has left the list.
    """

    def execute(self, context: Any) -> list[dict[str, Any]]:
        """A `Told` a domain. Raises AirflowFailException for what cannot be asked, KafkaError."""
        from include.healing import redrive

        if context["params"]["dry_run"]:
            self.log.info("skipped: a dry run; what would be done is in the task list")
            raise AirflowSkipException("dry run")
        now = context["dag_run"].run_after
        return _told(self, [redrive.redrive(endpoint(KAFKA), order, now=now) for order in _orders(context)], "did")


def _orders(context: Any) -> list[Any]:
    from include.healing import redrive

    given = {name: value for name, value in context["params"].items() if name != "dry_run"}
    try:
        # The run's own time, so that both tasks and their retries mean the same by `since`.
        return redrive.orders(now=context["dag_run"].run_after, **given)
    except redrive.RedriveError as error:
        raise AirflowFailException(str(error)) from error  # asked again it is as wrong


def _told(task: BaseOperator, told: list[Any], verb: str) -> list[dict[str, Any]]:
    import msgspec

    for one in told:
        task.log.info("%s: %s send %d, park %d, leave %d", one.domain, verb, one.send, one.park, one.leave)
        for line in one.lines:
            why = f" ({line.why})" if line.why else ""
            task.log.info("  %s %d of %s: %s%s; %s", line.does, line.records, line.topic, line.reason, why, line.first)
    return [dict(msgspec.to_builtins(one)) for one in told]
