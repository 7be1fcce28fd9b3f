"""Records as the sinks leave them in landing tables, and what the marts must make of them, in plain Python."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from include.warehouses.clickhouse import Clickhouse
from include.warehouses.snowflake import Snowflake

NOON = datetime(2024, 1, 1, 12, tzinfo=UTC)
Row = dict[str, Any]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


class Record(NamedTuple):
    """One record in a landing table; `landed`: minutes after noon."""

    topic: str
    offset: int
    landed: float
    value: Row

    @property
    def table(self) -> str:
        name = self.topic.replace(".", "_")
        return "shipments" if name.startswith("shipment") else name


def text(value: Any) -> Any:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z" if isinstance(value, datetime) else value


def land_in_clickhouse(client: Clickhouse, records: Iterable[Record]) -> None:
    for record in records:
        row = {name: json.dumps(v) if isinstance(v, dict) else text(v) for name, v in record.value.items()}
        row |= {"_topic": record.topic, "_partition": 0, "_offset": record.offset, "_timestamp": 1704110400000}
        row["_landed_at"] = text(at(record.landed))
        body = json.dumps(row)
        client.command(
            f"insert into landing.{record.table} settings date_time_input_format = 'best_effort' "
            f"format JSONEachRow {body}"
        )


def land_in_snowflake(session: Snowflake, records: Iterable[Record]) -> None:
    for record in records:
        metadata = {"topic": record.topic, "partition": 0, "offset": record.offset, "CreateTime": 1704110400000}
        metadata["SnowflakeConnectorPushTime"] = int(at(record.landed).timestamp() * 1000)
        content = {name: text(v) for name, v in record.value.items()}
        session.command(
            f"insert into landing.{record.table} select parse_json(%(metadata)s), parse_json(%(content)s)",
            {"metadata": json.dumps(metadata), "content": json.dumps(content)},
        )


def change(offset: int, landed: float, lsn: int, before: Row | None, after: Row | None, *, clicks: bool) -> Record:
    """A change event; what it is follows from what was before and is after."""
    operation = "c" if before is None else "d" if after is None else "u"
    source = {
        "lsn": lsn,
        "ts_ms": 1704110400000 + lsn,
        "schema": "public",
        "table": "clicks" if clicks else "transactions",
    }
    value = {"op": operation, "ts_ms": 1704110400000 + lsn, "source": source, "before": before, "after": after}
    return Record(f"streaming.public.{source['table']}", offset, landed, value)


def click(row: int, session: str, event: str, minutes: float, source: str = "WEB") -> Row:
    row_of = {
        "id": row,
        "session_id": session,
        "event_name": event,
        "event_id": f"uuid-{row}",
        "traffic_source": source,
    }
    return row_of | {
        "product_id": None,
        "item_price": 0.29,
        "search_keywords": "it's \\ ü",
        "created_at": text(at(minutes)),
    }


def line(row: int, booking: str, total: float, minutes: float, **fields: Any) -> Row:
    row_of = {"id": row, "booking_id": booking, "session_id": f"s-{booking}", "customer_id": 7, "payment_method": "OVO"}
    row_of |= {
        "payment_status": "Success",
        "promo_amount": None,
        "shipment_fee": 10,
        "total_amount": total,
        "product_id": row,
    }
    return row_of | {"quantity": 2, "item_price": 100.29, "created_at": text(at(minutes))} | fields


# ------------------------------------------------------------------------------------------- what the marts must hold


def latest(records: list[Record], table: str, key: str) -> list[Row]:
    """The value of the greatest offset of each key."""
    found: dict[Any, Record] = {}
    for record in sorted((one for one in records if one.table == table), key=lambda one: one.offset):
        found[record.value[key]] = record
    return [record.value for record in found.values()]


def present(records: list[Record], table: str) -> list[Row]:
    """The rows a database's changes leave: the greatest lsn of each row counts, deleted rows are gone."""
    found: dict[int, Row] = {}
    for value in sorted((one.value for one in records if one.table == table), key=lambda value: value["source"]["lsn"]):
        found[(value["after"] or value["before"])["id"]] = value
    return [value["after"] | {"lsn": value["source"]["lsn"]} for value in found.values() if value["after"]]


def money(value: Any) -> Decimal:
    return Decimal(str(value or 0))


def delay(start: datetime | None, end: datetime | None) -> int | None:
    return int((end - start).total_seconds()) if start and end else None


