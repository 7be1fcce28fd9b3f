"""ClickHouseSinkConnector: records to tables by HTTP inserts of JSON, one insert a batch of a topic's partition.

An insert carries a deduplication token made of the batch's place in Kafka and of its bytes, so that a repeated insert
of the same batch counts once where the table keeps tokens; beyond that the tables' own keys make repetition harmless.
When the server refuses a batch for what is in it, the batch is halved until the refused records stand alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Hashable, Mapping, Sequence

import httpx
import msgspec

from local.connect.faults import ConfigFault, DataFault, Rejected, Retriable
from local.connect.plugins import plugin, setting
from local.connect.records import Record
from local.connect.sinks import Buffer, Start

# Server errors by code (ClickHouse's ErrorCodes.cpp). What is in neither list is a reason in the data.
AWAY = {
    3,  # unexpected end of file
    49,  # logical error
    75, 76, 74,  # cannot write, open or read a file
    107,  # file does not exist
    159,  # timeout exceeded
    164,  # read only
    173,  # cannot allocate memory
    202,  # too many simultaneous queries
    203, 209, 210,  # no free connection, socket timeout, network error
    236, 394,  # aborted, cancelled
    241,  # memory limit
    242,  # table is read only
    243,  # not enough space
    252,  # too many parts
    285, 319,  # too few live replicas, unknown status of insert
    425,  # system error
    473,  # deadlock avoided
    999, 1000, 1001, 1002,  # keeper, Poco, standard and unknown exceptions
}  # fmt: skip
SETTINGS = {
    16,  # no such column
    47,  # unknown identifier
    60,  # unknown table
    62,  # syntax error
    81,  # unknown database
    115,  # unknown setting
    192, 193, 194,  # unknown user, wrong password, password required
    497,  # access denied
    516,  # authentication failed
}  # fmt: skip
SERVER_ERROR = "com.clickhouse.client.api.ServerException"
LONGEST_REASON = 2_000
DEFAULTS = {"input_format_skip_unknown_fields": "1", "date_time_input_format": "best_effort"}
_encode = msgspec.json.Encoder().encode


class ClickHouseSink:
    """One task's inserts. Settings as of the real connector: see plugins.PLUGINS."""

    def __init__(self, start: Start) -> None:
        config = start.config
        of = plugin(config["connector.class"])
        secure = setting(config, of, "ssl").lower() == "true"
        host, port = setting(config, of, "hostname"), setting(config, of, "port")
        self._server = f"{'https' if secure else 'http'}://{host}:{port}"
        self._database = setting(config, of, "database")
        self._user = setting(config, of, "username")
        self._tables = pairs(setting(config, of, "topic2TableMap"))
        self._epoch = start.epoch
        self._together = setting(config, of, "ignorePartitionsWhenBatching").lower() == "true"
        linger_ms, rows = int(setting(config, of, "bufferFlushTime")), int(setting(config, of, "bufferCount"))
        self.buffer = Buffer(max(0.2, linger_ms / 1000), rows or 10_000)
        given = pairs(setting(config, of, "clickhouseSettings"))
        self._settings = DEFAULTS | given | {"database": self._database, "wait_end_of_query": "1"}
        headers = {"X-ClickHouse-User": self._user, "X-ClickHouse-Key": setting(config, of, "password")}
        # An insert that is not answered within a minute is sent again.
        self._http = httpx.Client(base_url=self._server, headers=headers, timeout=httpx.Timeout(60, connect=5))

    def open(self) -> None:
        """Sign in and look for the database and every mapped table; raises Retriable or a telling ConfigFault."""
        self._ask("SELECT 1", {})
        for table in self._tables.values():
            self._ask(f"SELECT * FROM {name(table)} LIMIT 0", {"database": self._database})

    def assigned(self, committed: Mapping[tuple[str, int], int]) -> None:
        """Nothing to learn: repetition is harmless."""

    def unit(self, record: Record) -> Hashable:
        """A table's partition of a topic, or with ignorePartitionsWhenBatching the table."""
        return record.topic if self._together else (*record.place, record.topic)

    def put(self, records: Sequence[Record]) -> list[Rejected]:
        """Insert them; returns those that the server, or JSON, refused."""
        rejected, rows = [], []
        for record in records:
            if record.value is None:
                continue  # a tombstone that no transform has dropped
            try:
                if not isinstance(record.value, dict):
                    raise DataFault(f"a record is inserted by its fields, but this is a {type(record.value).__name__}")
                rows.append((record, _encode(record.value)))
            except (DataFault, TypeError, ValueError) as error:
                fault = error if isinstance(error, DataFault) else DataFault(str(error))
                rejected.append(_rejected(record, fault))
        if rows:
            table = self._tables.get(rows[0][0].topic, rows[0][0].topic)
            self._insert(table, rows, rejected)
        return rejected

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def _insert(self, table: str, rows: list[tuple[Record, bytes]], rejected: list[Rejected]) -> None:
        body = b"\n".join(row for _, row in rows)
        try:
            insert = f"INSERT INTO {name(table)} FORMAT JSONEachRow"
            self._ask(insert, self._settings | {"insert_deduplication_token": self._token(rows, body)}, body)
        except DataFault as fault:
            if len(rows) == 1:
                rejected.append(_rejected(rows[0][0], fault))
                return
            half = len(rows) // 2
            self._insert(table, rows[:half], rejected)
            self._insert(table, rows[half:], rejected)

    def _token(self, rows: Sequence[tuple[Record, bytes]], body: bytes) -> str:
        first, last = rows[0][0], rows[-1][0]
        ends = "-".join(f"{one.message.topic}-{one.message.partition}-{one.message.offset}" for one in (first, last))
        return f"{ends}-{self._epoch}-{hashlib.blake2b(body, digest_size=8).hexdigest()}"

    def _ask(self, query: str, settings: Mapping[str, str], body: bytes = b"") -> None:
        try:
            answer = self._http.post("/", params={**settings, "query": query}, content=body)
        except httpx.TransportError as error:
            raise Retriable(f"ClickHouse at {self._server} does not answer: {error!r}") from error
        if answer.status_code == 200 and "X-ClickHouse-Exception-Code" not in answer.headers:
            return
        text = answer.text.strip()[:LONGEST_REASON]
        number = answer.headers.get("X-ClickHouse-Exception-Code") or (re.search(r"Code: (\d+)", text) or [0, 0])[1]
        code = int(number)
        if code in SETTINGS or (not code and answer.status_code in (401, 403, 404)):
            about = f"ClickHouse at {self._server}, user {self._user}, database {self._database}"
            raise ConfigFault(f"{about}: {text}", java=SERVER_ERROR)
        if code in AWAY or not code:
            raise Retriable(f"ClickHouse at {self._server} says {answer.status_code}: {text}")
        raise DataFault(text, java=SERVER_ERROR)


def _rejected(record: Record, fault: DataFault) -> Rejected:
    return Rejected(record.message, "TASK_PUT", "org.apache.kafka.connect.sink.SinkTask", fault)


def name(identifier: str) -> str:
    """A table's name, quoted."""
    return "`" + identifier.replace("\\", "\\\\").replace("`", "\\`") + "`"


def pairs(text: str, sign: str = "=") -> dict[str, str]:
    """`a=b,c=d` as a dictionary; raises ConfigFault for anything else."""
    found = {}
    for item in filter(None, (item.strip() for item in text.split(","))):
        left, middle, right = item.partition(sign)
        if not middle or not left.strip() or not right.strip():
            raise ConfigFault(f"{item!r} is not of the form left{sign}right")
        found[left.strip()] = right.strip()
    return found
