"""The assets of the platform: fixed names and URIs, the same in every environment, whatever the hosts are called."""

from __future__ import annotations

from airflow.sdk import Asset


def bursts(domain: str) -> Asset:
    """A domain's topics, filled by its bursts; each event says which burst, its state store which stretches of time."""
    return Asset(name=f"bursts_{domain}", uri=f"floodgate://bursts/{domain}")


def marts(warehouse: str, domain: str) -> Asset:
    """A domain's marts in a warehouse; its state store keeps the watermark and whether the gate holds them."""
    return Asset(name=f"marts_{warehouse}_{domain}", uri=f"floodgate://marts/{warehouse}/{domain}")
