import pytest

from include.connections import Endpoint
from include.connectors.render import configs, names
from include.contracts import load
from include.warehouses import WarehouseError

CLICKHOUSE = Endpoint(
    conn_id="clickhouse_live", host="ch.example", port=9440, login="w", password="p", extra={"secure": True}
)
SNOWFLAKE = Endpoint(
    conn_id="snowflake_history",
    login="LOADER",
    extra={
        "account": "org-acc",
        "database": "DB",
        "role": "R",
        "private_key_content": "-----BEGIN X-----\nAA\nBB\n-----END X-----\n",
    },
)
CONNECT = Endpoint(conn_id="connect_sinks", extra={"replication.factor": 1, "tasks.max": 2})


def made(domain: str = "ecommerce") -> dict[str, dict[str, str]]:
    return configs(load(domain), CLICKHOUSE, SNOWFLAKE, CONNECT)


def test_two_connectors_a_domain() -> None:
    assert list(made()) == list(names(load("ecommerce")).values()) == ["clickhouse-ecommerce", "snowflake-ecommerce"]


def test_hosts_and_secrets_come_from_the_connections() -> None:
    config = made()["clickhouse-ecommerce"]
    assert (config["hostname"], config["port"], config["ssl"], config["username"], config["password"]) == (
        "ch.example", "8443", "true", "w", "p",
    )  # fmt: skip
    config = made()["snowflake-ecommerce"]
    assert config["snowflake.url.name"] == "org-acc.snowflakecomputing.com:443"
    assert config["snowflake.private.key"] == "AABB"
    assert "snowflake.private.key.passphrase" not in config


def test_a_connection_without_a_key_is_told_before_the_sink_is_made() -> None:
    password = Endpoint(conn_id="snowflake_history", login="LOADER", password="p", extra={"account": "a"})
    with pytest.raises(WarehouseError, match="private_key_content"):
        configs(load("ecommerce"), CLICKHOUSE, password, CONNECT)


def test_topics_are_mapped_to_landing_tables() -> None:
    both = made()
    assert "shipment_dispatches=shipments" in both["clickhouse-ecommerce"]["topic2TableMap"].split(",")
    assert (
        "streaming.public.clicks:streaming_public_clicks"
        in made("fashion")["snowflake-fashion"]["snowflake.topic2table.map"]
    )


def test_a_name_that_is_a_number_here_and_text_there_is_cast_only_here() -> None:
    config = made()["clickhouse-ecommerce"]
    casts = {
        config[f"predicates.{name}Topics.pattern"]: config[f"transforms.{name}.spec"]
        for name in config["transforms"].split(",")
        if name.startswith("cast")
    }
    assert casts["orders"] == "product_id:int64,customer_id:int64,quantity:int64,total_price:float64"
    assert casts["shops|customers"] == "id:int64"


def test_bad_records_go_to_the_domains_dead_letters() -> None:
    for config in made().values():
        assert config["errors.tolerance"] == "all"
        assert config["errors.deadletterqueue.topic.name"] == "ecommerce.dlq"
        assert config["errors.deadletterqueue.topic.replication.factor"] == "1"


def test_every_value_is_text_as_connect_wants_it() -> None:
    assert all(
        isinstance(value, str)
        for domain in ("ecommerce", "fashion", "floodgate")
        for c in made(domain).values()
        for value in c.values()
    )


def test_every_transform_and_predicate_named_is_described() -> None:
    for config in (*made().values(), *made("fashion").values()):
        for kind in ("transforms", "predicates"):
            assert all(f"{kind}.{name}.type" in config for name in config[kind].split(","))
