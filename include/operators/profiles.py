"""A dbt profile from an endpoint. Secrets go by environment variable, so that the file on disk holds none.

Cosmos' profile mappings know a generic ClickHouse connection with one port; ours has the native one, and dbt speaks
HTTP. So both profiles are written here, from the same functions that the sinks' configs and the suites use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from include.connections import Endpoint
from include.warehouses.clickhouse import http_port, secure
from include.warehouses.landing import STAGING
from include.warehouses.snowflake import private_key_pem

TARGET = "floodgate"
THREADS = 4
_SECRET = "FLOODGATE_DBT_PASSWORD"  # noqa: S105 - the variable's name
_KEY = "FLOODGATE_DBT_PRIVATE_KEY"

#: What a project is parsed with: dbt writes database and schema into the manifest and connects to nothing.
PLACEHOLDERS = {
    "clickhouse": Endpoint(conn_id="placeholder", host="localhost", port=9000, login="nobody", schema="default"),
    "snowflake": Endpoint(
        conn_id="placeholder",
        login="nobody",
        password="none",  # noqa: S106 - nobody signs in
        schema="LANDING",
        extra={"account": "placeholder", "database": "FLOODGATE", "warehouse": "FLOODGATE", "role": "FLOODGATE"},
    ),
}


def database(warehouse: str, endpoint: Endpoint) -> str:
    """The database that models are parsed into; ClickHouse has none above the schema."""
    return str(endpoint.extra.get("database") or "") if warehouse == "snowflake" else ""


def write(folder: Path, warehouse: str, endpoint: Endpoint) -> dict[str, str]:
    """Writes profiles.yml into `folder`; gives the environment variables it refers to."""
    output, secrets = {"clickhouse": _clickhouse, "snowflake": _snowflake}[warehouse](endpoint)
    profile = {warehouse: {"target": TARGET, "outputs": {TARGET: {**output, "threads": THREADS}}}}
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile, sort_keys=False))
    return secrets


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """Sets environment variables for a while."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


def _clickhouse(endpoint: Endpoint) -> tuple[dict[str, Any], dict[str, str]]:
    output = {
        "type": "clickhouse",
        "driver": "http",
        "host": endpoint.host,
        "port": http_port(endpoint),
        "user": endpoint.login,
        "password": _reference(_SECRET),
        # Of dbt's own trials and temporary tables; models name theirs. A database that can exchange tables.
        "schema": STAGING,
        "secure": secure(endpoint),
    }
    return output, {_SECRET: endpoint.password}


def _snowflake(endpoint: Endpoint) -> tuple[dict[str, Any], dict[str, str]]:
    extra = endpoint.extra
    output = {
        "type": "snowflake",
        "account": extra.get("account") or endpoint.host,
        "user": endpoint.login,
        "schema": endpoint.schema,
        **{name: extra.get(name) for name in ("database", "warehouse", "role", "host", "authenticator")},
        "port": int(extra["port"]) if extra.get("port") else None,
        "reuse_connections": True,
    }
    key = private_key_pem(endpoint)
    output = {name: value for name, value in output.items() if value is not None}
    if key is None:
        return {**output, "password": _reference(_SECRET)}, {_SECRET: endpoint.password}
    secrets = {_KEY: key}
    if endpoint.password:  # of a key pair it is the passphrase
        output["private_key_passphrase"] = _reference(_SECRET)
        secrets[_SECRET] = endpoint.password
    return {**output, "private_key": _reference(_KEY)}, secrets


def _reference(variable: str) -> str:
    return f"{{{{ env_var('{variable}') }}}}"
