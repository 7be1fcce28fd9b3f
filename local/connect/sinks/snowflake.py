"""SnowflakeSinkConnector: records to tables of RECORD_METADATA and RECORD_CONTENT, by PUT of a file and COPY.

Exactly once: what is in a table is known from its own rows. When partitions are assigned, and whenever it is not known
how a COPY ended, the sink asks the table which offsets it holds, and leaves those records out. So nothing lands twice
after a kill, and after a rewind exactly the rows that are missing land again. (The real streaming sink keeps one offset
a partition and would skip a rewind altogether.)
"""

from __future__ import annotations

import gzip
import hashlib
import re
import tempfile
import time
from bisect import bisect_right
from collections.abc import Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from local.connect.faults import DataFault, Rejected, Retriable
from local.connect.plugins import plugin, setting
from local.connect.records import Record
from local.connect.sinks import Buffer, Start
from local.connect.sinks.clickhouse import pairs
from local.connect.sinks.snowflake_session import Session, identifier, literal

Place = tuple[str, int]
_encode = msgspec.json.Encoder().encode


class Landed:
    """Which offsets of each partition a table holds, as sorted runs (first, last)."""

    def __init__(self) -> None:
        self._firsts: dict[Place, list[int]] = {}
        self._lasts: dict[Place, list[int]] = {}

    def learn(self, place: Place, runs: Sequence[tuple[int, int]]) -> None:
        """Take `runs` for everything that is known of `place`."""
        ordered = sorted(runs)
        self._firsts[place], self._lasts[place] = [one for one, _ in ordered], [one for _, one in ordered]

    def holds(self, place: Place, offset: int) -> bool:
        """Whether the record at `offset` has landed."""
        lasts = self._lasts.get(place)
        if not lasts or offset > lasts[-1]:
            return False
        at = bisect_right(self._firsts[place], offset) - 1
        return at >= 0 and offset <= lasts[at]


