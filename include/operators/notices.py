"""Sends messages from a task or a callback. What cannot be sent is logged whole: Slack never blocks a run."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import quote

from include.connections import SLACK, ConnectionMissing
from include.contracts import Contract
from include.operators.endpoints import endpoint

log = logging.getLogger(__name__)


def tell(contract: Contract, message: Any, *, thread: dict[str, str] | None = None) -> dict[str, str] | None:
    """Sends a Message where the contract's owner reads it, in a thread where one is given.

    Gives where it stands, to be kept and given back as `thread`; None where it could not be sent.
    """
    from include.alerts import Alerts, AlertsDown, Sent, plain, route

    try:
        sent = Alerts(endpoint(SLACK)).send(
            route(contract, message.severity), message, reply_to=Sent(**thread) if thread else None
        )
    except (AlertsDown, ConnectionMissing) as error:
        log.warning("not sent (%s):\n%s", error, plain(message))
        return None
    log.info("sent to %s:\n%s", sent.channel, plain(message))
    return {"channel": sent.channel, "ts": sent.ts}


def run_link(dag_id: str, run_id: str) -> str:
    """The run's page in Airflow; empty where Airflow does not know its own address."""
    from airflow.sdk import conf

    base = (conf.get("api", "base_url", fallback="") or "").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id)}" if base else ""
