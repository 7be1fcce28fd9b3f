"""Questions counted: what a look asks of each place, by kind. Counting is by the project's own ways to its clients."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

from include.connectors.client import ConnectClient
from include.kafka import client as kafka
from include.warehouses import clickhouse, snowflake

#: What Kafka's clients are asked; what is consumed is counted as records.
_CALLS = ("list_topics", "list_offsets", "committed", "offsets_for_times", "get_watermark_offsets", "assign")


@contextmanager
def counting(counts: Counter[str]) -> Iterator[None]:
    """Counts, while the block lasts, by `<place> <kind>`; `kafka records` follow the window, all others a look."""
    with (
        mock.patch.object(kafka, "Consumer", _client(Consumer, counts)),
        mock.patch.object(kafka, "AdminClient", _client(AdminClient, counts)),
        _each(counts, "clickhouse sessions", clickhouse, "connect"),
        _each(counts, "clickhouse queries", clickhouse.Clickhouse, "query"),
        _each(counts, "snowflake sessions", snowflake, "connect"),
        _each(counts, "snowflake queries", snowflake.Snowflake, "query"),
        _each(counts, "connect requests", ConnectClient, "_once"),
    ):
        yield


@contextmanager
def _each(counts: Counter[str], kind: str, owner: Any, name: str) -> Iterator[None]:
    whole = getattr(owner, name)
    with mock.patch.object(owner, name, _told(counts, kind, whole)):
        yield


def _told(counts: Counter[str], kind: str, call: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(call)
    def told(*arguments: Any, **named: Any) -> Any:
        counts[kind] += 1
        return call(*arguments, **named)

    return told


def _client(kind: type, counts: Counter[str]) -> type:
    """A Kafka client that counts itself, its calls and what it reads."""

    def __init__(self: Any, *arguments: Any, **named: Any) -> None:  # noqa: N807
        counts["kafka clients"] += 1
        kind.__init__(self, *arguments, **named)  # type: ignore[misc]

    def consume(self: Any, *arguments: Any, **named: Any) -> Any:
        found = kind.consume(self, *arguments, **named)  # type: ignore[attr-defined]
        counts["kafka records"] += sum(message.error() is None for message in found)
        return found

    calls = {name: _told(counts, f"kafka {name}", getattr(kind, name)) for name in _CALLS if hasattr(kind, name)}
    own = {"consume": consume} if hasattr(kind, "consume") else {}
    return type(kind.__name__, (kind,), {"__init__": __init__, **calls, **own})
