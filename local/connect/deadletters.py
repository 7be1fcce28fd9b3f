"""What becomes of a rejected record: errors.tolerance, the dead letter topic and its headers.

A dead letter is the message as it stood in Kafka (key, value, headers, timestamp) and headers that say whence and why.
`settle` returns when every dead letter is acknowledged by all replicas; offsets are committed only then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from local.connect.broker import LARGEST_RECORD, Broker, client
from local.connect.faults import ConnectFault, Rejected, trace

PREFIX = "__connect.errors."
LONGEST_REASON = 8_000  # characters; a server may quote the whole record in its reason
SHOWN_A_CALL = 3
log = logging.getLogger("connect.deadletters")


def headers(connector: str, task: int, one: Rejected) -> list[tuple[str, bytes]]:
    """The context headers of a dead letter, in the runtime's order."""
    message, fault = one.message, one.fault
    facts = {
        "topic": message.topic,
        "partition": message.partition,
        "offset": message.offset,
        "connector.name": connector,
        "task.id": task,
        "stage": one.stage,
        "class.name": one.java_class,
        "exception.class.name": fault.java,
        "exception.message": str(fault)[:LONGEST_REASON],
        "exception.stacktrace": trace(fault)[:LONGEST_REASON],
    }
    return [(PREFIX + name, str(value).encode()) for name, value in facts.items()]


class DeadLetters:
    """One task's way of rejecting records."""

    def __init__(self, connector: str, task: int, config: Mapping[str, str], broker: Broker) -> None:
        self._connector, self._task, self._broker = connector, task, broker
        self._tolerant = config.get("errors.tolerance", "none").lower() == "all"
        self._topic = config.get("errors.deadletterqueue.topic.name") or ""
        self._replication = int(config.get("errors.deadletterqueue.topic.replication.factor") or 3)
        self._with_headers = config.get("errors.deadletterqueue.context.headers.enable", "false").lower() == "true"
        self._producer: Producer | None = None
        self._failed: KafkaError | None = None

    def open(self) -> None:
        """Make the topic where it is missing; raises KafkaException while the broker is away, or ConnectFault."""
        if self._tolerant and self._topic:
            self._broker.make_dead_letters(self._topic, self._replication)

    def settle(self, rejected: Sequence[Rejected], alive: Callable[[], bool]) -> bool:
        """Set the records aside for good; False where `alive` turned false first. Raises ConnectFault.

        Under errors.tolerance=none the first record ends the task. Waits for the broker as long as it takes.
        """
        if not rejected:
            return True
        if not self._tolerant:
            first = rejected[0]
            if first.stage == "TASK_PUT":
                text = "Exiting WorkerSinkTask due to unrecoverable exception."
                raise ConnectFault(text) from first.fault
            raise ConnectFault("Tolerance exceeded in error handler") from first.fault
        self._say(rejected)
        if not self._topic:
            return True
        producer = self._producer = self._producer or Producer(self._settings())
        self._failed = None
        for one in rejected:
            self._send(producer, one)
        while len(producer) and alive():
            producer.poll(0.2)
            if self._failed is not None:
                break
        if self._failed is not None:
            text = f"Could not produce message to dead letter queue. topic={self._topic}: {self._failed.str()}"
            raise ConnectFault(text)
        return len(producer) == 0

    def close(self) -> None:
        """Drop what was not acknowledged: its offsets were not committed either, so it comes again."""
        if self._producer is not None:
            self._producer.purge()
            self._producer.flush(1)
            self._producer = None

    def _settings(self) -> dict[str, Any]:
        return client(
            self._broker.bootstrap,
            acks="all",
            enable_idempotence=True,
            compression_type="lz4",
            linger_ms=5,
            message_max_bytes=LARGEST_RECORD + 500_000,
            message_timeout_ms=0,  # for as long as the broker is away
            queue_buffering_max_kbytes=32_768,
        )

    def _send(self, producer: Producer, one: Rejected) -> None:
        message = one.message
        why: list[tuple[str, Any]] = [*message.headers]
        if self._with_headers:
            why += headers(self._connector, self._task, one)
        stamp = max(message.timestamp, 0)  # 0: now
        while True:
            try:
                producer.produce(
                    self._topic, message.value, message.key, headers=why, on_delivery=self._told, timestamp=stamp
                )
                return
            except BufferError:  # the queue is full: wait for acknowledgements
                producer.poll(0.5)
            except KafkaException as error:
                self._failed = error.args[0]
                return

    def _told(self, error: KafkaError | None, _: object) -> None:
        if error is not None:
            self._failed = error

    def _say(self, rejected: Sequence[Rejected]) -> None:
        for one in rejected[:SHOWN_A_CALL]:
            place = f"{one.message.topic}-{one.message.partition} offset {one.message.offset}"
            where = self._topic or "nowhere: the connector names no dead letter topic"
            log.warning(
                "%s: %s rejected at %s, to %s: %s", self._connector, place, one.stage, where, str(one.fault)[:300]
            )
        if len(rejected) > SHOWN_A_CALL:
            log.warning("%s: and %d more rejected", self._connector, len(rejected) - SHOWN_A_CALL)
