"""The client of Kafka Connect, against answers of a server that is busy, or whose connector has failed."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import httpx
import msgspec
import pytest

from include.connections import Endpoint
from include.connectors.client import ConnectClient, ConnectError, Status

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


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (409, "Cannot complete request momentarily due to stale configuration"),
        (429, "Too many requests"),
        (500, "Request cannot be completed because a rebalance is expected"),
        (500, "Failed to reset offsets. If it is in a stopped state, this operation can be safely retried."),
    ],
)
def test_a_busy_server_is_asked_again(serve: Callable[[Answers], Endpoint], status: int, message: str) -> None:
    endpoint = serve([(status, {"message": message}), (200, ["c"])])
    assert ask(endpoint, lambda client: client.names()) == ["c"]


@pytest.mark.parametrize("status", [400, 500])
def test_what_was_refused_is_not_asked_again(serve: Callable[[Answers], Endpoint], status: int) -> None:
    with pytest.raises(ConnectError, match=f"{status} no such setting"):
        ask(serve([(status, {"message": "no such setting"})]), lambda client: client.names())


def test_a_worker_that_is_away_is_told_with_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        endpoint = Endpoint(conn_id="connect_sinks", host="http://127.0.0.1", port=taken.getsockname()[1])
        with pytest.raises(ConnectError) as told:
            ask(endpoint, lambda client: client.names())
    assert told.value.status is None
    assert f"127.0.0.1:{endpoint.port} does not answer: start it, or check connection connect_sinks" in str(told.value)


@pytest.mark.parametrize("answer", [{"error": "it works!"}, "<html>", ["c", 1], {"c": {"status": "fine"}}])
def test_what_is_no_kafka_connect_is_told_from_one(serve: Callable[[Answers], Endpoint], answer: Any) -> None:
    for question in (ConnectClient.names, ConnectClient.statuses):
        with pytest.raises(
            ConnectError, match="answers in another way than Kafka Connect does .* base_path of connection"
        ):
            ask(serve([(200, answer)]), question)


def test_a_failed_connector_is_told_though_it_has_no_task(serve: Callable[[Answers], Endpoint]) -> None:
    failed = {
        "name": "c",
        "connector": {"state": "FAILED", "trace": "ConfigException: no key\n  at line 1"},
        "tasks": [],
    }
    with pytest.raises(ConnectError, match="connector c failed: ConfigException: no key; mend that"):
        ask(serve([(200, failed)]), lambda client: client.until_healthy("c"))


CLOUD = "/connect/v1/environments/env-1/clusters/lkc-2"
REQUESTS: dict[str, tuple[Callable[[ConnectClient], Any], str, Any]] = {
    "names": (lambda c: c.names(), "GET /connectors", None),
    "statuses": (lambda c: c.statuses(), "GET /connectors?expand=status", None),
    "statuses, with ids": (
        lambda c: c.statuses(identities=True),
        "GET /connectors?expand=status%2Cid&expand=status",
        None,
    ),
    "status": (lambda c: c.status("s"), "GET /connectors/s/status", None),
    "config": (lambda c: c.config("s"), "GET /connectors/s/config", None),
    "put": (lambda c: c.put("s", {"topics": "t"}), "PUT /connectors/s/config", {"topics": "t"}),
    "delete": (lambda c: c.delete("s"), "DELETE /connectors/s", None),
    "pause": (lambda c: c.pause("s"), "PUT /connectors/s/pause", None),
    "resume": (lambda c: c.resume("s"), "PUT /connectors/s/resume", None),
    "stop": (lambda c: c.stop("s"), "PUT /connectors/s/stop", None),
    "restart": (
        lambda c: c.restart("s", only_failed=True),
        "POST /connectors/s/restart?includeTasks=true&onlyFailed=true",
        None,
    ),
    "restart_task": (lambda c: c.restart_task("s", 3), "POST /connectors/s/tasks/3/restart", None),
    "offsets": (lambda c: c.offsets("s"), "GET /connectors/s/offsets", None),
    "reset_offsets": (lambda c: c.reset_offsets("s"), "DELETE /connectors/s/offsets", None),
    "alter_offsets": (
        lambda c: c.alter_offsets("s", {("t", 0): 5, ("t", 1): None}),
        "PATCH /connectors/s/offsets",
        {
            "offsets": [
                {"partition": {"kafka_topic": "t", "kafka_partition": 0}, "offset": {"kafka_offset": 5}},
                {"partition": {"kafka_topic": "t", "kafka_partition": 1}, "offset": None},
            ]
        },
    ),
}


@pytest.mark.parametrize("method", REQUESTS)
@pytest.mark.parametrize("base_path", ["", CLOUD, f"{CLOUD}/"])
def test_every_request_goes_below_the_base_path(monkeypatch: pytest.MonkeyPatch, method: str, base_path: str) -> None:
    """As Confluent Cloud has its managed connectors: the same requests, elsewhere, with a key."""
    asked: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return httpx.Response(404, json={"message": "not here"})

    made = httpx.AsyncClient
    monkeypatch.setattr(httpx, "AsyncClient", lambda **more: made(**more, transport=httpx.MockTransport(answer)))
    endpoint = Endpoint(
        conn_id="connect_sinks",
        host="https://cloud.example",
        login="key",
        password="secret",
        extra={"base_path": base_path},
    )
    question, request, body = REQUESTS[method]
    with contextlib.suppress(ConnectError):
        ask(endpoint, question)
    (sent,) = asked
    verb, _, path = request.partition(" ")
    assert (sent.method, str(sent.url)) == (verb, f"https://cloud.example{base_path.rstrip('/')}{path}")
    assert sent.headers["authorization"] == "Basic " + base64.b64encode(b"key:secret").decode()
    assert (json.loads(sent.content) if sent.content else None) == body


def test_a_paused_and_a_stopped_connector_are_neither_healthy_nor_failed() -> None:
    for state, paused in (
        ("PAUSED", True),
        ("STOPPED", True),
        ("RUNNING", False),
        ("UNASSIGNED", False),
        ("FAILED", False),
    ):
        status = msgspec.convert({"name": "c", "connector": {"state": state}, "tasks": []}, Status)
        assert (status.paused, status.healthy, status.failed) == (paused, False, state == "FAILED")


def test_a_failed_task_is_told_with_its_cause_and_what_to_do(serve: Callable[[Answers], Endpoint]) -> None:
    with pytest.raises(ConnectError, match="ConnectException: refused; mend that, then restart it"):
        ask(serve([(200, FAILED)]), lambda client: client.until_healthy("c"))


def test_a_connector_that_has_no_status_yet_is_left_out(serve: Callable[[Answers], Endpoint]) -> None:
    """As a worker that has just started tells of it."""

    async def asked() -> dict[str, Any]:
        async with ConnectClient(serve([(200, {"c": {"status": FAILED}, "new": {}})])) as connect:
            return dict(await connect.statuses())

    assert list(asyncio.run(asked())) == ["c"]


def test_an_id_of_its_own_is_told_where_connect_gives_one(serve: Callable[[Answers], Endpoint]) -> None:
    """In the shape of Confluent Cloud, which takes one `expand`, a list with commas; Kafka Connect takes several, each
    one word, and passes over what it does not know."""
    answer = {
        "managed": {"id": {"id": "lcc-7w7m2w", "id_type": "ID"}, "status": {**FAILED, "name": "managed"}},
        "own": {"status": {**FAILED, "name": "own"}},
        "odd": {"id": None, "status": {**FAILED, "name": "odd"}},
    }
    found = ask(serve([(200, answer)]), lambda client: client.statuses(identities=True))
    assert {name: status.identity for name, status in found.items()} == {"managed": "lcc-7w7m2w", "own": "", "odd": ""}
    assert found["managed"].failed
