"""What both watches need: a second look before a place is called away, signs of life, what Airflow says of a DAG."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

from airflow.sdk import Asset

from include.connections import ConnectionMissing
from include.connectors.client import ConnectError
from include.monitors import places
from include.monitors.places import Trouble
from include.operators.endpoints import WAREHOUSES, endpoint
from include.warehouses import WarehouseError

#: Keys in the state store of a watch's asset.
MEMORY, BEAT, TRIGGER_BEAT = "memory", "beat", "trigger_beat"
#: A service that is restarted is back within this; only then is it called away.
AGAIN_S = 20.0


def second_look(
    looks: Mapping[str, Callable[[], Any]],
    log: Any,
    *,
    again_s: float = AGAIN_S,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[dict[str, Any], dict[str, Trouble]]:
    """What each look found, None where two did not, and why they did not; a restart between two minutes is nobody's
    business. All at once, for each may wait for its time-out."""
    found, troubles = _all(looks)
    if troubles:
        log.warning("%s; looking again in %.0f s", "; ".join(one.reason for one in troubles.values()), again_s)
        sleep(again_s)
        later, troubles = _all({name: looks[name] for name in troubles})
        found |= later
    return found, troubles


def _all(looks: Mapping[str, Callable[[], Any]]) -> tuple[dict[str, Any], dict[str, Trouble]]:
    from include.kafka.errors import KafkaError

    expected = (ConnectError, WarehouseError, KafkaError, ConnectionMissing)
    found: dict[str, Any] = dict.fromkeys(looks)
    troubles: dict[str, Trouble] = {}
    with ThreadPoolExecutor(max_workers=max(1, len(looks))) as pool:
        asked = {name: pool.submit(look) for name, look in looks.items()}
        for name, answer in asked.items():
            try:
                found[name] = answer.result()
            except expected as error:
                troubles[name] = _trouble(error)
    return found, troubles


def _trouble(error: Exception) -> Trouble:
    # A connection that is missing is no absence either: nobody was asked.
    return Trouble(str(error), away=bool(getattr(error, "away", False)))


def blamed(warehouse: str) -> str:
    """The fingerprint of what is wrong with a warehouse, empty where it answers one small question now."""
    from include.warehouses import clickhouse, snowflake

    module: Any = {"clickhouse": clickhouse, "snowflake": snowflake}[warehouse]
    try:
        with module.connect(endpoint(WAREHOUSES[warehouse]), run_id="watch", timeout_s=10) as client:
            client.query("select 1 as one")
    except (WarehouseError, ConnectionMissing) as error:
        return places.causes(warehouse)[0 if _trouble(error).away else 1]
    return ""


def beat(context: Any, asset: Asset, now: datetime) -> None:
    """Leaves a sign of life."""
    context["asset_state_store"][asset].set(BEAT, now.isoformat())


def beat_of(context: Any, asset: Asset, key: str = BEAT) -> datetime | None:
    """The last sign of life; None before the first."""
    found = context["asset_state_store"][asset].get(key)
    return datetime.fromisoformat(found) if found else None


def paused(context: Any, dag_id: str) -> bool | None:
    """Whether a person has paused a DAG; None where Airflow does not know it."""
    from airflow.sdk.exceptions import AirflowRuntimeError

    try:
        return bool(context["ti"].get_dag(dag_id).is_paused)
    except AirflowRuntimeError:
        return None
