"""What both watches need: a second look before a place is called away, signs of life, what Airflow says of a DAG."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from airflow.sdk import Asset

from include.connections import ConnectionMissing
from include.connectors.client import ConnectError
from include.operators.endpoints import WAREHOUSES, endpoint
from include.warehouses import WarehouseError

#: Keys in the state store of a watch's asset.
MEMORY, BEAT, TRIGGER_BEAT = "memory", "beat", "trigger_beat"
#: A service that is restarted is back within this; only then is it called away.
AGAIN_S = 20.0

Found = TypeVar("Found")


def second_look(
    look: Callable[[], Found], log: Any, *, again_s: float = AGAIN_S, sleep: Callable[[float], None] = time.sleep
) -> tuple[Found | None, str | None]:
    """What a look found, or why two in a row did not; a restart between two minutes is nobody's business."""
    from include.kafka.errors import KafkaError

    expected = (ConnectError, WarehouseError, KafkaError, ConnectionMissing)
    try:
        return look(), None
    except expected as error:
        log.warning("%s; looking again in %.0f s", error, again_s)
    sleep(again_s)
    try:
        return look(), None
    except expected as error:
        return None, str(error)


def answers(warehouse: str) -> bool:
    """Whether a warehouse answers one small question now."""
    from include.warehouses import clickhouse, snowflake

    module: Any = {"clickhouse": clickhouse, "snowflake": snowflake}[warehouse]
    try:
        with module.connect(endpoint(WAREHOUSES[warehouse]), run_id="watch", timeout_s=10) as client:
            client.query("select 1 as one")
    except (WarehouseError, ConnectionMissing):
        return False
    return True


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
