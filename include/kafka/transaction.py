"""What every transaction has: its settings, calls made again while that is of use, and its end after an error."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from confluent_kafka import KafkaException, Producer

from include.kafka.errors import Trouble

log = logging.getLogger(__name__)

#: Longer than a broker takes to come back, so that its restart is a pause and no failure.
DELIVER_S = 120
#: After this the broker gives up a transaction whose producer has died; until then readers of its topics wait.
TRANSACTION_S = 180


def settings(name: str) -> dict[str, Any]:
    """A producer's settings for the transactions of that name: whoever takes the name next fences the last one off and
    ends what it had begun."""
    return {
        "transactional.id": f"floodgate/{name}",
        "transaction.timeout.ms": TRANSACTION_S * 1000,
        "message.timeout.ms": DELIVER_S * 1000,
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        "linger.ms": 20,
        "batch.size": 1_000_000,
    }


def attempt(trouble: Trouble, doing: str, call: Callable[[], None]) -> None:
    """Makes the call until it succeeds or says that trying again is no use; raises KafkaError."""
    until = time.monotonic() + DELIVER_S
    while True:
        try:
            return call()
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > until:
                raise trouble.explain(doing, error) from error
            log.info("%s: %s; trying again", doing, error)


def abort(client: Producer, trouble: Trouble, what: str) -> None:
    """Ends the transaction of `what`, so that nothing of it is ever read; raises nothing."""
    try:
        client.abort_transaction(20)
    except KafkaException as error:
        # Broker away, or fenced: as nobody ended the transaction, the broker does, in TRANSACTION_S at the latest.
        trouble(error.args[0])
        log.warning("%s: its transaction could not be aborted now (%s); none of it is committed", what, error)
