"""The assets of the platform: fixed names and URIs, the same in every environment, whatever the hosts are called."""

from __future__ import annotations

from airflow.sdk import Asset


def topic(name: str) -> Asset:
    """A Kafka topic; its events say which burst was produced."""
    return Asset(name=f"topic_{name}", uri=f"floodgate://topic/{name}")


def marts(warehouse: str, domain: str) -> Asset:
    """A domain's marts in a warehouse; its state store keeps the watermark and whether the gate holds them."""
    return Asset(name=f"marts_{warehouse}_{domain}", uri=f"floodgate://marts/{warehouse}/{domain}")
