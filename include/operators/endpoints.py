"""An Airflow connection as the Endpoint that the rest of include/ takes."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseHook

from include.connections import CLICKHOUSE, SNOWFLAKE, ConnectionMissing, Endpoint

#: Warehouse -> the connection it is written through.
WAREHOUSES = {"clickhouse": CLICKHOUSE, "snowflake": SNOWFLAKE}


def endpoint(conn_id: str) -> Endpoint:
    """The endpoint of a connection, from whatever Airflow keeps it in; raises ConnectionMissing."""
    try:
        connection = BaseHook.get_connection(conn_id)
    except Exception as error:
        # Airflow raises one of three exceptions here, by where it looked; all of them mean the same to a reader.
        raise ConnectionMissing(
            f"no connection {conn_id}: add it in Airflow (Admin, Connections) or set AIRFLOW_CONN_{conn_id.upper()} "
            f"({type(error).__name__}: {error})"
        ) from error
    return of(connection, conn_id)


def of(connection: Any, conn_id: str) -> Endpoint:
    """The endpoint of a connection that is at hand already."""
    return Endpoint(
        conn_id=conn_id,
        conn_type=connection.conn_type or "",
        host=connection.host or "",
        port=connection.port,
        login=connection.login or "",
        password=connection.password or "",
        schema=connection.schema or "",
        extra=connection.extra_dejson,
    )
