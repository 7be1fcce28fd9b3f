from datetime import UTC, datetime

import msgspec
import pytest

from include.contracts import load
from include.ledger import corrected as room
from include.ledger.minutes import Hole

ORDERS, CLICKS = load("ecommerce").topic("orders"), load("fashion").topic("streaming.public.clicks")


def hole(*ranges, **changes):
    at = datetime(2026, 5, 1, tzinfo=UTC)
    whole = Hole(
        warehouse="clickhouse", domain="ecommerce", topic="orders", partition=0, ranges=ranges, missing=1, minute=at,
        produced_at=at, in_kafka=True,
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)


class Nobody:
    def __getattr__(self, name):
        raise AssertionError("nobody is to be asked")


@pytest.mark.parametrize(
    "holes",
    [
        [],
        [hole((1, room.MOST + 1))],
        [hole((1, room.MOST)), hole((room.MOST + 7, room.MOST + 7))],
        [hole((1, 1), warehouse="snowflake"), hole((1, 1), in_kafka=False)],
    ],
    ids=["none", "too large", "too large together", "of others"],
)
def test_nobody_is_asked_where_no_correction_can_be_found(holes):
    assert room.corrected(Nobody(), Nobody(), [load("ecommerce")], holes) == {}


@pytest.mark.parametrize(
    ("topic", "record", "identity"),
    [
        (ORDERS, b'{"event_id": "e1", "id": "o1"}', ("e1",)),
        (CLICKS, b'{"after": {"id": 7}, "before": null, "source": {"lsn": 12}}', (7, 12)),
        (CLICKS, b'{"after": null, "before": {"id": 7}, "source": {"lsn": 13}}', (7, 13)),
        (ORDERS, b'{"id": "o1"}', None),
        (ORDERS, b"[1]", None),
        (ORDERS, b"{", None),
        (ORDERS, None, None),
    ],
)
def test_an_event_is_known_by_what_its_contract_says(topic, record, identity):
    assert room._identity(topic, record) == identity


def test_ids_are_asked_for_by_the_tables_key_some_at_a_time(monkeypatch):
    monkeypatch.setattr(room, "AT_ONCE", 2)
    asked = []

    class Client:
        def query(self, sql):
            asked.append(sql)
            return [{"row_id": 1, "lsn": 5}] if "(1, 5)" in sql else []

    assert list(room._there(Client(), CLICKS, {(1, 5): 0, (2, 6): 0, (3, 7): 0})) == [(1, 5)]
    start = "select distinct `row_id`, `lsn` from landing.`streaming_public_clicks` where (`row_id`, `lsn`) in "
    assert asked == [start + "((1, 5), (2, 6))", start + "((3, 7))"]
    assert room._literal("it's \\") == "'it\\'s \\\\'"
