"""What the feed's messages say: a trade for Kafka, a sign of life, something to set aside. Without a connection."""

from __future__ import annotations

from collections import OrderedDict
from datetime import datetime
from typing import Any

import msgspec

from include.contracts import Topic
from include.contracts.event import Event
from include.sources.checked import record
from include.sources.coinbase_settings import SourceError

#: The topic of what a real exchange tells.
TOPIC = "coinbase_ticker_live"
#: Numbers of a product that are remembered: more than a connection is told again when it comes back.
REMEMBERED = 2_000
#: What the exchange says when it is asked too much: worth another attempt, later.
_PATIENCE = ("limit", "slow", "too many")


class Lost(Exception):
    """The connection is of no more use; another one may be."""


class Tally(msgspec.Struct, kw_only=True):
    """What became of everything that was read; what a listener reports.

    `told_again`: trades already handed over, as after each reconnection. `late`: those with a smaller number than one
    before them. `without_trade`: a product's state that no trade stands behind. `skipped`: trade ids between two
    tickers that were never told: the exchange tells one ticker for trades of one moment, and a lost connection loses
    some. `waited`: messages for which Kafka had to make room first.
    """

    messages: int = 0
    trades: int = 0
    heartbeats: int = 0
    other: int = 0
    refused: int = 0
    told_again: int = 0
    late: int = 0
    without_trade: int = 0
    skipped: int = 0
    connections: int = 0
    lost: int = 0
    silences: int = 0
    waited: int = 0
    bursts: int = 0
    produced: int = 0


class Refusal(msgspec.Struct, frozen=True):
    """A message that is none of what the contract says, and why."""

    value: bytes
    reason: str


class _Message(msgspec.Struct):
    type: str
    message: str = ""
    reason: str = ""
    product_id: str = ""
    trade_id: Any = None
    last_trade_id: int = 0
    channels: list[Any] = []


class Reader:
    """Reads messages one after another; remembers which trades it has seen, over all connections."""

    def __init__(self, topic: Topic, tally: Tally) -> None:
        self._type, self._tally = record(topic), tally
        self._message = msgspec.json.Decoder(_Message)
        self._record = msgspec.json.Decoder(self._type)
        self._encoder = msgspec.json.Encoder()
        self._seen: dict[str, OrderedDict[int, None]] = {}
        self._last_trade: dict[str, int] = {}
        #: Whether this connection's subscription was confirmed.
        self.confirmed = False

    def connected(self) -> None:
        """A new connection begins: nothing is confirmed on it."""
        self.confirmed = False

    def remember(self, product: str, sequence: int) -> None:
        """That trade was handed over before."""
        seen = self._seen.setdefault(product, OrderedDict())
        seen[sequence] = None
        if len(seen) > REMEMBERED:
            seen.popitem(last=False)

    def read(self, frame: bytes) -> Event | Refusal | None:
        """The event in a message, or why it is none; None where there is nothing to hand over.

        Raises SourceError where the exchange refuses what was asked for, and Lost where it may not next time.
        """
        self._tally.messages += 1
        try:
            message = self._message.decode(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return self._refused(frame, f"no message of the feed: {error}")
        if message.type == "ticker":
            return self._ticker(frame, message)
        if message.type == "heartbeat":
            self._tally.heartbeats += 1
        elif message.type == "subscriptions":
            self.confirmed = bool(message.channels)
        elif message.type == "error":
            self._complaint(f"{message.message} {message.reason}".strip())
        else:  # the exchange may add kinds at any time
            self._tally.other += 1
        return None

    def _complaint(self, text: str) -> None:
        if self.confirmed or any(word in text.lower() for word in _PATIENCE):
            raise Lost(f"the exchange says: {text}")
        raise SourceError(f"the exchange refuses the subscription ({text}): correct the products that are asked for")

    def _ticker(self, frame: bytes, message: _Message) -> Event | Refusal | None:
        if message.trade_id is None:
            self._tally.without_trade += 1
            return None
        try:
            found: Any = self._record.decode(frame)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return self._refused(frame, str(error))
        if not self._is_new(found.product_id, found.sequence):
            self._tally.told_again += 1
            return None
        last = self._last_trade.get(found.product_id)
        if last is not None and found.trade_id > last:
            self._tally.skipped += found.trade_id - last - 1
        self._last_trade[found.product_id] = max(last or 0, found.trade_id)
        self._tally.trades += 1
        return Event(TOPIC, found.product_id.encode(), self._encoder.encode(found), _ms(found.time))

    def _is_new(self, product: str, sequence: int) -> bool:
        seen = self._seen.setdefault(product, OrderedDict())
        if sequence in seen:
            return False
        if seen and sequence < next(reversed(seen)):
            self._tally.late += 1
        self.remember(product, sequence)
        return True

    def _refused(self, frame: bytes, reason: str) -> Refusal:
        self._tally.refused += 1
        return Refusal(frame, reason)


def _ms(at: datetime) -> int:
    return int(at.timestamp()) * 1000 + at.microsecond // 1000
