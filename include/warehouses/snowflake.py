"""Snowflake, from the connection that the Snowflake provider's hook uses; key pair first, password else."""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from include.connections import Endpoint
from include.warehouses.errors import PREPARE, WarehouseError, rights


class Snowflake:
    """One session; not for use by several threads at once."""

    def __init__(self, connection: Any, endpoint: Endpoint) -> None:
        self._connection = connection
        self._endpoint = endpoint

    def query(self, sql: str, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
        """The rows of a SELECT, column names in lower case; values are bound as %(name)s. Raises WarehouseError."""
        with _told(self._endpoint):
            cursor = self._connection.cursor()
            cursor.execute(sql, dict(params) if params else None)
            names = [column[0].lower() for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def command(self, sql: str, params: Mapping[str, Any] | None = None) -> None:
        """Runs a statement that gives no rows. Raises WarehouseError."""
        with _told(self._endpoint):
            self._connection.cursor().execute(sql, dict(params) if params else None)

    def land(self, table: str, rows: Sequence[tuple[bytes, bytes]]) -> None:
        """Inserts RECORD_METADATA and RECORD_CONTENT, given as JSON, in one statement. Raises WarehouseError."""
        body = b"[" + b",".join(b'{"m":%b,"c":%b}' % row for row in rows) + b"]"
        self.command(
            f"insert into {table} (record_metadata, record_content) "
            "select value:m, value:c from table(flatten(input => parse_json(%(rows)s)))",
            {"rows": body.decode()},
        )

    def close(self) -> None:
        """Ends the session."""
        self._connection.close()

    def __enter__(self) -> Snowflake:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connect(endpoint: Endpoint, *, run_id: str = "", timeout_s: int = 60) -> Snowflake:
    """A session at the endpoint; `run_id` tags each statement. Raises WarehouseError."""
    import snowflake.connector  # 0.5 s
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    known = arguments(endpoint)
    if isinstance(key := _key(endpoint), RSAPrivateKey):
        known["private_key"] = key  # bytes would be loaded once more
    with _told(endpoint):
        connection = snowflake.connector.connect(
            **known,
            # Neither asks the addresses of three clouds where it runs, nor tells which packages are imported.
            platform_detection_timeout_seconds=0.0,
            log_imported_packages_in_telemetry=False,
            login_timeout=min(20, timeout_s),
            network_timeout=timeout_s,
            session_parameters={"QUERY_TAG": run_id} if run_id else {},
        )
    return Snowflake(connection, endpoint)


def arguments(endpoint: Endpoint) -> dict[str, Any]:
    """What snowflake.connector.connect takes, from the connection. Raises WarehouseError for an unreadable key."""
    extra = endpoint.extra
    known = {
        "account": extra.get("account") or endpoint.host,
        "user": endpoint.login,
        "schema": endpoint.schema,
        **{name: extra.get(name) for name in ("host", "port", "database", "warehouse", "role", "authenticator")},
    }
    key = private_key(endpoint)
    secret: dict[str, Any] = {"private_key": key} if key else {"password": endpoint.password}
    return {name: value for name, value in known.items() if value} | secret


def private_key_pem(endpoint: Endpoint) -> str | None:
    """The private key as PEM text, from private_key_content (text or base64) or private_key_file; None without one.

    Raises WarehouseError for one that cannot be read.
    """
    content = endpoint.extra.get("private_key_content")
    if content and "-----BEGIN" not in content:
        try:
            content = base64.b64decode(content).decode()
        except ValueError:  # whose text might quote the key
            raise WarehouseError(
                f"connection {endpoint.conn_id}: private_key_content is neither PEM nor base64 of PEM"
            ) from None
    if not content and (path := endpoint.extra.get("private_key_file")):
        try:
            content = Path(path).read_text()
        except OSError as error:
            raise WarehouseError(f"connection {endpoint.conn_id}: private_key_file cannot be read: {error}") from None
    return content or None


def private_key(endpoint: Endpoint) -> bytes | None:
    """The private key as unencrypted PKCS8 DER; None without one. Raises WarehouseError."""
    from cryptography.hazmat.primitives import serialization

    key = _key(endpoint)
    if key is None:
        return None
    return bytes(
        key.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )  # fmt: skip


def _key(endpoint: Endpoint) -> Any:
    pem = private_key_pem(endpoint)
    if pem is None:
        return None
    try:
        return _loaded(pem, endpoint.password)
    except (ValueError, TypeError) as error:
        raise WarehouseError(
            f"connection {endpoint.conn_id}: its private key cannot be read ({error}); "
            "it must be PEM, and the password its passphrase"
        ) from None


@functools.lru_cache(maxsize=4)
def _loaded(pem: str, passphrase: str) -> Any:
    """A key is checked when it is loaded, which costs more than all else of a sign-in."""
    from cryptography.hazmat.primitives import serialization

    return serialization.load_pem_private_key(pem.encode(), password=passphrase.encode() if passphrase else None)


@contextmanager
def _told(endpoint: Endpoint) -> Iterator[None]:
    from snowflake.connector import errors

    where = f"Snowflake account {endpoint.extra.get('account') or endpoint.host}"
    try:
        yield
    except errors.Error as error:
        text = " ".join(str(error.msg or error).split())
        if error.errno in (250001, 390100, 390144) and (
            re.search(r"\b390\d{3}\b", text) or "ncorrect username" in text or "JWT" in text
        ):
            raise WarehouseError(
                f"{where} refuses user {endpoint.login!r}: check login and key of connection {endpoint.conn_id} "
                f"({text[:200]})"
            ) from None
        ill = (errors.OperationalError, errors.InternalServerError, errors.ServiceUnavailableError,
               errors.BadGatewayError, errors.GatewayTimeoutError, errors.RequestTimeoutError)  # fmt: skip
        # 290000 and the status of an HTTP answer; 604 is a statement that took too long and was called off.
        if isinstance(error, ill) or error.errno in (250001, 250003, 604, *range(290500, 290600)):
            raise WarehouseError(
                f"{where} does not answer: start it, or check host and port of connection {endpoint.conn_id} "
                f"({text[:200]})",
                away=True,
            ) from None
        let = rights(endpoint.conn_id, endpoint.login)
        # Snowflake says the same of a table that is missing and of one that may not be seen.
        advice = {2003: f"; {PREPARE}, or {let}", 2043: f"; {PREPARE}, or {let}", 3001: f"; {let}"}.get(error.errno, "")
        raise WarehouseError(f"{where}: {text[:600]}{advice}") from None
