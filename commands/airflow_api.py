"""Airflow's REST API, as far as the command line needs it."""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx

from commands.console import CommandError

if TYPE_CHECKING:
    from local.place import Place

ENDED = ("success", "failed")


class NotThere(CommandError):
    """Airflow knows no such thing."""


class Airflow:
    """A signed-in client; every method raises CommandError with what to do. Use as a context manager."""

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url = url.rstrip("/")
        self._asset_ids: dict[str, int] = {}
        self._http = httpx.Client(base_url=self.url, timeout=30, trust_env=False)
        answer = self._send("POST", "/auth/token", json={"username": user, "password": password})
        self._http.headers["Authorization"] = f"Bearer {answer['access_token']}"

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, *, window: dict[str, str] | None = None) -> str:
        """Starts a run now and gives its id; `window`: `logical_date`, `data_interval_start`, `data_interval_end`."""
        body = {"logical_date": None, "conf": conf or {}, **(window or {})}
        return str(self._api("POST", f"/dags/{dag_id}/dagRuns", json=body)["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """A run as the API tells it."""
        return dict(self._api("GET", f"/dags/{dag_id}/dagRuns/{run_id}"))

    def runs(self, dag_id: str) -> list[str]:
        """The ids of a DAG's runs, the latest first."""
        found = self._api("GET", f"/dags/{dag_id}/dagRuns", params={"order_by": "-run_after", "limit": 100})
        return [str(run["dag_run_id"]) for run in found["dag_runs"]]

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """The task instances of a run."""
        found = self._api("GET", f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances", params={"limit": 1000})
        return list(found["task_instances"])

    def wait(
        self,
        dag_id: str,
        run_id: str,
        *,
        within_s: float = 900,
        seen: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> str:
        """Waits for the end of a run and gives its state; `seen` gets the tasks again and again."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            state = str(self.run(dag_id, run_id)["state"])
            if seen:
                seen(self.tasks(dag_id, run_id))
            if state in ENDED:
                return state
            time.sleep(0.5)
        raise CommandError(
            f"run {run_id} of {dag_id} has not ended after {within_s:.0f} s: see {self.link(dag_id, run_id)}"
        )

    def unpause(self, dag_id: str, *, paused: bool = False) -> None:
        """Lets the schedule run, or with `paused` stops it."""
        self._api("PATCH", f"/dags/{dag_id}", json={"is_paused": paused})

    def backfill(self, dag_id: str, start: str, end: str, *, again: bool = False) -> None:
        """Runs the schedule's windows from `start` to `end` (ISO 8601), with `again` those too that went well."""
        behaviour = "completed" if again else "none"
        body = {"dag_id": dag_id, "from_date": start, "to_date": end, "reprocess_behavior": behaviour}
        found = self._api("POST", "/backfills", json=body)
        deadline = time.monotonic() + 300
        while not self._api("GET", f"/backfills/{found['id']}")["completed_at"]:
            if time.monotonic() > deadline:
                raise CommandError(f"the backfill of {dag_id} has not ended after 300 s")
            time.sleep(0.5)

    def ready(self, dag_id: str, *, unpause: bool = False) -> None:
        """Raises CommandError for a DAG that would leave a run queued for ever: unknown, or paused and to stay so."""
        found = self.dags()
        if dag_id not in found:
            raise CommandError(f"Airflow has no DAG {dag_id!r}; it has {', '.join(sorted(found)) or 'none yet'}")
        if found[dag_id]["is_paused"]:
            if not unpause:
                raise CommandError(f"{dag_id} is paused, so the run would wait for ever: say --unpause to let it run")
            self.unpause(dag_id)

    def result(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> Any:
        """What a task returned."""
        path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/return_value"
        found = self._api("GET", path, params={"map_index": map_index, "deserialize": "false"})["value"]
        return json.loads(found) if isinstance(found, str) and found[:1] in ("{", "[") else found

    def dags(self) -> dict[str, dict[str, Any]]:
        """The DAGs Airflow knows by now."""
        return {dag["dag_id"]: dag for dag in self._api("GET", "/dags", params={"limit": 1000})["dags"]}

    def import_errors(self) -> list[str]:
        """What keeps DAG files from being parsed."""
        errors = self._api("GET", "/importErrors", params={"limit": 100})["import_errors"]
        return [f"{error['filename']}: {error['stack_trace'].strip().splitlines()[-1]}" for error in errors]

    def asset_state(self, name: str) -> dict[str, Any]:
        """Everything in the state store of an asset; empty where the asset is not known yet."""
        asset_id = self._asset_id(name)
        if asset_id is None:
            return {}
        found = self._api("GET", f"/assets/{asset_id}/state-store", params={"limit": 100})
        return {entry["key"]: entry["value"] for entry in found["asset_state_store"]}

    def asset_value(self, name: str, key: str) -> Any:
        """What an asset's state store holds under a key; None where there is no such thing yet."""
        asset_id = self._asset_id(name)
        if asset_id is None:
            return None
        try:
            return self._api("GET", f"/assets/{asset_id}/state-store/{key}")["value"]
        except NotThere:
            return None

    def set_asset_value(self, name: str, key: str, value: Any) -> None:
        """Keeps a value in an asset's state store; raises NotThere where Airflow has not seen the asset yet."""
        asset_id = self._asset_id(name)
        if asset_id is None:
            raise NotThere(f"Airflow does not know the asset {name} yet: a DAG that has it must have been parsed")
        self._api("PUT", f"/assets/{asset_id}/state-store/{key}", json={"value": value})

    def asset_events(self, dag_id: str) -> Iterator[dict[str, Any]]:
        """Every event of an asset that a run of this DAG told, the latest first."""
        seen: set[int] = set()  # an event that comes meanwhile moves the pages
        for page in itertools.count():
            asked = {"source_dag_id": dag_id, "order_by": "-timestamp", "limit": 100, "offset": 100 * page}
            found = self._api("GET", "/assets/events", params=asked)["asset_events"]
            yield from (event for event in found if event["id"] not in seen)
            seen |= {event["id"] for event in found}
            if len(found) < 100:
                return

    def _asset_id(self, name: str) -> int | None:
        if name not in self._asset_ids:
            assets = self._api("GET", "/assets", params={"name_pattern": name, "limit": 100})["assets"]
            self._asset_ids |= {asset["name"]: int(asset["id"]) for asset in assets}
        return self._asset_ids.get(name)

    def pool_slots(self, name: str) -> int:
        """How many tasks a pool lets run at once."""
        return int(self._api("GET", f"/pools/{name}")["slots"])

    def set_pool_slots(self, name: str, slots: int) -> None:
        """Gives a pool so many slots; with 0 what asks for it waits."""
        found = self._api("GET", f"/pools/{name}")
        kept = {"pool": name, "include_deferred": found["include_deferred"], "description": found["description"]}
        self._api("PATCH", f"/pools/{name}", json={**kept, "slots": slots})

    def link(self, dag_id: str, run_id: str) -> str:
        """The run's page."""
        return f"{self.url}/dags/{dag_id}/runs/{run_id}"

    def _api(self, method: str, path: str, **arguments: Any) -> Any:
        return self._send(method, f"/api/v2{path}", **arguments)

    def _send(self, method: str, path: str, **arguments: Any) -> Any:
        try:
            answer = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise CommandError(
                f"Airflow at {self.url} does not answer ({type(error).__name__}): start it with `floodgate up`"
            ) from None
        if answer.is_success:
            return answer.json() if answer.content else None
        if answer.status_code in (401, 403):
            raise CommandError(f"Airflow at {self.url} refuses the login: check its user and password")
        try:
            detail = answer.json().get("detail", answer.text)
        except ValueError:
            detail = answer.text
        kind = NotThere if answer.status_code == 404 else CommandError
        raise kind(f"Airflow: {method} {path}: {answer.status_code} {str(detail)[:400]}")


def connect(place: Place) -> Airflow:
    """The place's Airflow, or the one that FLOODGATE_AIRFLOW_URL, _USER and _PASSWORD name."""
    return Airflow(
        os.environ.get("FLOODGATE_AIRFLOW_URL") or f"http://127.0.0.1:{place.ports['airflow']}",
        os.environ.get("FLOODGATE_AIRFLOW_USER") or "floodgate",
        os.environ.get("FLOODGATE_AIRFLOW_PASSWORD") or place.secrets["airflow"],
    )
