"""Deadlines of runs, by Airflow's own alerts: the scheduler sees that one is missed, the triggerer notes it, the watch
tells it. Where neither watch gets on, the triggerer tells, since nobody else would.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import AsyncCallback, DeadlineAlert, DeadlineReference  # type: ignore[attr-defined]

from include.monitors.watches import SILENT
from include.operators.assets import WATCH_CONNECTORS, WATCH_INGESTION
from include.operators.watching import BEAT

#: From a run's queueing to its end, by family; the others wait for people, or happen once.
WITHIN = {
    "burst": timedelta(minutes=10),
    "enrich": timedelta(minutes=10),
    "transform": timedelta(minutes=20),
    "watch": timedelta(minutes=3),
}
#: Key in the state store of watch_ingestion: DAG -> run that missed its deadline, and when.
MISSED = "deadlines"
#: The watch that tells of the other one that it is silent.
OTHER = {"watch_connectors": WATCH_INGESTION, "watch_ingestion": WATCH_CONNECTORS}
#: Watches that hang are told again after this.
AGAIN = timedelta(hours=1)

_one_at_a_time = asyncio.Lock()


def deadline(family: str) -> DeadlineAlert | None:
    """The alert of a family's DAGs; None for one without."""
    if family not in WITHIN:
        return None
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=WITHIN[family],
        callback=AsyncCallback(f"{__name__}.missed", kwargs={"family": family}),
    )


async def missed(family: str, context: dict[str, Any]) -> str:
    """Notes that a run missed its deadline; of a watch it tells at once if the other one is silent, too. Runs in the
    triggerer."""
    from airflow.sdk.execution_time.context import AssetStateStoreAccessor

    run = context["dag_run"]
    dag_id, run_id, now = run["dag_id"], run["dag_run_id"], datetime.now(UTC)
    store = AssetStateStoreAccessor(name=WATCH_INGESTION.name)
    async with _one_at_a_time:
        found: Any = await store.aget(MISSED) or {}
        before = found.get(dag_id) or {}
        entry = {"run": run_id, "at": now.isoformat(), "thread": before.get("thread")}
        told_at = before.get("told_at")
        due = told_at is None or now - datetime.fromisoformat(told_at) >= AGAIN
        if due and family == "watch" and not await _looks(OTHER[dag_id], now):
            entry["thread"] = await asyncio.to_thread(_tell, dag_id, run_id, entry["thread"])
            entry["told_at"] = now.isoformat() if entry["thread"] else None
        elif told_at:
            entry["told_at"] = told_at
        await store.aset(MISSED, {**found, dag_id: entry})
    return f"{dag_id} {run_id}"


async def _looks(watch: Any, now: datetime) -> bool:
    from airflow.sdk.execution_time.context import AssetStateStoreAccessor

    beat: Any = await AssetStateStoreAccessor(name=watch.name).aget(BEAT)
    return beat is not None and now - datetime.fromisoformat(beat) <= SILENT[watch.name]


def _tell(dag_id: str, run_id: str, thread: dict[str, str] | None) -> dict[str, str] | None:
    from include.contracts import load
    from include.contracts.loader import PLATFORM
    from include.incidents.words import from_verdict
    from include.monitors.runs import late
    from include.operators.notices import run_link, tell

    message = from_verdict(late(dag_id, PLATFORM, run_id, WITHIN["watch"]), run_link(dag_id, run_id))
    return tell(load(PLATFORM), message, thread=thread)
