"""Kafka Connect's REST interface: the paths, bodies, status codes and texts of version 4.3.1."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.connect import door, requests
from local.connect.faults import Refused
from local.connect.plugins import PLUGINS
from local.connect.validate import report
from local.connect.worker import Connector, Worker

_MUST_STOP = (
    "Connectors must be in the STOPPED state before their offsets can be modified. This can be done for the specified "
    "connector by issuing a 'PUT' request to the '/connectors/{}/stop' endpoint"
)
_NO_LEADER = "Cannot complete request momentarily due to no known leader URL, likely because a rebalance was underway."
Handler = Callable[[Request], Awaitable[Response]]


def _worker(request: Request) -> Worker:
    worker: Worker = request.app.state.worker
    return worker


def _name(request: Request) -> str:
    return str(request.path_params["name"])


def _made(request: Request, connector: Connector) -> Response:
    location = f"http://{_worker(request).address}/connectors/{connector.entry.name}"
    body = {**connector.info(), "tasks": []}
    return JSONResponse(body, 201, {"Location": location})


async def _root(request: Request) -> Response:
    return JSONResponse(await asyncio.to_thread(lambda: _worker(request).about))


async def _health(request: Request) -> Response:
    message = "Worker has completed startup and is ready to handle requests."
    return JSONResponse({"status": "healthy", "message": message})


async def _plugins(request: Request) -> Response:
    return JSONResponse([{"class": one.java_class, "type": "sink", "version": one.version} for one in PLUGINS])


async def _validate(request: Request) -> Response:
    config = {key: value for key, value in requests.config(await requests.body(request)).items() if value is not None}
    return JSONResponse(report(str(request.path_params["plugin"]), config))


async def _connectors(request: Request) -> Response:
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


async def _create(request: Request) -> Response:
    name, config, target = requests.creation(await requests.body(request))
    return _made(request, _worker(request).create(name, config, target))


async def _info(request: Request) -> Response:
    return JSONResponse(_worker(request).get(_name(request)).info())


async def _delete(request: Request) -> Response:
    _worker(request).delete(_name(request))
    return Response(status_code=204)


async def _config(request: Request) -> Response:
    return JSONResponse(_worker(request).get(_name(request)).entry.config)


async def _put_config(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    wanted = requests.named(name, requests.config(await requests.body(request)))
    if name not in worker.names():
        return _made(request, worker.create(name, wanted))
    return JSONResponse(worker.configure(name, wanted).info())


async def _patch_config(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    merged = worker.get(name).entry.config | requests.config(await requests.body(request))
    return JSONResponse(worker.configure(name, requests.named(name, merged)).info())


async def _status(request: Request) -> Response:
    return JSONResponse(_worker(request).get(_name(request), "No status found for connector {}").status())


async def _tasks(request: Request) -> Response:
    connector = _worker(request).get(_name(request))
    config = {**connector.entry.config, "task.class": connector.plugin.task_class}
    ids = [{"connector": connector.entry.name, "task": task.number} for task in connector.tasks]
    return JSONResponse([{"id": one, "config": config} for one in ids])


async def _task_status(request: Request) -> Response:
    number, missing = request.path_params["task"], f"No status found for task {{}}-{request.path_params['task']}"
    connector = _worker(request).get(_name(request), missing)
    for task in connector.tasks:
        if task.number == number:
            return JSONResponse(connector.task_status(task))
    raise Refused(404, missing.format(_name(request)))


async def _topics(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    return JSONResponse({name: {"topics": worker.get(name).entry.topics if name in worker.names() else []}})


async def _reset_topics(request: Request) -> Response:
    connector = _worker(request).get(_name(request))
    connector.entry.topics = []
    connector.changed()
    return Response(status_code=202)


def _to(target: str, answer: int) -> Handler:
    async def change(request: Request) -> Response:
        _worker(request).get(_name(request), "Unknown connector {}").target(target)
        return Response(status_code=answer)

    return change


async def _restart(request: Request) -> Response:
    connector = _worker(request).get(_name(request), "Unknown connector: {}")
    await connector.started()
    asked = {key: request.query_params.get(key, "false").lower() == "true" for key in ("includeTasks", "onlyFailed")}
    if not any(asked.values()):
        connector.restart(set())
        return Response(status_code=204)
    only_failed = asked["onlyFailed"]
    again = {task.number for task in connector.tasks if not only_failed or task.state == "FAILED"}
    connector.restart(again if asked["includeTasks"] else set(), itself=not only_failed)
    return JSONResponse(connector.status(), 202)


async def _restart_task(request: Request) -> Response:
    name, number = _name(request), request.path_params["task"]
    connector = _worker(request).get(name, "Unknown connector: {}")
    await connector.started()
    if connector.state == "STOPPED" and number < int(connector.entry.config.get("tasks.max") or 1):
        raise Refused(409, _NO_LEADER)  # what the runtime says of a task that it knows and nobody runs
    if number not in [task.number for task in connector.tasks]:
        raise Refused(404, f"Unknown task: {name}-{number}")
    connector.restart_task(number)
    return Response(status_code=204)


async def _offsets(request: Request) -> Response:
    worker, name = _worker(request), _worker(request).get(_name(request)).entry.name
    found = await asyncio.to_thread(worker.broker.offsets, name)
    shown = [{"partition": {"kafka_partition": number, "kafka_topic": topic}, "offset": {"kafka_offset": offset}}
             for topic, number, offset in found]  # fmt: skip
    return JSONResponse({"offsets": shown})


async def _change_offsets(request: Request) -> Response:
    worker, name = _worker(request), _name(request)
    body = await requests.body(request) if request.method == "PATCH" else None
    if body is not None and not body.get("offsets"):
        raise Refused(400, "Partitions / offsets need to be provided for an alter offsets request")
    connector = worker.get(name)
    if connector.state != "STOPPED" or connector.entry.target != "STOPPED":
        raise Refused(400, _MUST_STOP.format(name))
    await connector.stopped()
    if body is None:
        await asyncio.to_thread(worker.broker.forget_offsets, name)
    else:
        await asyncio.to_thread(worker.broker.alter_offsets, name, requests.changes(body, name))
    connector.entry.epoch += 1
    connector.changed()
    done = "reset" if body is None else "altered"
    return JSONResponse({"message": f"The offsets for this connector have been {done} successfully"})


ROUTES = [
    Route("/", _root),
    Route("/health", _health),
    Route("/connector-plugins", _plugins),
    Route("/connector-plugins/{plugin}/config/validate", _validate, methods=["PUT"]),
    Route("/connectors", _connectors, methods=["GET"]),
    Route("/connectors", _create, methods=["POST"]),
    Route("/connectors/{name}", _info, methods=["GET"]),
    Route("/connectors/{name}", _delete, methods=["DELETE"]),
    Route("/connectors/{name}/config", _config, methods=["GET"]),
    Route("/connectors/{name}/config", _put_config, methods=["PUT"]),
    Route("/connectors/{name}/config", _patch_config, methods=["PATCH"]),
    Route("/connectors/{name}/status", _status),
    Route("/connectors/{name}/tasks", _tasks),
    Route("/connectors/{name}/tasks/{task:int}/status", _task_status),
    Route("/connectors/{name}/tasks/{task:int}/restart", _restart_task, methods=["POST"]),
    Route("/connectors/{name}/topics", _topics),
    Route("/connectors/{name}/topics/reset", _reset_topics, methods=["PUT"]),
    Route("/connectors/{name}/pause", _to("PAUSED", 202), methods=["PUT"]),
    Route("/connectors/{name}/resume", _to("STARTED", 202), methods=["PUT"]),
    Route("/connectors/{name}/stop", _to("STOPPED", 204), methods=["PUT"]),
    Route("/connectors/{name}/restart", _restart, methods=["POST"]),
    Route("/connectors/{name}/offsets", _offsets, methods=["GET"]),
    Route("/connectors/{name}/offsets", _change_offsets, methods=["PATCH", "DELETE"]),
    *door.ROUTES,
]


def application(worker: Worker, user: str = "", password: str = "") -> Any:
    """The ASGI application; with `user`, basic authentication is asked for."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> Any:
        worker.start()
        yield
        await worker.stop()

    handlers = {Refused: requests.refused, HTTPException: requests.http_error, Exception: requests.unexpected}
    app = Starlette(routes=ROUTES, exception_handlers=handlers, lifespan=lifespan)
    app.state.worker = worker
    return requests.BasicAuth(app, user, password) if user else app
