"""How the feed is reached and how patient one is with it: a connection, or the public feed where there is none."""

from __future__ import annotations

from typing import Any

import msgspec

from include.connections import Endpoint

FEED = "coinbase_feed"
#: The exchange's public market data, which needs no login.
PUBLIC = Endpoint(conn_id=FEED, conn_type="http", host="ws-feed.exchange.coinbase.com", schema="wss")
PRODUCTS = ("BTC-USD", "ETH-USD", "SOL-USD", "XRP-USD")


class SourceError(Exception):
    """A source that cannot be read; the text says why and what to do."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to listen, for what, and within which bounds. All but `url` may stand in the connection's extra.

    `silent_s`: without a message for so long the connection counts as dead; the exchange sends a heartbeat a second.
    `wait_first_s`, `wait_most_s`: before connecting again, more each time. `steady_s`: a connection that lasted so long
    begins the waits anew. `messages_a_second`, `products_a_message`: what one asks for, at most. `queue`: messages that
    wait for Kafka, at most; then nothing is read. `flush_s`, `flush_events`: when a burst is made of them.
    """

    url: str
    products: tuple[str, ...] = PRODUCTS
    open_s: float = 10.0
    close_s: float = 3.0
    silent_s: float = 10.0
    wait_first_s: float = 0.5
    wait_most_s: float = 30.0
    steady_s: float = 60.0
    messages_a_second: float = 4.0
    products_a_message: int = 20
    queue: int = 10_000
    flush_s: float = 15.0
    flush_events: int = 5_000

    def __post_init__(self) -> None:
        if not self.products:
            raise ValueError("products is empty")
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if isinstance(value, int | float) and value <= 0:
                raise ValueError(f"{name} is {value}: give more than 0")


def settings(endpoint: Endpoint, **given: Any) -> Settings:
    """What a connection says, under what was given (None: not given); raises SourceError."""
    scheme = endpoint.schema or "wss"
    if scheme not in ("ws", "wss") or not endpoint.host:
        raise SourceError(f"connection {endpoint.conn_id} is no WebSocket: give it a host, and ws or wss as schema")
    port = f":{endpoint.port}" if endpoint.port else ""
    extra = {**endpoint.extra, **{name: value for name, value in given.items() if value is not None}}
    if isinstance(extra.get("products"), str):
        extra["products"] = [name.strip() for name in extra["products"].split(",") if name.strip()]
    try:
        return msgspec.convert({**extra, "url": f"{scheme}://{endpoint.host}{port}"}, Settings, strict=False)
    except (msgspec.ValidationError, ValueError) as error:
        raise SourceError(f"connection {endpoint.conn_id}: {error}: correct its extra") from None
