"""What the server answers: Snowflake's JSON, for results, failures and refusals."""

from __future__ import annotations

from typing import Any

from fakesnow.statement_type import DML_TYPE_IDS, INSERT, SELECT
from snowflake.connector.errors import Error
from starlette.responses import JSONResponse

from local.snowflake import values
from local.snowflake.cursor import Result
from local.snowflake.sessions import Session


def rows(session: Session, result: Result) -> dict[str, Any]:
    """A statement's result: counts of changed rows as texts, everything else as Arrow."""
    table = result.table
    data: dict[str, Any] = {}
    if table is None:
        data |= {"queryResultFormat": "arrow", "rowsetBase64": ""}
    elif result.type_id in DML_TYPE_IDS:
        data |= {"queryResultFormat": "json", "rowset": values.to_rowset(table)}
    else:
        data |= {"queryResultFormat": "arrow", "rowsetBase64": values.to_arrow(table, result.columns)}
    count = 0 if table is None else table.num_rows
    return {"data": data | _about(session, result) | {"total": count, "returned": count}, "success": True}


def described(session: Session, result: Result) -> dict[str, Any]:
    """The columns of a statement that was not run."""
    form: dict[str, Any] = {"queryResultFormat": "json", "rowset": []}
    if result.type_id == SELECT:
        form = {"queryResultFormat": "arrow", "rowsetBase64": ""}
    counts = {"total": 0, "returned": 0, "numberOfBinds": result.placeholders}
    data = form | _about(session, result) | counts | {"arrayBindSupported": result.type_id == INSERT}
    return {"data": data, "success": True}


def _about(session: Session, result: Result) -> dict[str, Any]:
    return {
        "parameters": [{"name": "TIMEZONE", "value": "Etc/UTC"}, {"name": "AUTOCOMMIT", "value": session.commits}],
        "rowtype": result.columns,
        "queryId": result.query_id,
        "statementTypeId": result.type_id,
        **{f"final{name[0].upper()}{name[1:]}": value for name, value in where(session).items()},
    }


def where(session: Session) -> dict[str, str | None]:
    """Where the session is, which clients keep."""
    return {
        "databaseName": session.database,
        "schemaName": session.schema,
        "warehouseName": session.names["warehouse"],
        "roleName": session.names["role"],
    }


def error(failure: Error) -> dict[str, Any]:
    """A failed statement; always with HTTP 200, for a 500 is retried for minutes."""
    code = f"{failure.errno if failure.errno and failure.errno > 0 else 603:06d}"
    data = {"errorCode": code, "sqlState": failure.sqlstate, "queryId": None}
    return {"data": data, "code": code, "message": failure.raw_msg or str(failure), "success": False}


def ok(**data: Any) -> JSONResponse:
    """A request that succeeded."""
    return JSONResponse({"data": data or None, "code": None, "message": None, "success": True})


def refused(code: str, text: str, state: str = "08003") -> JSONResponse:
    """A sign-in or a token that is not accepted."""
    data = {"errorCode": code, "sqlState": state, "loginName": None, "authnMethod": None}
    return JSONResponse({"data": data, "code": code, "message": text, "success": False})
