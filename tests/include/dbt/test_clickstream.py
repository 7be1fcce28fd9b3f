"""The phone shop's models over generated events in both warehouses, against the same figures computed in plain Python."""

from __future__ import annotations

import json
import zlib
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from include.contracts import load
from include.enrichment import enrich
from include.generators import Event, Window, events
from include.monitors import arrivals
from tests.include.dbt.test_build import WITHOUT_UNIT_TESTS, Warehouse, check, warehouse

__all__ = ["warehouse"]

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

CONTRACT = load("clickstream")
DAY = datetime(2026, 2, 28, 23, tzinfo=UTC)  # over midnight, and the end of a month
#: Rows are gone a week after they have landed, so they have landed today.
NOW = datetime.now(UTC).replace(microsecond=0)
Row = dict[str, Any]


def made(start: datetime, minutes: int) -> list[Event]:
    return list(events(CONTRACT, Window(start, start + timedelta(minutes=minutes)), seed=5))


MADE = made(DAY, 120)
FIRST, THEN = MADE[: len(MADE) * 2 // 3], MADE[len(MADE) * 2 // 3 :]


def land(warehouse: Warehouse, topic: str, values: Iterable[bytes], first_offset: int, landed: datetime) -> None:
    """Lands records as the sinks do, in partitions by the session."""
    ms = int(landed.timestamp() * 1000)
    clickhouse, snowflake = [], []
    for offset, value in enumerate(values, first_offset):
        record = json.loads(value)
        partition = zlib.crc32(record["session_id"].encode()) % 3
        place = {"_topic": topic, "_partition": partition, "_offset": offset, "_timestamp": ms}
        clickhouse.append(json.dumps(record | place | {"_landed_at": landed.isoformat()}).encode())
        metadata = {"topic": topic, "partition": partition, "offset": offset, "CreateTime": ms}
        metadata["SnowflakeConnectorPushTime"] = ms
        snowflake.append((json.dumps(metadata).encode(), value))
    rows = clickhouse if warehouse.name == "clickhouse" else snowflake
    for start in range(0, len(rows), 500):
        table = f"landing.{topic}"
        warehouse.client.land(
            f"landing.`{topic}`" if warehouse.name == "clickhouse" else table, rows[start : start + 500]
        )


def enriched(made: Iterable[Event], **changed: Any) -> list[bytes]:
    given = (json.loads(event.value or b"") | changed for event in made)
    return [enrich(json.dumps(one).encode()) for one in given]


def moment(record: Row) -> datetime:
    return datetime.fromisoformat(record["event_time"])


def sessions(records: Iterable[Row]) -> list[Row]:
    by_session: dict[str, list[Row]] = defaultdict(list)
    for record in sorted(records, key=moment):
        by_session[record["session_id"]].append(record)
    found = []
    for session, some in by_session.items():
        names = [one["event_name"] for one in some]
        paid = [one["metadata"]["total_amount"] for one in some if one["metadata"].get("status") == "Success"]
        found.append(
            {
                "session_id": session,
                "user_id": max(one["user_id"] for one in some) or None,
                **{name: some[0][name] for name in ("channel", "country", "brand", "os", "browser")},
                "started_at": moment(some[0]),
                "ended_at": moment(some[-1]),
                "duration_s": (moment(some[-1]) - moment(some[0])) // timedelta(seconds=1),
                "events": len(some),
                "has_cart": "AddToCart" in names,
                "has_checkout": "Checkout" in names,
                "has_order": bool(paid),
                "orders": len(paid),
                "revenue_usd": sum(paid, Decimal(0)),
            }
        )
    return found


def grouped(rows: Iterable[Row], key: Any) -> dict[Any, list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return found


def marts(records: list[Row]) -> dict[str, list[Row]]:
    """Mart -> its rows, computed from the enriched records, one an event."""
    told = sessions(records)
    traffic = []
    for (day, channel, country), some in grouped(
        told, lambda row: (row["started_at"].date(), row["channel"], row["country"] or "(unknown)")
    ).items():
        ordering = sum(row["has_order"] for row in some)
        traffic.append(
            {
                "started_on": day,
                "channel": channel,
                "country": country,
                "sessions": len(some),
                "events": sum(row["events"] for row in some),
                "users": len({row["user_id"] for row in some} - {None}),
                "sessions_with_order": ordering,
                "revenue_usd": sum((row["revenue_usd"] for row in some), Decimal(0)),
                "avg_duration_s": sum(row["duration_s"] for row in some) / len(some),
                "share_with_order": ordering / len(some),
            }
        )
    orders = [
        {
            "event_id": one["event_id"],
            "session_id": one["session_id"],
            "user_id": one["user_id"] or None,
            "channel": one["channel"],
            "country": one["country"],
            "pieces": one["metadata"]["cart_items"],
            "revenue_usd": one["metadata"]["total_amount"],
            "ordered_at": moment(one),
        }
        for one in records
        if one["metadata"].get("status") == "Success"
    ]
    return {"fct_sessions": told, "fct_orders": orders, "report_traffic": traffic}


def live(records: list[Row]) -> dict[str, list[Row]]:
    """The live views' rows, which ClickHouse alone has."""
    by_minute = grouped(records, lambda one: moment(one).replace(second=0, microsecond=0))
    minute, minutes = min(by_minute), []
    while minute <= max(by_minute):
        some = by_minute.get(minute, [])
        minutes.append(
            {"minute": minute, "events": len(some), "active_sessions": len({one["session_id"] for one in some})}
        )
        minute += timedelta(minutes=1)
    found = {"live_events_per_minute": minutes}
    for name in ("brand", "channel", "country"):
        found[f"live_sessions_by_{name}"] = [
            {
                "happened_on": day,
                name: of,
                "events": len(some),
                "sessions": len({one["session_id"] for one in some}),
            }
            for (day, of), some in grouped(
                records, lambda one, name=name: (moment(one).date(), one[name] or "(unknown)")
            ).items()
        ]
    as_of = max(moment(one) for one in records)
    told = sessions(records)
    ordering = sum(row["has_order"] for row in told)
    found["live_dashboard"] = [
        {
            "as_of": as_of,
            "active_sessions": sum(row["ended_at"] > as_of - timedelta(minutes=5) for row in told),
            "sessions": len(told),
            "sessions_with_order": ordering,
            "avg_duration_s": sum(row["duration_s"] for row in told) / len(told),
            "share_with_order": ordering / len(told),
        }
    ]
    return found


def decoded(values: Iterable[bytes]) -> list[Row]:
    return [json.loads(value, parse_float=Decimal) for value in values]


def test_figures_are_those_of_the_events(warehouse: Warehouse) -> None:
    warehouse.prepare("clickstream")
    first, then = enriched(FIRST), enriched(THEN)
    topic = "clickstream_enriched"
    land(warehouse, topic, first, 0, NOW - timedelta(hours=9))
    land(warehouse, topic, first[:300], 100_000, NOW - timedelta(hours=9))  # a burst that was produced twice
    warehouse.build("clickstream")
    told = decoded(first)
    check(warehouse, "clickstream", marts(told))
    assert {row["country"] for row in told} > {"US", "DE"}
    assert sum(row["has_order"] for row in sessions(told)) > 10

    warehouse.build("clickstream", *WITHOUT_UNIT_TESTS)
    check(warehouse, "clickstream", marts(told))

    land(warehouse, topic, then, 200_000, NOW - timedelta(hours=1))
    # Long after, one order is corrected: it had failed.
    order = next(event for event in FIRST if b'"status":"Success"' in (event.value or b""))
    failed = json.loads(order.value or b"")["metadata"] | {"status": "Failed"}
    correction = enriched([order], metadata=failed)
    land(warehouse, topic, correction, 300_000, NOW - timedelta(hours=1))
    corrected = decoded(correction)[0]
    told = [corrected if one["event_id"] == corrected["event_id"] else one for one in decoded([*first, *then])]
    if warehouse.name == "clickhouse":
        # What is live is so before any run.
        check(warehouse, "clickstream", live(told))
    marted = marts(told)
    with warehouse.read_meanwhile([f"clickstream.{mart}" for mart in marted]):
        warehouse.build("clickstream", *WITHOUT_UNIT_TESTS)
    check(warehouse, "clickstream", marted)


def test_a_figure_that_is_wrong_would_be_seen(warehouse: Warehouse) -> None:
    told = decoded(enriched(MADE))
    wrong = marts(told[:-1])
    with pytest.raises(AssertionError):
        check(warehouse, "clickstream", {"fct_sessions": wrong["fct_sessions"]})


def test_times_of_the_pages_land_as_they_are(warehouse: Warehouse) -> None:
    """The day stands first in them: 01/03/2026 is in March."""
    warehouse.prepare("clickstream")
    land(warehouse, "clickstream", [event.value or b"" for event in MADE], 0, NOW)
    times = {
        "clickhouse": "event_time",
        "snowflake": "try_cast(substr(t, 7, 4) || '-' || substr(t, 4, 2) || '-' || substr(t, 1, 2) || substr(t, 11) "
        "as timestamp_ntz(6))",
    }[warehouse.name]
    source = "landing.clickstream"
    if warehouse.name == "snowflake":
        source = f"(select record_content:event_time::varchar as t from {source})"
    [row] = warehouse.client.query(f"select min({times}) as first, max({times}) as last, count(*) as n from {source}")
    given = [
        datetime.strptime(json.loads(event.value or b"")["event_time"], "%d/%m/%Y %H:%M:%S.%f").replace(tzinfo=UTC)
        for event in MADE
    ]
    assert (row["first"].replace(tzinfo=UTC), row["last"].replace(tzinfo=UTC)) == (min(given), max(given))
    assert row["n"] == len(MADE)
    if warehouse.name == "clickhouse":  # the watch reads them, too
        found = arrivals.late(warehouse.client, [CONTRACT], NOW - timedelta(minutes=1))["clickstream"]
        assert (found.rows, found.late) == (len(MADE), len(MADE))
        fresh = json.loads(MADE[0].value or b"") | {"event_id": "now", "event_time": f"{NOW:%d/%m/%Y %H:%M:%S.%f}"}
        land(warehouse, "clickstream", [json.dumps(fresh).encode()], 390_000, NOW)
        found = arrivals.late(warehouse.client, [CONTRACT], NOW - timedelta(minutes=1))["clickstream"]
        assert (found.rows, found.late) == (len(MADE) + 1, len(MADE))


def test_rows_go_a_week_after_they_landed(warehouse: Warehouse) -> None:
    if warehouse.name != "clickhouse":
        pytest.skip("Snowflake keeps what happened")
    for topic, values in (
        ("clickstream", [event.value or b"" for event in MADE[:5]]),
        ("clickstream_enriched", enriched(MADE[:5], session_id="old")),
    ):
        client = warehouse.client
        old = [json.dumps(json.loads(value) | {"event_id": f"old-{n}"}).encode() for n, value in enumerate(values)]
        land(warehouse, topic, old, 400_000, NOW - timedelta(days=7, minutes=1))
        land(
            warehouse,
            topic,
            [json.dumps(json.loads(old[0]) | {"event_id": "new"}).encode()],
            400_010,
            NOW - timedelta(days=6),
        )
        client.command(f"optimize table landing.{topic} final")
        left = client.query(f"select event_id from landing.{topic} where _offset >= 400000")
        assert [row["event_id"] for row in left] == ["new"]
        seen = client.query(
            f"select count() as n from landing.{topic} where _timestamp < {int((NOW - timedelta(days=7)).timestamp() * 1000)}"
        )
        assert seen == [{"n": 0}], "the ledger's projection would still show them"
