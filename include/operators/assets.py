"""The assets of the platform: fixed names and URIs, the same in every environment, whatever the hosts are called."""

from __future__ import annotations

from airflow.sdk import Asset, AssetAlias

#: Places that are watched; each may be away.
PLACES = ("connect", "kafka", "clickhouse", "snowflake")

#: Events of incidents go out under this alias, on the asset that each concerns.
INCIDENTS = AssetAlias("incidents")

#: The books of incidents and the memory of each watch, in their state stores.
WATCH_CONNECTORS = Asset(name="watch_connectors", uri="floodgate://watch/connectors")
WATCH_INGESTION = Asset(name="watch_ingestion", uri="floodgate://watch/ingestion")
#: Incidents that are not told, until a moment and for a reason; written by `floodgate silence`.
SILENCES = Asset(name="silences", uri="floodgate://silences")
#: Its events start the DAG heal; its state store tells how far each healing is.
GAPS = Asset(name="gaps", uri="floodgate://gaps")


def bursts(domain: str) -> Asset:
    """A domain's topics, filled by its bursts; each event says which burst, its state store which stretches of time."""
    return Asset(name=f"bursts_{domain}", uri=f"floodgate://bursts/{domain}")


def marts(warehouse: str, domain: str) -> Asset:
    """A domain's marts in a warehouse; its state store keeps the watermark and whether the gate holds them."""
    return Asset(name=f"marts_{warehouse}_{domain}", uri=f"floodgate://marts/{warehouse}/{domain}")


def connector(name: str) -> Asset:
    """A sink connector; its state store keeps the incident that concerns it."""
    return Asset(name=f"connector_{name}", uri=f"floodgate://connectors/{name}")


def place(name: str) -> Asset:
    """A service that everything hangs on: connect, kafka, clickhouse, snowflake."""
    return Asset(name=f"place_{name}", uri=f"floodgate://places/{name}")


def watched_connectors() -> Asset:
    """The asset whose events start watch_connectors at once, with the trigger that makes them. No task may
    have it as an inlet: Airflow would forget the trigger."""
    from airflow.sdk import AssetWatcher

    from include.operators.triggers import ConnectorsTrigger

    watcher = AssetWatcher(name="connectors", trigger=ConnectorsTrigger())
    return Asset(name="connector_states", uri="floodgate://connectors", watchers=[watcher])
