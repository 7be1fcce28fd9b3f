"""The two warehouses, of their own: these tests put plain tables where dbt has views."""

from tests.include.dbt.conftest import endpoints

__all__ = ["endpoints"]
