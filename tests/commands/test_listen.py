"""`floodgate listen`, without a stack: its words, its settings, and how it ends."""

import asyncio
import json
import os
import signal

import pytest
from typer.testing import CliRunner

from commands import listen as room
from commands.console import CommandError
from commands.main import build
from include.sources.coinbase import Tally
from include.sources.coinbase_settings import PUBLIC, settings
from tests.include.sources.exchange import running, tells, ticker


def test_there_is_one_source() -> None:
    result = CliRunner().invoke(build(), ["listen", "weather"])
    assert isinstance(result.exception, CommandError)
    assert str(result.exception) == "There is no source for 'weather': only coinbase has one."


def test_the_feed_is_the_connection_or_the_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_CONN_COINBASE_FEED", raising=False)
    assert room.feed() == PUBLIC
    monkeypatch.setenv("AIRFLOW_CONN_COINBASE_FEED", json.dumps({"host": "sandbox", "schema": "wss"}))
    assert room.feed().host == "sandbox"


def test_what_did_not_happen_is_not_told() -> None:
    tally = Tally(produced=1_200, bursts=3, messages=1_900)
    assert room.words(tally) == "1,200 trades in 3 bursts, of 1,900 messages."
    tally.lost, tally.skipped = 2, 7
    assert room.words(tally) == "1,200 trades in 3 bursts, of 1,900 messages, 7 skipped, 2 connections lost."


class Kept:
    def __init__(self) -> None:
        self.events = 0

    def known(self) -> list[tuple[str, int]]:
        return []

    def produce(self, name, events) -> None:  # type: ignore[no-untyped-def]
        self.events += len(events)
        os.kill(os.getpid(), signal.SIGTERM)

    def refuse(self, refusals) -> None:  # type: ignore[no-untyped-def]
        raise AssertionError


def listened(outbox: Kept, seconds: float | None, *, flush_s: float) -> Tally:
    async def run() -> Tally:
        async with running(tells(ticker(1), ticker(2))) as exchange, asyncio.timeout(10):
            return await room._listen(settings(exchange.endpoint, flush_s=flush_s), outbox, seconds, quiet=True)

    return asyncio.run(run())


def test_a_signal_ends_it_in_order() -> None:
    outbox = Kept()
    assert listened(outbox, None, flush_s=0.2).produced == outbox.events == 2


def test_it_ends_when_the_time_is_over_and_hands_over_what_it_has() -> None:
    outbox = Kept()
    assert listened(outbox, 0.5, flush_s=30.0).produced == outbox.events == 2
