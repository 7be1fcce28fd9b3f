"""Faults of sink connectors: one task fails, it stalls, it is deleted, it forgets how far it has read."""

from __future__ import annotations

import time
from typing import Any

from commands.console import CommandError
from commands.faults.fault import Facts, Target
from local.place import Place

#: How long the connector is left stopped without its offsets, as whoever resets them by hand leaves it.
WITHOUT_OFFSETS_S = 20.0


def fail(place: Place, target: Target) -> Facts:
    """One task ends with a trace; a restart of what failed cures it. By the local worker's door."""
    _door(target.connector, "fail")
    _until(target.connector, "FAILED")
    return {"connector": target.connector, "said": f"A task of {target.connector} is FAILED."}


def mend_failed(place: Place, target: Target, facts: Facts) -> str:
    """Restarts what failed; harmless where Floodgate was faster."""
    _connect("POST", f"/connectors/{target.connector}/restart", includeTasks="true", onlyFailed="true")
    return f"What has failed of {target.connector} was restarted."


def stall(place: Place, target: Target) -> Facts:
    """It says RUNNING and reads no more; a full restart cures it, one of failed tasks does not. By the door."""
    _door(target.connector, "stall")
    said = f"{target.connector} says RUNNING and neither reads nor commits: from the next burst on, records wait."
    return {"connector": target.connector, "said": said}


def mend_stalled(place: Place, target: Target, facts: Facts) -> str:
    """A full restart."""
    _connect("POST", f"/connectors/{target.connector}/restart", includeTasks="true", onlyFailed="false")
    return f"{target.connector} was restarted with all its tasks."


def delete(place: Place, target: Target) -> Facts:
    """The connector is deleted; its group keeps its offsets."""
    _connect("DELETE", f"/connectors/{target.connector}")
    return {"connector": target.connector, "said": f"{target.connector} is deleted; its offsets stay in Kafka."}


def make_again(place: Place, target: Target, facts: Facts) -> str:
    """A run of prepare, which makes what the contracts ask for."""
    from commands import airflow_api
    from commands.pipeline import failed

    with airflow_api.connect(place) as airflow:
        airflow.ready("prepare", unpause=True)
        run_id = airflow.trigger("prepare")
        if airflow.wait("prepare", run_id) == "failed":
            raise CommandError(failed("prepare", airflow.tasks("prepare", run_id), airflow.link("prepare", run_id)))
    return f"DAG prepare has made {target.connector} again."


def lose_offsets(place: Place, target: Target) -> Facts:
    """Its offsets are deleted, as one does it by hand: stop, delete, resume. It reads all there is once more."""
    name = target.connector
    _connect("PUT", f"/connectors/{name}/stop")
    try:
        _until(name, "STOPPED")
        _connect("DELETE", f"/connectors/{name}/offsets")
        time.sleep(WITHOUT_OFFSETS_S)
    finally:
        _connect("PUT", f"/connectors/{name}/resume")
    said = f"{name} has lost its offsets and reads every topic from its beginning."
    return {"connector": name, "stopped_s": WITHOUT_OFFSETS_S, "said": said}


def _door(connector: str, fault: str) -> None:
    answer = _send("POST", f"/floodgate/faults/{connector}", json={"fault": fault})
    if answer.status_code == 404 and "Connector" not in answer.text:
        raise CommandError("This Kafka Connect cannot be broken on purpose: only the local stack's worker has a door.")
    _expect(answer)


def _until(connector: str, state: str, within_s: float = 30.0) -> None:
    """Waits until the connector, or one of its tasks, is in that state."""
    deadline = time.monotonic() + within_s
    while True:
        status = _connect("GET", f"/connectors/{connector}/status")
        states = {status["connector"]["state"], *(task["state"] for task in status["tasks"])}
        if state in states:
            return
        if time.monotonic() > deadline:
            raise CommandError(f"{connector} is {', '.join(sorted(states))}, not {state}, after {within_s:.0f} s.")
        time.sleep(0.1)


def _connect(method: str, path: str, **params: str) -> Any:
    return _expect(_send(method, path, params=params))


def _expect(answer: Any) -> Any:
    if answer.is_success:
        return answer.json() if answer.content else None
    raise CommandError(f"Kafka Connect: {answer.request.method} {answer.request.url.path}: {answer.text[:300]}")


def _send(method: str, path: str, **arguments: Any) -> Any:
    import httpx

    from include.connections import CONNECT, from_env

    endpoint = from_env(CONNECT)
    host = endpoint.host if "://" in endpoint.host else f"http://{endpoint.host}"
    base = f"{host.rstrip('/')}{f':{endpoint.port}' if endpoint.port else ''}{endpoint.extra.get('base_path', '')}"
    login = (endpoint.login, endpoint.password) if endpoint.login else None
    try:
        return httpx.request(method, f"{base}{path}", auth=login, timeout=30, trust_env=False, **arguments)
    except httpx.HTTPError as error:
        raise CommandError(f"Kafka Connect at {base} does not answer ({type(error).__name__}: {error}).") from None
