"""A session with Snowflake that is made when it is needed, and the kinds of its errors: data, settings, or away."""

from __future__ import annotations

import base64
import itertools
import re
from collections.abc import Mapping
from typing import Any

import snowflake.connector
from cryptography.hazmat.primitives import serialization
from snowflake.connector import SnowflakeConnection
from snowflake.connector.errors import DatabaseError, Error, ProgrammingError

from local.connect.faults import ConfigFault, DataFault, Retriable
from local.connect.plugins import plugin, setting

SQL_EXCEPTION = "net.snowflake.client.jdbc.SnowflakeSQLException"
DATA_ERRORS = range(100_000, 101_000)  # Snowflake's numbers for values that do not fit
SESSION_ENDED = (390111, 390112, 390114)
LONGEST_REASON = 2_000


class Session:
    """Statements by the settings of a Snowflake connector. Not thread safe."""

    def __init__(self, config: Mapping[str, str]) -> None:
        of = plugin(config["connector.class"])
        self._setting = lambda name: setting(config, of, f"snowflake.{name}")
        self._open: SnowflakeConnection | None = None

    def run(self, statement: str) -> list[Any]:
        """The rows of a statement. Raises DataFault for values, ConfigFault for anything else it refuses, Retriable."""
        connection = self._connection()
        try:
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall())
        except ProgrammingError as error:
            text = str(error)[:LONGEST_REASON]
            if error.errno in DATA_ERRORS:
                raise DataFault(text, java=SQL_EXCEPTION) from error
            if error.errno in SESSION_ENDED:  # the server was started anew
                self.close()
                raise Retriable(f"Snowflake ended the session: {text}") from error
            where = f"{self._setting('database.name')}.{self._setting('schema.name')}"
            raise ConfigFault(f"Snowflake refuses in {where}: {text}", java=SQL_EXCEPTION) from error
        except (Error, OSError) as error:
            self.close()
            raise Retriable(f"Snowflake does not answer: {str(error)[:500]}") from error

    def close(self) -> None:
        """Sign out, if signed in; the next statement signs in again."""
        connection, self._open = self._open, None
        if connection is not None:
            try:
                connection.close(retry=False)
            except (Error, OSError):
                return  # the server is away: there is nothing to sign out of

    def _connection(self) -> SnowflakeConnection:
        if self._open is None:
            url, user = self._setting("url.name"), self._setting("user.name")
            host, port = address(url)
            try:
                self._open = snowflake.connector.connect(
                    account=host.split(".")[0],
                    host=host,
                    port=port,
                    protocol="https",
                    user=user,
                    private_key=self._private_key(),
                    role=self._setting("role.name") or None,
                    database=self._setting("database.name"),
                    schema=self._setting("schema.name"),
                    client_session_keep_alive=True,
                    disable_ocsp_checks=True,
                    # A statement may take a minute. Its own retries come each second; the task's are endless.
                    login_timeout=5,
                    network_timeout=60,
                    backoff_policy=lambda: itertools.repeat(1),
                )
            except (Error, OSError) as error:
                text = str(error)[:LONGEST_REASON]
                if isinstance(error, DatabaseError) and "Failed to connect to DB" in text:
                    raise ConfigFault(f"Snowflake at {url} refuses user {user}: {text}", java=SQL_EXCEPTION) from error
                raise Retriable(f"Snowflake at {url} does not answer: {text}") from error
        return self._open

    def _private_key(self) -> bytes:
        key, passphrase = self._setting("private.key"), self._setting("private.key.passphrase")
        body = "".join(line.strip() for line in key.splitlines() if "-----" not in line)
        try:
            loaded = serialization.load_der_private_key(
                base64.b64decode(body, validate=True), passphrase.encode() or None
            )
        except (ValueError, TypeError) as error:
            text = f"snowflake.private.key is no PKCS8 key in base64 that the passphrase opens: {error}"
            raise ConfigFault(text) from error
        form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return loaded.private_bytes(*form)


def identifier(name: str) -> str:
    """A name as SQL takes it: as it is where it is a plain one, quoted where it is not."""
    return name if re.fullmatch(r"[A-Za-z_]\w*", name) else '"' + name.upper().replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as an SQL literal."""
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def address(url: str) -> tuple[str, int]:
    """Host and port of snowflake.url.name, which may begin with https://; raises ConfigFault."""
    match = re.fullmatch(r"(?:https://)?([\w.-]+)(?::(\d+))?/?", url)
    if not match:
        raise ConfigFault(f"snowflake.url.name is {url!r}: it must be host:port")
    return match[1], int(match[2] or 443)
