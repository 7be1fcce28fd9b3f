"""What the question of what has landed reads, and what a table of an earlier version is made of it."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from include.contracts import load
from include.contracts.contract import Sequence
from include.ledger import landed
from include.warehouses import WarehouseError, clickhouse
from include.warehouses.landing import clickhouse_ddl, clickhouse_order, clickhouse_unordered

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

SHOP = load("ecommerce")
CONTRACT = msgspec.structs.replace(SHOP, topics=tuple(
    msgspec.structs.replace(topic, sequence=Sequence(field="quantity", by="id")) if topic.name == "orders" else topic
    for topic in SHOP.topics
))  # fmt: skip
ROWS, DAYS = 500_000, 200
PROJECTIONS = ("by_event_time", "by_sequence", "by_time")
START = datetime(2026, 1, 1, tzinfo=UTC)
#: Rows of three partitions, evenly over the days, at random in the table's own order.
FILL = f"""
insert into landing.orders (event_id, id, product_id, customer_id, quantity, total_price, created_at, _topic, _partition, _offset, _timestamp)
select
    toString(generateUUIDv4(number)), 'x', 1, 1, 1, 1, now(), 'orders', number % 3, intDiv(number, 3),
    {int(START.timestamp() * 1000)} + toInt64(number * {DAYS * 86400_000 / ROWS})
from numbers({ROWS})
"""  # fmt: skip


@pytest.fixture
def client(endpoints):
    with clickhouse.connect(endpoints["clickhouse"]) as client:
        client.command("drop table if exists landing.orders")
        yield client
        client.command("drop table if exists landing.orders")


def prepare(client):
    for statement in clickhouse_ddl(CONTRACT):
        client.command(statement)


def asked(client, at=START + timedelta(days=150)):
    """An hour's answer, and how many rows the server read for it, of all tables."""
    before = datetime.now(UTC)
    found = landed.clickhouse(client, [CONTRACT], at, at + timedelta(hours=1))
    client.command("system flush logs")
    (row,) = client.query(
        "select read_rows from system.query_log where type = 'QueryFinish' and query like '%row_number() over%' "
        "and query not like '%query_log%' and event_time_microseconds >= {before:DateTime64(6)} "
        "order by event_time_microseconds desc limit 1",
        {"before": before},
    )
    return found, row["read_rows"]


def test_what_landed_whole_answers_with_a_row_a_partition(client):
    prepare(client)
    client.command(FILL)
    given = []

    class Heard:
        def query(self, sql):
            given.extend(found := client.query(sql))
            return found

    landed.clickhouse(Heard(), [CONTRACT], START, START + timedelta(days=DAYS))
    assert sorted((row["part"], row["low"], row["high"]) for row in given) == [
        (0, 0, 166_666),
        (1, 0, 166_666),
        (2, 0, 166_665),
    ]


def rows(found):
    return sum(last - first + 1 for one in found.values() for first, last in one.runs)


def test_an_hour_of_half_a_year_reads_a_small_share(client):
    prepare(client)
    client.command(FILL)
    for settled in (False, True):
        if settled:
            client.command("optimize table landing.orders final")
        found, read = asked(client)
        assert set(found) == {("orders", partition) for partition in (0, 1, 2)}
        assert rows(found) in (104, 105)
        assert read <= ROWS / 20, f"{read} rows read for {rows(found)}"


def test_a_table_of_an_earlier_version_is_put_in_order_once(client):
    prepare(client)
    for name in PROJECTIONS:
        client.command(f"alter table landing.orders drop projection {name} settings mutations_sync = 2")
    client.command("alter table landing.orders reset setting deduplicate_merge_projection_mode")
    client.command(FILL)
    client.command("delete from landing.orders where _timestamp % 7 = 0")
    before, read = asked(client)
    assert read >= ROWS * 0.8
    prepare(client)
    assert clickhouse_unordered(client) == [("orders", name) for name in PROJECTIONS]
    for table, name in clickhouse_unordered(client):
        client.command(clickhouse_order(table, name) + " settings mutations_sync = 2")
    assert clickhouse_unordered(client) == []
    after, read = asked(client)
    assert read <= ROWS / 20
    # The rows that were deleted do not come back.
    assert after == before
    # What has landed since is in order from the start, and merges with the others.
    client.command(FILL)
    assert clickhouse_unordered(client) == []
    client.command("optimize table landing.orders final")
    (parts,) = client.query(
        "select count() as n from system.parts where active and table = 'orders' and database = 'landing'"
    )
    assert parts["n"] == 1
    prepare(client)
    assert clickhouse_unordered(client) == []


def test_a_deleted_row_is_seen_to_be_missing_at_once(client):
    prepare(client)
    client.command(FILL)
    before, _ = asked(client)
    (first, last) = before["orders", 1].runs[0]
    client.command(
        f"alter table landing.orders delete where _partition = 1 and _offset = {first + 5} settings mutations_sync = 2"
    )
    after, read = asked(client)
    assert after["orders", 1].runs == [(first, first + 4), (first + 6, last)]
    assert read <= ROWS / 20


def test_a_lightweight_delete_is_refused(client):
    """The projection would go on showing its rows (ClickHouse 26.9), so that nothing would seem to be missing."""
    prepare(client)
    client.command(FILL)
    with pytest.raises(WarehouseError, match="lightweight_mutation_projection_mode"):
        client.command("delete from landing.orders where _offset = 5")


def test_a_merge_keeps_the_later_version_only(client):
    prepare(client)
    client.command(FILL)
    # The same events again, at later offsets: those of partition 0.
    client.command(
        "insert into landing.orders (event_id, id, product_id, customer_id, quantity, total_price, created_at, _topic, "
        "_partition, _offset, _timestamp) select event_id, id, product_id, customer_id, quantity, total_price, created_at, "
        "_topic, _partition, _offset + 1000000, _timestamp from landing.orders where _partition = 0"
    )
    before, _ = asked(client)
    client.command("optimize table landing.orders final")
    after, _ = asked(client)
    assert len(before["orders", 0].runs) == 2
    assert after["orders", 0].runs == before["orders", 0].runs[1:]
    assert after["orders", 1] == before["orders", 1]


def test_without_tables_nothing_is_asked():
    assert landed.clickhouse(None, [], START, START) == landed.snowflake(None, [], START, START) == {}  # type: ignore[arg-type]
