"""Counts again, for a healing: what is missing now, what was produced."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk.exceptions import AirflowException

from include.connections import KAFKA
from include.connectors.client import ConnectError
from include.contracts import Contract, load
from include.healing.plan import Gap
from include.monitors import rows
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.read_on import committed
from include.operators.watermark import connect


def lost(gap: Gap, now: datetime) -> list[Any]:
    """What is missing now of a gap in rows: holes that its sink has read past. Raises AirflowException where a place
    does not answer: what cannot be counted is not healed."""
    assert gap.since is not None  # noqa: S101 - of rows
    contract = load(gap.domain)
    found = _ledger([contract], gap.since - timedelta(minutes=1), now)
    some = [hole for hole in found.holes if hole.warehouse == gap.warehouse and hole.minute >= gap.since]
    try:
        read = committed(contract, gap.warehouse) if some else {}
    except ConnectError as error:
        raise AirflowException(f"cannot tell how far the sink has read: {error}") from None
    return [hole for hole in some if rows.passed(hole, read)]


def _ledger(contracts: Iterable[Contract], since: datetime, now: datetime) -> Any:
    from include.ledger import minutes

    clients = {name: (lambda name=name: connect(name, "heal")) for name in WAREHOUSES}
    found = minutes.read(endpoint(KAFKA), clients, list(contracts), since=since, until=now)
    if found.blind:
        raise AirflowException(f"cannot count: {'; '.join(f'{place}: {why}' for place, why in found.blind.items())}")
    return found


def produced(contract: Contract, since: datetime) -> dict[datetime, int]:
    """Start of each scheduled window that has receipts -> its events."""
    from include.generators.size import SCHEDULED
    from include.kafka import receipts

    events: dict[datetime, int] = {}
    for receipt in receipts.read(endpoint(KAFKA), since=since).values():
        if receipt.domain == contract.domain and receipt.shard == SCHEDULED:
            events[receipt.window_start] = events.get(receipt.window_start, 0) + receipt.events
    return events
