"""The two warehouses: `clickhouse.connect(endpoint)` (now) and `snowflake.connect(endpoint)` (history).

Both give `query(sql, params)` and `command(sql)`, and raise WarehouseError, whose text a person can act on.
"""

from include.warehouses.errors import WarehouseError

__all__ = ["WarehouseError"]
