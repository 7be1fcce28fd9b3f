"""The last journey: what is left after `down`, and what is there after `up`."""

from __future__ import annotations

import socket

import psutil
import pytest

from local.place import PORTS
from tests.journeys.stack import Stack

pytestmark = [pytest.mark.journey, pytest.mark.timeout(600)]


def test_down_leaves_nothing_and_up_finds_the_data(stack: Stack) -> None:
    before = stack.until_landed("ecommerce")["orders"]["produced"]
    stack.floodgate("down")
    assert not [port for port in PORTS.values() if listening(port + stack.offset)]
    assert not [p for p in psutil.process_iter() if str(stack.home) in command_line(p)]
    stack.floodgate("up")
    assert stack.until_landed("ecommerce")["orders"]["produced"] >= before
    assert stack.run("down").returncode == 0


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def command_line(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""
