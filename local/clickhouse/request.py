"""What a request over HTTP asks for: who, which statement with which settings, and the bytes that come with it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.parser import BytesParser
from urllib.parse import parse_qsl, urlsplit

from local.clickhouse.connection import User
from local.clickhouse.engine import Engine
from local.clickhouse.errors import EngineError

_NOT_SETTINGS = frozenset(
    "query database default_format user password query_id session_id session_timeout session_check close_session "  # noqa: SIM905
    "compress decompress enable_http_compression http_zlib_compression_level client_protocol_version quota_key "
    "stacktrace role buffer_size wait_end_of_query".split()
)
_ENCODINGS = {"gzip", "deflate", "br", "lz4", "zstd", "xz"}


@dataclass
class Request:
    """One HTTP request: header names in lower case, the body without its transfer encoding."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def asks_for_life(self) -> bool:
        """Whether it is a ping, which needs no user."""
        url = urlsplit(self.target)
        return self.method in ("GET", "HEAD") and (url.path == "/ping" or (url.path == "/" and not url.query))

    def query(self) -> Query:
        """The parameters of the address, headers and method; signed_in() and take_apart() find the rest."""
        parameters = dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))
        return Query(parameters, self.headers, self.method)


@dataclass
class Query:
    """A request taken apart: parameters of the URL and of the form, the statement and the bytes after it."""

    parameters: dict[str, str]
    headers: Mapping[str, str]
    method: str
    statement: bytes = b""
    body: bytes = b""
    external: dict[str, bytes] = field(default_factory=dict)

    @property
    def settings(self) -> dict[str, str]:
        """Parameters that are settings of the engine."""
        of_tables = {f"{name}_{part}" for name in self.external for part in ("format", "structure", "types")}
        others = _NOT_SETTINGS | of_tables
        return {k: v for k, v in self.parameters.items() if k not in others and not k.startswith("param_")}

    @property
    def values(self) -> dict[str, str]:
        """Values of the statement's {placeholders}."""
        return {name[6:]: value for name, value in self.parameters.items() if name.startswith("param_")}


def signed_in(engine: Engine, query: Query) -> User:
    """Who asks; raises EngineError 516."""
    name = query.headers.get("x-clickhouse-user") or query.parameters.get("user") or "default"
    password = query.headers.get("x-clickhouse-key") or query.parameters.get("password", "")
    scheme, _, credentials = query.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            name, _, password = base64.b64decode(credentials).decode().partition(":")
        except ValueError:
            raise EngineError(516, "AUTHENTICATION_FAILED", "The Authorization header cannot be read.") from None
    return engine.user(name, password)


def take_apart(engine: Engine, user: User, query: Query, body: bytes) -> None:
    """Finds statement, rows and tables sent along in address and body (a form, or the bytes as they are)."""
    query.statement = query.parameters.get("query", "").encode("utf-8", "surrogateescape")
    content_type = query.headers.get("content-type", "")
    if content_type.startswith("multipart/form-data"):
        form = BytesParser().parsebytes(b"Content-Type: " + content_type.encode() + b"\r\n\r\n" + body)
        for part in form.walk():
            name, value = part.get_param("name", header="content-disposition"), part.get_payload(decode=True)
            if not isinstance(name, str) or not isinstance(value, bytes):
                continue
            if part.get_filename() is not None:
                query.external[name] = value
            elif name == "query":
                query.statement = value
            else:
                query.parameters[name] = value.decode()
    else:
        if query.parameters.get("decompress", "0") != "0":
            raise EngineError(48, "NOT_IMPLEMENTED", "decompress=1 is not served here: use Content-Encoding.")
        query.body = body
        encoding = query.headers.get("content-encoding", "identity").lower()
        if body and encoding not in ("identity", ""):
            if encoding not in _ENCODINGS:
                raise EngineError(89, "UNKNOWN_COMPRESSION_METHOD", f"Unknown Content-Encoding '{encoding}'.")
            with engine.connection(user) as connection:
                query.body = connection.decompressed(body, encoding)
