"""The two warehouses, of their own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from include.connections import Endpoint
from include.warehouses import clickhouse, snowflake
from tests.include.dbt.conftest import endpoints
from tests.include.monitors.by_hand import Warehouse

__all__ = ["endpoints"]


@pytest.fixture(scope="session")
def live(endpoints: dict[str, Endpoint]) -> Iterator[Warehouse]:
    """ClickHouse."""
    with clickhouse.connect(endpoints["clickhouse"]) as client:
        yield Warehouse("clickhouse", client)


@pytest.fixture(scope="session")
def history(endpoints: dict[str, Endpoint]) -> Iterator[Warehouse]:
    """Snowflake."""
    with snowflake.connect(endpoints["snowflake"]) as client:
        yield Warehouse("snowflake", client)
