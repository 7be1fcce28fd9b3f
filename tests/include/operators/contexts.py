"""What a task is given of Airflow, as far as watches and healings use it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
from airflow.sdk.execution_time.comms import ErrorResponse


class Memory(dict[str, Any]):
    """An asset's state store: JSON, and copies of it."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(json.dumps(super().get(key, default)))

    def delete(self, key: str) -> None:
        self.pop(key, None)


class Airflow:
    """Stores and events outlive a run; XComs are of one. `dags`: id -> paused; `runs`: id -> failed, good."""

    def __init__(self) -> None:
        self.stores: dict[str, Memory] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.dags: dict[str, bool] = {}
        self.runs: dict[str, list[int]] = {}

    def store(self, asset: Any) -> Memory:
        return self.stores.setdefault(asset.name, Memory())

    def context(self, task: Any = None, **given: Any) -> dict[str, Any]:
        """Of one run of a task."""
        xcoms: dict[tuple[Any, str], Any] = {}

        def push(key: str, value: Any) -> None:
            xcoms[getattr(task, "task_id", None), key] = json.loads(json.dumps(value))

        def dag(dag_id: str) -> Any:
            if dag_id not in self.dags:
                raise AirflowRuntimeError(ErrorResponse(error=ErrorType.GENERIC_ERROR))
            return SimpleNamespace(is_paused=self.dags[dag_id])

        def count(dag_id: str, *, states: list[str]) -> int:
            return self.runs.get(dag_id, [0, 0])[states == ["success"]]

        told = SimpleNamespace(add=lambda asset, extra: self.events.append((asset.name, extra)))
        return {
            "asset_state_store": type("Stores", (), {"__getitem__": lambda _, asset: self.store(asset)})(),
            "dag": SimpleNamespace(dag_id="d"),
            "run_id": "r",
            "task": task,
            "params": {},
            "outlet_events": type("Told", (), {"__getitem__": lambda *_: told})(),
            "ti": SimpleNamespace(
                xcom_push=push,
                xcom_pull=lambda task_ids, key="return_value": xcoms.get((task_ids, key)),
                get_dag=dag,
                get_dr_count=count,
                xcoms=xcoms,
            ),
            **given,
        }
