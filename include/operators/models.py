"""One `dbt build` a group, and a light task a model that shows what became of its model.

A process a model costs dbt's start each time. So the group's first task builds all of its models at once and leaves
a record of each; the models' tasks read their record, log it, and are red or green as their model and its tests were.
A task that was cleared, or whose model dbt left out, builds its model itself.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from include.operators import graph
from include.operators.build import BuildError, Record, build
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.manifest import project, read

#: The task that builds a group, first in it; and the one that closes it.
BUILD, DONE = "dbt_build", "done"
_FINAL = {"success", "failed", "skipped", "upstream_failed", "removed"}
#: The task's own memory of the record it has shown; it outlives a clearing.
_SHOWN = "shown"


def until(ti: Any) -> int | None:
    """When (Unix time, ms) the last row landed that the run's first task saw; None where it saw none."""
    seen = (ti.xcom_pull(task_ids="landed") or {}).get("offsets") or {}
    return max((landed_ms for _, landed_ms in seen.values()), default=0) or None


class DbtBuild(BaseOperator):
    """Builds the models of a group whose tasks are still to be run, with their tests; returns a record a model.

    It is green when a model fails, for that model's task is red; it fails where no model's task would tell: dbt broke,
    left a model out, or the DAG was rendered from another manifest than the one it builds from.
    """

    ui_color = "#ffe0cc"

    def __init__(self, *, warehouse: str, folder: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse = warehouse
        self.folder = folder

    def execute(self, context: Any) -> dict[str, Any]:
        """Builds what is to be built; see the class."""
        ti = context["ti"]
        where = project(self.warehouse)
        group = graph.group(read(where), self.folder)
        prefix = self.task_id.removesuffix(BUILD)
        tasks = {uid: f"{prefix}{name}" for uid, name in group.models.items()}
        states = ti.get_task_states(ti.dag_id, task_ids=list(tasks.values()), run_ids=[ti.run_id]).get(ti.run_id, {})
        unseen = sorted(task for task in tasks.values() if task not in states)
        if unseen:
            raise AirflowException(
                f"the manifest has models that this run has no task for: {', '.join(unseen)}. "
                "The DAG is older than the manifest; wait for the DAG processor, then start a new run"
            )
        todo = [uid for uid, task in tasks.items() if states[task] not in _FINAL]  # the cleared ones; at first, all
        if not todo:
            return {}
        try:
            records = build(
                where, self.warehouse, endpoint(WAREHOUSES[self.warehouse]), group, todo, until_ms=until(ti)
            )
        except BuildError as error:
            raise AirflowException(str(error)) from error
        bad = [group.models[uid] for uid, record in records.items() if record.verdict != "good"]
        self.log.info("%d models built, %d of them bad or left out: %s", len(todo), len(bad), ", ".join(bad) or "none")
        return {"stamp": f"{ti.try_number}/{ti.start_date}", "records": msgspec.to_builtins(records)}


class DbtModel(BaseOperator):
    """Shows what became of one model and its tests; builds it where there is no record that it has not shown before."""

    ui_color = "#fff0e6"

    def __init__(self, *, warehouse: str, folder: str, model: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse = warehouse
        self.folder = folder
        self.model = model  # dbt's unique id

    def execute(self, context: Any) -> None:
        """Green when the model and every test of it passed; see the class."""
        ti, memory = context["ti"], context["task_state_store"]
        build_task = f"{self.task_id.rsplit('.', 1)[0]}.{BUILD}"
        made = ti.xcom_pull(task_ids=build_task) or {}
        record = msgspec.convert(made.get("records", {}).get(self.model), Record | None)
        if record is None or record.verdict == "open" or memory.get(_SHOWN) == made["stamp"]:
            self.log.info("%s has no fresh record of %s: building it here", build_task, self.model)
            record = self._alone(until(ti))
        else:
            memory.set(_SHOWN, made["stamp"], retention=timedelta(days=30))
        for line in record.lines:
            self.log.info(line)
        if record.verdict != "good":
            bad = [line for line in record.lines if not line.split(": ", 1)[1].startswith(("success", "pass", "warn"))]
            raise AirflowException(f"{self.model} is not good: {'; '.join(bad)[:2000]}")

    def _alone(self, until_ms: int | None) -> Record:
        where = project(self.warehouse)
        group = graph.group(read(where), self.folder)
        if self.model not in group.models:
            raise AirflowFailException(f"{self.model} is no longer in the project: start a new run")
        try:
            made = build(
                where, self.warehouse, endpoint(WAREHOUSES[self.warehouse]), group, [self.model], until_ms=until_ms
            )
            return made[self.model]
        except BuildError as error:
            raise AirflowException(str(error)) from error
