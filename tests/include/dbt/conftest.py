"""The two warehouses, started for these tests alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.connections import Endpoint
from local import clickhouse, snowflake
from tests.local.running import a_place, running

LOOPBACK = "127.0.0.1"


@pytest.fixture(scope="session")
def endpoints(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Endpoint]]:
    """Both warehouses by name; the environment tells dbt's profiles of them as well."""
    place = a_place(tmp_path_factory.mktemp("place") / "home")
    with (
        pytest.MonkeyPatch.context() as environ,
        running(clickhouse.service(place), place),
        running(snowflake.service(place), place),
    ):
        key = place.snowflake_key.read_text()
        password = place.secrets["clickhouse_writer"]
        for name, value in {
            "REQUESTS_CA_BUNDLE": str(place.ca_bundle),
            "FLOODGATE_CLICKHOUSE_HTTP_PORT": str(place.ports["clickhouse_http"]),
            "DBT_CLICKHOUSE_HOST": LOOPBACK,
            "DBT_CLICKHOUSE_PORT": str(place.ports["clickhouse_http"]),
            "DBT_CLICKHOUSE_PASSWORD": password,
            "DBT_SNOWFLAKE_ACCOUNT": "floodgate",
            "DBT_SNOWFLAKE_HOST": "localhost",
            "DBT_SNOWFLAKE_PORT": str(place.ports["snowflake"]),
            "DBT_SNOWFLAKE_PRIVATE_KEY": key,
        }.items():
            environ.setenv(name, value)
        yield {
            "clickhouse": Endpoint(
                conn_id="clickhouse_live",
                host=LOOPBACK,
                port=place.ports["clickhouse_native"],
                login="floodgate",
                password=password,
                schema="default",
            ),
            "snowflake": Endpoint(
                conn_id="snowflake_history",
                login="FLOODGATE",
                schema="LANDING",
                extra={"account": "floodgate", "host": "localhost", "port": place.ports["snowflake"]}
                | dict.fromkeys(("database", "warehouse", "role"), "FLOODGATE")
                | {"private_key_content": key},
            ),
        }
