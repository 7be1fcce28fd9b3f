"""Both watches on the whole stack, bursts running: CPU seconds a minute of every service, less those without them."""

from __future__ import annotations

import time
from collections.abc import Iterator

from benchmarks import used
from benchmarks.budgets import Figure
from benchmarks.progress import say
from benchmarks.watching import WATCHES
from commands.airflow_api import Airflow
from commands.demo import DOMAINS
from local import control
from local.place import Place

MINUTES = 4
#: What has just been started or paused is left to settle.
SETTLE_S = 75.0


def measure(airflow: Airflow, place: Place) -> Iterator[Figure]:
    """All DAGs are to be paused; afterwards they are again."""
    bursts = [f"burst_{domain}" for domain in DOMAINS]
    for dag in bursts:
        airflow.unpause(dag)
    without = _minute(place)
    for dag in WATCHES:
        airflow.unpause(dag)
    known = {run for dag in WATCHES for run in airflow.runs(dag)}
    both = _minute(place)
    looks = {dag: len(set(airflow.runs(dag)) - known) for dag in WATCHES}
    if min(looks.values()) < MINUTES:
        raise RuntimeError(f"the watches were to look each minute for {MINUTES} minutes: {looks}")
    for dag in (*bursts, *WATCHES):
        airflow.unpause(dag, paused=True)
    by_service = {name: both[name] - without[name] for name in both}
    say("more a minute with the watches: " + ", ".join(f"{name} {cpu:.2f} s" for name, cpu in by_service.items()))
    yield Figure("watch_stack_without", sum(without.values()))
    yield Figure("watch_stack", sum(by_service.values()))


def _minute(place: Place) -> dict[str, float]:
    """Service -> CPU seconds a minute, from now on."""
    time.sleep(SETTLE_S)
    names = [service["name"] for service in control.status(place)["services"]]
    before = used.cpu_s(place, names)
    time.sleep(60 * MINUTES)
    return {name: cpu / MINUTES for name, cpu in used.more(used.cpu_s(place, names), before).items()}
