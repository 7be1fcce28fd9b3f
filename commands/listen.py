"""`floodgate listen`: the ticker of a real exchange, for those who have the network."""

from __future__ import annotations

import asyncio
import os
import signal
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from include.connections import Endpoint
    from include.sources.coinbase import Outbox, Tally
    from include.sources.coinbase_settings import Settings

app = typer.Typer()

#: What was handed over so long before the start, by another run, is not handed over again.
REMEMBERED = timedelta(minutes=15)
AsJson = Annotated[bool, typer.Option("--json", help="The figures at the end, for a program.")]


@app.command()
def listen(
    domain: Annotated[str, typer.Argument(help="coinbase")] = "coinbase",
    products: Annotated[str | None, typer.Option(help="Products, with commas: BTC-USD,ETH-USD.")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="How long: 10m, 2h, 1d; else until it is ended.")] = None,
    as_json: AsJson = False,
) -> None:
    """Listen to a real exchange and hand every trade to Kafka, until it is ended (Ctrl-C) or the time is over."""
    from commands.ledger import length_of
    from commands.pipeline import environed
    from include import connections
    from include.contracts import load
    from include.sources.coinbase_outbox import KafkaOutbox
    from include.sources.coinbase_settings import settings

    if domain != "coinbase":
        raise CommandError(f"There is no source for {domain!r}: only coinbase has one.")
    seconds = length_of(for_, "--for").total_seconds() if for_ else None
    if f"AIRFLOW_CONN_{connections.KAFKA.upper()}" not in os.environ:
        environed()
    given = settings(feed(), products=products)
    outbox = KafkaOutbox(connections.from_env(connections.KAFKA), load(domain), datetime.now(UTC) - REMEMBERED)
    if not as_json:
        console.say(
            f"Listening to {given.url} for {', '.join(given.products)}; a burst each {given.flush_s:g} s at most."
        )
    tally = asyncio.run(_listen(given, outbox, seconds, quiet=as_json))
    if as_json:
        import msgspec

        console.emit(msgspec.to_builtins(tally))
    else:
        console.say(words(tally))


def feed() -> Endpoint:
    """The connection to the feed; the exchange's public one where none is set."""
    from include import connections
    from include.sources.coinbase_settings import FEED, PUBLIC

    return connections.from_env(FEED) if os.environ.get(f"AIRFLOW_CONN_{FEED.upper()}") else PUBLIC


async def _listen(settings: Settings, outbox: Outbox, seconds: float | None, *, quiet: bool) -> Tally:
    from include.sources import coinbase

    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for ending in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(ending, stop.set)
    if seconds is not None:
        loop.call_later(seconds, stop.set)
    run = f"live-{datetime.now(UTC):%Y%m%dT%H%M%S}-{os.getpid()}"
    told = (lambda tally: None) if quiet else (lambda tally: console.say(words(tally)))
    return await coinbase.listen(settings, outbox, run=run, stop=stop, told=told)


def words(tally: Tally) -> str:
    """The figures so far, in a sentence; what did not happen is left out."""
    rare = {
        "told again": tally.told_again,
        "late": tally.late,
        "refused": tally.refused,
        "skipped": tally.skipped,
        "connections lost": tally.lost,
        "silences": tally.silences,
        "waited for Kafka": tally.waited,
    }
    more = "".join(f", {count:,} {what}" for what, count in rare.items() if count)
    return f"{tally.produced:,} trades in {tally.bursts:,} bursts, of {tally.messages:,} messages{more}."
