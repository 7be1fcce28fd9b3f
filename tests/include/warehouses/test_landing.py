import msgspec

from include.contracts import Field, load
from include.contracts.contract import Sequence
from include.warehouses.landing import clickhouse_ddl, clickhouse_type, snowflake_ddl


def _field(**options: object) -> Field:
    return Field(**({"name": "f", "logical": "integer", "physical": "int", "description": "d"} | options))  # type: ignore[arg-type]


def test_types_follow_the_contract() -> None:
    assert clickhouse_type(_field(required=True)) == "Int64"
    assert clickhouse_type(_field()) == "Nullable(Int64)"
    assert clickhouse_type(_field(logical="number", physical="decimal(12,2)", required=True)) == "Decimal(12, 2)"
    assert clickhouse_type(_field(logical="timestamp", physical="iso8601", required=True)) == "DateTime64(3, 'UTC')"
    assert clickhouse_type(_field(logical="object", physical="json")) == "Nullable(String)"


def test_a_missing_required_field_becomes_a_value_that_is_refused() -> None:
    orders = next(sql for sql in clickhouse_ddl(load("ecommerce")) if "`orders`" in sql)
    assert "`quantity` Int64 default -9223372036854775808" in orders
    assert "constraint quantity_fits check `quantity` != -9223372036854775808" in orders
    assert "engine = ReplacingMergeTree(_offset)\norder by (`event_id`)" in orders


def test_change_events_are_keyed_by_row_and_log_position() -> None:
    clicks = next(sql for sql in clickhouse_ddl(load("fashion")) if "clicks" in sql)
    assert "`lsn` Int64 materialized" in clicks
    assert "order by (`row_id`, `lsn`)" in clicks


def test_a_topic_with_a_sequence_is_kept_in_the_order_of_time_too() -> None:
    contract = load("ecommerce")
    assert not any("by_sequence" in sql for sql in clickhouse_ddl(contract))
    sequence = Sequence(field="revision_number", by="order_id")
    topics = tuple(
        msgspec.structs.replace(topic, sequence=sequence if topic.name == "shipment_dispatches" else None)
        for topic in contract.topics
    )
    made = [sql for sql in clickhouse_ddl(msgspec.structs.replace(contract, topics=topics)) if "by_sequence" in sql]
    assert made == [
        "alter table landing.`shipments` add projection if not exists by_sequence "
        "(select `_topic`, `order_id`, `revision_number`, `_timestamp` order by `_timestamp`)"
    ]


def test_each_table_is_kept_in_the_order_of_time_with_what_its_topics_call_event_time() -> None:
    contract = load("ecommerce")
    topics = tuple(
        msgspec.structs.replace(topic, event_time="after.x|created_at") if topic.name == "shipments" else topic
        for topic in contract.topics
    )
    made = [sql for sql in clickhouse_ddl(msgspec.structs.replace(contract, topics=topics)) if "by_event_time" in sql]
    assert made[-2:] == [
        "alter table landing.`orders` add projection if not exists by_event_time "
        "(select `_topic`, `created_at`, `_timestamp` order by `_timestamp`)",
        "alter table landing.`shipments` add projection if not exists by_event_time "
        "(select `_topic`, `after`, `created_at`, `modified_at`, `_timestamp` order by `_timestamp`)",
    ]


def test_a_time_with_the_day_first_keeps_its_microseconds() -> None:
    [table] = [sql for sql in clickhouse_ddl(load("clickstream")) if "landing.`clickstream` (" in sql]
    assert "`event_time` DateTime64(6, 'UTC') default" in table


def test_rows_go_when_the_contract_says_and_else_never() -> None:
    made = {domain: "\n".join(clickhouse_ddl(load(domain))) for domain in ("clickstream", "ecommerce")}
    assert made["clickstream"].count("\nttl toDateTime(_landed_at) + interval 7 day\n") == 2
    assert "ttl" not in made["ecommerce"]


def test_descriptions_are_quoted() -> None:
    assert "the database\\'s log" in "\n".join(clickhouse_ddl(load("fashion")))


def test_snowflakes_tables_are_those_of_its_connector() -> None:
    assert snowflake_ddl(load("ecommerce")) == [
        "create schema if not exists landing",
        "create schema if not exists staging",
        "create schema if not exists ecommerce",
        *(
            f"create table if not exists landing.{table} (record_metadata variant, record_content variant)"
            for table in ("shops", "products", "customers", "orders", "shipments")
        ),
    ]


def test_the_platform_has_no_schema_for_marts() -> None:
    assert not [sql for sql in snowflake_ddl(load("floodgate")) if sql.endswith("floodgate")]
