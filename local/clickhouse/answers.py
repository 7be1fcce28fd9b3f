"""What a request over HTTP gets: a status, headers, and a body or a stream of it."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from local.clickhouse import sql
from local.clickhouse.connection import Connection, User
from local.clickhouse.engine import Engine
from local.clickhouse.errors import EngineError
from local.clickhouse.native_blocks import arguments, blocks
from local.clickhouse.request import Query, Request, signed_in, take_apart

STATUS = (
    dict.fromkeys((6, 26, 27, 32, 33, 36, 37, 38, 41, 53, 62, 72, 117, 271, 321, 372, 374, 376, 456, 457), 400)
    | dict.fromkeys((46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336), 404)
    | dict.fromkeys((192, 193, 497, 516), 403)
    | {48: 501, 159: 408, 194: 401, 229: 413, 373: 409}
)
_MIME = {
    "JSON": "application/json; charset=UTF-8",
    "JSONCompact": "application/json; charset=UTF-8",
    "JSONEachRow": "application/x-ndjson; charset=UTF-8",
    "CSV": "text/csv; charset=UTF-8",
    "TabSeparated": "text/tab-separated-values; charset=UTF-8",
}
# Formats whose chunks can be put one after the other.
_STREAMED = {"Native", "RowBinary", "TabSeparated", "TSV", "CSV", "JSONEachRow", "JSONCompactEachRow"}
_PLAIN = re.compile(r"[!-~]{1,200}")  # what may stand in a header
_TAG = "floodgatefailure"  # sixteen letters, so that a client finds an error in the midst of a stream


@dataclass
class Response:
    """`body`: bytes, or an iterator of chunks. `close` gives the connection back, and may be called twice.

    It must be called: before the end of the answer is sent, or when it cannot be sent.
    """

    status: int
    headers: dict[str, str]
    body: bytes | Iterator[bytes] = b""
    close: Callable[[], None] = lambda: None


def answer(engine: Engine, request: Request) -> Response:
    """The response to a request, whatever happens; errors have the server's status, header and wording."""
    if request.asks_for_life:
        return Response(200, {"Content-Type": "text/html; charset=UTF-8"}, b"Ok.\n")
    query = request.query()
    query_id = query.parameters.get("query_id", "")
    headers = {
        "X-ClickHouse-Server-Display-Name": "local",
        "X-ClickHouse-Query-Id": query_id if _PLAIN.fullmatch(query_id) else str(uuid.uuid4()),
        "X-ClickHouse-Timezone": engine.timezone,
    }
    try:
        with ExitStack() as stack:
            user = signed_in(engine, query)
            take_apart(engine, user, query, request.body)
            response = _run(engine, user, query, stack)
            response.headers = headers | response.headers
            response.close = stack.pop_all().close
            return response
    except EngineError as error:
        return refusal(engine, error, headers)


def refusal(engine: Engine, error: EngineError, headers: dict[str, str] | None = None) -> Response:
    """An error as a response."""
    headers = dict(headers or {}) | {
        "X-ClickHouse-Exception-Code": str(error.code),
        "Content-Type": "text/plain; charset=UTF-8",
    }
    return Response(STATUS.get(error.code, 500), headers, _wording(engine, error))


def _wording(engine: Engine, error: EngineError) -> bytes:
    return f"{error.text} (version {engine.version})\n".encode("utf-8", "replace")


def _run(engine: Engine, user: User, query: Query, stack: ExitStack) -> Response:
    started, parameters = time.perf_counter_ns(), query.parameters
    insert = sql.split_insert(query.statement or query.body)
    rows = insert.data if insert else b""
    if query.statement:  # then the body is rows and nothing else
        rows = (rows if rows.strip() else b"") + query.body
    statement = b"\n".join(part for part in (query.statement, query.body) if part)
    sql.check(insert.head if insert else statement, user.readonly)
    session_id = parameters.get("session_id", "")
    if session_id:
        timeout_s, must_exist = _seconds(parameters), parameters.get("session_check") == "1"
        connection = stack.enter_context(engine.session(user, session_id, timeout_s, must_exist))
    else:
        connection = stack.enter_context(engine.connection(user))
    # Rows in a format of their own are none of the parser's business.
    kind = "MUTATING" if insert and insert.format != "Values" else connection.kind(statement)
    if query.method not in ("POST", "PUT") and kind.startswith("MUTATING"):
        message = "Cannot execute query in readonly mode. For queries over HTTP, method GET implies readonly. Use POST."
        raise EngineError(164, "READONLY", message)
    database = parameters.get("database") or query.headers.get("x-clickhouse-database")
    stack.enter_context(connection.applied(database, query.settings, revert=bool(session_id)))
    for name, data in query.external.items():
        _external_table(connection, name, data, parameters, stack)
    if insert and not (query.values and insert.format == "Values"):
        if rows.strip():
            written, size = connection.insert(insert, rows)
        else:
            connection.query(insert.sample, "Null")  # the table and its columns must be there all the same
            written = size = 0
        return _summed({}, started, b"", written_rows=written, written_bytes=size)
    default = parameters.get("default_format") or query.headers.get("x-clickhouse-format") or "TabSeparated"
    return _select(engine, connection, query, statement, default, kind, started)


