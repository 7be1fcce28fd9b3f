"""The gate against one statement that a person would write to count the same things.

Great Expectations' import is left out: it happens once a process. The rows came the usual way, through Kafka and the
sinks, and staging is the project's views.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks import places, plain
from benchmarks.budgets import Figure
from benchmarks.burst import window
from benchmarks.progress import say
from include import connections, generators
from include.connectors.client import ConnectClient
from include.connectors.render import configs
from include.contracts import Contract, all_contracts, load
from include.expectations import load as load_suite
from include.expectations import runner
from include.kafka import burst, topics
from include.ledger import counts
from include.warehouses import clickhouse, snowflake
from include.warehouses.landing import clickhouse_ddl, snowflake_ddl

ORDERS, WRONG = 10_000, 25
TIMES = 5
LANDED_S = 300
STATEMENT = Path(__file__).with_name("gate.sql")

WAREHOUSES: dict[
    str, tuple[str, Callable[..., Any], Callable[[Contract], list[str]], Callable[..., dict[str, int]]]
] = {
    "clickhouse": (connections.CLICKHOUSE, clickhouse.connect, clickhouse_ddl, counts.clickhouse),
    "snowflake": (connections.SNOWFLAKE, snowflake.connect, snowflake_ddl, counts.snowflake),
}


def measure() -> Iterator[Figure]:
    """Both warehouses with ORDERS orders and what follows them; then with WRONG more whose total is wrong."""
    contract = load("ecommerce")
    with places.services("connect", "clickhouse", "snowflake"):
        _line(contract)
        _produce(contract, 0, ORDERS)
        for warehouse in WAREHOUSES:
            plain.build(warehouse, plain.nodes(warehouse, contract.domain, ("staging",)))
            yield from _against(warehouse, contract.domain)
        _produce(contract, WRONG, WRONG)
        for warehouse in WAREHOUSES:
            yield from _held(warehouse, contract.domain)


def _line(contract: Contract) -> None:
    """Topics, landing tables and sinks of the domain, and the events that come once."""
    kafka = connections.from_env(connections.KAFKA)
    topics.ensure(kafka, all_contracts())
    for conn_id, connect, ddl, _ in WAREHOUSES.values():
        with connect(connections.from_env(conn_id)) as client:
            for statement in ddl(contract):
                client.command(statement)
    asyncio.run(_sinks(contract))
    burst.produce(kafka, contract, generators.opening(contract), generators.bootstrap(contract))


async def _sinks(contract: Contract) -> None:
    ids = (connections.CLICKHOUSE, connections.SNOWFLAKE, connections.CONNECT)
    wanted = configs(contract, *(connections.from_env(conn_id) for conn_id in ids))
    async with ConnectClient(connections.from_env(connections.CONNECT)) as client:
        for name, config in wanted.items():
            await client.put(name, config)
        for name in wanted:
            await client.until_healthy(name)


def _produce(contract: Contract, wrong: int, size: int) -> None:
    """A burst of the shop, until all of it is in both warehouses."""
    assert contract.burst is not None  # noqa: S101 - the shop has bursts
    name, stream = generators.burst(
        contract, window(0), seed=contract.burst.seed, size=size, shard=f"bench-{wrong}", wrong_totals=wrong
    )
    kafka = connections.from_env(connections.KAFKA)
    before = {warehouse: _landed(warehouse, contract) for warehouse in WAREHOUSES}
    events = sum(receipt.events for receipt in burst.produce(kafka, contract, name, stream))
    begun = time.monotonic()
    while any(_landed(warehouse, contract) < before[warehouse] + events for warehouse in WAREHOUSES):
        if time.monotonic() - begun > LANDED_S:
            raise TimeoutError(f"{events} events have not landed in {LANDED_S} s")
        time.sleep(1)
    say(f"{events:,} events landed in both warehouses in {time.monotonic() - begun:.0f} s")


def _landed(warehouse: str, contract: Contract) -> int:
    conn_id, connect, _, count = WAREHOUSES[warehouse]
    with connect(connections.from_env(conn_id)) as client:
        return sum(count(client, [contract]).values())


def _against(warehouse: str, domain: str) -> Iterator[Figure]:
    pairs = _pairs(warehouse, domain, passes=True)
    yield Figure("gate_sql", statistics.median(sql for sql, _ in pairs), f"{warehouse}_{domain}")
    yield Figure("gate", statistics.median(gate for _, gate in pairs), f"{warehouse}_{domain}")
    yield Figure("gate_ratio", statistics.median(gate / sql for sql, gate in pairs), f"{warehouse}_{domain}")


def _held(warehouse: str, domain: str) -> Iterator[Figure]:
    pairs = _pairs(warehouse, domain, passes=False)
    yield Figure("gate_held", statistics.median(gate for _, gate in pairs), f"{warehouse}_{domain}")
    yield Figure("gate_held_ratio", statistics.median(gate / sql for sql, gate in pairs), f"{warehouse}_{domain}")


def _pairs(warehouse: str, domain: str, *, passes: bool) -> list[tuple[float, float]]:
    """Seconds of the statement and of the gate, in turns, once before they count. The gate must say `passes`."""
    conn_id, connect, _, _ = WAREHOUSES[warehouse]
    endpoint = connections.from_env(conn_id)
    found = []
    with connect(endpoint) as client:
        for _ in range(TIMES + 1):
            begun = time.perf_counter()
            [row] = client.query(STATEMENT.read_text())
            between = time.perf_counter()
            result = runner.run(domain, warehouse, endpoint)
            found.append((between - begun, time.perf_counter() - between))
            _agree(row, domain, result, passes=passes)
    say(f"{warehouse}: statement and gate {', '.join(f'{sql:.3f} {gate:.3f}' for sql, gate in found[1:])} s")
    return found[1:]


def _agree(row: dict[str, Any], domain: str, result: Any, *, passes: bool) -> None:
    """The statement counts what the suite asks, no less, and both come to the same; else RuntimeError."""
    asked = {one.name for table in load_suite(domain).tables.values() for one in table.expectations}
    if asked != row.keys():
        raise RuntimeError(f"{STATEMENT.name} is not of the suite: {sorted(asked ^ row.keys())}")
    failing = {name for name, count in row.items() if int(count)}
    if failing != {one.expectation for one in result.failures} or result.passed is not passes:
        raise RuntimeError(f"{STATEMENT.name} finds {sorted(failing)}, the gate {result.failures}")
