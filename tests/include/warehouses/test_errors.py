"""What a person reads when a warehouse answers and does not do what it is asked, and when it does not answer."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError
from snowflake.connector import errors

from include.connections import Endpoint
from include.warehouses import WarehouseError, clickhouse, snowflake

CLICKHOUSE = Endpoint(conn_id="clickhouse_live", host="ch", login="floodgate")
SNOWFLAKE = Endpoint(conn_id="snowflake_history", host="sf", login="floodgate")
PREPARE = "run the DAG prepare"
LET = "let user 'floodgate' of connection"


def told(room: AbstractContextManager[None], error: Exception) -> WarehouseError:
    with pytest.raises(WarehouseError) as found, room:
        raise error
    return found.value


@pytest.mark.parametrize(
    ("error", "away", "says"),
    [
        (
            DatabaseError("Code: 60. DB::Exception: Table landing.orders does not exist. (UNKNOWN_TABLE)"),
            False,
            PREPARE,
        ),
        (DatabaseError("Code: 81. DB::Exception: Database landing does not exist. (UNKNOWN_DATABASE)"), False, PREPARE),
        (DatabaseError("Code: 47. DB::Exception: Missing columns. (UNKNOWN_IDENTIFIER)"), False, PREPARE),
        (DatabaseError("Code: 497. DB::Exception: Not enough privileges. (ACCESS_DENIED)"), False, LET),
        (DatabaseError("Code: 516. DB::Exception: (AUTHENTICATION_FAILED)"), False, "refuses user 'floodgate'"),
        (DatabaseError("Code: 241. DB::Exception: (MEMORY_LIMIT_EXCEEDED)"), False, "MEMORY_LIMIT_EXCEEDED"),
        (OperationalError("Connection refused"), True, "does not answer"),
        (OperationalError("HTTPConnectionPool(host='ch', port=55160): Connection refused"), True, "does not answer"),
        (DatabaseError("HTTP driver received HTTP status 503, server response: upstream"), True, "does not answer"),
        (DatabaseError("HTTP driver received HTTP status 404, server response: no such page"), False, "no such page"),
    ],
    ids=str,
)
def test_clickhouse(error: Exception, away: bool, says: str) -> None:
    found = told(clickhouse._told(CLICKHOUSE), error)
    assert (found.away, says in str(found)) == (away, True), found


def of(kind: Any, errno: int, text: str) -> Exception:
    return kind(msg=text, errno=errno)


@pytest.mark.parametrize(
    ("error", "away", "says"),
    [
        (of(errors.ProgrammingError, 2003, "Object LANDING.ORDERS does not exist or not authorized."), False, PREPARE),
        (of(errors.ProgrammingError, 2043, "Object does not exist, or operation cannot be performed."), False, PREPARE),
        (of(errors.ProgrammingError, 3001, "Insufficient privileges to operate on schema"), False, LET),
        (of(errors.DatabaseError, 250001, "390144: JWT token is invalid"), False, "refuses user 'floodgate'"),
        (
            of(errors.ProgrammingError, 90073, "Warehouse cannot be resumed: resource monitor"),
            False,
            "resource monitor",
        ),
        (of(errors.OperationalError, 250001, "Could not connect"), True, "does not answer"),
        (of(errors.OperationalError, 250001, "Could not connect to 127.0.0.1:39001"), True, "does not answer"),
        (of(errors.InterfaceError, 290503, "Failed to get the response: 503"), True, "does not answer"),
        (of(errors.ServiceUnavailableError, -1, "HTTP 503"), True, "does not answer"),
        (of(errors.ProgrammingError, 604, "SQL execution canceled"), True, "does not answer"),
    ],
    ids=str,
)
def test_snowflake(error: Exception, away: bool, says: str) -> None:
    found = told(snowflake._told(SNOWFLAKE), error)
    assert (found.away, says in str(found)) == (away, True), found
