"""The packets that a native client sends, read by the client's revision of the protocol."""

from __future__ import annotations

from dataclasses import dataclass, field

from local.clickhouse.errors import UnsupportedError
from local.clickhouse.native_blocks import parse, skip_column
from local.clickhouse.wire import Reader, Source

REVISION = 54459
HELLO, QUERY, DATA, CANCEL, PING = 0, 1, 2, 3, 4
# What a client's revision adds to the protocol.
_DISTRIBUTED_DEPTH, _START_TIME, _REPLICAS, _COLUMN_MARK, PROFILE_EVENTS = 54448, 54449, 54453, 54454, 54456
_ADDENDUM, _PARAMETERS = 54458, 54459


@dataclass
class Hello:
    """Who the client is, and the database it wants."""

    database: str
    user: str
    password: str


@dataclass
class Data:
    """One data packet of the client: the name of its table, its columns, its rows, FORMAT Native bytes."""

    table: str
    columns: list[tuple[str, str]]
    rows: int
    data: bytes


@dataclass
class Query:
    """One query packet, with the external tables that follow it."""

    statement: bytes
    settings: dict[str, str]
    important: bool
    parameters: dict[str, str]
    external: list[Data] = field(default_factory=list)


class Incoming:
    """One client's stream of packets. `mark` stands after each column's type, where the client's revision wants it."""

    def __init__(self, source: Source, known_settings: frozenset[str]) -> None:
        self.reader, self._known = Reader(source), known_settings
        self.revision, self.mark = 0, b""

    def since(self, revision: int) -> bool:
        """Whether the client speaks this revision."""
        return self.revision >= revision

    def packet(self) -> int:
        """The kind of the next packet; what was read before is forgotten."""
        self.reader.drop()
        return self.reader.varint()

    def hello(self) -> Hello:
        """The rest of a hello packet, after which the revision is known."""
        reader = self.reader
        reader.text()  # the client's name
        reader.varint(), reader.varint()
        self.revision = min(reader.varint(), REVISION)
        self.mark = b"\0" if self.since(_COLUMN_MARK) else b""
        return Hello(reader.text(), reader.text(), reader.text())

    def addendum(self) -> None:
        """What newer clients send after the server's hello: a quota key."""
        if self.since(_ADDENDUM):
            self.reader.text()

    def query(self) -> Query:
        """A query packet, and the tables sent along with it; raises UnsupportedError for a compressed one."""
        reader = self.reader
        reader.text()  # query id
        if reader.byte():
            self._skip_client_info()
        settings, important = {}, False
        while name := reader.text():
            flags, settings[name] = reader.varint(), reader.text()
            important = important or bool(flags & 1 and name not in self._known)
        reader.text()  # secret between servers
        reader.varint()  # stage
        compressed = reader.varint()
        statement = reader.take(reader.varint())
        parameters: dict[str, str] = {}
        while self.since(_PARAMETERS) and (name := reader.text()):
            reader.varint()
            parameters[name] = reader.text()
        if compressed:
            raise UnsupportedError("Compression over the native protocol is not served here: connect without it.")
        query = Query(statement, settings, important, parameters)
        while True:
            if reader.varint() != DATA:
                raise EOFError
            data = self.data()
            if not data.columns and not data.table:
                return query
            query.external.append(data)

    def _skip_client_info(self) -> None:
        reader = self.reader
        for _ in range(3):
            reader.text()  # initial user, query id, address
        if self.since(_START_TIME):
            reader.skip(8)
        reader.byte()  # interface: TCP
        for _ in range(3):
            reader.text()  # the system's user, host, client
        for _ in range(3):
            reader.varint()  # version and revision
        reader.text()  # quota key
        if self.since(_DISTRIBUTED_DEPTH):
            reader.varint()
        reader.varint()  # patch
        if reader.byte():  # OpenTelemetry
            reader.skip(24)
            reader.text()
            reader.byte()
        if self.since(_REPLICAS):
            for _ in range(3):
                reader.varint()

    def data(self) -> Data:
        """The rest of a data packet."""
        reader = self.reader
        reader.drop()
        table = reader.text()
        while field_number := reader.varint():
            reader.skip(1 if field_number == 1 else 4)
        reader.drop()
        count, rows = reader.varint(), reader.varint()
        columns, parts = [], [reader.drop()]
        for _ in range(count):
            name, type_ = reader.text(), reader.text()
            columns.append((name, type_))
            layout = parse(type_)
            parts.append(reader.drop())
            if self.mark and reader.byte():
                raise UnsupportedError("Sparse columns over the native protocol are not served here.")
            reader.drop()
            skip_column(reader, layout, rows)
            parts.append(reader.drop())
        return Data(table, columns, rows, b"".join(parts))
