"""Kafka Connect's REST interface: the paths, bodies, status codes and texts of version 4.3.1."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.connect.faults import Refused
from local.connect.plugins import PLUGINS
from local.connect.validate import report
from local.connect.worker import Connector, Worker

_ENTITIES = "org.apache.kafka.connect.runtime.rest.entities"
_MUST_STOP = (
    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified "
    "connector by issuing a 'PUT' request to the '/connectors/{}/stop' endpoint"
)
Handler = Callable[[Request], Awaitable[Response]]


def _worker(request: Request) -> Worker:
    worker: Worker = request.app.state.worker
    return worker


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _error(status: int, message: str, typed: bool = True) -> Response:
    body = {"error_code": status, "message": message}
    if typed:
        return JSONResponse(body, status)
    return Response(json.dumps(body, separators=(",", ":")), status)  # the runtime gives these no content type


async def _body(request: Request) -> Any:
    if request.headers.get("content-type", "").split(";")[0].strip() != "application/json":
        raise HTTPException(415)
    try:
        return json.loads(await request.body())
    except ValueError as error:
        raise Refused(500, f"Unexpected character: {error}\n at [Source: REDACTED]") from error


def _config(value: Any) -> dict[str, Any]:
    """A configuration as the runtime reads it: texts, with other scalars turned into texts."""
    if not isinstance(value, dict) or any(isinstance(one, dict | list) for one in value.values()):
        raise Refused(500, "Cannot deserialize value of type `java.lang.String` from Object value (token `START_OBJECT`)")
    return {key: _text(one) for key, one in value.items()}


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _named(name: str, config: dict[str, Any]) -> dict[str, str]:
    if config.get("name", name) != name:
        text = f"Connector name configuration ({config['name']}) doesn't match connector name in the URL ({name})"
        raise Refused(400, text)
    return {key: value for key, value in config.items() if key != "name" and value is not None} | {"name": name}


def _made(request: Request, connector: Connector) -> Response:
    location = f"http://{_worker(request).address}/connectors/{connector.entry.name}"
    body = {**connector.info(), "tasks": []}
    return JSONResponse(body, 201, {"Location": location})


async def root(request: Request) -> Response:
    return JSONResponse(await asyncio.to_thread(lambda: _worker(request).about))


async def health(request: Request) -> Response:
    message = "Worker has completed startup and is ready to handle requests."
    return JSONResponse({"status": "healthy", "message": message})


async def plugins(request: Request) -> Response:
    return JSONResponse([{"class": one.java_class, "type": "sink", "version": one.version} for one in PLUGINS])


async def validate(request: Request) -> Response:
    config = {key: value for key, value in _config(await _body(request)).items() if value is not None}
    return JSONResponse(report(str(request.path_params["plugin"]), config))


async def connectors(request: Request) -> Response:
    worker, expand = _worker(request), request.query_params.getlist("expand")
    if not expand:
        return JSONResponse(worker.names())
    found: dict[str, dict[str, Any]] = {}
    for name in worker.names():
        connector = worker.get(name)
        found[name] = {}
        if "status" in expand and connector.state is not None:
            found[name]["status"] = connector.status()
        if "info" in expand:
            found[name]["info"] = connector.info()
    return JSONResponse(found)


async def create(request: Request) -> Response:
    body = await _body(request)
    known = ("name", "config", "initial_state")
    if unknown := [key for key in body if key not in known]:
        text = f'Unrecognized field "{unknown[0]}" (class {_ENTITIES}.CreateConnectorRequest), not marked as ignorable '
        raise Refused(500, text + '(3 known properties: "config", "name", "initial_state")\n at [Source: REDACTED]')
    state = str(body.get("initial_state") or "RUNNING")
    if state.upper() not in ("RUNNING", "PAUSED", "STOPPED"):
        kind = f"{_ENTITIES}.CreateConnectorRequest"
        text = f"Cannot construct instance of `{kind}$InitialState`, problem: No enum constant {kind}.InitialState.{state}"
        raise Refused(500, text + "\n at [Source: REDACTED]")
    if body.get("config") is None:
        raise Refused(500, 'Cannot invoke "java.util.Map.get(Object)" because "connectorConfig" is null')
    name = (body.get("name") or "").strip()
    target = "STARTED" if state.upper() == "RUNNING" else state.upper()
    return _made(request, _worker(request).create(name, _named(name, _config(body["config"])), target))


async def info(request: Request) -> Response:
    return JSONResponse(_worker(request).get(_name(request)).info())


async def delete(request: Request) -> Response:
    await _worker(request).delete(_name(request))
    return Response(status_code=204)


async def config(request: Request) -> Response:
    return JSONResponse(_worker(request).get(_name(request)).entry.config)


async def put_config(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    wanted = _named(name, _config(await _body(request)))
    if name not in worker.names():
        return _made(request, worker.create(name, wanted))
    return JSONResponse(worker.configure(name, wanted).info())


async def patch_config(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    merged = worker.get(name).entry.config | _config(await _body(request))
    return JSONResponse(worker.configure(name, _named(name, merged)).info())


async def status(request: Request) -> Response:
    return JSONResponse(_worker(request).get(_name(request), "No status found for connector {}").status())


async def tasks(request: Request) -> Response:
    connector = _worker(request).get(_name(request))
    config = {**connector.entry.config, "task.class": connector.plugin.task_class}
    ids = [{"connector": connector.entry.name, "task": task.number} for task in connector.tasks]
    return JSONResponse([{"id": one, "config": config} for one in ids])


async def task_status(request: Request) -> Response:
    number, missing = request.path_params["task"], f"No status found for task {{}}-{request.path_params['task']}"
    connector = _worker(request).get(_name(request), missing)
    for task in connector.tasks:
        if task.number == number:
            return JSONResponse(connector.task_status(task))
    raise Refused(404, missing.format(_name(request)))


async def topics(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    return JSONResponse({name: {"topics": worker.get(name).entry.topics if name in worker.names() else []}})


async def reset_topics(request: Request) -> Response:
    connector = _worker(request).get(_name(request))
    connector.entry.topics = []
    connector.changed()
    return Response(status_code=202)


def _to(target: str, answer: int) -> Handler:
    async def change(request: Request) -> Response:
        _worker(request).get(_name(request), "Unknown connector {}").target(target)
        return Response(status_code=answer)

    return change


async def restart(request: Request) -> Response:
    connector = _worker(request).get(_name(request), "Unknown connector: {}")
    asked = {key: request.query_params.get(key, "false").lower() == "true" for key in ("includeTasks", "onlyFailed")}
    if not any(asked.values()):
        connector.restart(set())
        return Response(status_code=204)
    only_failed = asked["onlyFailed"]
    again = {task.number for task in connector.tasks if not only_failed or task.state == "FAILED"}
    connector.restart(again if asked["includeTasks"] else set(), itself=not only_failed)
    return JSONResponse(connector.status(), 202)


async def restart_task(request: Request) -> Response:
    name, number = _name(request), request.path_params["task"]
    connector = _worker(request).get(name, f"Unknown task: {{}}-{number}")
    if number not in [task.number for task in connector.tasks]:
        raise Refused(404, f"Unknown task: {name}-{number}")
    connector.restart({number}, itself=False)
    return Response(status_code=204)


async def offsets(request: Request) -> Response:
    worker, name = _worker(request), _worker(request).get(_name(request)).entry.name
    found = await asyncio.to_thread(worker.broker.offsets, name)
    shown = [{"partition": {"kafka_partition": number, "kafka_topic": topic}, "offset": {"kafka_offset": offset}}
             for topic, number, offset in found]  # fmt: skip
    return JSONResponse({"offsets": shown})


def _changes(body: Any, name: str) -> dict[tuple[str, int], int | None]:
    changes: dict[tuple[str, int], int | None] = {}
    for one in body["offsets"]:
        partition, offset = one.get("partition") or {}, one.get("offset")
        if "kafka_topic" not in partition or "kafka_partition" not in partition:
            text = "The partition for a sink connector offset must contain the keys 'kafka_topic' and 'kafka_partition'"
            raise Refused(400, text)
        if offset is not None and "kafka_offset" not in offset:
            raise Refused(400, "The offset for a sink connector should either be null or contain the key 'kafka_offset'")
        try:
            number, value = int(partition["kafka_partition"]), None if offset is None else int(offset["kafka_offset"])
        except (TypeError, ValueError) as error:
            raise Refused(400, f"Failed to parse the offsets of connector {name}: {error}") from error
        if number < 0 or (value is not None and value < 0):
            raise Refused(500, f"Failed to modify offsets for sink connector {name}")
        changes[str(partition["kafka_topic"]), number] = value
    return changes


async def change_offsets(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    body = await _body(request) if request.method == "PATCH" else None
    if body is not None and not body.get("offsets"):
        raise Refused(400, "Partitions / offsets need to be provided for an alter offsets request")
    connector = worker.get(name)
    if connector.state != "STOPPED" or connector.entry.target != "STOPPED":
        raise Refused(400, _MUST_STOP.format(name))
    if body is None:
        await asyncio.to_thread(worker.broker.forget_offsets, name)
    else:
        await asyncio.to_thread(worker.broker.alter_offsets, name, _changes(body, name))
    connector.entry.epoch += 1
    connector.changed()
    done = "reset" if body is None else "altered"
    return JSONResponse({"message": f"The offsets for this connector have been {done} successfully"})


ROUTES = [
    Route("/", root),
    Route("/health", health),
    Route("/connector-plugins", plugins),
    Route("/connector-plugins/{plugin}/config/validate", validate, methods=["PUT"]),
    Route("/connectors", connectors, methods=["GET"]),
    Route("/connectors", create, methods=["POST"]),
    Route("/connectors/{name}", info, methods=["GET"]),
    Route("/connectors/{name}", delete, methods=["DELETE"]),
    Route("/connectors/{name}/config", config, methods=["GET"]),
    Route("/connectors/{name}/config", put_config, methods=["PUT"]),
    Route("/connectors/{name}/config", patch_config, methods=["PATCH"]),
    Route("/connectors/{name}/status", status),
    Route("/connectors/{name}/tasks", tasks),
    Route("/connectors/{name}/tasks/{task:int}/status", task_status),
    Route("/connectors/{name}/tasks/{task:int}/restart", restart_task, methods=["POST"]),
    Route("/connectors/{name}/topics", topics),
    Route("/connectors/{name}/topics/reset", reset_topics, methods=["PUT"]),
    Route("/connectors/{name}/pause", _to("PAUSED", 202), methods=["PUT"]),
    Route("/connectors/{name}/resume", _to("STARTED", 202), methods=["PUT"]),
    Route("/connectors/{name}/stop", _to("STOPPED", 204), methods=["PUT"]),
    Route("/connectors/{name}/restart", restart, methods=["POST"]),
    Route("/connectors/{name}/offsets", offsets, methods=["GET"]),
    Route("/connectors/{name}/offsets", change_offsets, methods=["PATCH", "DELETE"]),
]
_PHRASES = {404: "HTTP 404 Not Found", 405: "HTTP 405 Method Not Allowed", 415: "HTTP 415 Unsupported Media Type"}


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)
    return _error(error.status, error.message)


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _error(error.status_code, _PHRASES.get(error.status_code, f"HTTP {error.status_code}"), typed=False)


async def _unexpected(request: Request, error: Exception) -> Response:
    return _error(500, f"{type(error).__name__}: {error}")


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


def application(worker: Worker, user: str = "", password: str = "") -> Any:
    """The ASGI application; with `user`, basic authentication is asked for."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        worker.start()
        yield
        await worker.stop()

    handlers = {Refused: _refused, HTTPException: _http, 404: _http, 405: _http, Exception: _unexpected}
    app = Starlette(routes=ROUTES, exception_handlers=handlers, lifespan=lifespan)
    app.state.worker = worker
    return BasicAuth(app, user, password) if user else app
