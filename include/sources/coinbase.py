"""Listens to a real exchange's ticker and hands every trade to Kafka, in bursts with receipts as a generator's.

A record's id is made of product and number, so what is told twice, by the exchange or by us, counts once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol

import msgspec

from include.contracts import load
from include.contracts.event import BurstId, Event, Window
from include.sources.coinbase_feed import Feed
from include.sources.coinbase_reader import TOPIC, Reader, Refusal, Tally
from include.sources.coinbase_settings import Settings

__all__ = ["Outbox", "Tally", "listen"]

log = logging.getLogger(__name__)

DOMAIN = "coinbase"


class Outbox(Protocol):
    """Where trades go. Each call may take long and is made in a thread of its own."""

    def known(self) -> list[tuple[str, int]]:
        """Product and number of trades that were handed over lately, by an earlier run: in the order they were."""

    def produce(self, name: BurstId, events: list[Event]) -> None:
        """All of them as one burst, or none and an error. The same name again replaces what was sent under it."""

    def refuse(self, refusals: list[Refusal]) -> None:
        """To the dead letters."""


async def listen(
    settings: Settings,
    outbox: Outbox,
    *,
    run: str,
    stop: asyncio.Event,
    told: Callable[[Tally], None] = lambda tally: None,
) -> Tally:
    """Listens until `stop` is set; what had come by then is handed over first. `run` names the bursts.

    `told` hears the figures after each burst. Raises SourceError where the exchange refuses, and what the outbox
    raises: then trades that were read and not handed over are lost, as they are while nobody listens.
    """
    tally = Tally()
    reader = Reader(load(DOMAIN).topic(TOPIC), tally)
    # The exchange begins with each product's last trade, which a run before this one may have handed over.
    for product, sequence in await asyncio.to_thread(outbox.known):
        reader.remember(product, sequence)
    feed = Feed(settings, reader, tally)
    reading, stopping = asyncio.create_task(feed.run()), asyncio.create_task(stop.wait())
    try:
        number = 0
        while not (stop.is_set() or reading.done()):
            items = await _some(feed, settings, (reading, stopping))
            number = await _hand_over(outbox, items, run, number, tally, told)
    finally:
        for task in (reading, stopping):
            task.cancel()
        ended, _ = await asyncio.gather(reading, stopping, return_exceptions=True)
    await _hand_over(outbox, _left(feed), run, number, tally, told)
    if not isinstance(ended, asyncio.CancelledError):
        raise ended
    return tally


async def _some(feed: Feed, settings: Settings, ends: tuple[asyncio.Task[object], ...]) -> list[Event | Refusal]:
    """What comes until a burst is large or old enough, or one of `ends` is done."""
    loop = asyncio.get_running_loop()
    items: list[Event | Refusal] = []
    until = loop.time() + settings.flush_s
    while len(items) < settings.flush_events and (left := until - loop.time()) > 0:
        waiting = asyncio.create_task(feed.queue.get())
        done, _ = await asyncio.wait((waiting, *ends), timeout=left, return_when=asyncio.FIRST_COMPLETED)
        if waiting in done:
            items.append(waiting.result())
            items += _left(feed, settings.flush_events - len(items))
        else:
            waiting.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                items.append(await waiting)
        if done - {waiting}:
            break
    return items


def _left(feed: Feed, most: int = 1 << 62) -> list[Event | Refusal]:
    items: list[Event | Refusal] = []
    while len(items) < most and not feed.queue.empty():
        items.append(feed.queue.get_nowait())
    return items


async def _hand_over(
    outbox: Outbox,
    items: list[Event | Refusal],
    run: str,
    number: int,
    tally: Tally,
    told: Callable[[Tally], None],
) -> int:
    """The number of the next burst."""
    events = [item for item in items if isinstance(item, Event)]
    refusals = [item for item in items if isinstance(item, Refusal)]
    if refusals:
        await asyncio.to_thread(outbox.refuse, refusals)
    if events:
        await asyncio.to_thread(outbox.produce, name(events, run, number), events)
        tally.bursts, tally.produced = tally.bursts + 1, tally.produced + len(events)
        number += 1
    if items:
        log.info("%s: %s", run, msgspec.json.encode(tally).decode())
        told(tally)
    return number


def name(events: list[Event], run: str, number: int) -> BurstId:
    """A burst's window is the time its trades lie in."""
    first, last = (int(edge(event.time_ms for event in events)) // 1000 for edge in (min, max))
    return BurstId(
        DOMAIN, Window(datetime.fromtimestamp(first, UTC), datetime.fromtimestamp(last + 1, UTC)), f"{run}.{number}"
    )
