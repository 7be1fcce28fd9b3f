"""Runs of the transforms against plain `dbt build` of the same models and tests, in turns, nothing else running."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from datetime import datetime

from benchmarks import plain
from benchmarks.budgets import Figure
from benchmarks.progress import say
from commands.airflow_api import Airflow
from commands.demo import DOMAINS

TIMES = 3


def measure(airflow: Airflow) -> Iterator[Figure]:
    """Every warehouse and domain of the demo; the transforms have run before, and all DAGs are paused."""
    for warehouse in plain.CONNECTIONS:
        for domain in DOMAINS:
            yield from _against(airflow, warehouse, domain)


def _against(airflow: Airflow, warehouse: str, domain: str) -> Iterator[Figure]:
    dag, subject = f"transform_{warehouse}_{domain}", f"{warehouse}_{domain}"
    selected = plain.nodes(warehouse, domain)
    plain.build(warehouse, selected)  # parses
    airflow.unpause(dag)
    pairs = []
    for _ in range(TIMES):
        built = plain.build(warehouse, selected)
        pairs.append((built, ran(airflow, dag)))
        say(f"{dag}: plain {pairs[-1][0]:.1f} s, run {pairs[-1][1]:.1f} s")
    airflow.unpause(dag, paused=True)
    yield Figure("dbt", statistics.median(built for built, _ in pairs), subject)
    yield Figure("transform", statistics.median(run for _, run in pairs), subject)
    yield Figure("transform_ratio", statistics.median(run / built for built, run in pairs), subject)


def ran(airflow: Airflow, dag: str) -> float:
    """Seconds of a forced run, as Airflow tells its start and end; raises RuntimeError where it fails."""
    run_id = airflow.trigger(dag, {"force": True})
    if airflow.wait(dag, run_id) != "success":
        raise RuntimeError(f"{dag} {run_id} failed")
    run = airflow.run(dag, run_id)
    start, end = (datetime.fromisoformat(run[name]) for name in ("start_date", "end_date"))
    return (end - start).total_seconds()
