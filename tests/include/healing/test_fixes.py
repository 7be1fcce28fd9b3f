"""What each fix mends, and what it leaves."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from include.contracts import load
from include.healing.fixes import FIXES, fill_missing_time, numbers_from_text, times_to_utc, unchanged

ORDERS = load("ecommerce").topic("orders")
CLICKS = load("fashion").topic("streaming.public.clicks")
#: 2026-03-01T12:00:00.250Z
AT_MS = 1_772_366_400_250

ORDER = {
    "event_id": "e-1",
    "id": "o-1",
    "product_id": 1,
    "customer_id": 1,
    "quantity": 3,
    "total_price": 12.5,
    "created_at": "2026-01-01T00:00:00.000Z",
}
CLICK = {
    "op": "c",
    "ts_ms": 1_772_366_400_000,
    "source": {"lsn": 7, "ts_ms": 1_772_366_400_000},
    "after": {"id": 1, "quantity": 2, "created_at": "2026-01-01T00:00:00.000Z"},
    "before": None,
}


def order(**other: Any) -> bytes:
    return json.dumps(ORDER | other).encode()


def click(**other: Any) -> bytes:
    return json.dumps(CLICK | other).encode()


NO_RECORDS = [b"", b"oops", b'{"a": ', b"[1, 2]", b"3", b"null", b'"\xff"']


@pytest.mark.parametrize("fix", FIXES.values(), ids=FIXES)
@pytest.mark.parametrize("record", NO_RECORDS, ids=str)
def test_what_is_no_json_object_is_left(fix: Any, record: bytes) -> None:
    assert fix(ORDERS, record, AT_MS) is None


@pytest.mark.parametrize("fix", FIXES.values(), ids=FIXES)
@pytest.mark.parametrize(("topic", "record"), [(ORDERS, order()), (CLICKS, click())], ids=["order", "change"])
def test_a_good_record_stays_as_it_is(fix: Any, topic: Any, record: bytes) -> None:
    assert unchanged(record, fix(topic, record, AT_MS))


@pytest.mark.parametrize("fix", FIXES.values(), ids=FIXES)
def test_fields_that_the_contract_does_not_know_stay(fix: Any) -> None:
    record = order(note="7", sent_at="yesterday", more={"quantity": "x"})
    assert json.loads(fix(ORDERS, record, AT_MS)) == json.loads(record)


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        ({"quantity": "3"}, {"quantity": 3}),
        ({"quantity": " 3 "}, {"quantity": 3}),
        ({"quantity": "3.0"}, {"quantity": 3}),
        ({"quantity": "-3"}, {"quantity": -3}),
        ({"total_price": "12.50", "quantity": "3"}, {"total_price": 12.5, "quantity": 3}),
        ({"quantity": None}, {"quantity": None}),
    ],
    ids=str,
)
def test_numbers_from_text(given: dict[str, Any], mended: dict[str, Any]) -> None:
    fixed = numbers_from_text(ORDERS, order(**given), AT_MS)
    assert fixed is not None
    assert json.loads(fixed) == ORDER | mended


@pytest.mark.parametrize("text", ["several", "", "3.5", "1,000", "1e3", "0x3", "NaN", "Infinity", "3 pieces", "\u0661"])
def test_text_that_is_no_number_of_the_kind_is_left(text: str) -> None:
    assert numbers_from_text(ORDERS, order(quantity=text), AT_MS) is None


def test_one_number_that_cannot_be_read_leaves_the_record() -> None:
    assert numbers_from_text(ORDERS, order(quantity="3", total_price="dear"), AT_MS) is None


def test_numbers_keep_their_digits() -> None:
    record = b'{"total_price": "1234567890.10", "quantity": "123456789012345678", "rate": 0.10, "big": 123456789012345678901}'
    fixed = numbers_from_text(ORDERS, record, AT_MS)
    assert (
        fixed == b'{"total_price":1234567890.10,"quantity":123456789012345678,"rate":0.10,"big":123456789012345678901}'
    )


def test_numbers_within_objects() -> None:
    fixed = numbers_from_text(CLICKS, click(after={"id": "5", "quantity": "2", "item_price": "1.10"}), AT_MS)
    assert fixed is not None
    assert json.loads(fixed)["after"] == {"id": 5, "quantity": 2, "item_price": 1.1}
    assert numbers_from_text(CLICKS, click(after={"id": "five"}), AT_MS) is None


@pytest.mark.parametrize("missing", [{"created_at": None}, {"created_at": ""}, {}], ids=str)
def test_a_missing_time_is_taken_from_kafka(missing: dict[str, Any]) -> None:
    record = {name: value for name, value in ORDER.items() if name != "created_at"} | missing
    fixed = fill_missing_time(ORDERS, json.dumps(record).encode(), AT_MS)
    assert fixed is not None
    assert json.loads(fixed) == record | {"created_at": "2026-03-01T12:00:00.250Z"}


def test_a_missing_time_in_milliseconds() -> None:
    fixed = fill_missing_time(CLICKS, click(ts_ms=None), AT_MS)
    assert fixed is not None
    assert json.loads(fixed)["ts_ms"] == AT_MS


@pytest.mark.parametrize("at_ms", [-1, 0])
def test_without_a_kafka_timestamp_no_time_is_made_up(at_ms: int) -> None:
    assert fill_missing_time(ORDERS, order(created_at=None), at_ms) is None


def test_another_missing_field_is_no_business_of_the_time() -> None:
    record = json.dumps({"event_id": "e-1", "created_at": "2026-01-01T00:00:00Z"}).encode()
    assert fill_missing_time(ORDERS, record, AT_MS) == record


@pytest.mark.parametrize(
    ("given", "mended"),
    [
        (1_772_366_400, "2026-03-01T12:00:00.000Z"),
        (1_772_366_400_250, "2026-03-01T12:00:00.250Z"),
        (1_772_366_400.25, "2026-03-01T12:00:00.250Z"),
        ("1772366400250", "2026-03-01T12:00:00.250Z"),
        ("2026-03-01 12:00:00", "2026-03-01T12:00:00.000Z"),
        ("2026-03-01T12:00:00.25", "2026-03-01T12:00:00.250Z"),
        ("2026-03-01T13:00:00+01:00", "2026-03-01T12:00:00.000Z"),
        ("2026-03-01 13:00:00+0100", "2026-03-01T12:00:00.000Z"),
        ("2026-03-01T12:00:00Z", "2026-03-01T12:00:00Z"),
    ],
    ids=str,
)
def test_times_to_utc(given: Any, mended: str) -> None:
    fixed = times_to_utc(ORDERS, order(created_at=given), AT_MS)
    assert fixed is not None
    assert json.loads(fixed)["created_at"] == mended


@pytest.mark.parametrize(
    "given", ["yesterday", "", "01.03.2026 12:00", "2026-03-01", "2026-13-01T12:00:00Z", 12, True, 10**15, {"at": 1}]
)
def test_what_is_no_time_is_left(given: Any) -> None:
    assert times_to_utc(ORDERS, order(created_at=given), AT_MS) is None


def test_times_within_objects() -> None:
    fixed = times_to_utc(CLICKS, click(after={"id": 1, "created_at": 1_772_366_400}), AT_MS)
    assert fixed is not None
    assert json.loads(fixed)["after"] == {"id": 1, "created_at": "2026-03-01T12:00:00.000Z"}


def test_every_fix_says_what_it_does() -> None:
    assert all(fix.__doc__ and "Leaves" in fix.__doc__ for fix in FIXES.values())


def test_a_missing_time_is_written_as_its_contract_says() -> None:
    topic = load("clickstream").topic("clickstream")
    fixed = fill_missing_time(topic, b'{"event_id": "e"}', AT_MS)
    moment = datetime.fromtimestamp(AT_MS / 1000, UTC)
    assert fixed is not None
    assert json.loads(fixed)["event_time"] == f"{moment:%d/%m/%Y %H:%M:%S.%f}"
