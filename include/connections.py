"""An endpoint: what production code knows of a service it talks to.

Operators make it from an Airflow connection; the command line from the same AIRFLOW_CONN_* variable, without Airflow's
imports. Either way host and secret stand in one place.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

KAFKA = "kafka_events"
CONNECT = "connect_sinks"
CLICKHOUSE = "clickhouse_live"
CLICKHOUSE_READER = "clickhouse_reader"
SNOWFLAKE = "snowflake_history"
SLACK = "slack_alerts"


class ConnectionMissing(Exception):
    """A connection that is not there or cannot be read; the text says which and how to give it."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True):
    """Host, port and secret of one service; `extra` as in the connection."""

    conn_id: str
    conn_type: str = ""
    host: str = ""
    port: int | None = None
    login: str = ""
    password: str = ""
    schema: str = ""
    extra: dict[str, Any] = {}

    def __repr__(self) -> str:
        """Without password and extra, which hold secrets and end in logs."""
        return f"Endpoint({self.conn_id}: {self.conn_type}://{self.login}@{self.host}:{self.port}/{self.schema})"


def from_env(conn_id: str, environ: Mapping[str, str] = os.environ) -> Endpoint:
    """The endpoint in AIRFLOW_CONN_<ID>, as JSON or as a URI; raises ConnectionMissing."""
    name = f"AIRFLOW_CONN_{conn_id.upper()}"
    text = environ.get(name, "").strip()
    if not text:
        raise ConnectionMissing(f"no connection {conn_id}: set {name}, or start the local stack with `floodgate up`")
    try:
        return _from_json(conn_id, text) if text.startswith("{") else _from_uri(conn_id, text)
    except (msgspec.DecodeError, ValueError) as error:
        # The text of the error, not of the variable: that one holds a secret.
        raise ConnectionMissing(f"connection {conn_id}: {name} is neither Airflow's JSON nor a URI: {error}") from None


def _from_json(conn_id: str, text: str) -> Endpoint:
    raw = msgspec.json.decode(text.encode())
    extra = raw.get("extra") or {}
    if isinstance(extra, str):
        extra = msgspec.json.decode(extra.encode())
    return Endpoint(
        conn_id=conn_id,
        conn_type=raw.get("conn_type") or "",
        host=raw.get("host") or "",
        port=int(raw["port"]) if raw.get("port") else None,
        login=raw.get("login") or "",
        password=raw.get("password") or "",
        schema=raw.get("schema") or "",
        extra=extra,
    )


def _from_uri(conn_id: str, text: str) -> Endpoint:
    parts = urlsplit(text)
    if not parts.scheme:
        raise ValueError("it names no type")
    extra: dict[str, Any] = dict(parse_qsl(parts.query))
    if "__extra__" in extra:
        extra = msgspec.json.decode(extra["__extra__"].encode())
    return Endpoint(
        conn_id=conn_id,
        conn_type=parts.scheme.replace("-", "_"),
        host=unquote(parts.hostname or ""),
        port=parts.port,
        login=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        schema=unquote(parts.path.lstrip("/")),
        extra=extra,
    )
