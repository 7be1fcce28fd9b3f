from datetime import UTC, datetime, timedelta, timezone

import msgspec
import pytest

from include.contracts import load
from include.contracts.event import BurstId, Window
from include.generators import GeneratorMissing, events

START = datetime(2024, 5, 1, 12, tzinfo=UTC)


def test_a_domain_without_a_generator_is_told_where_to_put_one():
    contract = msgspec.structs.replace(load("ecommerce"), domain="nowhere")
    with pytest.raises(GeneratorMissing, match=r"include/generators/nowhere\.py"):
        events(contract, Window(START, START + timedelta(minutes=2)), seed=1)


def test_a_window_is_the_same_in_every_time_zone():
    there = timezone(timedelta(hours=7))
    a = Window(START, START + timedelta(minutes=2))
    b = Window(a.start.astimezone(there), a.end.astimezone(there))
    assert (str(a), a) == (str(b), b)
    assert (a.seconds, a.end_ms - a.start_ms) == (120, 120_000)
    assert a.earlier(1).end == a.start


@pytest.mark.parametrize(
    ("start", "end", "text"),
    [
        (START, START, "is empty"),
        (START, START - timedelta(1), "is empty"),
        (START.replace(tzinfo=None), START, "no time zone"),
        (START, START.replace(microsecond=5), "whole second"),
    ],
)
def test_windows_that_are_none(start, end, text):
    with pytest.raises(ValueError, match=text):
        Window(start, end)


@pytest.mark.parametrize("shard", ["a/b", ""])
def test_a_shard_that_would_blur_the_name(shard):
    with pytest.raises(ValueError, match="without a slash"):
        BurstId("ecommerce", Window(START, START + timedelta(1)), shard)
