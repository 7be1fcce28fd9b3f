"""What Airflow tells of itself: runs that failed, runs that are late, whether the other watch and the trigger live."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec

from include.contracts import Contract
from include.contracts.loader import PLATFORM
from include.incidents import Book
from include.incidents.incident import Thread
from include.monitors import Verdict, generators, runs, watches
from include.operators import assets
from include.operators.deadlines import MISSED, WITHIN
from include.operators.endpoints import WAREHOUSES
from include.operators.enrich import ENRICHED
from include.operators.gate import HELD, RELEASED
from include.operators.notices import run_link
from include.operators.watching import TRIGGER_BEAT, beat_of, paused

log = logging.getLogger(__name__)

#: A run that was held fails a moment after its gate; seen only after the next one passed it is no news either.
AFTER_A_HOLD = timedelta(minutes=5)

#: DAG -> what is remembered of its runs.
Remembered = dict[str, runs.Memory]


class AirflowLook:
    """One look at Airflow, from a task of the watch. Two questions a DAG, whatever its history."""

    def __init__(self, context: Any, store: Any, contracts: Iterable[Contract], now: datetime) -> None:
        self.context, self.store, self.now = context, store, now
        self.dags = watched_dags(contracts)
        self.late: dict[str, dict[str, Any]] = {}

    def failures(self, remembered: Remembered, *, away: bool) -> list[Verdict]:
        """run_failed of every DAG. `away`: a place is, or was a moment ago, so that a failure is no news."""
        verdicts = []
        for dag_id, domain in self.dags.items():
            before = remembered.get(dag_id, runs.Memory())
            counted = self._counted(dag_id)
            news = counted is not None and counted.failed > before.failed
            verdict, remembered[dag_id] = runs.judge(
                dag_id,
                domain,
                counted,
                before,
                paused=paused(self.context, dag_id) if news or before.open else False,
                explained=away or (news and self._held(dag_id)),
                link=run_link(dag_id, "").rstrip("/"),
            )
            verdicts.append(verdict)
        return verdicts

    def missed(self, book: Book, firing: set[str]) -> list[Verdict]:
        """Runs that missed their deadline, as the triggerer noted; those that have ended are taken off its list.

        `firing`: fingerprints of this look; a silent watch or generator says it all of its own run.
        """
        self.late = self.store.get(MISSED) or {}
        verdicts, left = [], dict(self.late)
        for dag_id, entry in self.late.items():
            ended = self._ended(dag_id, entry["run"])
            family = dag_id.partition("_")[0]
            domain = self.dags.get(dag_id, PLATFORM)
            late = runs.late(dag_id, domain, entry["run"], WITHIN.get(family, timedelta()), ended=ended)
            known = [f"watch_silent:{dag_id}"]
            if family == "burst":
                known += [f"{generators.RULE}:{subject}" for subject in (domain, generators.TOGETHER)]
            cause = next((one for one in known if one in firing), "")
            verdicts.append(msgspec.structs.replace(late, cause=cause if late.firing else ""))
            if ended and not book.open(verdicts[-1].fingerprint):
                left.pop(dag_id)
        if left != self.late:
            self.store.set(MISSED, left)
        return verdicts

    def adopt(self, book: Book) -> None:
        """A thread that the triggerer began, as no watch could, is gone on with."""
        for dag_id, entry in self.late.items():
            incident = book.incidents.get(f"deadline_missed:{dag_id}")
            if incident is not None and incident.thread is None and entry.get("thread"):
                incident.thread = Thread(**entry["thread"])
                incident.letters = [letter for letter in incident.letters if letter.kind != "first"]

    def signs_of_life(self) -> list[Verdict]:
        """watch_silent of the other watch and of the trigger."""
        beats = {
            "watch_connectors": beat_of(self.context, assets.WATCH_CONNECTORS),
            "trigger": beat_of(self.context, assets.WATCH_CONNECTORS, TRIGGER_BEAT),
        }
        resting = paused(self.context, "watch_connectors")
        return [watches.judge(name, at, self.now, paused=resting) for name, at in beats.items()]

    def _ended(self, dag_id: str, run_id: str) -> bool:
        from airflow.sdk.exceptions import AirflowRuntimeError

        try:
            return self.context["ti"].get_dagrun_state(dag_id, run_id) in ("success", "failed")
        except AirflowRuntimeError:  # it was deleted
            return True

    def _counted(self, dag_id: str) -> runs.Runs | None:
        from airflow.sdk.exceptions import AirflowRuntimeError

        ti = self.context["ti"]
        try:
            return runs.Runs(
                failed=ti.get_dr_count(dag_id, states=["failed"]), good=ti.get_dr_count(dag_id, states=["success"])
            )
        except AirflowRuntimeError as error:
            log.info("runs of %s are not told: %s", dag_id, error)
            return None

    def _held(self, dag_id: str) -> bool:
        """Whether a transform's failure is its gate's, which speaks for itself."""
        family, _, rest = dag_id.partition("_")
        warehouse, _, domain = rest.partition("_")
        if family != "transform":
            return False
        store = self.context["asset_state_store"][assets.marts(warehouse, domain)]
        if store.get(HELD):
            return True
        released = store.get(RELEASED)
        return bool(released) and self.now - datetime.fromisoformat(released) < AFTER_A_HOLD


def watched_dags(contracts: Iterable[Contract]) -> dict[str, str]:
    """DAG id -> the domain whose people are told of its failures; the watches themselves have each other for that."""
    dags = dict.fromkeys(("prepare", "heal", "redrive"), "floodgate")
    for contract in contracts:
        if contract.burst is None:
            continue
        dags |= {f"{family}_{contract.domain}": contract.domain
                 for family in ("burst", *(f"transform_{name}" for name in WAREHOUSES))}  # fmt: skip
        if contract.domain in ENRICHED:
            dags[f"enrich_{contract.domain}"] = contract.domain
    return dags
