"""How far sinks have read. Their groups are a fact of where they run: as a watch saw them, or as Connect says now."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping

from include.connections import CONNECT, KAFKA, ConnectionMissing, Endpoint
from include.connectors.client import ConnectClient, ConnectError, Status
from include.connectors.groups import group, settled
from include.contracts import Contract
from include.operators.endpoints import endpoint


def statuses(names: Iterable[str]) -> dict[str, Status]:
    """What Connect says of every connector now, with their ids where the groups of these need them. Raises
    ConnectError."""
    connect = endpoint(CONNECT)

    async def ask() -> dict[str, Status]:
        async with ConnectClient(connect, timeout_s=10) as client:
            return await client.statuses(identities=not settled(names, connect))

    return asyncio.run(ask())


def groups(
    names: Iterable[str], found: Mapping[str, Status] | None, known: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Connector -> group. `found`: what `statuses` gave; of what is not in there, `known` has the last group that was
    seen. Raises nothing: where the connection is missing or wrong, `statuses` has told it."""
    connect, there, last = _connect(), found or {}, known or {}
    return {
        name: group(name, there[name].identity, connect)
        if name in there
        else last.get(name) or group(name, "", connect)
        for name in names
    }


def _connect() -> Endpoint:
    try:
        connect = endpoint(CONNECT)
        settled((), connect)
    except (ConnectionMissing, ConnectError):
        return Endpoint(conn_id=CONNECT)
    return connect


def committed(contract: Contract, warehouse: str, known: str = "") -> dict[str, int]:
    """`topic/partition` -> the next offset of the domain's sink into a warehouse; `known`: its group, where a watch has
    seen it. Raises ConnectError, KafkaError."""
    from include.connectors.render import names
    from include.kafka.progress import progress

    name = names(contract)[warehouse]
    read_as = known or groups([name], statuses([name]))[name]
    found = progress(endpoint(KAFKA), {read_as: [topic.name for topic in contract.topics]})[read_as]
    return {f"{topic}/{number}": at for (topic, number), (at, _) in found.items()}
