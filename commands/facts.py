"""What `floodgate status` tells: gathered from every place at once, each place that cannot be asked said so."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from commands import airflow_api
from commands.console import CommandError
from include import connections
from include.connections import ConnectionMissing
from include.connectors.client import ConnectClient, ConnectError
from include.contracts import Contract, all_contracts, load
from include.contracts.loader import PLATFORM
from include.kafka.errors import KafkaError
from include.ledger import counts
from include.ledger.counts import Stream
from include.warehouses import WarehouseError, clickhouse, snowflake
from local.place import Place

WAREHOUSES = ("clickhouse", "snowflake")
CLIENTS: dict[str, Any] = {"clickhouse": clickhouse, "snowflake": snowflake}
COUNTS: dict[str, Callable[[Any, Iterable[Contract]], dict[str, int]]] = {
    "clickhouse": counts.clickhouse,
    "snowflake": counts.snowflake,
}
CONNECTIONS = {"clickhouse": connections.CLICKHOUSE, "snowflake": connections.SNOWFLAKE}
MARTS = Path(__file__).resolve().parent.parent / "include" / "dbt"

Found = TypeVar("Found")


class Facts(msgspec.Struct, kw_only=True):
    """Everything `status --json` holds; `problems` are places that could not be asked, one sentence each."""

    services: list[dict[str, Any]]
    streams: list[Stream]
    connectors: list[dict[str, Any]]
    gates: list[dict[str, Any]]
    marts: list[dict[str, Any]]
    problems: list[str] = []


def contracts() -> tuple[Contract, ...]:
    """The domains' contracts, without the platform's own."""
    return tuple(contract for contract in all_contracts() if contract.domain != PLATFORM)


def gather(place: Place) -> Facts:
    """Asks every place at once; a place that is away costs its time-out and leaves None, never the others' answers."""
    from local import control

    problems: list[str] = []
    everywhere = contracts()

    def ask(question: Callable[..., Found], *arguments: Any) -> Found | None:
        try:
            return question(*arguments)
        except (WarehouseError, ConnectError, ConnectionMissing, CommandError, KafkaError) as error:
            problems.append(str(error))
            return None

    with ThreadPoolExecutor(max_workers=8) as pool:
        produced = pool.submit(ask, produced_events)
        rejected = pool.submit(ask, rejected_records, everywhere)
        landed = {name: pool.submit(ask, landed_events, name, everywhere) for name in WAREHOUSES}
        connectors = pool.submit(ask, connector_states, everywhere)
        gates = pool.submit(ask, gate_verdicts, place, everywhere)
        marts = [pool.submit(ask, mart_rows, name, everywhere) for name in WAREHOUSES]
        return Facts(
            services=control.status(place)["services"],
            streams=_streams(
                everywhere,
                produced.result(),
                {name: found.result() for name, found in landed.items()},
                rejected.result(),
            ),
            connectors=connectors.result() or [],
            gates=gates.result() or [],
            marts=[row for rows in marts for row in rows.result() or []],
            problems=sorted(set(problems)),
        )


def _streams(
    everywhere: Iterable[Contract],
    produced: dict[str, int] | None,
    landed: Mapping[str, dict[str, int] | None],
    rejected: dict[str, int] | None,
) -> list[Stream]:
    return [
        Stream(
            domain=contract.domain,
            topic=topic.name,
            produced=_of(produced, topic.name),
            clickhouse=_of(landed["clickhouse"], topic.name),
            snowflake=_of(landed["snowflake"], topic.name),
            rejected=_of(rejected, topic.name),
        )
        for contract in everywhere
        for topic in contract.topics
    ]


def _of(counted: dict[str, int] | None, topic: str) -> int | None:
    return None if counted is None else counted.get(topic, 0)


def streams(everywhere: Iterable[Contract]) -> list[Stream]:
    """The streams alone, for those who wait until everything has landed. Raises what the places raise."""
    some = tuple(everywhere)
    with ThreadPoolExecutor(max_workers=4) as pool:
        produced = pool.submit(produced_events)
        rejected = pool.submit(rejected_records, some)
        landed = {name: pool.submit(landed_events, name, some) for name in WAREHOUSES}
        return _streams(
            some, produced.result(), {name: found.result() for name, found in landed.items()}, rejected.result()
        )


