"""An exchange on loopback that does to each connection what it was told to: a list of acts, one a connection."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from include.connections import Endpoint

Act = Callable[["Exchange", ServerConnection], Awaitable[None]]


def ticker(sequence: int, product: str = "BTC-USD", **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {"type": "ticker", "sequence": sequence, "product_id": product, "price": "62000.10"}
    known |= {"open_24h": "61000", "volume_24h": "12.5", "low_24h": "60000.01", "high_24h": "63000", "side": "buy"}
    known |= {"volume_30d": "500.25", "best_bid": "62000.09", "best_bid_size": "0.1", "best_ask": "62000.10"}
    known |= {"best_ask_size": "0.2", "trade_id": sequence, "last_size": "0.005"}
    return known | {"time": f"2026-03-01T12:00:{sequence % 60:02d}.123456Z"} | fields


def heartbeat(product: str = "BTC-USD", last: int = 0) -> dict[str, Any]:
    return {
        "type": "heartbeat",
        "sequence": 1,
        "last_trade_id": last,
        "product_id": product,
        "time": "2026-03-01T12:00:00Z",
    }


class Exchange:
    """`asked`: what each connection sent, with the seconds since it came."""

    def __init__(self, acts: list[Act]) -> None:
        self.acts, self.connections = list(acts), 0
        self.asked: list[list[tuple[float, dict[str, Any]]]] = []
        self.came_at: list[float] = []
        self.acting: list[asyncio.Task[None]] = []
        self.endpoint = Endpoint(conn_id="coinbase_feed")

    async def serve(self, socket: ServerConnection) -> None:
        number, self.connections = self.connections, self.connections + 1
        self.came_at.append(asyncio.get_running_loop().time())
        self.asked.append([])
        act = asyncio.create_task(self.acts[min(number, len(self.acts) - 1)](self, socket))  # type: ignore[arg-type]
        self.acting.append(act)
        await asyncio.wait([act])

    async def subscribed(self, socket: ServerConnection, messages: int = 1) -> None:
        """Waits for so many requests, and confirms."""
        for _ in range(messages):
            request = json.loads(await socket.recv())
            self.asked[-1].append((asyncio.get_running_loop().time() - self.came_at[-1], request))
        await say(socket, {"type": "subscriptions", "channels": [{"name": "ticker", "product_ids": ["BTC-USD"]}]})


async def say(socket: ServerConnection, *messages: dict[str, Any] | str | bytes) -> None:
    for message in messages:
        await socket.send(json.dumps(message) if isinstance(message, dict) else message)


def tells(*messages: dict[str, Any] | str | bytes, then: Act | None = None, requests: int = 1) -> Act:
    """Confirms, says these, and then does what it must: by default goes on with heartbeats."""

    async def act(exchange: Exchange, socket: ServerConnection) -> None:
        await exchange.subscribed(socket, requests)
        await say(socket, *messages)
        await (then or beats)(exchange, socket)

    return act


async def beats(exchange: Exchange, socket: ServerConnection) -> None:
    while True:
        await say(socket, heartbeat())
        await asyncio.sleep(0.05)


async def drops(exchange: Exchange, socket: ServerConnection) -> None:
    """The connection is cut without a word."""
    socket.transport.abort()


async def stalls(exchange: Exchange, socket: ServerConnection) -> None:
    """Stays, and says nothing any more; pings are answered by the library."""
    await asyncio.sleep(30)


async def closes_slowly(exchange: Exchange, socket: ServerConnection) -> None:
    """Stops reading and never answers the closing handshake."""
    socket.transport.pause_reading()
    await asyncio.sleep(30)


@asynccontextmanager
async def running(*acts: Act) -> AsyncIterator[Exchange]:
    exchange = Exchange(list(acts))
    async with serve(exchange.serve, "127.0.0.1", 0, close_timeout=0.1, compression=None) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        exchange.endpoint = Endpoint(conn_id="coinbase_feed", schema="ws", host="127.0.0.1", port=port)
        try:
            yield exchange
        finally:
            for act in exchange.acting:
                act.cancel()
            await asyncio.gather(*exchange.acting, return_exceptions=True)
