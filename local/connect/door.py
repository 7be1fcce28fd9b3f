"""A door that the real runtime does not have: makes a connector fail or stall, for those who want to see it healed.

POST /floodgate/faults/{connector} {"fault": "fail" | "stall"}. It is behind the same login as all else, and says 409
where the connector has no running task. What it does ends with the task: a task that was started anew knows of nothing.
"""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from local.connect import requests
from local.connect.faults import Refused
from local.connect.worker import Worker

FAULTS = ("fail", "stall")


async def _break(request: Request) -> Response:
    worker: Worker = request.app.state.worker
    body = await requests.body(request)
    fault = body.get("fault")
    if fault not in FAULTS:
        raise Refused(400, f"There is no fault {fault!r}: {' or '.join(FAULTS)}")
    connector = worker.get(str(request.path_params["name"]))
    running = [task for task in connector.tasks if task.state == "RUNNING"]
    if connector.state != "RUNNING" or not running:
        raise Refused(409, f"Connector {connector.entry.name} has no running task to break")
    broken = running if fault == "stall" else running[:1]
    for task in broken:
        task.sabotage(fault)
    return JSONResponse({"connector": connector.entry.name, "fault": fault, "tasks": [task.number for task in broken]})


ROUTES = [Route("/floodgate/faults/{name}", _break, methods=["POST"])]
