"""Kafka as the place where trades go."""

from __future__ import annotations

from datetime import datetime

import msgspec
import stamina

from include.connections import Endpoint
from include.contracts import Contract
from include.contracts.event import BurstId, Event
from include.kafka import KafkaError, burst, dead_letters, reading
from include.sources.coinbase_reader import TOPIC, Refusal

#: Who refused a message, in the dead letter's headers.
NAME = "source-coinbase"
#: How often a burst is tried, each for as long as Kafka itself is patient; meanwhile the exchange is not read.
ATTEMPTS = 3


class _Trade(msgspec.Struct):
    product_id: str
    sequence: int


class KafkaOutbox:
    """Bursts with receipts, and dead letters. `since`: from when on what was handed over before is remembered."""

    def __init__(self, kafka: Endpoint, contract: Contract, since: datetime) -> None:
        self._kafka, self._contract, self._since = kafka, contract, since

    def known(self) -> list[tuple[str, int]]:
        """Raises KafkaError."""
        for attempt in stamina.retry_context(on=KafkaError, attempts=ATTEMPTS, timeout=None, wait_initial=1.0):
            with attempt:
                values = [record.value() for record in reading.records(self._kafka, TOPIC, since=self._since)]
        trades = (msgspec.json.decode(value, type=_Trade) for value in values if value)
        return [(trade.product_id, trade.sequence) for trade in trades]

    def produce(self, name: BurstId, events: list[Event]) -> None:
        """One transaction; tried again under the same name, so it counts once. Raises KafkaError."""
        for attempt in stamina.retry_context(on=KafkaError, attempts=ATTEMPTS, timeout=None, wait_initial=1.0):
            with attempt:
                burst.produce(self._kafka, self._contract, name, events)

    def refuse(self, refusals: list[Refusal]) -> None:
        """Messages as they came, each with why. Raises KafkaError."""
        letters = [(one.value, one.reason) for one in refusals]
        for attempt in stamina.retry_context(on=KafkaError, attempts=ATTEMPTS, timeout=None, wait_initial=1.0):
            with attempt:
                dead_letters.write(self._kafka, self._contract, NAME, letters)
