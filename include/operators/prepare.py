"""Makes what streams need, from their contracts: topics, landing tables, connectors, the events that come once.

Every step is safe to repeat, changes nothing that is as it should be, and returns what it changed.
"""

from __future__ import annotations

import asyncio
from typing import Any

from airflow.sdk import BaseOperator

from include.connections import CLICKHOUSE, CONNECT, KAFKA, SNOWFLAKE
from include.contracts import Contract, all_contracts
from include.operators.endpoints import endpoint
from include.operators.watermark import connect

#: A sink that is refused by its warehouse runs for a moment before it fails.
SETTLE_S = 3


class EnsureTopics(BaseOperator):
    """Topics of every contract, their dead letter topics among them; returns what was made or changed."""

    def execute(self, context: Any) -> list[str]:
        """Raises what the Kafka room raises: a topic that cannot be made, a setting that cannot be changed."""
        from include.kafka import topics

        return _logged(self, list(topics.ensure(endpoint(KAFKA), all_contracts())))


class EnsureLanding(BaseOperator):
    """Databases (schemas) and landing tables of a warehouse; returns the tables made and the drift found.

    Drift, a table that is not as its contract says, is told and not mended: a type is changed by a person.
    """

    def __init__(self, *, warehouse: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.warehouse = warehouse

    def execute(self, context: Any) -> list[str]:
        """Raises WarehouseError."""
        from include.warehouses.landing import clickhouse_ddl, clickhouse_order, clickhouse_unordered, snowflake_ddl

        ddl = {"clickhouse": clickhouse_ddl, "snowflake": snowflake_ddl}[self.warehouse]
        with connect(self.warehouse, context["run_id"]) as client:
            before = _columns(client)
            for contract in all_contracts():
                for statement in ddl(contract):
                    client.command(statement)
            after = _columns(client)
            unordered = clickhouse_unordered(client) if self.warehouse == "clickhouse" else []
            for table, projection in unordered:
                client.command(clickhouse_order(table, projection))
        changed = [f"made landing.{table}" for table in sorted(after.keys() - before.keys())]
        changed += [f"put the rows of landing.{table} in the order of time as well" for table in dict(unordered)]
        changed += [
            f"drift: landing.{table} lacks {', '.join(sorted(missing))}; add with `alter table`, or drop the table and "
            "start this DAG again"
            for contract in all_contracts()
            for table in contract.tables
            if (missing := self._expected(contract, table) - after.get(table, set()))
        ]
        return _logged(self, changed)

    def _expected(self, contract: Contract, table: str) -> set[str]:
        if self.warehouse == "snowflake":
            return {"record_metadata", "record_content"}
        fields = {field.name for field in contract.tables[table][0].fields}
        return fields | {"_topic", "_partition", "_offset", "_timestamp", "_landed_at"}


class EnsureConnectors(BaseOperator):
    """The sinks of every domain, with the config that their contract gives; waits until each of them runs.

    Returns the connectors made or changed, and which settings; never their values, among which are secrets.
    """

    def execute(self, context: Any) -> list[str]:
        """Raises ConnectError: a config that was refused, a connector that does not come to run."""
        return _logged(self, asyncio.run(self._ensure()))

    async def _ensure(self) -> list[str]:
        from include.connectors.client import ConnectClient
        from include.connectors.render import configs

        sinks, clickhouse, snowflake = endpoint(CONNECT), endpoint(CLICKHOUSE), endpoint(SNOWFLAKE)
        wanted: dict[str, dict[str, str]] = {}
        for contract in all_contracts():
            wanted |= configs(contract, clickhouse, snowflake, sinks)
        changed = []
        async with ConnectClient(sinks) as client:
            for name, config in wanted.items():
                found = await client.config(name)
                differing = _differing(found or {}, config)
                if found is None or differing:
                    await client.put(name, config)
                    changed.append(f"made {name}" if found is None else f"changed {name}: {', '.join(differing)}")
                elif (status := await client.status(name)) and status.failed:
                    # A new config restarts a connector; a failed one with the right config stays failed.
                    await client.restart(name, only_failed=True)
                    changed.append(f"restarted {name}, which had failed: {status.trace}")
            if changed:
                await asyncio.sleep(SETTLE_S)  # the status told before that is the one from before
            for name in wanted:
                await client.until_healthy(name)
            await asyncio.sleep(SETTLE_S)
            for name in wanted:
                await client.until_healthy(name)
        return changed


class Bootstrap(BaseOperator):
    """The events of a domain that come once: shops, products, customers. Does nothing where their receipt is there."""

    def execute(self, context: Any) -> list[str]:
        """Raises what the Kafka room raises."""
        from include.operators.bursts import bootstrap

        kafka = endpoint(KAFKA)
        return _logged(self, [line for contract in all_contracts() if (line := bootstrap(kafka, contract))])


def _differing(found: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """Settings that differ; Connect adds the connector's name to what it was given."""
    return sorted(key for key in wanted.keys() | found.keys() - {"name"} if found.get(key) != wanted.get(key))


def _columns(client: Any) -> dict[str, set[str]]:
    """Landing table -> its columns, in lower case, as both warehouses' information_schema tells."""
    rows = client.query(
        "select lower(table_name) as name, lower(column_name) as col from information_schema.columns "
        "where lower(table_schema) = 'landing'"
    )
    columns: dict[str, set[str]] = {}
    for row in rows:
        columns.setdefault(row["name"], set()).add(row["col"])
    return columns


def _logged(task: BaseOperator, changed: list[str]) -> list[str]:
    for line in changed or ["nothing to change"]:
        (task.log.warning if line.startswith("drift") else task.log.info)(line)
    return changed
