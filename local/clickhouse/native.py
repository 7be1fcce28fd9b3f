"""The native TCP port, as clickhouse-driver and clickhouse-client speak it (revision 54459, uncompressed)."""

from __future__ import annotations

import logging
import select
import socket
import socketserver
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

from local.clickhouse import sql
from local.clickhouse.connection import Connection
from local.clickhouse.engine import Engine
from local.clickhouse.errors import EngineError, UnsupportedError
from local.clickhouse.native_blocks import blocks, header
from local.clickhouse.native_packets import (
    CANCEL,
    DATA,
    HELLO,
    PING,
    PROFILE_EVENTS,
    QUERY,
    REVISION,
    Data,
    Incoming,
    Query,
)
from local.clickhouse.wire import string, varint

_TO_HELLO, _TO_DATA, _TO_EXCEPTION, _TO_PROGRESS, _TO_PONG, _TO_END, _TO_PROFILE, _TO_EVENTS = 0, 1, 2, 3, 4, 5, 6, 14
_BLOCK_INFO = b"\x01\x00\x02\xff\xff\xff\xff\x00"
log = logging.getLogger("clickhouse.native")


class Server(socketserver.ThreadingTCPServer):
    """Serves the engine on 127.0.0.1, a thread a client."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, engine: Engine, port: int) -> None:
        self.engine = engine
        super().__init__(("127.0.0.1", port), _Handler)


class _Handler(socketserver.BaseRequestHandler):
    server: Server

    def handle(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            _Client(self.request, self.server.engine).serve()
        except (EOFError, OSError):
            pass  # the client has gone
        except Exception:
            log.exception("a native client's connection was closed")


@dataclass
class _Totals:
    rows: int = 0
    bytes: int = 0
    blocks: int = 0
    written_rows: int = 0
    written_bytes: int = 0


class _Client:
    """One client from hello to its end. An UnsupportedError closes it: the stream is out of step then."""

    def __init__(self, connected: socket.socket, engine: Engine) -> None:
        self._socket, self._engine, self._in = connected, engine, Incoming(connected, engine.settings)

    def serve(self) -> None:
        """Serves packet after packet; raises EOFError where the client hangs up."""
        packet = self._in.packet()
        if packet in (ord("G"), ord("P")):
            text = b"Port %d is for native clients: use the HTTP port.\r\n" % self._socket.getsockname()[1]
            return self._send(b"HTTP/1.0 400 Bad Request\r\nContent-Length: %d\r\n\r\n" % len(text), text)
        if packet != HELLO:
            return None
        hello = self._in.hello()
        try:
            user = self._engine.user(hello.user or "default", hello.password)
            with self._engine.connection(user) as connection:
                with connection.applied(hello.database, {}, revert=False):
                    self._hello()
                while self._serve_packet(connection):
                    pass
        except EngineError as error:
            self._exception(error)

    def _hello(self) -> None:
        major, minor, patch = (int(part) for part in self._engine.version.split(".")[:3])
        version = varint(major) + varint(minor) + varint(REVISION)
        zone = string(self._engine.timezone)
        self._send(varint(_TO_HELLO), string("ClickHouse"), version, zone, string("local"), varint(patch))
        self._in.addendum()

    def _serve_packet(self, connection: Connection) -> bool:
        """Serves one packet of the client; False for one that is unknown."""
        packet = self._in.packet()
        if packet == PING:
            self._send(varint(_TO_PONG))
        elif packet == DATA:
            self._in.data()  # left over from an INSERT that failed
        elif packet == QUERY:
            query = self._in.query()
            try:
                with self._engine.busy():
                    self._run(connection, query)
            except UnsupportedError:
                raise
            except EngineError as error:
                self._exception(error)
        else:
            return packet == CANCEL
        return True

    def _run(self, connection: Connection, query: Query) -> None:
        totals = _Totals()
        readonly = connection.user.readonly
        insert = sql.split_insert(query.statement)
        sql.check(insert.head if insert else query.statement, readonly)
        with ExitStack() as stack:
            stack.enter_context(connection.applied(None, query.settings, revert=True, strict=query.important))
            for name, value in query.parameters.items():
                connection.query(f"SET param_{name} = {value}")
            for table in query.external:
                self._external_table(connection, table, stack)
            if insert is None:
                self._select(connection, query.statement, totals)
            elif insert.data.strip():
                connection.kind(query.statement)
                totals.written_rows, totals.written_bytes = connection.insert(insert, insert.data)
            else:
                self._insert(connection, insert, totals)
        figures = (totals.rows, totals.bytes, totals.rows, totals.written_rows, totals.written_bytes)
        self._send(varint(_TO_PROGRESS), *map(varint, figures))
        if totals.blocks:
            counts = varint(totals.rows) + varint(totals.blocks) + varint(totals.bytes)
            self._send(varint(_TO_PROFILE), counts, b"\0", varint(0), b"\0")
        self._send(varint(_TO_END))

    def _external_table(self, connection: Connection, table: Data, stack: ExitStack) -> None:
        name = sql.identifier(table.table)
        columns = ", ".join(f"{sql.identifier(column)} {type_}" for column, type_ in table.columns)
        connection.query(f"CREATE TEMPORARY TABLE {name} ({columns}) ENGINE = Memory")
        stack.callback(lambda: connection.query(f"DROP TEMPORARY TABLE IF EXISTS {name}"))
        if table.rows:
            connection.insert(sql.Insert(name, "", "", "Native", b"", b""), table.data)

    def _select(self, connection: Connection, statement: bytes, totals: _Totals) -> None:
        """Sends a block without rows (the columns), then the rows, block by block."""
        kind = connection.kind(statement)
        clause = sql.trailing_format(statement)
        if clause and clause[0].lower() in self._engine.formats:
            statement = clause[1]  # blocks are all this protocol has
        statement = statement.rstrip(b"; \r\n\t")
        wrapped = b"SELECT * FROM (" + statement + b"\n) LIMIT 0" if sql.is_select(statement) else statement
        types, announced = None, False
        for chunk in self._chunks(connection, statement):
            if not announced and b"\x08DateTime" in chunk[:65536] and wrapped != statement:
                # The engine drops the zone of a plain DateTime. The question ends the stream, which starts again.
                return self._select_zoned(connection, statement, wrapped, totals)
            announced = self._send_blocks(chunk, types, totals, announced)
        if not announced and kind == "READ_ONLY":
            self._send_block(header(connection.columns(wrapped), self._in.mark))

    def _select_zoned(self, connection: Connection, statement: bytes, wrapped: bytes, totals: _Totals) -> None:
        try:
            types: list[str] | None = [type_ for _, type_ in connection.columns(wrapped)]
        except EngineError:
            types = None
        announced = False
        for chunk in self._chunks(connection, statement):
            announced = self._send_blocks(chunk, types, totals, announced)

    def _chunks(self, connection: Connection, statement: bytes) -> Iterator[bytes]:
        stream = connection.stream(statement, "Native")
        if stream is None:
            if data := connection.query(statement, "Native").bytes():
                yield data
            return
        for chunk in stream:
            if self._cancelled():
                return
            yield chunk.bytes()

    def _cancelled(self) -> bool:
        readable = select.select([self._socket], [], [], 0)[0]
        return bool(readable) and self._in.packet() == CANCEL

    def _send_blocks(self, chunk: bytes, types: list[str] | None, totals: _Totals, announced: bool) -> bool:
        for block in blocks(chunk, types, self._in.mark):
            if not announced:
                self._send_block(header(block.columns, self._in.mark))
                announced = True
            totals.rows += block.rows
            totals.bytes += len(block.data)
            totals.blocks += 1
            self._send_block(block.data)
        return announced

    def _insert(self, connection: Connection, insert: sql.Insert, totals: _Totals) -> None:
        """Tells the client the columns, takes its blocks until an empty one, inserts them as one."""
        self._send_block(header(connection.columns(insert.sample), self._in.mark))
        parts, rows = [], 0
        while (packet := self._in.packet()) == DATA:
            data = self._in.data()
            if self._in.since(PROFILE_EVENTS):
                self._send(varint(_TO_EVENTS), string(""), _BLOCK_INFO, b"\0\0")  # the client waits for them
            if not data.columns:
                break
            parts.append(data.data)
            rows += data.rows
        if packet == CANCEL:
            return
        if packet != DATA:
            raise EOFError
        if rows:
            native = sql.Insert(insert.into, insert.columns, insert.settings, "Native", b"", b"")
            totals.written_rows, totals.written_bytes = connection.insert(native, b"".join(parts))

    def _send(self, *parts: bytes) -> None:
        self._socket.sendall(b"".join(parts))

    def _send_block(self, data: bytes) -> None:
        self._send(varint(_TO_DATA), string(""), _BLOCK_INFO, data)

    def _exception(self, error: EngineError) -> None:
        log.warning("refused or failed: %s", " ".join(error.text.split())[:500])
        code, message = struct.pack("<i", error.code), string(f"DB::Exception: {error.message} ({error.name})")
        self._send(varint(_TO_EXCEPTION), code, string("DB::Exception"), message, string(""), b"\0")