def produced_events() -> dict[str, int]:
    """Topic -> distinct events, by the receipts in Kafka and, for records of others, by their redrives."""
    from include.kafka import receipts, redrives

    kafka = connections.from_env(connections.KAFKA)
    told = receipts.read(kafka)
    sent = redrives.beyond_receipts(redrives.read(kafka).values(), told.values())
    produced = receipts.produced(told)
    return {topic: produced.get(topic, 0) + sent.get(topic, 0) for topic in produced.keys() | sent.keys()}


def rejected_records(everywhere: Iterable[Contract]) -> dict[str, int]:
    """Topic -> distinct records in the dead letters of its domain that were neither sent again nor parked."""
    from include.kafka import dead_letters

    totals: dict[str, int] = {}
    for contract in everywhere:
        totals |= dead_letters.count(connections.from_env(connections.KAFKA), contract)
    return totals


def landed_events(warehouse: str, everywhere: Iterable[Contract]) -> dict[str, int]:
    """Topic -> distinct events in a warehouse."""
    with CLIENTS[warehouse].connect(connections.from_env(CONNECTIONS[warehouse]), run_id="floodgate status") as client:
        return COUNTS[warehouse](client, everywhere)


def connector_states(everywhere: Iterable[Contract]) -> list[dict[str, Any]]:
    """name, state, tasks and lag (records; None where unknown) of every connector the contracts ask for."""
    from include.connectors.groups import group
    from include.connectors.render import names
    from include.kafka import offsets

    sinks = connections.from_env(connections.CONNECT)

    async def ask() -> dict[str, Any]:
        async with ConnectClient(sinks) as connect:
            return await connect.statuses(identities=True)

    found = asyncio.run(ask())
    kafka = connections.from_env(connections.KAFKA)
    rows = []
    for contract in (*everywhere, load(PLATFORM)):
        for name in names(contract).values():
            status = found.get(name)
            rows.append(
                {
                    "name": name,
                    "state": status.connector.state if status else "MISSING",
                    "tasks": [task.state for task in status.tasks] if status else [],
                    "lag": sum(
                        offsets.lag(
                            kafka, group(name, status.identity, sinks), [topic.name for topic in contract.topics]
                        ).values()
                    )
                    if status
                    else None,
                }
            )
    return rows


def gate_verdicts(place: Place, everywhere: Iterable[Contract]) -> list[dict[str, Any]]:
    """domain, warehouse, passed, at, failed of each gate's last run; passed is None before the first."""
    rows = []
    with airflow_api.connect(place) as airflow:
        for contract in everywhere:
            for warehouse in WAREHOUSES:
                last = airflow.asset_state(f"marts_{warehouse}_{contract.domain}").get("gate") or {}
                rows.append(
                    {
                        "domain": contract.domain,
                        "warehouse": warehouse,
                        "passed": last.get("passed"),
                        "at": last.get("at"),
                        "failed": last.get("failed", []),
                    }
                )
    return rows


def mart_models(warehouse: str, domain: str) -> list[str]:
    """The marts of a domain as relations are called: fct_ecommerce__orders is fct_orders."""
    folder = MARTS / warehouse / "models" / "marts" / domain
    return sorted(path.stem.replace(f"_{domain}__", "_") for path in folder.glob("*.sql"))


def mart_rows(warehouse: str, everywhere: Iterable[Contract]) -> list[dict[str, Any]]:
    """domain, warehouse, model, rows of each mart; rows is None where it was never built."""
    wanted = [(contract.domain, model) for contract in everywhere for model in mart_models(warehouse, contract.domain)]
    listed = "select table_schema as s, table_name as t from information_schema.tables"
    with CLIENTS[warehouse].connect(connections.from_env(CONNECTIONS[warehouse]), run_id="floodgate status") as client:
        built = {(str(row["s"]).lower(), str(row["t"]).lower()) for row in client.query(listed)}
        there = [mart for mart in wanted if mart in built]
        sql = " union all ".join(f"select '{d}' as d, '{m}' as m, count(*) as n from {d}.{m}" for d, m in there)
        rows = {(row["d"], row["m"]): int(row["n"]) for row in client.query(sql)} if there else {}
    return [{"domain": d, "warehouse": warehouse, "model": m, "rows": rows.get((d, m))} for d, m in wanted]
