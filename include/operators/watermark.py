"""The two ends of a transform: has anything landed since the last publication, and the publication."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

from include.contracts import Contract, load
from include.operators import assets, graph
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.gate import HELD
from include.operators.manifest import project, read, stamp

_OFFSETS = {
    "clickhouse": (
        "select '{table}' as name, _topic as topic, _partition as partition, max(_offset) as last_offset, "
        "toUnixTimestamp64Milli(max(_landed_at)) as landed_ms from landing.`{table}` group by topic, partition"
    ),
    "snowflake": (
        "select '{table}' as name, record_metadata:topic::string as topic, "
        "record_metadata:partition::int as partition, "
        "max(record_metadata:offset::int) as last_offset, "
        "coalesce(max(record_metadata:SnowflakeConnectorPushTime::int), 0) as landed_ms "
        "from landing.{table} group by 2, 3"
    ),
}
#: The key in the state store of the marts' asset.
_WATERMARK = "watermark"


def connect(warehouse: str, run_id: str, *, timeout_s: int = 60) -> Any:
    """A client of the warehouse; statements carry the run's id. Raises WarehouseError, ConnectionMissing."""
    from include.warehouses import clickhouse, snowflake

    return {"clickhouse": clickhouse, "snowflake": snowflake}[warehouse].connect(
        endpoint(WAREHOUSES[warehouse]), run_id=run_id, timeout_s=timeout_s
    )


def offsets(client: Any, warehouse: str, contract: Contract) -> dict[str, list[int]]:
    """`table/topic/partition` -> the last offset that landed, and when (ms) a row of the partition landed last."""
    sql = " union all ".join(_OFFSETS[warehouse].format(table=table) for table in contract.tables)
    return {
        f"{row['name']}/{row['topic']}/{row['partition']}": [int(row["last_offset"]), int(row["landed_ms"])]
        for row in client.query(sql)
    }


class Landed(BaseOperator):
    """Skips the run when nothing landed since the marts were last published; returns what has landed.

    Offsets are compared as well as times: two sinks can land rows in one millisecond, and one can be seen late; rows
    that fill a gap have offsets below the last. A changed dbt project counts as news, too, and marts that are held are
    asked about again, since rows that were removed are no news. The param `force` runs whatever has landed.
    """

    def __init__(self, *, warehouse: str, domain: str, **kwargs: Any) -> None:
        super().__init__(inlets=[assets.marts(warehouse, domain)], **kwargs)
        self.warehouse = warehouse
        self.domain = domain

    def execute(self, context: Any) -> dict[str, Any]:
        """The watermark that `Publish` will keep: offsets that landed and the digest of the project."""
        with connect(self.warehouse, context["run_id"]) as client:
            landed = offsets(client, self.warehouse, load(self.domain))
        now = {"offsets": landed, "project": stamp(project(self.warehouse))}
        memory = context["asset_state_store"][assets.marts(self.warehouse, self.domain)]
        if context["params"].get("force"):
            self.log.info("forced")
        elif not landed:
            self._skip(f"nothing of {self.domain} has ever landed in {self.warehouse}")
        elif memory.get(HELD):
            self.log.info("the marts are held: the gate looks again")
        elif now == memory.get(_WATERMARK):
            self._skip(f"nothing of {self.domain} landed in {self.warehouse} since it was published")
        return now

    def _skip(self, why: str) -> None:
        self.log.info("skipped: %s", why)  # Airflow does not log the exception's text
        raise AirflowSkipException(why)


class Publish(BaseOperator):
    """Says that the marts are there: checks that each is, emits their asset with row counts, keeps the watermark."""

    def __init__(self, *, warehouse: str, domain: str, **kwargs: Any) -> None:
        super().__init__(outlets=[assets.marts(warehouse, domain)], **kwargs)
        self.warehouse = warehouse
        self.domain = domain

    def execute(self, context: Any) -> dict[str, int]:
        """Rows of each mart; raises AirflowException where one is missing."""
        from include.warehouses import WarehouseError

        asset = assets.marts(self.warehouse, self.domain)
        group = graph.group(read(project(self.warehouse)), f"models/marts/{self.domain}")
        sql = " union all ".join(
            f"select '{name}' as name, count(*) as n from {schema}.{name}" for schema, name in group.relations.values()
        )
        try:
            with connect(self.warehouse, context["run_id"]) as client:
                rows = {row["name"]: int(row["n"]) for row in client.query(sql)}
        except WarehouseError as error:
            again = AirflowException if error.away else AirflowFailException  # a table that is missing stays so
            raise again(f"not every mart of {self.domain} can be read: {error}") from error
        context["outlet_events"][asset].extra = {"run": context["run_id"], "rows": rows}
        context["asset_state_store"][asset].set(_WATERMARK, context["ti"].xcom_pull(task_ids="landed"))
        return rows
