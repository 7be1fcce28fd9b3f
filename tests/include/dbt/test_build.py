"""Both projects on the local warehouses: what landed, in any order and however often, gives the marts it should."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dbt.cli.main import dbtRunner

from include.connections import Endpoint
from include.contracts import load
from include.warehouses import WarehouseError, clickhouse, snowflake
from include.warehouses.landing import clickhouse_ddl, snowflake_ddl
from tests.include.dbt import landed
from tests.include.dbt.landed import NOON, Record, Row, at, change, click, line
from tests.include.dbt.test_projects import written

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

PROJECTS = Path(__file__).resolve().parents[3] / "include" / "dbt"
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")  # as the DAGs build
WAREHOUSES = {
    "clickhouse": (clickhouse.connect, clickhouse_ddl, landed.land_in_clickhouse),
    "snowflake": (snowflake.connect, snowflake_ddl, landed.land_in_snowflake),
}


class Warehouse:
    """One warehouse with its project: land records, build, read a mart."""

    def __init__(self, name: str, endpoint: Endpoint, target: Path) -> None:
        self.name, self.endpoint, self.target = name, endpoint, target
        connect, self._ddl, self._land = WAREHOUSES[name]
        self.client: Any = connect(endpoint)

    def prepare(self, domain: str) -> None:
        for statement in self._ddl(load(domain)):
            self.client.command(statement)

    def land(self, records: list[Record]) -> None:
        self._land(self.client, records)

    def build(self, domain: str, *arguments: str) -> dict[str, str]:
        """dbt build of a domain; what became of each node, by its name."""
        project = str(PROJECTS / self.name)
        select = ["--select", f"path:models/staging/{domain}", f"path:models/marts/{domain}"]
        logs = ["--log-level", "none", "--log-level-file", "debug", "--log-path", str(self.target)]
        where = ["--project-dir", project, "--profiles-dir", project, "--target-path", str(self.target)]
        done = dbtRunner().invoke([*logs, "build", *where, *select, *arguments])
        if done.exception:
            raise done.exception
        failed = [f"{one.node.name}: {one.message}" for one in done.result if one.status in ("error", "fail")]
        assert not failed, "\n".join(failed)
        # What read_meanwhile sees only by luck: a mart renamed away before the new one takes its name.
        assert "rename table" not in (self.target / "dbt.log").read_text(), "marts are not exchanged in one step"
        return {one.node.name: str(one.status) for one in done.result}

    def rows(self, mart: str, columns: list[str]) -> list[tuple[Any, ...]]:
        found = self.client.query(f"select {', '.join(columns)} from {mart}")
        return sorted((tuple(_plain(row[name]) for name in columns) for row in found), key=repr)

    def described(self, schema: str) -> dict[str, list[str]]:
        """The columns that relations of a schema have, as the warehouse tells them."""
        found = self.client.query(
            "select lower(table_name) as relation, lower(column_name) as name from information_schema.columns "
            f"where lower(table_schema) = '{schema}' order by table_name, ordinal_position"
        )
        columns: dict[str, list[str]] = {}
        for row in found:
            columns.setdefault(row["relation"], []).append(row["name"])
        return columns

    @contextmanager
    def read_meanwhile(self, marts: list[str]) -> Iterator[None]:
        """Reads marts over and over; none may be gone, or empty, at any time."""
        ended, wrong = threading.Event(), set()

        def read() -> None:
            with WAREHOUSES[self.name][0](self.endpoint) as client:
                while not ended.is_set():
                    for mart in marts:
                        try:
                            [row] = client.query(f"select count(*) as found from {mart}")
                        except WarehouseError as error:
                            wrong.add(f"{mart}: {error}")
                        else:
                            if not row["found"]:
                                wrong.add(f"{mart} was empty")

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield
        finally:
            ended.set()
            reader.join()
        assert not wrong


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    if isinstance(value, Decimal):
        return value.normalize() + 0
    return round(value, 6) if isinstance(value, float) else value


@pytest.fixture(scope="module", params=list(WAREHOUSES))
def warehouse(
    request: pytest.FixtureRequest, endpoints: dict[str, Endpoint], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Warehouse]:
    one = Warehouse(request.param, endpoints[request.param], tmp_path_factory.mktemp(request.param))
    yield one
    one.client.close()


def check(warehouse: Warehouse, domain: str, marts: dict[str, list[Row]]) -> None:
    """Every mart of a domain holds exactly these rows, in the columns given."""
    for mart, expected in marts.items():
        columns = list(expected[0])
        want = sorted((tuple(_plain(row[name]) for name in columns) for row in expected), key=repr)
        assert warehouse.rows(f"{domain}.{mart}", columns) == want, f"{warehouse.name} {domain}.{mart}"


def order(number: int, offset: int, landed: float, total: float, minutes: float = 0, **fields: Any) -> Record:
    value = {"event_id": f"e-{number}", "id": f"o-{number}", "product_id": 1, "customer_id": 1, "quantity": 2}
    return Record("orders", offset, landed, value | {"total_price": total, "created_at": at(minutes)} | fields)


def step(number: int, status: int, offset: int, landed: float, minutes: float) -> Record:
    value = {
        "event_id": f"s-{number}-{status}",
        "order_id": f"o-{number}",
        "revision_number": status + 1,
        "status": status,
    }
    value |= {"vendor_id": 1, "shipping_method_id": 1, "cost": 5.05 + status, "modified_at": at(minutes)}
    return Record(("shipments", "shipment_dispatches", "shipment_completions")[status], offset, landed, value)


def told(topic: str, number: int, offset: int, landed: float, **fields: Any) -> Record:
    place = {"city": "Oslo", "state": "OS", "zipcode": "00123"}
    of = {
        "shops": {"name": f"shop {number}", **place},
        "customers": {"name": f"customer {number}", "email": "a@b", "address": "x", **place},
        "products": {"shop_id": 1, "title": f"product {number}", "category": "Tops", "vendor": "v", "price": 10.29}
        | {"color": "red", "size": "M", "material": "wool", "description": "soft"},
    }[topic]
    value = {"event_id": f"{topic}-{number}-{offset}", "id": number, "created_at": NOON}
    return Record(topic, offset, landed, value | of | fields)


ORDERS_FIRST = [
    told("shops", 1, 0, 1),
    *(told("products", n, n, 1, category="Tops" if n < 3 else "Shoes") for n in (1, 2, 3)),
    *(told("customers", n, n, 1) for n in (1, 2)),
    order(1, 1, 2, 20.58),
    order(2, 2, 2, 0.29, minutes=-1440, product_id=2, customer_id=2),
    order(3, 3, 2, 9999999999.99, product_id=3),
    order(4, 4, 2, 4.4, product_id=4, customer_id=9),  # neither product nor customer has landed
    order(5, 5, 2, 55.5),
    order(5, 6, 2, 5.05),  # corrected: the same event again with a later offset
    order(1, 1, 3, 20.58),  # a batch that was repeated
    *(step(1, n, n, 3, 10 * n + 5) for n in (0, 1, 2)),
    step(2, 0, 3, 3, 6),
    step(2, 2, 4, 3, 30),  # completed, and its dispatch not landed yet
    step(8, 0, 5, 3, 7),  # its order has not landed yet
    # hours after the others, which are behind the look-back now
    order(10, 20, 400, 1.1, minutes=390),
    step(10, 0, 21, 400, 391),
]
ORDERS_THEN = [
    *(order(1, 1, 530, 20.58), order(2, 2, 530, 0.29, minutes=-1440, product_id=2, customer_id=2)),  # repeated again
    order(3, 9, 525, 3.33, product_id=3),  # corrected long after
    order(8, 10, 530, 8.88, minutes=1),
    order(7, 7, 300, 7.77, minutes=-200),  # became visible later than its landing time says
    step(2, 1, 6, 530, 20),
    told("customers", 1, 7, 530, city="Bergen"),  # moved: another event
    told("products", 4, 8, 530, category="Shoes"),
    order(9, 11, 531, 0.01, minutes=2),
]


def test_orders_reach_their_marts(warehouse: Warehouse) -> None:
    warehouse.prepare("ecommerce")
    warehouse.land(ORDERS_FIRST)
    if warehouse.name == "snowflake":  # ClickHouse's landing table refuses them
        broken = order(6, 12, 2, 1.0)
        without = broken._replace(value={k: v for k, v in broken.value.items() if k != "total_price"})
        warehouse.land([without, order(66, 13, 2, 1e300)])
    first = warehouse.build("ecommerce")
    assert first["an_order_has_its_product"] == first["an_order_has_its_customer"] == "warn"
    check(warehouse, "ecommerce", landed.ecommerce(ORDERS_FIRST))
    for name, model in written(PROJECTS / warehouse.name).items():
        if name.startswith("stg_ecommerce"):
            assert warehouse.described("staging")[name] == [column["name"] for column in model["columns"]]

    parts = _parts(warehouse, "ecommerce", "fct_orders")
    warehouse.build("ecommerce", *WITHOUT_UNIT_TESTS)
    check(warehouse, "ecommerce", landed.ecommerce(ORDERS_FIRST))
    assert _parts(warehouse, "ecommerce", "fct_orders") == parts, "a run with nothing new wrote rows"

    warehouse.land(ORDERS_THEN)
    # What lands while a run is under way, corrections among it, is for the next one: the gate has not seen it.
    until = 401
    given = ["--vars", f"{{until_ms: {int(at(until).timestamp() * 1000)}}}"]
    warehouse.build("ecommerce", *given, *WITHOUT_UNIT_TESTS)
    seen = landed.ecommerce([r for r in [*ORDERS_FIRST, *ORDERS_THEN] if r.landed <= until])
    check(warehouse, "ecommerce", {"fct_orders": seen["fct_orders"]})
    with warehouse.read_meanwhile([f"ecommerce.{mart}" for mart in landed.ecommerce(ORDERS_FIRST)]):
        then = warehouse.build("ecommerce", *WITHOUT_UNIT_TESTS)
    assert then["an_order_has_its_product"] == "pass"
    check(warehouse, "ecommerce", landed.ecommerce([*ORDERS_FIRST, *ORDERS_THEN]))


def _parts(warehouse: Warehouse, database: str, table: str) -> list[Row] | None:
    """What ClickHouse wrote for a table: blocks of its parts."""
    if warehouse.name != "clickhouse":
        return None
    return warehouse.client.query(
        f"select max(max_block_number) as newest, sum(rows) as rows from system.parts "
        f"where active and database = '{database}' and table = '{table}'"
    )


def clicks_of(session: str, start: int, *events: str, source: str = "WEB") -> list[Row]:
    return [click(start + n, session, event, n + start / 100, source) for n, event in enumerate(events)]


WHOLE = clicks_of("whole", 1, "SCROLL", "HOMEPAGE", "ITEM_DETAIL", "SEARCH", "ADD_TO_CART", "BOOKING")
SKIPS = clicks_of("skips", 10, "HOMEPAGE", "ADD_TO_CART", "BOOKING", source="MOBILE")
GONE = clicks_of("gone", 20, "HOMEPAGE", "ITEM_DETAIL")
ONE = [line(1, "three", 611.73, 1), line(2, "three", 611.73, 1, item_price=0.01), line(3, "three", 611.73, 1)]
FAILED = line(4, "failed", 210.58, 1500, payment_status="Failed", promo_amount=0.29)
CANCELLED = line(5, "cancelled", 42.42, 2, payment_method="Gopay")

CHANGES_FIRST = [
    *(change(n, 1, 100 + n, None, row, clicks=True) for n, row in enumerate([*WHOLE, *SKIPS, *GONE])),
    change(3, 2, 103, None, WHOLE[3], clicks=True),  # a batch that was repeated
    *(change(n, 1, 100 + n, None, row, clicks=False) for n, row in enumerate([*ONE, FAILED, CANCELLED])),
    # hours after the others, which are behind the look-back now
    change(40, 400, 140, None, click(90, "later", "HOMEPAGE", 395), clicks=True),
    change(40, 400, 140, None, line(90, "later", 9.99, 395), clicks=False),
]
CHANGES_THEN = [
    *(change(20 + n, 520, 200 + n, row, None, clicks=True) for n, row in enumerate(GONE)),  # the whole session
    change(30, 521, 210, SKIPS[2], SKIPS[2] | {"session_id": "moved"}, clicks=True),
    # deleted, and told afterwards what came before that
    change(31, 522, 221, WHOLE[5], None, clicks=True),
    change(32, 523, 220, WHOLE[5], WHOLE[5] | {"event_name": "CLICK"}, clicks=True),
    change(20, 520, 200, ONE[1], None, clicks=False),
    change(21, 520, 201, FAILED, FAILED | {"payment_status": "Success", "promo_amount": None}, clicks=False),
    change(22, 520, 202, CANCELLED, None, clicks=False),
    change(23, 300, 203, None, line(6, "late", 0.1, 3), clicks=False),
]


def test_changes_reach_their_marts(warehouse: Warehouse) -> None:
    warehouse.prepare("fashion")
    warehouse.land(CHANGES_FIRST)
    warehouse.build("fashion")
    check(warehouse, "fashion", landed.fashion(CHANGES_FIRST))
    for name, model in written(PROJECTS / warehouse.name).items():
        if name.startswith("stg_fashion"):
            assert warehouse.described("staging")[name] == [column["name"] for column in model["columns"]]

    parts = _parts(warehouse, "fashion", "fct_sessions")
    warehouse.build("fashion", *WITHOUT_UNIT_TESTS)
    check(warehouse, "fashion", landed.fashion(CHANGES_FIRST))
    assert _parts(warehouse, "fashion", "fct_sessions") == parts, "a run with nothing new wrote rows"

    warehouse.land(CHANGES_THEN)
    with warehouse.read_meanwhile([f"fashion.{mart}" for mart in landed.fashion(CHANGES_FIRST)]):
        warehouse.build("fashion", *WITHOUT_UNIT_TESTS)
    expected = landed.fashion([*CHANGES_FIRST, *CHANGES_THEN])
    assert {row["booking_id"] for row in expected["fct_bookings"]} == {"three", "failed", "late", "later"}
    assert {row["session_id"] for row in expected["fct_sessions"]} == {"whole", "skips", "moved", "later"}
    check(warehouse, "fashion", expected)


def test_a_number_that_is_none_inside_a_change_stops_nothing(warehouse: Warehouse) -> None:
    """No sink looks inside a change's row, so that it lands; in one place it must not break every later run."""
    warehouse.prepare("fashion")
    bad = {"quantity": "several", "item_price": "dear"}
    warehouse.land(
        [
            change(60, 600, 300, None, click(95, "odd", "CLICK", 395) | bad, clicks=True),
            change(60, 600, 300, None, line(95, "odd", 9.99, 395, shipment_location_lat="north", **bad), clicks=False),
        ]
    )
    warehouse.build("fashion", *WITHOUT_UNIT_TESTS, "--exclude", "path:models/marts/fashion")
    assert (95, None, None) in warehouse.rows("staging.stg_fashion__clicks", ["click_id", "quantity", "item_price_idr"])
    found = warehouse.rows("staging.stg_fashion__transactions", ["transaction_id", "quantity", "shipment_lat"])
    assert (95, None, None) in found
