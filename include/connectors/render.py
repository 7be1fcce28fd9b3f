"""Connector configs, derived from contracts: what PUT /connectors/{name}/config of Kafka Connect takes.

Two a domain. Options of the ClickHouse sink, the Snowflake sink and the transforms are those of their own references.
"""

from __future__ import annotations

import re

from include.connections import Endpoint
from include.contracts import Contract
from include.warehouses import WarehouseError
from include.warehouses.clickhouse import LANDS_WITH, http_port, secure
from include.warehouses.landing import LANDING
from include.warehouses.snowflake import private_key_pem

Config = dict[str, str]
_CASTS = {"integer": "int64", "number": "float64", "boolean": "boolean"}


def names(contract: Contract) -> dict[str, str]:
    """Warehouse -> the name of the domain's connector to it."""
    return {warehouse: f"{warehouse}-{contract.domain}" for warehouse in ("clickhouse", "snowflake")}


def configs(contract: Contract, clickhouse: Endpoint, snowflake: Endpoint, connect: Endpoint) -> dict[str, Config]:
    """The connectors of a domain: name -> config. Secrets are in them, so they belong in no log.

    Raises WarehouseError for a Snowflake connection without a private key that can be read.
    """
    named = names(contract)
    return {
        named["clickhouse"]: _clickhouse(contract, clickhouse) | _common(contract, connect, stamped=True),
        named["snowflake"]: _snowflake(contract, snowflake) | _common(contract, connect, stamped=False),
    }


def _clickhouse(contract: Contract, endpoint: Endpoint) -> Config:
    return {
        "connector.class": "com.clickhouse.kafka.connect.ClickHouseSinkConnector",
        "hostname": endpoint.host,
        "port": str(http_port(endpoint)),
        "ssl": str(secure(endpoint)).lower(),
        "username": endpoint.login,
        "password": endpoint.password,
        "database": LANDING,
        "topic2TableMap": ",".join(f"{topic.name}={topic.table}" for topic in contract.topics),
        "exactlyOnce": "false",  # landing keys make it so where it is read
        "ignorePartitionsWhenBatching": "true",
        "clickhouseSettings": ",".join(f"{name}={value}" for name, value in LANDS_WITH.items()),
    }


def _snowflake(contract: Contract, endpoint: Endpoint) -> Config:
    account = endpoint.extra.get("account") or endpoint.host
    host = endpoint.extra.get("host") or f"{account}.snowflakecomputing.com"
    key = private_key_pem(endpoint)
    if key is None:
        raise WarehouseError(
            f"connection {endpoint.conn_id} has no private key, and the sink takes no password: put "
            "private_key_content into its extra"
        )
    return {
        "connector.class": "com.snowflake.kafka.connector.SnowflakeSinkConnector",
        "snowflake.url.name": f"{host}:{endpoint.extra.get('port') or 443}",
        "snowflake.user.name": endpoint.login,
        # The sink takes the key's base64 alone, in one line.
        "snowflake.private.key": "".join(line for line in key.splitlines() if "-----" not in line),
        **({"snowflake.private.key.passphrase": endpoint.password} if endpoint.password else {}),
        "snowflake.database.name": str(endpoint.extra.get("database", "")),
        "snowflake.schema.name": LANDING.upper(),
        "snowflake.role.name": str(endpoint.extra.get("role", "")),
        "snowflake.topic2table.map": ",".join(f"{topic.name}:{topic.table}" for topic in contract.topics),
        "snowflake.ingestion.method": "SNOWPIPE_STREAMING",
        "snowflake.enable.schematization": "false",
        "snowflake.metadata.createtime": "true",
        "behavior.on.null.values": "IGNORE",
        "buffer.flush.time": "1",
        "buffer.count.records": "10000",
        "buffer.size.bytes": "20000000",
    }


def _common(contract: Contract, connect: Endpoint, *, stamped: bool) -> Config:
    casts = _casts(contract)
    transforms = ["dropTombstones", *casts, *(["stamp"] if stamped else [])]
    config = {
        "topics": ",".join(topic.name for topic in contract.topics),
        "tasks.max": str(connect.extra.get("tasks.max", 1)),
        "key.converter": "org.apache.kafka.connect.storage.StringConverter",
        "value.converter": "org.apache.kafka.connect.json.JsonConverter",
        "value.converter.schemas.enable": "false",
        "consumer.override.auto.offset.reset": "earliest",
        "consumer.override.isolation.level": "read_committed",
        "errors.tolerance": "all",
        "errors.deadletterqueue.topic.name": contract.dead_letters,
        "errors.deadletterqueue.topic.replication.factor": str(connect.extra.get("replication.factor", 3)),
        "errors.deadletterqueue.context.headers.enable": "true",
        "transforms": ",".join(transforms),
        "transforms.dropTombstones.type": "org.apache.kafka.connect.transforms.Filter",
        "transforms.dropTombstones.predicate": "isTombstone",
        "predicates": ",".join(["isTombstone", *(f"{name}Topics" for name in casts)]),
        "predicates.isTombstone.type": "org.apache.kafka.connect.transforms.predicates.RecordIsTombstone",
    }
    for name, (spec, topics) in casts.items():
        config |= {
            f"transforms.{name}.type": "org.apache.kafka.connect.transforms.Cast$Value",
            f"transforms.{name}.spec": spec,
            f"transforms.{name}.predicate": f"{name}Topics",
            f"predicates.{name}Topics.type": "org.apache.kafka.connect.transforms.predicates.TopicNameMatches",
            f"predicates.{name}Topics.pattern": "|".join(re.escape(topic) for topic in topics),
        }
    if stamped:
        config |= {
            "transforms.stamp.type": "org.apache.kafka.connect.transforms.InsertField$Value",
            "transforms.stamp.topic.field": "_topic",
            "transforms.stamp.partition.field": "_partition",
            "transforms.stamp.offset.field": "_offset",
            "transforms.stamp.timestamp.field": "_timestamp",
        }
    return config


def _casts(contract: Contract) -> dict[str, tuple[str, list[str]]]:
    """Transform -> (fields and types, the topics that have them).

    A number that is none fails in its cast, and so goes to the dead letters whichever warehouse it was for. Topics
    are told apart, because a field of one name may be a number here and text there.
    """
    by_spec: dict[str, list[str]] = {}
    for topic in contract.topics:
        numbers = [f"{field.name}:{_CASTS[field.logical]}" for field in topic.fields if field.logical in _CASTS]
        if numbers:
            by_spec.setdefault(",".join(numbers), []).append(topic.name)
    return {f"cast{number}": item for number, item in enumerate(by_spec.items(), 1)}
