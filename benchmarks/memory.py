"""Memory of the whole stack: each page counted once, however many processes share it."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Iterator

import psutil

from benchmarks.budgets import Figure
from benchmarks.progress import say
from commands.airflow_api import Airflow
from commands.demo import DOMAINS
from local import control, processes
from local.place import Place

BURST = 20_000
EVERY_S = 2.0
#: Until what has run has ended, and its processes with it.
SETTLE_S, IDLE_SAMPLES = 20.0, 10


def measure(airflow: Airflow, place: Place) -> Iterator[Figure]:
    """Busy: everything at once, the greatest sample. Idle: afterwards, the median. All DAGs are to be paused."""
    dags = ["burst_ecommerce", *(f"transform_{w}_{domain}" for w in ("clickhouse", "snowflake") for domain in DOMAINS)]
    for dag in dags:
        airflow.unpause(dag)
    with _sampled(place) as busy:
        conf = {dag: {"force": True} for dag in dags[1:]} | {dags[0]: {"size": BURST}}
        runs = {dag: airflow.trigger(dag, conf[dag]) for dag in dags}
        states = {dag: airflow.wait(dag, run) for dag, run in runs.items()}
    if set(states.values()) != {"success"}:
        raise RuntimeError(f"not every run went well: {states}")
    for dag in dags:
        airflow.unpause(dag, paused=True)
    yield Figure("memory_busy", max(busy))
    time.sleep(SETTLE_S)
    with _sampled(place) as idle:
        time.sleep(EVERY_S * IDLE_SAMPLES)
    say(f"busy up to {max(busy):.2f} GB ({len(busy)} samples), idle {', '.join(f'{one:.2f}' for one in idle)} GB")
    say(", ".join(f"{name} {size:.2f}" for name, size in _by_service(place).items()))
    yield Figure("memory_idle", statistics.median(idle))


def used(found: list[psutil.Process]) -> float:
    """GB (10**9 bytes) of processes, their share of what they share; where the system knows no shares, their own."""
    total = 0
    for process in found:
        with contextlib.suppress(psutil.Error):  # gone meanwhile
            info = process.memory_full_info()
            total += getattr(info, "pss", info.uss)
    return total / 1e9


@contextlib.contextmanager
def _sampled(place: Place) -> Iterator[list[float]]:
    """A list of samples, which grows while the block lasts."""
    samples = [used(processes.marked(place.home))]
    ended = threading.Event()

    def sample() -> None:
        while not ended.wait(EVERY_S):
            samples.append(used(processes.marked(place.home)))

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        ended.set()
        thread.join()


def _by_service(place: Place) -> dict[str, float]:
    names = [service["name"] for service in control.status(place)["services"]] + ["supervisor"]
    return {name: used(processes.marked(place.home, name)) for name in names}