def ecommerce(records: list[Record]) -> dict[str, list[Row]]:
    """Mart -> its rows (a part of the columns), computed from all records."""
    shops = {row["id"]: row for row in latest(records, "shops", "id")}
    products = {row["id"]: row for row in latest(records, "products", "id")}
    customers = {row["id"]: row for row in latest(records, "customers", "id")}
    orders = {row["id"]: row for row in latest(records, "orders", "id")}
    times: dict[str, dict[int, Row]] = defaultdict(dict)
    for row in sorted(latest(records, "shipments", "event_id"), key=lambda row: row["revision_number"]):
        times[row["order_id"]][row["status"]] = row
    shipments = {}
    for order, steps in times.items():
        ordered = orders.get(order, {}).get("created_at")
        shipped, dispatched, completed = (steps.get(n, {}).get("modified_at") for n in (0, 1, 2))
        shipments[order] = {
            "order_id": order,
            "status": max(steps),
            "cost_usd": money(steps[max(steps)]["cost"]),
            "shipping_method_id": 1,
            "ordered_at": ordered,
            "shipped_at": shipped,
            "dispatched_at": dispatched,
            "completed_at": completed,
            "dispatch_delay_s": delay(ordered, dispatched),
            "completion_delay_s": delay(ordered, completed),
        }
    facts = [
        {
            "order_id": o["id"],
            "product_id": o["product_id"],
            "customer_id": o["customer_id"],
            "quantity": o["quantity"],
            "revenue_usd": money(o["total_price"]),
            "ordered_at": o["created_at"],
        }
        for o in orders.values()
    ]
    report = []
    for fact in facts:
        product, shipment = products.get(fact["product_id"], {}), shipments.get(fact["order_id"], {})
        report.append(
            fact
            | {name: product.get(name) for name in ("category", "vendor", "shop_id")}
            | {"product_title": product.get("title"), "shop_name": shops.get(product.get("shop_id"), {}).get("name")}
            | {"customer_name": customers.get(fact["customer_id"], {}).get("name")}
            | {"shipment_status": shipment.get("status"), "dispatch_delay_s": shipment.get("dispatch_delay_s")}
        )
    days: dict[Any, list[Row]] = defaultdict(list)
    for row in shipments.values():
        if row["ordered_at"]:
            days[row["ordered_at"].date()].append(row)
    return {
        "dim_customers": [{"customer_id": k, "name": v["name"], "city": v["city"]} for k, v in customers.items()],
        "dim_products": [
            {
                "product_id": k,
                "title": v["title"],
                "price_usd": money(v["price"]),
                "shop_name": shops.get(v["shop_id"], {}).get("name"),
            }
            for k, v in products.items()
        ],
        "dim_shipments": list(shipments.values()),
        "fct_orders": facts,
        "report_orders": report,
        "report_revenue_by_customer": _summed(report, "customer_id", None),
        "report_revenue_by_category": _summed(report, "category", "(unknown)"),
        "report_shipping_delay": [
            {
                "ordered_on": day,
                "shipping_method_id": 1,
                "shipped": len(rows),
                "dispatched": sum(row["dispatch_delay_s"] is not None for row in rows),
                "avg_dispatch_delay_s": _mean([row["dispatch_delay_s"] for row in rows]),
                "max_completion_delay_s": max((row["completion_delay_s"] or 0 for row in rows), default=0) or None,
            }
            for day, rows in days.items()
        ],
    }


def _mean(values: list[int | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _summed(rows: list[Row], key: str, unknown: Any) -> list[Row]:
    sums: dict[Any, Row] = {}
    for row in rows:
        of = row[key] if row[key] is not None else unknown
        one = sums.setdefault(of, {key: of, "orders": 0, "pieces": 0, "revenue_usd": Decimal(0)})
        one["orders"] += 1
        one["pieces"] += row["quantity"]
        one["revenue_usd"] += row["revenue_usd"]
    return list(sums.values())


FUNNEL = ("HOMEPAGE", "ITEM_DETAIL", "ADD_TO_CART", "BOOKING")


def fashion(records: list[Record]) -> dict[str, list[Row]]:
    """Mart -> its rows (a part of the columns), computed from all records."""
    clicks: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(present(records, "streaming_public_clicks"), key=lambda row: (row["created_at"], row["id"])):
        clicks[row["session_id"]].append(row)
    sessions = []
    for session, rows in clicks.items():
        events = [row["event_name"] for row in rows]
        rest = iter(events)
        reached = 0
        while reached < len(FUNNEL) and FUNNEL[reached] in rest:
            reached += 1
        started, ended = (datetime.fromisoformat(rows[n]["created_at"]) for n in (0, -1))
        sessions.append(
            {
                "session_id": session,
                "traffic_source": rows[0]["traffic_source"],
                "started_at": started,
                "ended_at": ended,
            }
            | {"duration_s": delay(started, ended), "events": len(events)}
            | {"has_booking": "BOOKING" in events, "funnel_steps": reached}
        )
    lines: dict[str, list[Row]] = defaultdict(list)
    for row in sorted(present(records, "streaming_public_transactions"), key=lambda row: row["lsn"]):
        lines[row["booking_id"]].append(row)
    bookings = [
        {
            "booking_id": booking,
            "payment_method": rows[-1]["payment_method"],
            "payment_status": rows[-1]["payment_status"],
            "is_paid": rows[-1]["payment_status"] == "Success",
            "line_items": len(rows),
            "pieces": sum(row["quantity"] for row in rows),
            "items_idr": sum(row["quantity"] * money(row["item_price"]) for row in rows),
            "promo_idr": money(rows[-1]["promo_amount"]),
            "total_idr": money(rows[-1]["total_amount"]),
            "booked_at": min(datetime.fromisoformat(row["created_at"]) for row in rows),
        }
        for booking, rows in lines.items()
    ]
    days: dict[tuple[Any, str], Row] = {}
    for row in bookings:
        key = (row["booked_at"].date(), row["payment_method"])
        zero = {"bookings": 0, "paid_bookings": 0, "revenue_idr": Decimal(0), "failed_idr": Decimal(0)}
        day = days.setdefault(key, {"booked_on": key[0], "payment_method": key[1], **zero})
        day["bookings"] += 1
        day["paid_bookings"] += row["is_paid"]
        day["revenue_idr" if row["is_paid"] else "failed_idr"] += row["total_idr"]
    funnel = []
    for source in sorted({row["traffic_source"] for row in sessions}):
        steps = [row["funnel_steps"] for row in sessions if row["traffic_source"] == source]
        first = sum(step >= 1 for step in steps)
        for number, step in enumerate(FUNNEL, 1):
            came = sum(one >= number for one in steps)
            share = came / first if first else 0.0
            funnel.append(
                {
                    "traffic_source": source,
                    "step_number": number,
                    "step": step,
                    "sessions": came,
                    "share_of_homepage": share,
                }
            )
    return {
        "fct_sessions": sessions,
        "fct_bookings": bookings,
        "report_funnel": funnel,
        "report_revenue_by_payment_method": list(days.values()),
    }
