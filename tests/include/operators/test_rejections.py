"""From which of the remembered ends of the dead letter topics on a look reads."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from include.operators.rejections import Mark, kept, start

NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LATELY = timedelta(minutes=3)


def marks(*ago: float) -> list[Mark]:
    return [Mark(at=NOW - timedelta(minutes=minutes), ends={"d/0": int(100 - minutes)}) for minutes in ago]


@pytest.mark.parametrize(
    ("ago", "first"),
    [
        ((), None),
        ((1,), 99),  # the watch is young
        ((2, 1), 98),
        ((4, 3, 2, 1), 97),
        ((5, 4, 2.9, 1), 96),
        ((40,), 60),  # it could not look for long: what came meanwhile was told to nobody
    ],
)
def test_what_came_in_the_last_minutes_and_what_nobody_has_looked_at(ago: tuple[float, ...], first: int | None) -> None:
    found = start(marks(*ago), NOW, LATELY)
    assert found == ({} if first is None else {"d/0": first})


def test_marks_that_no_later_look_begins_at_are_forgotten() -> None:
    now = Mark(at=NOW, ends={"d/0": 100})
    assert kept(marks(6, 5, 4, 3, 2, 1), now, LATELY) == [*marks(3, 2, 1), now]
    assert kept(marks(40), now, LATELY) == [*marks(40), now]
    assert kept([], now, LATELY) == [now]
