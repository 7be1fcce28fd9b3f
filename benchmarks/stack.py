"""What needs the whole stack shares one: the demo brings it up, the transforms are run on it, then it is weighed."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from benchmarks import demo, memory, transform, whole
from benchmarks.budgets import Figure
from commands import airflow_api
from commands.pipeline import environed

PARTS = ("demo", "transform", "watches", "memory")


def measure(parts: Collection[str] = PARTS) -> Iterator[Figure]:
    """The parts asked for; the demo is run in any case."""
    with demo.warm() as (place, figure):
        if "demo" in parts:
            yield figure
        environed()
        with airflow_api.connect(place) as airflow:
            for dag in airflow.dags():
                airflow.unpause(dag, paused=True)
            if "transform" in parts:
                yield from transform.measure(airflow)
            if "watches" in parts:
                yield from whole.measure(airflow, place)
            if "memory" in parts:
                yield from memory.measure(airflow, place)
