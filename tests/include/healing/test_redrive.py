"""Which dead letters a redrive sends, parks and leaves: tables, without a broker."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from include.contracts import domains
from include.healing import redrive
from include.healing.redrive import Order, RedriveError, Step, Told, moment, orders, plan
from include.kafka.dead_letters import DeadLetter

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
GOOD = b'{"event_id":"e","quantity":3,"created_at":"2026-03-01T11:00:00Z"}'


def letter(offset: int = 7, *, times: int = 0, minutes: int = 60, **other: Any) -> DeadLetter:
    headers: Any = (("source", b"till"), ("__connect.errors.topic", b"orders"))
    if times:
        headers += (("floodgate.redrive.count", str(times).encode()), ("floodgate.redrive.of", b"orders/1/2"))
    given: dict[str, Any] = {
        "topic": "orders",
        "partition": 1,
        "offset": offset,
        "connector": "clickhouse-ecommerce",
        "stage": "TASK_PUT",
        "exception": "E",
        "reason": "Cannot parse 'quantity' at row 5",
        "key": b"k",
        "value": GOOD,
        "at_ms": int((NOW - timedelta(minutes=minutes)).timestamp() * 1000),
        "headers": headers,
    }
    return DeadLetter(**(given | other))


def steps(*letters: DeadLetter, done: Any = (), **asked: Any) -> list[Step]:
    return list(plan(letters, set(done), Order(domain="ecommerce", **asked)))


def told(*letters: DeadLetter, **asked: Any) -> list[tuple[int, str, str]]:
    return [(step.letter.offset, step.does, step.why) for step in steps(*letters, **asked)]


def test_a_letter_is_sent_as_it_is() -> None:
    (step,) = steps(letter())
    assert (step.does, step.why, step.value) == ("send", "", GOOD)


def test_what_two_connectors_rejected_is_sent_once() -> None:
    assert told(letter(7), letter(8), letter(7, connector="snowflake-ecommerce")) == [(7, "send", ""), (8, "send", "")]


def test_what_was_dealt_with_has_left_the_list() -> None:
    assert told(letter(7), letter(8), done=[("orders", 1, 7)]) == [(8, "send", "")]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, [1, 2, 3]),
        ({"topic": "orders"}, [1, 2]),
        ({"topic": "shipments"}, [3]),
        ({"reason": "PARSE"}, [1, 3]),
        ({"reason": "no such thing"}, []),
        ({"connector": "snowflake-ecommerce"}, [2]),
        ({"since": NOW - timedelta(hours=1)}, [2, 3]),
        ({"until": NOW - timedelta(hours=1)}, [1]),
        ({"since": NOW - timedelta(hours=1), "until": NOW - timedelta(minutes=30)}, [2]),
        ({"topic": "orders", "reason": "parse"}, [1]),
    ],
    ids=str,
)
def test_filters(asked: dict[str, Any], found: list[int]) -> None:
    some = (
        letter(1, minutes=61),
        letter(2, minutes=60, connector="snowflake-ecommerce", reason="too long"),
        letter(3, minutes=30, topic="shipments"),
    )
    assert [step.letter.offset for step in steps(*some, **asked)] == found


@pytest.mark.parametrize(
    ("times", "at_most", "does", "why"),
    [
        (0, 3, "send", ""),
        (2, 3, "send", ""),
        (3, 3, "park", "was sent again 3 of 3 times"),
        (5, 3, "park", "was sent again 5 of 3 times"),
        (1, 1, "park", "was sent again 1 of 1 times"),
        (0, 0, "park", "was sent again 0 of 0 times"),
    ],
)
def test_what_came_back_too_often_is_parked(times: int, at_most: int, does: str, why: str) -> None:
    assert told(letter(times=times), at_most=at_most) == [(7, does, why)]


def test_what_is_parked_is_not_fixed_and_may_be_anything() -> None:
    some = (letter(times=3, value=b"oops"), letter(8, topic="ecommerce.dlq"), letter(9, value=None))
    assert [step.does for step in steps(*some, at_most=0, fix="numbers_from_text")] == ["park"] * 3


@pytest.mark.parametrize(
    ("given", "asked", "why"),
    [
        ({"topic": "ecommerce.dlq"}, {}, "tells no topic of ecommerce that it came from"),
        ({"topic": "floodgate.bursts"}, {}, "tells no topic of ecommerce that it came from"),
        ({"value": None}, {"fix": "numbers_from_text"}, "is a tombstone, which has nothing to fix"),
        ({"value": b"oops"}, {"fix": "numbers_from_text"}, "numbers_from_text cannot fix it"),
        ({"value": b'{"quantity":"several"}'}, {"fix": "numbers_from_text"}, "numbers_from_text cannot fix it"),
        ({}, {"fix": "numbers_from_text"}, "numbers_from_text finds nothing to fix: redrive it without"),
        ({"value": b"x" * 2_097_000}, {}, "is too large to be sent again with its headers"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_is_left_says_why(given: dict[str, Any], asked: dict[str, Any], why: str) -> None:
    assert told(letter(**given), **asked) == [(7, "leave", why)]


def test_a_fix_is_applied_by_the_topics_own_contract() -> None:
    (step,) = steps(letter(value=b'{"quantity":"3"}'), fix="numbers_from_text")
    assert (step.does, step.value) == ("send", b'{"quantity":3}')
    (step,) = steps(letter(value=b'{"event_id":"e"}', minutes=60), fix="fill_missing_time")
    assert step.value == b'{"event_id":"e","created_at":"2026-03-01T11:00:00.000Z"}'


def test_a_tombstone_is_sent_without_a_fix() -> None:
    assert told(letter(value=None)) == [(7, "send", "")]


@pytest.mark.parametrize(("limit", "value"), [("MOST_RECORDS", 2), ("MOST_RECORDS_BYTES", 2_500)])
def test_a_redrive_is_no_larger_than_a_transaction(monkeypatch: pytest.MonkeyPatch, limit: str, value: int) -> None:
    monkeypatch.setattr(redrive, limit, value)
    assert [does for _, does, _ in told(*(letter(offset) for offset in range(4)))] == ["send", "send", "leave", "leave"]


def test_records_dealt_with_alike_are_one_line() -> None:
    all_of_it = Told(domain="ecommerce")
    some = [letter(offset, reason=f"Cannot parse 'q{offset}' at row {offset}") for offset in range(3)]
    for step in steps(*some, letter(9, topic="ecommerce.dlq"), letter(10, times=3)):
        all_of_it.add(step)
    assert msgspec.to_builtins(all_of_it) == {
        "domain": "ecommerce",
        "send": 3,
        "park": 1,
        "leave": 1,
        "lines": [
            {
                "topic": "orders",
                "reason": "Cannot parse … at row …",
                "does": "send",
                "why": "",
                "first": "orders/1/0",
                "records": 3,
            },
            {
                "topic": "ecommerce.dlq",
                "reason": "Cannot parse … at row …",
                "does": "leave",
                "why": "tells no topic of ecommerce that it came from",
                "first": "ecommerce.dlq/1/9",
                "records": 1,
            },
            {
                "topic": "orders",
                "reason": "Cannot parse … at row …",
                "does": "park",
                "why": "was sent again 3 of 3 times",
                "first": "orders/1/10",
                "records": 1,
            },
        ],
    }


def test_kinds_of_reasons_beyond_the_limit_are_told_together() -> None:
    all_of_it = Told(domain="ecommerce")
    for step in steps(*(letter(at, reason=f"reason {chr(97 + at // 26)}{chr(97 + at % 26)}") for at in range(150))):
        all_of_it.add(step)
    assert len(all_of_it.lines) == 101
    assert (all_of_it.lines[-1].topic, all_of_it.lines[-1].records) == ("others", 50)
    assert sum(line.records for line in all_of_it.lines) == all_of_it.send == 150


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, None),
        ("", None),
        ("90s", NOW - timedelta(seconds=90)),
        ("15m", NOW - timedelta(minutes=15)),
        ("1h", NOW - timedelta(hours=1)),
        ("2d", NOW - timedelta(days=2)),
        ("2026-03-01T11:30", NOW - timedelta(minutes=30)),
        ("2026-03-01T12:30+01:00", NOW - timedelta(minutes=30)),
    ],
)
def test_a_moment(text: str | None, found: datetime | None) -> None:
    assert moment(text, NOW) == found


def test_an_order_is_of_one_domain() -> None:
    assert [order.domain for order in orders(now=NOW)] == list(domains())
    assert orders(now=NOW, topic="orders", since="1h") == [
        Order(domain="ecommerce", topic="orders", since=NOW - timedelta(hours=1))
    ]
    assert [order.domain for order in orders(now=NOW, topic="fashion.dlq")] == ["fashion"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"domain": "shoes"}, f"there are no dead letters of 'shoes' to send again: {', '.join(domains())} have some"),
        ({"domain": "floodgate"}, "no dead letters of 'floodgate' to send again"),
        ({"topic": "nowhere"}, "there is no topic 'nowhere': shops, products"),
        ({"topic": "orders", "domain": "fashion"}, "there is no topic 'orders' in fashion"),
        ({"fix": "magic"}, "there is no fix 'magic': numbers_from_text, fill_missing_time, times_to_utc"),
        ({"at_most": -1}, "at most -1 times is no number of times"),
        ({"since": "soon"}, "'soon' is no time: say 90s, 15m, 1h, 2d, or 2026-01-31T12:00"),
    ],
    ids=str,
)
def test_what_cannot_be_asked_is_told(asked: dict[str, Any], words: str) -> None:
    with pytest.raises(RedriveError, match=words.replace("(", "\\(")):
        orders(now=NOW, **asked)
