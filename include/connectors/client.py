"""One client for Kafka Connect's REST interface and for managed connectors of Confluent Cloud: the same shapes.

They differ in the base path (`base_path` of the connection's extra) and in the Cloud's API key (login and password).
"""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Mapping
from typing import Any, Literal, TypeVar

import httpx
import msgspec
import stamina

from include.connections import Endpoint

T = TypeVar("T")
#: Topic and number.
Partition = tuple[str, int]
State = Literal["RUNNING", "PAUSED", "STOPPED", "FAILED", "UNASSIGNED", "RESTARTING", "PROVISIONING", "DEGRADED"]


class ConnectError(Exception):
    """A request that Connect refused or did not answer; `status` is the HTTP status, None where none came. `away`: it
    did not answer, or is ill, so that the same may work later."""

    def __init__(self, text: str, status: int | None = None, *, away: bool = False) -> None:
        super().__init__(text)
        self.status, self.away = status, away or status in (409, 429) or (status or 0) >= 500


class Busy(ConnectError):
    """The workers are rebalancing (409), or it is one request too many (429): the same works a moment later."""


#: Kafka Connect says these with 500 where it means the same.
LATER = ("a rebalance is expected", "can be safely retried")


class TaskStatus(msgspec.Struct, frozen=True):
    """One task of a connector; `trace` where it failed."""

    id: int
    state: str
    worker_id: str = ""
    trace: str = ""


class _Connector(msgspec.Struct, frozen=True):
    state: str
    worker_id: str = ""
    trace: str = ""


class Status(msgspec.Struct, frozen=True):
    """What Connect says of a connector. A failed task leaves the connector's own state RUNNING."""

    name: str
    connector: _Connector
    tasks: tuple[TaskStatus, ...] = ()
    type: str = ""
    #: An id of its own, as `lcc-...` of Confluent Cloud; empty where Connect has none, or was not asked for it.
    identity: str = ""

    @property
    def healthy(self) -> bool:
        """Running, with at least one task, and every task running."""
        return self.connector.state == "RUNNING" and bool(self.tasks) and all(t.state == "RUNNING" for t in self.tasks)

    @property
    def failed(self) -> bool:
        """The connector or one of its tasks is FAILED."""
        return "FAILED" in (self.connector.state, *(task.state for task in self.tasks))

    @property
    def paused(self) -> bool:
        """Paused, or stopped, by a person. A stopped connector has no task, and its offsets can be altered."""
        return self.connector.state in ("PAUSED", "STOPPED")

    @property
    def trace(self) -> str:
        """The first line of the first trace, empty without one."""
        traces = [self.connector.trace, *(task.trace for task in self.tasks)]
        return next((trace.splitlines()[0] for trace in traces if trace), "")


class _Expanded(msgspec.Struct, frozen=True):
    status: Status | None = None
    id: dict[str, Any] | None = None

    @property
    def known(self) -> Status | None:
        return self.status and msgspec.structs.replace(self.status, identity=(self.id or {}).get("id", ""))


class _Place(msgspec.Struct, frozen=True):
    kafka_topic: str
    kafka_partition: int


class _At(msgspec.Struct, frozen=True):
    kafka_offset: int


class _Offset(msgspec.Struct, frozen=True):
    partition: _Place
    offset: _At


class _Offsets(msgspec.Struct, frozen=True):
    offsets: tuple[_Offset, ...]


