"""Faults of services: one is down and stays so, one hangs, bursts get no slot."""

from __future__ import annotations

from collections.abc import Callable

from commands.faults.fault import Facts, Target, noted
from local.place import Place

TRIGGERER = "airflow-triggerer"
POOL, SLOTS = "bursts", 4


def down(service: Callable[[Target], str]) -> Callable[[Place, Target], Facts]:
    """Makes a service of the local stack end and stay down."""

    def make(place: Place, target: Target) -> Facts:
        from local import control

        name = service(target)
        control.hold(place, name)
        return {"service": name, "said": f"{name} is down and stays down."}

    return make


def let_go(place: Place, target: Target, facts: Facts) -> str:
    """Lets the service start again, and waits until it answers."""
    from local import control

    control.release(place, facts["service"])
    return f"{facts['service']} answers again."


def freeze_triggerer(place: Place, target: Target) -> Facts:
    """Airflow's triggerer stands still, as a process that hangs: no trigger sees anything, and nothing says so."""
    from local import control

    count = control.freeze(place, TRIGGERER)
    said = f"{TRIGGERER} stands still ({count} processes): triggers see nothing. After some minutes it is restarted."
    return {"service": TRIGGERER, "processes": count, "said": said}


def thaw_triggerer(place: Place, target: Target, facts: Facts) -> str:
    """Lets it go on; harmless where the supervisor has restarted it meanwhile."""
    from local import control

    control.thaw(place, TRIGGERER)
    return f"{TRIGGERER} goes on."


def fail_unseen(place: Place, target: Target) -> Facts:
    """A connector's task ends while no trigger sees it: what is left is the look of each minute."""
    from commands.faults import connectors

    frozen, failed = freeze_triggerer(place, target), connectors.fail(place, target)
    return {**frozen, **failed, "said": f"{failed['said']} {frozen['said']}"}


def silence_generators(place: Place, target: Target) -> Facts:
    """The pool that bursts run in has no slot: runs are made and wait, although no DAG is paused."""
    from commands import airflow_api
    from commands.faults.register import FAULTS

    before = noted(place, FAULTS["generator-silent"])
    with airflow_api.connect(place) as airflow:
        slots = airflow.pool_slots(POOL) or (before[-1][1]["slots"] if before else SLOTS)
        airflow.set_pool_slots(POOL, 0)
    said = f"Pool {POOL} has no slot: bursts are due and wait, as if the generators hung."
    return {"pool": POOL, "slots": slots, "said": said}


def wake_generators(place: Place, target: Target, facts: Facts) -> str:
    """Gives the pool its slots back."""
    from commands import airflow_api

    with airflow_api.connect(place) as airflow:
        airflow.set_pool_slots(POOL, facts["slots"])
    return f"Pool {POOL} has its {facts['slots']} slots again."
