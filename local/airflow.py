"""The local Airflow: four services of the runtime's own Airflow, so that the death of one restarts that one alone.

The processes read their settings from `environment` when they start (`python -m local.airflow scheduler`), not when the
supervisor does: keys and certificates that another service makes at its first start are there by then.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from local import environment, private
from local.place import Place, here
from local.service import Service, ServiceError

# Task logs are read from the disk: the log servers of scheduler and triggerer would listen on every interface.
PROGRAMS = {
    "api-server": ("api-server",),
    "scheduler": ("scheduler", "--skip-serve-logs"),
    "dag-processor": ("dag-processor",),
    "triggerer": ("triggerer", "--skip-serve-logs"),
}
MIGRATION_TIMEOUT_S = 300
#: Name -> slots and description; airflow_settings.yaml has the same for a real Airflow.
POOLS = {"bursts": (4, "Bursts of all domains; with 0 slots nothing is produced")}


def services(place: Place) -> tuple[Service, ...]:
    """The API server (which serves the pages, too), the scheduler with its tasks, the DAG processor, the triggerer."""
    make = functools.partial(_service, place)
    return (
        make(
            "airflow-api",
            "api-server",
            needs=("postgres",),
            ports=(place.ports["airflow"],),
            prepare=lambda: prepare(place),
        ),
        # Tasks and triggers inherit the connections, so the keys they name must have been made.
        make("airflow-scheduler", "scheduler", needs=("airflow-api", "snowflake")),
        make("airflow-dag-processor", "dag-processor", needs=("airflow-api",)),
        make("airflow-triggerer", "triggerer", needs=("airflow-api", "snowflake")),
    )


def _service(
    place: Place,
    name: str,
    program: str,
    needs: tuple[str, ...],
    ports: tuple[int, ...] = (),
    prepare: Callable[[], None] | None = None,
) -> Service:
    begun = [datetime.now(UTC)]  # of the present start: a heartbeat of the process before it proves nothing

    def prepare_and_note() -> None:
        if prepare is not None:
            prepare()
        begun[0] = datetime.now(UTC)

    component = {"api-server": "metadatabase"}.get(program, program.replace("-", "_"))
    return Service(
        name=name,
        argv=(str(place.python), "-m", "local.airflow", program),
        env={"PYTHONPATH": str(place.root), "FLOODGATE_HOME": str(place.home), "FLOODGATE_PORT_OFFSET": _offset(place)},
        ports=ports,
        needs=needs,
        prepare=prepare_and_note,
        ready=lambda: _ready(place, component, begun[0]),
        stop_within_s=10.0,
        start_within_s=180.0,
    )


def _offset(place: Place) -> str:
    return environment.environment(place)["FLOODGATE_PORT_OFFSET"]


_health_lock = threading.Lock()
_health_seen: dict[int, tuple[float, dict[str, Any] | str]] = {}


def _health(port: int) -> dict[str, Any] | str:
    """What /monitor/health says, or why it does not; asked at most once a second, for four services ask."""
    with _health_lock:
        at, answer = _health_seen.get(port, (float("-inf"), ""))
        if time.monotonic() - at > 1.0:
            try:
                with urllib.request.urlopen(
                    f"http://{environment.LOOPBACK}:{port}/api/v2/monitor/health", timeout=3
                ) as reply:
                    answer = json.load(reply)
            except (OSError, ValueError) as problem:
                answer = f"the API server to answer on port {port} ({getattr(problem, 'reason', problem)})"
            _health_seen[port] = (time.monotonic(), answer)
        return answer


def _ready(place: Place, component: str, begun: datetime) -> str | None:
    """None when Airflow calls the component healthy and it has shown a sign of life since `begun`."""
    health = _health(place.ports["airflow"])
    if isinstance(health, str):
        return health
    state = health.get(component) or {}
    if state.get("status") != "healthy":
        return f"a heartbeat of the {component}" if component != "metadatabase" else "the metadata database"
    if component != "metadatabase":
        beat = state.get(f"latest_{component}_heartbeat")
        if not beat or datetime.fromisoformat(beat) < begun:
            return f"the first heartbeat of the {component}"
    return None


def prepare(place: Place) -> None:
    """Writes the password of the one user, and migrates the metadata database where needed; raises ServiceError."""
    home = environment.airflow_home(place)
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    passwords = json.dumps({environment.AIRFLOW_USER: place.secrets["airflow"]})
    private.write(environment.passwords_file(place), passwords + "\n")
    environment.write(place)
    if not place.python.exists():
        raise ServiceError(f"The runtime's environment {place.python} is missing: run `make setup`.")
    variables = os.environ | environment.environment(place)
    try:
        done = subprocess.run(
            [place.python, "-m", "local.airflow", "migrate"],
            env=variables,
            cwd=place.root,
            capture_output=True,
            text=True,
            check=False,
            timeout=MIGRATION_TIMEOUT_S,
        )
    except subprocess.TimeoutExpired as problem:
        raise ServiceError(
            f"`airflow db migrate` took more than {MIGRATION_TIMEOUT_S} s: start again when the machine is less busy."
        ) from problem
    output = done.stdout + done.stderr
    if output:
        with place.log("airflow-api").open("a") as log:
            log.write(output)
    if done.returncode:
        last = (output.strip().splitlines() or ["no output"])[-1]
        raise ServiceError(f"`airflow db migrate` failed: {last}; see `floodgate logs airflow-api`.")


def _migrate() -> int:
    """In the runtime's Python: migrates unless this Airflow was the last to do so and the database still says the same.

    Asking takes 0.2 s, finding out by importing Airflow 5 s and more. Pools are made by the way.
    """
    place = here()
    record = place.data("airflow") / "schema.json"
    version = metadata.version("apache-airflow-core")
    if not record.exists() or json.loads(record.read_text()) != [version, _revision()]:
        done = subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], check=False)
        if done.returncode:
            return done.returncode
        record.write_text(json.dumps([version, _revision()]))
    _pools()
    return 0


def _revision() -> str | None:
    """The metadata database's Alembic revision; None where there is no such table yet."""
    with _cursor() as cursor:
        cursor.execute("select to_regclass('public.alembic_version')")
        if cursor.fetchone() == (None,):
            return None
        cursor.execute("select version_num from alembic_version")
        row = cursor.fetchone()
        return row[0] if row else None


def _pools() -> None:
    """Makes the pools that tasks ask for; one that is there stays as somebody has set it."""
    insert = (
        "insert into slot_pool (pool, slots, description, include_deferred) values (%s, %s, %s, false) "
        "on conflict (pool) do nothing"
    )
    with _cursor() as cursor:
        for name, (slots, description) in POOLS.items():
            cursor.execute(insert, (name, slots, description))


@contextlib.contextmanager
def _cursor() -> Iterator[Any]:
    """A cursor of the metadata database, which commits at its end."""
    import psycopg2

    url = os.environ["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].replace("+psycopg2", "")
    connection = psycopg2.connect(url, connect_timeout=5)
    try:
        with connection, connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def _become(program: str) -> None:
    """Replaces this process, pid and all, with an Airflow program that has the place's settings."""
    place = here()
    scripts = str(Path(sys.executable).parent)
    os.environ.update(environment.environment(place), PATH=f"{scripts}{os.pathsep}{os.environ.get('PATH', os.defpath)}")
    os.execv(  # noqa: S606 - the same pid is the point
        sys.executable, [sys.executable, "-m", "airflow", *PROGRAMS[program]]
    )


if __name__ == "__main__":
    if sys.argv[1] == "migrate":
        sys.exit(_migrate())
    _become(sys.argv[1])
