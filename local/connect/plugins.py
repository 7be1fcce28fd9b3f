"""The connector classes of this worker, under the names that Kafka Connect accepts for them, and their settings.

A class may be named in full, by its simple name, or by that name without "Connector", as the Java runtime allows.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from local.connect.faults import Refused
from local.connect.sinks import Sink, Start

VERSION = "4.3.1"
REQUIRED = object()


class Setting(NamedTuple):
    """One setting of a class: `kind` as Connect names types; `default` REQUIRED where there is none."""

    name: str
    kind: str = "STRING"
    default: Any = REQUIRED
    group: str = "Common"
    least: int | None = None
    about: str = ""
    one_of: tuple[str, ...] = ()


class Plugin(NamedTuple):
    """A connector class: its full Java names, version, own settings, and how a task's sink is made."""

    java_class: str
    task_class: str
    version: str
    settings: tuple[Setting, ...]
    make: Callable[[Start], Sink]

    @property
    def aliases(self) -> tuple[str, ...]:
        """Every name that stands for this class."""
        simple = self.java_class.rsplit(".", 1)[1]
        return self.java_class, simple, simple.removesuffix("Connector")


def _clickhouse(start: Start) -> Sink:
    from local.connect.sinks.clickhouse import ClickHouseSink

    return ClickHouseSink(start)


def _snowflake(start: Start) -> Sink:
    # A large import, only where one is configured; and its client would take pandas and pyarrow along where they are
    # installed, 70 MB that nothing here uses.
    for unused in ("pandas", "pyarrow"):
        sys.modules.setdefault(unused, None)  # type: ignore[arg-type]
    from local.connect.sinks.snowflake import SnowflakeSink

    return SnowflakeSink(start)


def _file(start: Start) -> Sink:
    from local.connect.sinks.file import FileSink

    return FileSink(start)


PLUGINS = (
    Plugin(
        "com.clickhouse.kafka.connect.ClickHouseSinkConnector",
        "com.clickhouse.kafka.connect.sink.ClickHouseSinkTask",
        "v1.3.3",
        (
            Setting("hostname", group="ClickHouse", about="The server's host."),
            Setting("port", "INT", "8443", "ClickHouse", 1, "Its HTTP port."),
            Setting("ssl", "BOOLEAN", "true", "ClickHouse", about="Whether it speaks HTTPS."),
            Setting("username", default="default", group="ClickHouse", about="The user who may insert."),
            Setting("password", "PASSWORD", "", "ClickHouse", about="That user's password."),
            Setting("database", default="default", group="ClickHouse", about="The database of the tables."),
            Setting("topic2TableMap", "LIST", "", "ClickHouse", about="topic=table pairs; others go by topic name."),
            Setting("clickhouseSettings", "LIST", "", "ClickHouse", about="setting=value pairs for each insert."),
            Setting("ignorePartitionsWhenBatching", "BOOLEAN", "false", "ClickHouse", about="One insert for all."),
            Setting("exactlyOnce", "BOOLEAN", "false", "ClickHouse", about="Not here: keys and tokens do it."),
            Setting("bufferFlushTime", "LONG", "0", "ClickHouse", 0, "Wait for a fuller batch, ms."),
            Setting("bufferCount", "INT", "0", "ClickHouse", 0, "Rows that end that wait."),
        ),
        _clickhouse,
    ),
    Plugin(
        "com.snowflake.kafka.connector.SnowflakeSinkConnector",
        "com.snowflake.kafka.connector.SnowflakeSinkTask",
        "3.2.2",
        (
            Setting("snowflake.url.name", group="Snowflake Login Info", about="host:port of the account."),
            Setting("snowflake.user.name", group="Snowflake Login Info", about="The user who may load."),
            Setting("snowflake.private.key", "PASSWORD", group="Snowflake Login Info", about="RSA key, PKCS8 base64."),
            Setting("snowflake.private.key.passphrase", "PASSWORD", "", "Snowflake Login Info", about="Its secret."),
            Setting("snowflake.role.name", default="", group="Snowflake Login Info", about="The role to take."),
            Setting("snowflake.database.name", group="Snowflake Login Info", about="The tables' database."),
            Setting("snowflake.schema.name", group="Snowflake Login Info", about="The tables' schema."),
            Setting("snowflake.topic2table.map", "LIST", "", "Connector Config", about="topic:table pairs."),
            Setting("snowflake.ingestion.method", default="SNOWPIPE", group="Connector Config",
                    one_of=("SNOWPIPE", "SNOWPIPE_STREAMING"), about="Both load by PUT and COPY here."),
            Setting("buffer.flush.time", "LONG", "10", "Connector Config", 1, "Longest wait for a fuller batch, s."),
            Setting("buffer.count.records", "LONG", "10000", "Connector Config", 1, "Rows that end that wait."),
            Setting("buffer.size.bytes", "LONG", "20000000", "Connector Config", 1, "Bytes that end that wait."),
            Setting("behavior.on.null.values", default="DEFAULT", group="Connector Config",
                    one_of=("DEFAULT", "IGNORE"), about="What becomes of tombstones."),
        ),
        _snowflake,
    ),
    Plugin(
        "org.apache.kafka.connect.file.FileStreamSinkConnector",
        "org.apache.kafka.connect.file.FileStreamSinkTask",
        VERSION,
        (Setting("file", default=None, group="FileStreamSink", about="The file to append to; stdout if unset."),),
        _file,
    ),
)  # fmt: skip


def plugin(name: str) -> Plugin:
    """The class that `name` stands for; raises Refused (400) with the runtime's text and the classes there are."""
    for one in PLUGINS:
        if name in one.aliases:
            return one
    known = ", ".join(
        f"PluginDesc{{klass=class {one.java_class}, name='{one.java_class}', version='{one.version}', "
        f"encodedVersion={one.version}, type=sink, typeName='sink', location='classpath'}}"
        for one in PLUGINS
    )
    text = (
        f"Failed to find any class that implements Connector and which name matches {name}, available connectors are: "
    )
    raise Refused(400, text + known)


def setting(config: Mapping[str, str], of: Plugin, name: str) -> str:
    """The value of one of the plugin's settings, or its default."""
    default = next(one.default for one in of.settings if one.name == name)
    return str(config.get(name) or (default if default is not REQUIRED and default is not None else ""))