class SnowflakeSink:
    """One task's loads. Settings as of the real connector: see plugins.PLUGINS."""

    def __init__(self, start: Start) -> None:
        config, of = start.config, plugin(start.config["connector.class"])
        self._epoch = start.epoch
        self._tables = pairs(setting(config, of, "snowflake.topic2table.map"), ":")
        self._keep_nulls = setting(config, of, "behavior.on.null.values").upper() == "DEFAULT"
        flush_s, count, size = (
            int(setting(config, of, f"buffer.{name}")) for name in ("flush.time", "count.records", "size.bytes")
        )
        # Of the time to flush, half is for the load itself.
        self.buffer = Buffer(flush_s / 2, count, min(size, 32_000_000))
        self._stage = identifier(f"SNOWFLAKE_KAFKA_CONNECTOR_{start.connector}_STAGE")
        self._landed: dict[str, Landed] = {}
        self._doubtful: set[str] = set()
        self._session = Session(config)
        self._folder = tempfile.TemporaryDirectory(prefix="connect-snowflake-")

    def open(self) -> None:
        """Sign in and make the stage; raises Retriable, or ConfigFault for a refused login, a missing schema."""
        self._session.run(f"create stage if not exists {self._stage}")

    def assigned(self, committed: Mapping[Place, int]) -> None:
        """Make the tables of these partitions, and ask them what has landed from the committed offsets on."""
        by_table: dict[str, dict[Place, int]] = {}
        for place, offset in committed.items():
            by_table.setdefault(self._table(place[0]), {})[place] = max(offset, 0)
        for table, places in by_table.items():
            self._session.run(f"create table if not exists {table} (record_metadata variant, record_content variant)")
            self._session.run(f"select record_metadata, record_content from {table} limit 0")
            self._learn(table, places)

    def unit(self, record: Record) -> Hashable:
        """A table."""
        return self._table(record.topic)

    def put(self, records: Sequence[Record]) -> list[Rejected]:
        """Load those that have not landed; returns those that Snowflake, or JSON, refused."""
        table = self._table(records[0].topic)
        if table in self._doubtful:
            places: dict[Place, int] = {}
            for record in records:
                places[record.place] = min(record.message.offset, places.get(record.place, record.message.offset))
            self._learn(table, places)
            self._doubtful.discard(table)
        landed, rows, rejected = self._landed.setdefault(table, Landed()), [], []
        for record in records:
            if landed.holds(record.place, record.message.offset) or (record.value is None and not self._keep_nulls):
                continue
            try:
                rows.append((record, _encode({} if record.value is None else record.value)))
            except (TypeError, ValueError) as error:
                rejected.append(_rejected(record, DataFault(str(error))))
        if rows:
            self._load(table, rows, rejected)
        return rejected

    def close(self) -> None:
        """Sign out and remove the local files."""
        self._session.close()
        self._folder.cleanup()

    def _table(self, topic: str) -> str:
        return identifier(self._tables.get(topic) or re.sub(r"\W", "_", topic))

    def _learn(self, table: str, places: Mapping[Place, int]) -> None:
        """Ask the table for the runs of offsets that it holds of each place, from the given offset on."""
        wanted = " or ".join(
            f"(topic = {literal(topic)} and part = {number} and place >= {offset})"
            for (topic, number), offset in places.items()
        )
        found = self._session.run(
            "with held as (select distinct record_metadata:topic::varchar as topic, "
            f"record_metadata:partition::int as part, record_metadata:offset::int as place from {table}), "
            "runs as (select topic, part, place, place - row_number() over (partition by topic, part order by place) "
            f"as run from held where {wanted}) "
            "select topic, part, min(place), max(place) from runs group by topic, part, run"
        )
        landed = self._landed.setdefault(table, Landed())
        for place in places:
            landed.learn(
                place, [(int(low), int(high)) for topic, part, low, high in found if (topic, int(part)) == place]
            )

    def _load(self, table: str, rows: list[tuple[Record, bytes]], rejected: list[Rejected]) -> None:
        pushed = int(time.time() * 1000)
        lines = [b'{"m":%b,"c":%b}' % (metadata(record, pushed), content) for record, content in rows]
        file = Path(self._folder.name, self._file_name(rows))
        file.write_bytes(gzip.compress(b"\n".join(lines), 1))
        try:
            self._session.run(
                f"put 'file://{file}' @{self._stage} auto_compress=false source_compression=gzip overwrite=true"
            )
            self._doubtful.add(table)  # until the answer to COPY is here
            (answer,) = self._session.run(
                f"copy into {table} (record_metadata, record_content) from (select $1:m, $1:c from @{self._stage}) "
                f"files = ('{file.name}') file_format = (type = json) on_error = abort_statement purge = true"
            )
            if "LOADED" not in answer[:2] or len(rows) not in answer[2:4]:
                # Loaded before, or not found: the table itself knows.
                raise Retriable(f"COPY of {file.name} into {table} answered {answer}")
            self._doubtful.discard(table)
        except DataFault as fault:
            self._doubtful.discard(table)
            if len(rows) == 1:
                rejected.append(_rejected(rows[0][0], fault))
                return
            half = len(rows) // 2
            self._load(table, rows[:half], rejected)
            self._load(table, rows[half:], rejected)
        finally:
            file.unlink(missing_ok=True)

    def _file_name(self, rows: Sequence[tuple[Record, bytes]]) -> str:
        """One name for one content, so that the very same load, repeated, is skipped by Snowflake as well."""
        digest = hashlib.blake2b(digest_size=8)
        for record, content in rows:
            digest.update(b"%d %d " % (record.message.partition, record.message.offset) + content)
        (topic, partition), first, last = rows[0][0].place, rows[0][0].message.offset, rows[-1][0].message.offset
        name = f"{topic}_{partition}_{first}_{last}_{self._epoch}_{digest.hexdigest()}"
        return re.sub(r"[^A-Za-z0-9]", "_", name) + ".json.gz"


def metadata(record: Record, pushed_ms: int) -> bytes:
    """RECORD_METADATA as the real sink writes it."""
    message = record.message
    fields: dict[str, Any] = {"topic": message.topic, "partition": message.partition, "offset": message.offset}
    if message.timestamp >= 0:
        fields[message.timestamp_kind] = message.timestamp
    if record.key is not None:
        fields["key"] = record.key
    if message.headers:
        fields["headers"] = {
            name: None if value is None else value.decode("utf-8", "replace") for name, value in message.headers
        }
    return _encode(fields | {"SnowflakeConnectorPushTime": pushed_ms})


def _rejected(record: Record, fault: DataFault) -> Rejected:
    return Rejected(record.message, "TASK_PUT", "org.apache.kafka.connect.sink.SinkTask", fault)
