"""Changes of a database's rows, written as Debezium writes them for PostgreSQL with REPLICA IDENTITY FULL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from include.contracts.event import Event

#: Log positions a millisecond has room for: what keeps them rising with time and, until 2109, exact as a JSON number.
POSITIONS_PER_MS = 2048
#: From the change to its capture.
LAG_MS = 40

VALUE = (
    b'{"before":%b,"after":%b,"source":{"version":"3.7.0.Final","connector":"postgresql","name":"streaming",'
    b'"ts_ms":%d,"snapshot":"false","db":"fashion","sequence":"[\\"%d\\",\\"%d\\"]","ts_us":%d000,"ts_ns":%d000000,'
    b'"schema":"public","table":"%b","txId":%d,"lsn":%d,"xmin":null},"transaction":null,"op":"%b",'
    b'"ts_ms":%d,"ts_us":%d000,"ts_ns":%d000000}'
)
KEY = b'{"id":%d}'
NULL = b"null"


class Change(NamedTuple):
    """One change of one row; rows are JSON. `before` is None for a create, `after` for a delete."""

    time_ms: int
    topic: str
    row_id: int
    before: bytes | None
    after: bytes | None


def change_events(changes: Sequence[Change], end_ms: int) -> Iterator[Event]:
    """The changes in the order of their times, each with a log position that rises with time; none after `end_ms`.

    A delete is followed by its tombstone. Raises ValueError where more happens in a millisecond than it has positions.
    """
    times = np.array([change.time_ms for change in changes], np.int64)
    order = np.argsort(times, kind="stable")
    ordered = times[order]
    ranks = np.arange(len(ordered)) - np.searchsorted(ordered, ordered, side="left")
    if len(ranks) and ranks.max() >= POSITIONS_PER_MS:
        raise ValueError(
            f"more than {POSITIONS_PER_MS} changes in a millisecond: make the burst smaller or its window longer"
        )
    for place, position in zip(order.tolist(), (ordered * POSITIONS_PER_MS + ranks).tolist(), strict=True):
        change = changes[place]
        yield from written(change, position, min(change.time_ms + LAG_MS, end_ms - 1))


def written(change: Change, position: int, captured_ms: int) -> Iterator[Event]:
    """The record of one change, and the tombstone after a delete."""
    made_ms, topic, row_id, before, after = change
    key = KEY % row_id
    op = b"d" if after is None else b"c" if before is None else b"u"
    # What happens in one millisecond is one transaction, which began where the one before had ended.
    value = VALUE % (
        before or NULL,
        after or NULL,
        made_ms,
        position // POSITIONS_PER_MS * POSITIONS_PER_MS,
        position,
        made_ms,
        made_ms,
        topic.rpartition(".")[2].encode(),
        made_ms & 0x7FFFFFFF,
        position,
        op,
        captured_ms,
        captured_ms,
        captured_ms,
    )
    yield Event(topic, key, value, captured_ms)
    if after is None:
        yield Event(topic, key, None, captured_ms)
