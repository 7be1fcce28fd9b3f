"""ClickHouse over HTTP, from the connection that airflow-clickhouse-plugin uses for the native protocol."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from include.connections import Endpoint
from include.warehouses.errors import PREPARE, WarehouseError, rights

#: ClickHouse's own defaults: native 9000 and HTTP 8123, with TLS 9440 and 8443. The plugin hands every extra of the
#: connection to the native client, so the HTTP port has no place there; servers that moved both keep the distance.
DISTANCE, DISTANCE_TLS = 9000 - 8123, 9440 - 8443

#: How JSON becomes a row of a landing table, whoever inserts it: the sink, or a replay.
LANDS_WITH = {"date_time_input_format": "best_effort", "input_format_skip_unknown_fields": 1}


def secure(endpoint: Endpoint) -> bool:
    """True where the connection asks for TLS."""
    return str(endpoint.extra.get("secure", "")).lower() in ("true", "1", "yes")


def http_port(endpoint: Endpoint) -> int:
    """The HTTP port that goes with the connection's native one; FLOODGATE_CLICKHOUSE_HTTP_PORT overrides it."""
    if override := os.environ.get("FLOODGATE_CLICKHOUSE_HTTP_PORT"):
        return int(override)
    if secure(endpoint):
        return (endpoint.port or 9440) - DISTANCE_TLS
    return (endpoint.port or 9000) - DISTANCE


class Clickhouse:
    """One client; not for use by several threads at once."""

    def __init__(self, client: Any, endpoint: Endpoint) -> None:
        self._client = client
        self._endpoint = endpoint

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a SELECT; values are bound as {name:Type}. Raises WarehouseError."""
        with _told(self._endpoint):
            result = self._client.query(sql, parameters=dict(params or {}))
            return [dict(zip(result.column_names, row, strict=True)) for row in result.result_rows]

    def command(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Runs a statement that gives no rows. Raises WarehouseError."""
        with _told(self._endpoint):
            self._client.command(sql, parameters=dict(params or {}))

    def land(self, table: str, rows: Sequence[bytes]) -> None:
        """Inserts JSON objects, one a row, in one block, read as the sink has them read. Raises WarehouseError."""
        with _told(self._endpoint):
            self._client.raw_insert(table, insert_block=b"\n".join(rows), fmt="JSONEachRow", settings=dict(LANDS_WITH))

    def close(self) -> None:
        """Ends the session."""
        self._client.close()

    def __enter__(self) -> Clickhouse:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(endpoint: Endpoint, *, run_id: str = "", timeout_s: int = 60) -> Clickhouse:
    """A client for the endpoint; `run_id` is noted with each statement (log_comment). Raises WarehouseError."""
    import clickhouse_connect  # 0.3 s: not for those who only want http_port

    # It logs what it also raises.
    logging.getLogger("clickhouse_connect").setLevel(logging.CRITICAL)

    with _told(endpoint):
        client = clickhouse_connect.get_client(
            host=endpoint.host or "localhost",
            port=http_port(endpoint),
            secure=secure(endpoint),
            username=endpoint.login or "default",
            password=endpoint.password,
            database=endpoint.schema or "default",
            settings={"log_comment": run_id} if run_id else {},
            connect_timeout=5,
            send_receive_timeout=timeout_s,
            autogenerate_session_id=False,
        )
    return Clickhouse(client, endpoint)


_DOES = {
    **dict.fromkeys(("UNKNOWN_TABLE", "UNKNOWN_DATABASE", "UNKNOWN_IDENTIFIER"), PREPARE),
    "ACCESS_DENIED": "{let}",
}


@contextmanager
def _told(endpoint: Endpoint) -> Iterator[None]:
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError

    try:
        yield
    except ClickHouseError as error:
        text = " ".join(str(error).split())
        where = f"ClickHouse at {endpoint.host}:{http_port(endpoint)}"
        if re.search(r"\b[Cc]ode: 516\b|AUTHENTICATION_FAILED|Authentication failed", text):
            raise WarehouseError(
                f"{where} refuses user {endpoint.login!r}: check login and password of connection {endpoint.conn_id}"
            ) from None
        # A server's own exceptions come with a status of 500, and are told by their code.
        if isinstance(error, OperationalError) or re.search(r"Connection refused|Max retries|HTTP status 5\d\d", text):
            raise WarehouseError(
                f"{where} does not answer: start it, or check host and port of connection {endpoint.conn_id} "
                f"({text[:200]})",
                away=True,
            ) from None
        does = next((does for code, does in _DOES.items() if f"({code})" in text), None)
        advice = f"; {does.format(let=rights(endpoint.conn_id, endpoint.login))}" if does else ""
        raise WarehouseError(f"{where}: {text[: 600 - len(advice)]}{advice}") from None