def _seconds(parameters: Mapping[str, str]) -> float:
    text = parameters.get("session_timeout") or "60"
    if not text.isdecimal() or int(text) > 3600:
        raise EngineError(374, "INVALID_SESSION_TIMEOUT", f"Invalid session timeout: '{text}', from 0 to 3600 seconds.")
    return float(text)


def _external_table(
    connection: Connection, name: str, data: bytes, parameters: Mapping[str, str], stack: ExitStack
) -> None:
    columns = parameters.get(name + "_structure") or ", ".join(
        f"_{index} {type_}" for index, type_ in enumerate(arguments(parameters.get(name + "_types", "")), 1)
    )
    table = sql.identifier(name)
    connection.query(f"CREATE TEMPORARY TABLE {table} ({columns}) ENGINE = Memory")
    stack.callback(lambda: connection.query(f"DROP TEMPORARY TABLE IF EXISTS {table}"))
    if data:
        connection.insert(sql.Insert(table, "", "", parameters.get(name + "_format", "TabSeparated"), b"", b""), data)


def _select(
    engine: Engine, connection: Connection, query: Query, statement: bytes, default: str, kind: str, started: int
) -> Response:
    clause = sql.trailing_format(statement)
    if clause and clause[0].lower() not in engine.formats:
        clause = None
    format_, bare = clause or (default, statement)
    headers = {}
    if kind == "READ_ONLY":
        is_text = format_.startswith(("T", "CSV", "JSON", "Pretty"))
        plain = "text/plain; charset=UTF-8" if is_text else "application/octet-stream"
        headers = {"X-ClickHouse-Format": format_, "Content-Type": _MIME.get(format_, plain)}
    is_select = sql.is_select(statement)
    at_once = query.values or query.parameters.get("wait_end_of_query", "0") != "0"
    streamed = format_ in _STREAMED and is_select and not at_once
    stream = connection.stream(statement.rstrip(b"; \r\n\t"), format_) if streamed else None
    if stream is None:
        result = connection.query(statement, format_, query.values)
        repair = _zones(connection, bare, query.values, result.bytes()) if format_ == "Native" and is_select else None
        data = repair(result.bytes()) if repair else result.bytes()
        return _summed(headers, started, data, result)
    first = next(stream, None)
    repair = _zones(connection, bare, {}, first.bytes()) if first is not None and format_ == "Native" else None
    if repair:  # the question for the types has ended the stream
        stream = connection.stream(statement.rstrip(b"; \r\n\t"), format_) or iter(())
        first = next(stream, None)
    if first is None:
        return _summed(headers, started, b"")
    repair = repair or (lambda chunk: chunk)
    second = next(stream, None)
    whole = _summed(headers, started, repair(first.bytes()), first)
    if second is not None:
        whole.headers["X-ClickHouse-Exception-Tag"] = _TAG
        whole.body = _streamed(engine, whole.body, second, stream, repair)
    return whole


def _streamed(
    engine: Engine, data: Any, second: Any, stream: Iterator[Any], repair: Callable[[bytes], bytes]
) -> Iterator[bytes]:
    """The chunks of an answer; a failure in its midst comes at the end, in the form that clients look for."""
    yield data
    yield repair(second.bytes())
    try:
        for chunk in stream:
            yield repair(chunk.bytes())
    except EngineError as error:
        text, tag = _wording(engine, error), _TAG.encode()
        yield b"\r\n__exception__\r\n%b\r\n%b%d %b\r\n__exception__\r\n" % (tag, text, len(text), tag)


def _zones(
    connection: Connection, statement: bytes, values: Mapping[str, str], data: bytes
) -> Callable[[bytes], bytes] | None:
    """What puts the zone of plain DateTime columns back into Native blocks, where the engine left one out.

    Asking for the types ends a stream: where there may be such a column, the caller starts it again.
    """
    if b"\x08DateTime" not in data[:65536]:
        return None
    try:
        wrapped = b"SELECT * FROM (" + statement.rstrip(b"; \r\n\t") + b"\n) LIMIT 0"
        types: list[str] | None = [type_ for _, type_ in connection.columns(wrapped, values)]
    except EngineError:
        types = None  # columns of one name, perhaps: the answer stays as the engine gives it
    return lambda chunk: b"".join(block.data for block in blocks(chunk, types))


def _summed(headers: dict[str, str], started: int, data: bytes, result: Any = None, **figures: int) -> Response:
    if result is not None:
        figures = {
            "read_rows": result.storage_rows_read(),
            "read_bytes": result.storage_bytes_read(),
            "written_rows": result.rows_written(),
            "written_bytes": result.bytes_written(),
            "result_rows": result.rows_read(),
        }
    figures["elapsed_ns"] = time.perf_counter_ns() - started
    summary = json.dumps({name: str(value) for name, value in figures.items()})
    return Response(200, headers | {"X-ClickHouse-Summary": summary}, data)
