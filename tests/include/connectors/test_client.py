"""The client of Kafka Connect, against answers of a server that is busy, or whose connector has failed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest

from include.connections import Endpoint
from include.connectors.client import ConnectClient, ConnectError

Answers = list[tuple[int, Any]]
FAILED = {
    "name": "c",
    "connector": {"state": "RUNNING"},
    "tasks": [{"id": 0, "state": "FAILED", "trace": "ConnectException: refused\n  at line 2"}],
}


@pytest.fixture
def serve() -> Iterator[Callable[[Answers], Endpoint]]:
    """A server that gives these answers, one a request."""
    servers = []

    def started(answers: Answers) -> Endpoint:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, body = answers.pop(0)
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(body).encode())

            def log_message(self, *_: Any) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        servers.append(server)
        Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}).start()
        return Endpoint(conn_id="connect_sinks", host="http://127.0.0.1", port=server.server_port)

    yield started
    for server in servers:
        server.shutdown()
        server.server_close()


def ask(endpoint: Endpoint, question: Callable[[ConnectClient], Any]) -> Any:
    async def asked() -> Any:
        async with ConnectClient(endpoint) as client:
            return await question(client)

    return asyncio.run(asked())


@pytest.mark.parametrize("status", [409, 429], ids=["rebalancing", "too many requests"])
def test_a_busy_server_is_asked_again(serve: Callable[[Answers], Endpoint], status: int) -> None:
    endpoint = serve([(status, {"message": "later"}), (200, ["c"])])
    assert ask(endpoint, lambda client: client.names()) == ["c"]


def test_what_was_refused_is_not_asked_again(serve: Callable[[Answers], Endpoint]) -> None:
    with pytest.raises(ConnectError, match="400 no such setting"):
        ask(serve([(400, {"message": "no such setting"})]), lambda client: client.names())


def test_a_failed_task_is_told_with_its_cause_and_what_to_do(serve: Callable[[Answers], Endpoint]) -> None:
    with pytest.raises(ConnectError, match="ConnectException: refused; mend that, then restart it"):
        ask(serve([(200, FAILED)]), lambda client: client.until_healthy("c"))


def test_a_connector_that_has_no_status_yet_is_left_out(serve: Callable[[Answers], Endpoint]) -> None:
    """As a worker that has just started tells of it."""

    async def asked() -> dict[str, Any]:
        async with ConnectClient(serve([(200, {"c": {"status": FAILED}, "new": {}})])) as connect:
            return dict(await connect.statuses())

    assert list(asyncio.run(asked())) == ["c"]
