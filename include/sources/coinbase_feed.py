"""The connection to the exchange: made again whenever it is lost, and read only as fast as there is room."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec
import stamina
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from include.contracts.event import Event
from include.sources.coinbase_reader import Lost, Reader, Refusal, Tally
from include.sources.coinbase_settings import Settings

log = logging.getLogger(__name__)

CHANNELS = ("ticker", "heartbeat")
#: The longest message that is read: a ticker has 400 letters, and nobody should fill our memory.
LONGEST = 1 << 18
#: Messages that the library itself keeps before it stops reading from the network.
AHEAD = 64


class Feed:
    """Fills `queue` with events and refusals, until it is cancelled or the exchange refuses for good."""

    def __init__(self, settings: Settings, reader: Reader, tally: Tally) -> None:
        self._settings, self._reader, self._tally = settings, reader, tally
        self.queue: asyncio.Queue[Event | Refusal] = asyncio.Queue(settings.queue)

    async def run(self) -> NoReturn:
        """Connects, reads, connects again, each time after a longer wait; raises SourceError."""
        waits = {
            "wait_initial": self._settings.wait_first_s,
            "wait_max": self._settings.wait_most_s,
            "wait_jitter": self._settings.wait_first_s,
        }
        while True:
            async for attempt in stamina.retry_context(on=Lost, attempts=None, timeout=None, **waits):
                with attempt:
                    await self._until_lost()

    async def _until_lost(self) -> None:
        """One connection from beginning to end. Returns where it lasted long, else raises Lost."""
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            await self._connected()
        except (OSError, TimeoutError, WebSocketException, Lost) as error:
            self._tally.lost += 1
            lasted = loop.time() - begun
            log.warning(
                "%s: connection lost after %.1f s: %s", self._settings.url, lasted, error or type(error).__name__
            )
            if lasted < self._settings.steady_s:
                raise Lost(str(error)) from error

    async def _connected(self) -> NoReturn:
        given = self._settings
        self._reader.connected()
        limits: dict[str, Any] = {"open_timeout": given.open_s, "close_timeout": given.close_s}
        limits |= {"ping_interval": given.silent_s, "ping_timeout": given.silent_s}
        async with connect(given.url, max_size=LONGEST, max_queue=AHEAD, **limits) as socket:
            self._tally.connections += 1
            asked = asyncio.create_task(self._ask(socket))
            try:
                await self._read(socket)
            finally:
                asked.cancel()

    async def _ask(self, socket: ClientConnection) -> None:
        """Asks for every product, no faster than the exchange allows."""
        for number, request in enumerate(requests(self._settings)):
            if number:
                await asyncio.sleep(1 / self._settings.messages_a_second)
            await socket.send(request)

    async def _read(self, socket: ClientConnection) -> NoReturn:
        loop = asyncio.get_running_loop()
        confirm_until = loop.time() + self._settings.open_s
        while True:
            try:
                async with asyncio.timeout(self._settings.silent_s):
                    frame = await socket.recv(decode=False)
            except TimeoutError:
                self._tally.silences += 1
                raise Lost(f"no message for {self._settings.silent_s:g} s, not even a heartbeat") from None
            item = self._reader.read(frame)
            if not self._reader.confirmed and loop.time() > confirm_until:
                raise Lost(f"the subscription was not confirmed within {self._settings.open_s:g} s")
            if item is None:
                continue
            if self.queue.full():
                # Nothing more is read until there is room: the network's own flow control tells the exchange.
                self._tally.waited += 1
            await self.queue.put(item)


def requests(settings: Settings) -> Iterator[str]:
    """The messages that ask for all products, some in each."""
    for first in range(0, len(settings.products), settings.products_a_message):
        some = list(settings.products[first : first + settings.products_a_message])
        yield msgspec.json.encode({"type": "subscribe", "product_ids": some, "channels": list(CHANNELS)}).decode()