class ConnectClient:
    """Use as `async with ConnectClient(endpoint) as connect`. Every method raises ConnectError."""

    def __init__(self, endpoint: Endpoint, *, timeout_s: float = 15.0) -> None:
        host = endpoint.host if "://" in endpoint.host else f"http://{endpoint.host}"
        port = f":{endpoint.port}" if endpoint.port else ""
        base = str(endpoint.extra.get("base_path", "")).rstrip("/")
        auth = (endpoint.login, endpoint.password) if endpoint.login else None
        url = f"{host.rstrip('/')}{port}{base}"
        self._endpoint = endpoint
        self._http = httpx.AsyncClient(base_url=url, auth=auth, timeout=timeout_s, verify=_trusted())

    async def __aenter__(self) -> ConnectClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def names(self) -> list[str]:
        """The connectors there are."""
        return self._read(await self._request("GET", "/connectors"), list[str])

    async def statuses(self, *, identities: bool = False) -> dict[str, Status]:
        """Every connector's status, in one request: name -> Status; one that has none yet is left out.

        `identities`: with their ids. Confluent Cloud takes one list with commas, Kafka Connect one word at a time, and
        passes over, with a line in its log a connector, what it does not know.
        """
        some = ["status,id", "status"] if identities else ["status"]
        every = self._read(await self._request("GET", "/connectors", params={"expand": some}), dict[str, _Expanded])
        return {name: one.known for name, one in every.items() if one.known}

    async def status(self, name: str) -> Status | None:
        """One connector's status; None where there is no such connector (or it was made this moment)."""
        try:
            return self._read(await self._request("GET", f"/connectors/{name}/status"), Status)
        except ConnectError as error:
            if error.status == 404:
                return None
            raise

    async def config(self, name: str) -> dict[str, str] | None:
        """The config that a connector runs with; None where there is no such connector. It holds secrets."""
        try:
            return self._read(await self._request("GET", f"/connectors/{name}/config"), dict[str, str])
        except ConnectError as error:
            if error.status == 404:
                return None
            raise

    async def put(self, name: str, config: dict[str, str]) -> None:
        """Makes the connector, or gives it this config."""
        await self._request("PUT", f"/connectors/{name}/config", json=config)

    async def delete(self, name: str) -> None:
        """Removes the connector; its consumer group's offsets stay."""
        await self._request("DELETE", f"/connectors/{name}")

    async def pause(self, name: str) -> None:
        """Asks the connector to pause; it takes a moment."""
        await self._request("PUT", f"/connectors/{name}/pause")

    async def resume(self, name: str) -> None:
        """Asks a paused or stopped connector to go on."""
        await self._request("PUT", f"/connectors/{name}/resume")

    async def stop(self, name: str) -> None:
        """Asks the connector to end its tasks, until it is resumed; it takes a moment."""
        await self._request("PUT", f"/connectors/{name}/stop")

    async def offsets(self, name: str) -> dict[Partition, int]:
        """Where a sink goes on reading: partition -> the next offset. One that was never committed is left out."""
        found = self._read(await self._request("GET", f"/connectors/{name}/offsets"), _Offsets).offsets
        return {(one.partition.kafka_topic, one.partition.kafka_partition): one.offset.kafka_offset for one in found}

    async def alter_offsets(self, name: str, offsets: Mapping[Partition, int | None]) -> None:
        """Lets a stopped sink go on at these offsets, None where it would begin anew; other partitions stay.

        No part of Floodgate's own work: Confluent Cloud wants POST .../offsets/request for this.
        """
        wanted = [
            {
                "partition": {"kafka_topic": topic, "kafka_partition": number},
                "offset": None if offset is None else {"kafka_offset": offset},
            }
            for (topic, number), offset in offsets.items()
        ]
        await self._request("PATCH", f"/connectors/{name}/offsets", json={"offsets": wanted})

    async def reset_offsets(self, name: str) -> None:
        """Lets a stopped sink begin anew in every partition."""
        await self._request("DELETE", f"/connectors/{name}/offsets")

    async def restart(self, name: str, *, only_failed: bool) -> None:
        """Restarts the connector and its tasks, or only what failed."""
        params = {"includeTasks": "true", "onlyFailed": str(only_failed).lower()}
        await self._request("POST", f"/connectors/{name}/restart", params=params)

    async def restart_task(self, name: str, task_id: int) -> None:
        """Restarts one task, failed or not."""
        await self._request("POST", f"/connectors/{name}/tasks/{task_id}/restart")

    async def until_healthy(self, name: str, *, within_s: float = 60.0) -> Status:
        """Waits until the connector and its tasks run; raises ConnectError when they fail or time is over.

        What a status says within a second or two after a change may be what was before it.
        """
        deadline = asyncio.get_running_loop().time() + within_s
        status: Status | None = None
        while asyncio.get_running_loop().time() < deadline:
            status = await self.status(name)
            if status and status.healthy:
                return status
            if status and status.failed:
                raise ConnectError(
                    f"connector {name} failed: {status.trace or 'it says no reason'}; mend that, then restart it "
                    f"(POST /connectors/{name}/restart?includeTasks=true)"
                )
            await asyncio.sleep(0.3)
        state = status.connector.state if status else "missing"
        raise ConnectError(f"connector {name} is {state}, not RUNNING, after {within_s:.0f} s: see its worker's log")

    @property
    def _where(self) -> str:
        return f"Kafka Connect at {self._http.base_url}"

    def _read(self, answer: Any, kind: type[T]) -> T:
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise ConnectError(
                f"{self._where} answers in another way than Kafka Connect does ({error}): check host, port and "
                f"base_path of connection {self._endpoint.conn_id}"
            ) from None

    async def _request(self, method: str, path: str, **arguments: Any) -> Any:
        waits = {"wait_initial": 0.1, "wait_max": 3.0, "wait_jitter": 0.1}
        async for attempt in stamina.retry_context(on=Busy, attempts=None, timeout=30.0, **waits):
            with attempt:
                return await self._once(method, path, **arguments)
        raise AssertionError("stamina either returns or raises")

    async def _once(self, method: str, path: str, **arguments: Any) -> Any:
        where = self._where
        try:
            answer = await self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            why = f"start it, or check connection {self._endpoint.conn_id} ({type(error).__name__}: {error})"
            raise ConnectError(f"{where} does not answer: {why}", away=True) from None
        if answer.is_success:
            return _content(answer)
        if answer.status_code in (401, 403):
            raise ConnectError(
                f"{where} refuses the login of connection {self._endpoint.conn_id}: check its login and password",
                answer.status_code,
            )
        text = _message(answer)
        later = answer.status_code in (409, 429) or any(words in text for words in LATER)
        kind = Busy if later else ConnectError
        raise kind(f"{where}: {method} {path}: {answer.status_code} {text}", answer.status_code)


@functools.cache
def _trusted() -> ssl.SSLContext:
    # Read once: it costs more than a request, and a watch makes a client every few seconds.
    return httpx.create_ssl_context()


def _content(answer: httpx.Response) -> Any:
    """What was answered, as text where it is no JSON: whoever reads it will not find the shape they expect."""
    try:
        return answer.json() if answer.content else None
    except ValueError:
        return answer.text


def _message(answer: httpx.Response) -> str:
    try:
        body = answer.json()
    except ValueError:
        return answer.text[:300]
    return str(body.get("message") or body.get("error") or body)[:600] if isinstance(body, dict) else str(body)[:600]
