"""Reading the REST interface's requests, and answering the wrong ones as Kafka Connect 4.3.1 does."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from local.connect.faults import Refused

_ENTITIES = "org.apache.kafka.connect.runtime.rest.entities"
_CREATE = ("name", "config", "initial_state")
_PHRASES = {404: "HTTP 404 Not Found", 405: "HTTP 405 Method Not Allowed", 415: "HTTP 415 Unsupported Media Type"}
Config = dict[str, str]


def error(status: int, message: str, typed: bool = True) -> Response:
    """The body of every error; without `typed` it has no content type, as the runtime's for unknown paths."""
    body = {"error_code": status, "message": message}
    if typed:
        return JSONResponse(body, status)
    return Response(json.dumps(body, separators=(",", ":")), status)


async def refused(request: Request, fault: Exception) -> Response:
    """Answer a request that was refused."""
    status, message = (fault.status, fault.message) if isinstance(fault, Refused) else (500, str(fault))
    return error(status, message)


async def http_error(request: Request, fault: Exception) -> Response:
    """Answer an unknown path, method or content type."""
    status = fault.status_code if isinstance(fault, HTTPException) else 500
    return error(status, _PHRASES.get(status, f"HTTP {status}"), typed=False)


async def unexpected(request: Request, fault: Exception) -> Response:
    """Answer what nobody foresaw."""
    return error(500, f"{type(fault).__name__}: {fault}")


async def body(request: Request) -> Any:
    """The JSON object of a request; raises Refused (500, not 400) where it is none."""
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise HTTPException(415)
    try:
        value = json.loads(await request.body())
    except ValueError as problem:
        raise Refused(500, f"Unexpected character: {problem}\n at [Source: REDACTED]") from problem
    if not isinstance(value, dict):
        raise Refused(500, f"Cannot deserialize value of type `java.util.LinkedHashMap` from {type(value).__name__}")
    return value


def config(value: Any) -> dict[str, str | None]:
    """A configuration as the runtime reads it: texts, with other scalars turned into texts; raises Refused (500)."""
    if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
        raise Refused(
            500, "Cannot deserialize value of type `java.lang.String` from Object value (token `START_OBJECT`)"
        )
    return {key: _text(one) for key, one in value.items()}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def named(name: str, given: dict[str, str | None]) -> Config:
    """The configuration with its connector's name in it, without nulls; raises Refused (400) for another's name."""
    if given.get("name", name) != name:
        text = f"Connector name configuration ({given['name']}) doesn't match connector name in the URL ({name})"
        raise Refused(400, text)
    return {key: value for key, value in given.items() if key != "name" and value is not None} | {"name": name}


def creation(value: dict[str, Any]) -> tuple[str, Config, str]:
    """Name, configuration and target state of POST /connectors; raises Refused."""
    kind = f"{_ENTITIES}.CreateConnectorRequest"
    if unknown := [key for key in value if key not in _CREATE]:
        text = f'Unrecognized field "{unknown[0]}" (class {kind}), not marked as ignorable '
        raise Refused(500, text + '(3 known properties: "config", "name", "initial_state")\n at [Source: REDACTED]')
    state = str(value.get("initial_state") or "RUNNING")
    if state.upper() not in ("RUNNING", "PAUSED", "STOPPED"):
        text = (
            f"Cannot construct instance of `{kind}$InitialState`, problem: No enum constant {kind}.InitialState.{state}"
        )
        raise Refused(500, text + "\n at [Source: REDACTED]")
    if value.get("config") is None:
        raise Refused(500, 'Cannot invoke "java.util.Map.get(Object)" because "connectorConfig" is null')
    name = str(value.get("name") or "").strip()
    return name, named(name, config(value["config"])), "STARTED" if state.upper() == "RUNNING" else state.upper()


def changes(value: dict[str, Any], name: str) -> dict[tuple[str, int], int | None]:
    """The offsets of PATCH .../offsets: (topic, partition) -> offset, None to forget; raises Refused."""
    wanted: dict[tuple[str, int], int | None] = {}
    for one in value["offsets"]:
        partition, offset = one.get("partition") or {}, one.get("offset")
        if "kafka_topic" not in partition or "kafka_partition" not in partition:
            text = "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'"
            raise Refused(400, text)
        if offset is not None and "kafka_offset" not in offset:
            raise Refused(
                400, "The offset for a sink connector should either be null or contain the key 'kafka_offset'"
            )
        try:
            number, at = int(partition["kafka_partition"]), None if offset is None else int(offset["kafka_offset"])
        except (TypeError, ValueError) as problem:
            raise Refused(400, f"Failed to parse the offsets of connector {name}: {problem}") from problem
        if number < 0 or (at is not None and at < 0):
            raise Refused(500, f"Failed to modify offsets for sink connector {name}")
        wanted[str(partition["kafka_topic"]), number] = at
    return wanted


class BasicAuth:
    """Asks every request for a user and a password, as the runtime's own extension for it does."""

    def __init__(self, app: Any, user: str, password: str) -> None:
        self._app = app
        self._wanted = b"Basic " + base64.b64encode(f"{user}:{password}".encode())

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Let the request through, or answer 401."""
        if scope["type"] == "http":
            given = dict(scope["headers"]).get(b"authorization", b"")
            if not hmac.compare_digest(given, self._wanted):
                refusal = Response("User cannot access the resource.", 401, {"WWW-Authenticate": "Basic"})
                await refusal(scope, receive, send)
                return
        await self._app(scope, receive, send)
