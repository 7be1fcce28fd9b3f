"""Runs in the triggerer: looks at the connectors every few seconds, and is an event when one changes for bad or good.

The event starts the DAG watch_connectors at once; that one looks for itself. So there is one path to a verdict, and the
trigger needs no judgement: it only knows that something is other than before.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from airflow.sdk import BaseHook
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from include.connections import CONNECT
from include.operators.assets import WATCH_CONNECTORS
from include.operators.endpoints import of
from include.operators.watching import TRIGGER_BEAT

#: How often it gives a sign of life.
BEAT_S = 15.0


class ConnectorsTrigger(BaseEventTrigger):
    """An event whenever the states of connectors and their tasks are others than at the last look.

    `every_s`: seconds between two looks. A Connect that does not answer is a state, too.
    """

    def __init__(self, every_s: float = 3.0) -> None:
        super().__init__()
        self.every_s = every_s

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Class and arguments, for the triggerer to make it again."""
        return f"{__name__}.ConnectorsTrigger", {"every_s": self.every_s}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Looks until it is ended. The first look is no event unless something is wrong in it."""
        before: tuple[str, ...] | None = None
        beat_at = float("-inf")
        while True:
            now = await self._states()
            if time.monotonic() - beat_at >= BEAT_S:
                beat_at = time.monotonic()
                await self._beat()
            if now != before and (before is not None or _wrong(now)):
                yield TriggerEvent({"states": list(now), "at": datetime.now(UTC).isoformat()})
            before = now
            await asyncio.sleep(self.every_s)

    async def _states(self) -> tuple[str, ...]:
        from include.connectors.client import ConnectClient, ConnectError

        try:
            connection = await BaseHook.aget_connection(CONNECT)
            async with ConnectClient(of(connection, CONNECT), timeout_s=5) as connect:
                found = await connect.statuses()
        except ConnectError:
            return ("away",)
        except Exception as error:
            # No connection yet, or Airflow's own API restarts: not the connectors' trouble.
            self.log.info("no look at the connectors: %s", error)
            return ("away",)
        return tuple(
            f"{name} {status.connector.state} {','.join(task.state for task in status.tasks)}"
            for name, status in sorted(found.items())
        )

    async def _beat(self) -> None:
        # Not in the store of the asset it watches: a DAG that reads that one would take the watcher off it, as Airflow
        # keeps one definition of an asset, the last it has parsed.
        from airflow.sdk.execution_time.context import AssetStateStoreAccessor

        with contextlib.suppress(Exception):  # the watch tells of a beat that is missed
            await AssetStateStoreAccessor(name=WATCH_CONNECTORS.name).aset(TRIGGER_BEAT, datetime.now(UTC).isoformat())


def _wrong(states: tuple[str, ...]) -> bool:
    return states == ("away",) or any("FAILED" in state for state in states)
