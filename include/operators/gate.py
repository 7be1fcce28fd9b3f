"""The gate: a domain's suite over its staging models, before its marts are touched."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from include.contracts import load
from include.incidents import Silence
from include.operators import assets
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.notices import run_link, tell
from include.operators.stores import SILENCED, recall

#: Keys in the state store of the marts' asset: since when they are held and where that was told; what was warned of.
HELD, _WARNED = "held", "warned"
#: When they were held last: until then a failed run is the gate's word, which it has given.
RELEASED = "released"
#: The last run's verdict in the same store: what `floodgate status` shows.
VERDICT = "gate"


def verdict(result: Any, now: datetime) -> dict[str, Any]:
    """passed, at (ISO 8601, UTC) and failed (the expectations that did not hold, worst severity first)."""
    failed = [f.expectation for severity in ("critical", "warning", "info") for f in result.of(severity)]
    return {"passed": result.passed, "at": now.isoformat(timespec="seconds"), "failed": failed}


class Held(AirflowFailException):
    """Staging is not fit for the marts, which stay as they were. No retry would change it."""


class Gate(BaseOperator):
    """Runs the suite; on a critical failure the run ends here. A held state is told once, and once when it is over."""

    ui_color = "#ffd7d7"

    def __init__(self, *, warehouse: str, domain: str, **kwargs: Any) -> None:
        super().__init__(inlets=[assets.marts(warehouse, domain), assets.SILENCES], **kwargs)
        self.warehouse = warehouse
        self.domain = domain

    def execute(self, context: Any) -> None:
        """Pushes the suite's result as XCom `return_value`, then raises Held where something critical failed."""
        from include.expectations import runner  # and with it, where something fails, Great Expectations

        result = runner.run(self.domain, self.warehouse, endpoint(WAREHOUSES[self.warehouse]), run_id=context["run_id"])
        context["ti"].xcom_push(key="return_value", value=result.to_json())
        memory = context["asset_state_store"][assets.marts(self.warehouse, self.domain)]
        self._silences = context["asset_state_store"][assets.SILENCES]
        link = run_link(context["dag"].dag_id, context["run_id"])
        now = datetime.now(UTC)
        memory.set(VERDICT, verdict(result, now))
        if not result.passed:
            self._hold(memory, result, now, link)
        self._release(memory, result, now)
        self._warn(memory, result, now, link)

    def _hold(self, memory: Any, result: Any, now: datetime, link: str) -> None:
        from include.expectations import words

        held = memory.get(HELD) or {"since": now.isoformat()}
        message = words.held(result, datetime.fromisoformat(held["since"]), link)
        held["silenced"] = self._silenced(now)
        if "thread" not in held and not held["silenced"] and (thread := tell(load(self.domain), message)):
            held["thread"] = thread
        # Without a thread it is told by the next run: Slack may be back then, or the silence over.
        memory.set(HELD, held)
        raise Held(f"{message.subject}: {message.headline} The marts stay as they were.")

    def _silenced(self, now: datetime) -> str:
        """Why a person does not want to hear of it now; empty where none said so. It holds all the same."""
        from include.expectations.words import RULE

        silences = recall(self._silences, SILENCED, list[Silence], [])
        incident = f"{RULE}:{self.domain}@{self.warehouse}"
        return next((one.reason for one in silences if one.covers(incident, now)), "")

    def _release(self, memory: Any, result: Any, now: datetime) -> None:
        from include.expectations import words

        held = memory.get(HELD)
        if not held:
            return
        if "thread" not in held or tell(
            load(self.domain), words.normal(result, datetime.fromisoformat(held["since"]), now), thread=held["thread"]
        ):
            memory.delete(HELD)
            memory.set(RELEASED, now.isoformat())

    def _warn(self, memory: Any, result: Any, now: datetime, link: str) -> None:
        """A notice when the set of warnings changes; the same ones each ten minutes would be read by nobody."""
        from include.expectations import words

        names = sorted(failure.expectation for failure in result.of("warning"))
        if names == (memory.get(_WARNED) or []):
            return
        if not names or tell(load(self.domain), words.warned(result, now, link)):
            memory.set(_WARNED, names)
