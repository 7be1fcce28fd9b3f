"""dbt's sources, and the macro that says which records conform, written from the contracts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from include.contracts.contract import Contract, Topic
from include.contracts.loader import PLATFORM, all_contracts
from include.contracts.paths import column, snowflake_conforms

DBT = Path(__file__).resolve().parent.parent / "dbt"
NOTE = "Written from include/contracts by `python -m include.contracts`; edit the contract, not this file."
LANDED_AT = {
    "clickhouse": "_landed_at",
    "snowflake": "to_timestamp_ntz((record_metadata:SnowflakeConnectorPushTime)::number, 3)",
}


def files() -> dict[Path, str]:
    """Every generated file of the dbt projects: path -> text."""
    contracts = [contract for contract in all_contracts() if contract.domain != PLATFORM]
    texts = {
        DBT / warehouse / "models" / "sources" / f"{contract.domain}.yml": _sources(contract, warehouse)
        for warehouse in LANDED_AT
        for contract in contracts
    }
    texts[DBT / "snowflake" / "macros" / "contracts.sql"] = _macros(contracts)
    return texts


def stale() -> list[Path]:
    """The generated files that differ from what their contracts say."""
    return [path for path, text in files().items() if not path.exists() or path.read_text() != text]


def write() -> list[Path]:
    """Writes what is stale; gives the paths written."""
    texts = files()
    written = stale()
    for path in written:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(texts[path])
    return written


def _sources(contract: Contract, warehouse: str) -> str:
    tables = []
    for table, topics in contract.tables.items():
        described: dict[str, Any] = {
            "name": table,
            "description": " ".join(topic.description for topic in topics),
            "columns": _clickhouse_columns(topics[0]) if warehouse == "clickhouse" else _snowflake_columns(topics[0]),
        }
        if all(topic.floor is None for topic in topics):
            described["config"] = {"freshness": None}  # written once, or when something happens: quiet is normal
        tables.append(described)
    source = {
        "name": contract.domain,
        "description": contract.purpose,
        "schema": "landing",
        "config": {
            "loaded_at_field": LANDED_AT[warehouse],
            "freshness": {
                "warn_after": {"count": 30, "period": "minute"},
                "error_after": {"count": 1, "period": "day"},
            },
        },
        "tables": tables,
    }
    text: str = yaml.safe_dump({"version": 2, "sources": [source]}, sort_keys=False, width=120)
    return f"# {NOTE}\n{text}"


def _clickhouse_columns(topic: Topic) -> list[dict[str, Any]]:
    columns = [{"name": field.name, "description": field.description} for field in topic.fields]
    known = {field.name for field in topic.fields}
    columns += [
        {"name": column(path), "description": f"Taken from {path}"}
        for path in topic.event_id
        if column(path) not in known
    ]
    return [
        *columns,
        {"name": "_topic", "description": "Kafka topic"},
        {"name": "_partition", "description": "Kafka partition"},
        {"name": "_offset", "description": "Kafka offset; of one event the greatest counts"},
        {"name": "_timestamp", "description": "Kafka timestamp in milliseconds"},
        {"name": "_landed_at", "description": "When the row was written here"},
    ]


def _snowflake_columns(topic: Topic) -> list[dict[str, Any]]:
    paths = ", ".join(field.name for field in topic.fields)
    return [
        {"name": "record_metadata", "description": "topic, partition, offset, key, CreateTime and push time (ms)"},
        {"name": "record_content", "description": f"The record: {paths}"},
    ]


def _macros(contracts: list[Contract]) -> str:
    macros = [f"{{# {NOTE} #}}"]
    for contract in contracts:
        for table, topics in contract.tables.items():
            macros.append(f"{{% macro conforms_{table}() %}}{snowflake_conforms(topics[0])}{{% endmacro %}}")
    return "\n".join(macros) + "\n"
