"""The ticker's models over generated events, in both warehouses, against the same figures from the events in Python."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

import msgspec
import pytest

from include.connections import Endpoint
from include.contracts import load
from include.contracts.event import Event, Window
from include.generators import events
from include.monitors import sequence
from tests.include.dbt.landed import Row
from tests.include.dbt.test_build import WAREHOUSES, WITHOUT_UNIT_TESTS, Warehouse, check

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

CONTRACT = load("coinbase")
SEED = 7
LIVE = "coinbase_ticker_live"
MIDNIGHT = datetime(2024, 5, 2, tzinfo=UTC)
NANO = Decimal("0.00000001")
AT_ONCE = 500


class Record(NamedTuple):
    """A record as it landed; `landed`: when."""

    topic: str
    offset: int
    landed: datetime
    value: bytes


@pytest.fixture(scope="module", params=list(WAREHOUSES))
def warehouse(
    request: pytest.FixtureRequest, endpoints: dict[str, Endpoint], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    one = Warehouse(request.param, endpoints[request.param], tmp_path_factory.mktemp(request.param))
    yield one
    one.client.close()


def made(start: datetime, minutes: int, **options: Any) -> list[Event]:
    return list(events(CONTRACT, Window(start, start + timedelta(minutes=minutes)), seed=SEED, **options))


def records(some: list[Event], offset: int, landed: datetime, topic: str = "coinbase_ticker") -> list[Record]:
    assert all(event.value is not None for event in some)
    return [Record(topic, offset + n, landed, event.value or b"") for n, event in enumerate(some)]


def of_the_exchange(some: list[Event]) -> list[Event]:
    """The same trades under numbers that a real exchange might give."""
    return [
        msgspec.structs.replace(event, value=(event.value or b"").replace(b'"sequence":5000000', b'"sequence":7'))
        for event in some
    ]


def land(warehouse: Warehouse, some: list[Record]) -> None:
    for first in range(0, len(some), AT_ONCE):
        batch = some[first : first + AT_ONCE]
        if warehouse.name == "clickhouse":
            rows = [
                json.loads(one.value)
                | {"_topic": one.topic, "_partition": 0, "_offset": one.offset, "_timestamp": _ms(one.landed)}
                | {"_landed_at": f"{one.landed:%Y-%m-%dT%H:%M:%S}Z"}
                for one in batch
            ]
            warehouse.client.command(
                "insert into landing.coinbase_ticker settings date_time_input_format = 'best_effort' "
                "format JSONEachRow " + "\n".join(map(json.dumps, rows))
            )
            continue
        values = []
        for one in batch:
            metadata = {"topic": one.topic, "partition": 0, "offset": one.offset, "CreateTime": _ms(one.landed)}
            metadata["SnowflakeConnectorPushTime"] = _ms(one.landed)
            values.append(f"('{json.dumps(metadata)}', '{one.value.decode()}')")
        warehouse.client.command(
            "insert into landing.coinbase_ticker select parse_json(column1), parse_json(column2) from values "
            + ", ".join(values)
        )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


# ------------------------------------------------------------------------------------------- what the marts must hold


def trades(some: list[Record]) -> list[Row]:
    """Each trade once: of two records of one number the greater offset counts."""
    found: dict[tuple[str, str, int], Row] = {}
    for one in sorted(some, key=lambda one: one.offset):
        value = json.loads(one.value)
        market = "exchange" if one.topic == LIVE else "generated"
        price, size = Decimal(value["price"]), Decimal(value["last_size"])
        found[market, value["product_id"], value["sequence"]] = {
            "market": market,
            "product_id": value["product_id"],
            "sequence": value["sequence"],
            "trade_id": value["trade_id"],
            "side": value["side"],
            "price_usd": price,
            "size_coins": size,
            "notional_usd": (price * size).quantize(NANO, ROUND_HALF_UP),
            "traded_at": datetime.fromisoformat(value["time"]),
        }
    return list(found.values())


def summed(some: list[Row], stretch: str, begins: Any) -> list[Row]:
    """A row for each market, product and stretch of time, straight from the trades."""
    groups: dict[tuple[Any, ...], list[Row]] = defaultdict(list)
    for row in sorted(some, key=lambda row: row["sequence"]):
        groups[row["market"], row["product_id"], begins(row["traded_at"])].append(row)
    return [
        {
            "market": market,
            "product_id": product,
            stretch: start,
            "trades": len(rows),
            "open_usd": rows[0]["price_usd"],
            "high_usd": max(row["price_usd"] for row in rows),
            "low_usd": min(row["price_usd"] for row in rows),
            "close_usd": rows[-1]["price_usd"],
            "volume_coins": sum(row["size_coins"] for row in rows),
            "notional_usd": sum(row["notional_usd"] for row in rows),
            "vwap_usd": vwap(rows),
        }
        for (market, product, start), rows in groups.items()
    ]


def vwap(rows: list[Row]) -> float:
    worth = sum((row["notional_usd"] for row in rows), start=Decimal())
    return float(worth) / float(sum((row["size_coins"] for row in rows), start=Decimal()))


def minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


def five(at: datetime) -> datetime:
    return minute(at) - timedelta(minutes=at.minute % 5)


def marts(warehouse: Warehouse, some: list[Record]) -> dict[str, list[Row]]:
    known = trades(some)
    days = summed(known, "traded_on", datetime.date)
    for row in days:
        mine = [one for one in known if (one["market"], one["product_id"]) == (row["market"], row["product_id"])]
        row["minutes"] = len({minute(t["traded_at"]) for t in mine if t["traded_at"].date() == row["traded_on"]})
    both = {"fct_trades": known, "fct_candles": summed(known, "minute_at", minute), "report_days": days}
    return both if warehouse.name == "snowflake" else both | now(known)


def now(known: list[Row]) -> dict[str, list[Row]]:
    """The last 24 hours by minutes and by 5 minutes, with those in which nothing was traded."""
    minutes, fives = [], []
    for market in {row["market"] for row in known}:
        end = max(minute(row["traded_at"]) for row in known if row["market"] == market)
        recent = [
            row for row in known if row["market"] == market and minute(row["traded_at"]) > end - timedelta(hours=24)
        ]
        for product in {row["product_id"] for row in recent}:
            mine = [row for row in recent if row["product_id"] == product]
            at = min(minute(row["traded_at"]) for row in mine)
            starts = set()
            while at <= end:
                starts.add(five(at))
                minutes.append(
                    _counted(market, product, "minute_at", at, [r for r in mine if minute(r["traded_at"]) == at])
                )
                at += timedelta(minutes=1)
            for start in starts:
                rows = [row for row in mine if five(row["traded_at"]) == start]
                one = _counted(market, product, "started_at", start, rows)
                fives.append(one | {"vwap_usd": vwap(rows) if rows else None})
    return {"live_trades_per_minute": minutes, "live_vwap": fives}


def _counted(market: str, product: str, name: str, at: datetime, rows: list[Row]) -> Row:
    return {
        "market": market,
        "product_id": product,
        name: at,
        "trades": len(rows),
        "volume_coins": sum((row["size_coins"] for row in rows), start=Decimal()),
        "notional_usd": sum((row["notional_usd"] for row in rows), start=Decimal()),
    }


FIRST_LANDED, THEN_LANDED = MIDNIGHT + timedelta(hours=1), MIDNIGHT + timedelta(hours=12)
#: A day before, in the hour that the last 24 hours begin in; around midnight; a coin's hour with holes; the exchange.
OWN = made(MIDNIGHT, 20, size=300, shard="own")
BROKEN = made(MIDNIGHT, 20, size=300, shard="own", holes=3, reconnections=2)
FIRST = [
    *records(made(MIDNIGHT - timedelta(hours=15), 6), 0, FIRST_LANDED),
    *records(made(MIDNIGHT - timedelta(minutes=4), 8), 10_000, FIRST_LANDED),
    *records(BROKEN, 20_000, FIRST_LANDED - timedelta(minutes=30)),
    *records(of_the_exchange(made(MIDNIGHT, 2)), 0, FIRST_LANDED, LIVE),
]
THEN = [
    *records(made(MIDNIGHT, 4), 30_000, THEN_LANDED),  # told again
    # the holes are filled, and only they: their candles hold trades of long ago and of now
    *records([event for event in OWN if event.value not in {one.value for one in BROKEN}], 40_000, THEN_LANDED),
    # became visible later than its landing time says
    *records(made(MIDNIGHT + timedelta(minutes=4), 1), 60_000, FIRST_LANDED - timedelta(minutes=20)),
    *records(made(MIDNIGHT + timedelta(hours=8, minutes=57, seconds=30), 7), 50_000, THEN_LANDED),
]


def test_trades_reach_their_marts(warehouse: Warehouse) -> None:
    warehouse.prepare("coinbase")
    land(warehouse, FIRST)
    warehouse.build("coinbase")
    check(warehouse, "coinbase", marts(warehouse, FIRST))

    warehouse.build("coinbase", *WITHOUT_UNIT_TESTS)
    check(warehouse, "coinbase", marts(warehouse, FIRST))

    land(warehouse, THEN)
    with warehouse.read_meanwhile([f"coinbase.{mart}" for mart in marts(warehouse, FIRST)]):
        warehouse.build("coinbase", *WITHOUT_UNIT_TESTS)
    expected = marts(warehouse, [*FIRST, *THEN])
    check(warehouse, "coinbase", expected)
    # What the comparison is for is in it: empty minutes, 5 minutes without a price, trades of longer ago.
    if warehouse.name == "clickhouse":
        assert any(row["trades"] == 0 for row in expected["live_trades_per_minute"])
        assert any(row["vwap_usd"] is None for row in expected["live_vwap"])
        assert sum(row["trades"] for row in expected["live_vwap"]) < len(expected["fct_trades"])


def test_holes_are_seen_by_who_watches_for_them(warehouse: Warehouse) -> None:
    if warehouse.name != "clickhouse":
        pytest.skip("holes are looked for in ClickHouse")
    warehouse.prepare("coinbase")
    at = MIDNIGHT + timedelta(days=5)
    whole = made(MIDNIGHT, 2, size=400, shard="watched")
    broken = made(MIDNIGHT, 2, size=400, shard="watched", holes=4, reconnections=1)
    land(warehouse, records(broken, 100_000, at))
    since, now = {"coinbase": at - timedelta(minutes=1)}, at + timedelta(minutes=10)
    found = sequence.read(warehouse.client, [CONTRACT], since, now)["coinbase_ticker"]
    assert found.missing == len(whole) - len({event.value for event in broken})
    land(warehouse, records(whole, 110_000, at))
    assert sequence.read(warehouse.client, [CONTRACT], since, now) == {}


def test_text_that_is_no_number_stops_nothing(warehouse: Warehouse) -> None:
    """Landing takes any text, so staging must; the gate then holds it."""
    warehouse.prepare("coinbase")
    value = json.loads(FIRST[0].value) | {"price": "dear", "sequence": 1, "volume_30d": None}
    land(warehouse, [Record("coinbase_ticker", 90_000, THEN_LANDED, json.dumps(value).encode())])
    warehouse.build("coinbase", *WITHOUT_UNIT_TESTS, "--exclude", "path:models/marts/coinbase")
    found = warehouse.rows("staging.stg_coinbase__trades where sequence = 1", ["price_usd", "volume_30d_coins"])
    assert found == [(None, None)]
