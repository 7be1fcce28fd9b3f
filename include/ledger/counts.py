"""Distinct events by topic, as each place counts them: receipts, ClickHouse, Snowflake, dead letters."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from include.contracts import Contract, Topic
from include.contracts.paths import column, snowflake_conforms
from include.contracts.paths import snowflake as snowflake_path
from include.warehouses.clickhouse import Clickhouse
from include.warehouses.landing import LANDING
from include.warehouses.snowflake import Snowflake


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """One topic: distinct events produced and landed, and records rejected. None: that place could not be asked."""

    domain: str
    topic: str
    produced: int | None
    clickhouse: int | None
    snowflake: int | None
    rejected: int | None

    @property
    def whole(self) -> bool:
        """Everything produced is in both warehouses, and nothing more."""
        return self.produced is not None and self.produced == self.clickhouse == self.snowflake


def clickhouse(client: Clickhouse, contracts: Iterable[Contract]) -> dict[str, int]:
    """Topic -> distinct events in ClickHouse, in one query. Raises WarehouseError."""
    sql = " union all ".join(
        f"select toString(_topic) as topic, uniqExact({_identity_clickhouse(topics[0])}) as events "
        f"from {LANDING}.`{table}` group by topic"
        for contract in contracts
        for table, topics in contract.tables.items()
    )
    return {row["topic"]: int(row["events"]) for row in client.query(sql)}


def snowflake(client: Snowflake, contracts: Iterable[Contract]) -> dict[str, int]:
    """Topic -> distinct events in Snowflake that conform to their contract, in one query. Raises WarehouseError."""
    sql = " union all ".join(
        f"select record_metadata:topic::varchar as topic, count(distinct {_identity_snowflake(topics[0])}) as events "
        f"from {LANDING}.{table} where {snowflake_conforms(topics[0])} group by 1"
        for contract in contracts
        for table, topics in contract.tables.items()
    )
    return {row["topic"]: int(row["events"]) for row in client.query(sql)}


def _identity_clickhouse(topic: Topic) -> str:
    return ", ".join(f"`{column(path)}`" for path in topic.event_id)


def _identity_snowflake(topic: Topic) -> str:
    parts = [f"{snowflake_path(topic, path)}::varchar" for path in topic.event_id]
    return " || '/' || ".join(parts)
