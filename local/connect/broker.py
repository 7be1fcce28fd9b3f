"""What this worker asks of Kafka itself apart from reading: a connector's offsets, topics, client settings.

A sink reads as a consumer that is not a member of its group: the worker hands out partitions, the group only keeps
offsets. So a worker that was killed goes on at once, without waiting for its own ghost's session to end, no rebalance
ever interrupts a sink that waits for a warehouse, and offsets can be altered as soon as the tasks have ended.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from local.connect.faults import ConnectFault, Refused

ANSWER_WITHIN_S = 10.0
LARGEST_RECORD = 3_000_000  # bytes: a 2 MB record with the headers that say why it was set aside


class _OnceAMinute(logging.Filter):
    """While the broker is away librdkafka has some 20 things to say a second: one line a minute is enough."""

    def __init__(self) -> None:
        super().__init__()
        self._said = float("-inf")

    def filter(self, record: logging.LogRecord) -> bool:
        now = time.monotonic()
        if now - self._said < 60:
            return False
        self._said = now
        return True


quiet = logging.getLogger("connect.librdkafka")
quiet.addFilter(_OnceAMinute())


def client(bootstrap: str, **more: Any) -> dict[str, Any]:
    """librdkafka settings that every client of this worker shares, and `more` (underscores stand for dots)."""
    settings: dict[str, Any] = {
        "bootstrap.servers": bootstrap,
        "logger": quiet,
        "log.connection.close": False,
        "reconnect.backoff.ms": 100,
        "reconnect.backoff.max.ms": 2000,
        "allow.auto.create.topics": False,
    }
    return settings | {name.replace("_", "."): value for name, value in more.items()}


def group(connector: str) -> str:
    """The consumer group that keeps a connector's offsets."""
    return f"connect-{connector}"


_SOON = (KafkaError.NOT_COORDINATOR, KafkaError.COORDINATOR_NOT_AVAILABLE, KafkaError.COORDINATOR_LOAD_IN_PROGRESS)


def patiently(step: Callable[[], Any]) -> Any:
    """Do `step` again for a few seconds while a group's coordinator is only starting to work; raises KafkaException."""
    deadline = time.monotonic() + 5
    while True:
        try:
            return step()
        except KafkaException as error:
            if error.args[0].code() not in _SOON or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def commit(consumer: Consumer, places: list[TopicPartition]) -> None:
    """Commit offsets and wait for the answer; raises KafkaException where one of them was refused."""
    for one in consumer.commit(offsets=places, asynchronous=False) or []:
        if one.error:
            raise KafkaException(one.error)


class Broker:
    """Questions to the cluster, through one lazily made admin client. Thread safe."""

    def __init__(self, bootstrap: str) -> None:
        self.bootstrap = bootstrap
        self._lock = threading.Lock()
        self._made: AdminClient | None = None
        self._cluster = ""

    @property
    def _admin(self) -> AdminClient:
        with self._lock:
            if self._made is None:
                self._made = AdminClient(client(self.bootstrap))
            return self._made

    def cluster_id(self) -> str:
        """The cluster's id; "" while the broker was never reached."""
        if not self._cluster:
            try:
                self._cluster = self._admin.list_topics(timeout=2).cluster_id or ""
            except KafkaException:
                return ""
        return self._cluster

    def topics(self) -> dict[str, int]:
        """Every topic's number of partitions; raises KafkaException while the broker is away."""
        found = self._admin.list_topics(timeout=5).topics
        return {name: len(topic.partitions) for name, topic in found.items() if topic.error is None}

    def make_dead_letters(self, topic: str, replication: int) -> None:
        """Make the dead letter topic unless it is there: one partition, records as large as any that can be rejected.

        Raises KafkaException while the broker is away, ConnectFault where the topic cannot be made.
        """
        if topic in self.topics():
            return
        new = NewTopic(topic, 1, replication, config={"max.message.bytes": str(LARGEST_RECORD)})
        try:
            self._admin.create_topics([new], operation_timeout=ANSWER_WITHIN_S)[topic].result(ANSWER_WITHIN_S)
        except KafkaException as error:
            code = error.args[0].code()
            if code == KafkaError.TOPIC_ALREADY_EXISTS:
                return
            if code in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError.REQUEST_TIMED_OUT):
                raise
            raise ConnectFault(f"Could not initialize dead letter queue with topic={topic}") from error

    def offsets(self, connector: str) -> list[tuple[str, int, int]]:
        """The committed (topic, partition, offset) of a connector, in order; raises Refused (500)."""
        # Not by the admin client's list_consumer_group_offsets: while the group's coordinator is still loading, that
        # call ends the whole process (librdkafka issue 5040).
        try:
            places = [
                TopicPartition(topic, number) for topic, count in self.topics().items() for number in range(count)
            ]
            with self._group(connector) as consumer:
                found = patiently(lambda: consumer.committed(places, ANSWER_WITHIN_S)) if places else []
        except KafkaException as error:
            raise Refused(
                500, f"Failed to retrieve consumer group offsets for connector {connector}: {error}"
            ) from error
        return sorted((one.topic, one.partition, one.offset) for one in found if one.offset >= 0)

    def alter_offsets(self, connector: str, changes: Mapping[tuple[str, int], int | None]) -> None:
        """Set a connector's offsets; None forgets one. Raises Refused (500) as the runtime does."""
        try:
            known = self.topics()
            if any(number >= known.get(topic, 0) for topic, number in changes):
                raise Refused(500, f"Failed to alter consumer group offsets for connector {connector}")
            wanted = {place: offset for place, offset in changes.items() if offset is not None}
            if len(wanted) < len(changes):
                # The client cannot delete a single offset: forget all, then write the others again.
                kept = {(topic, number): offset for topic, number, offset in self.offsets(connector)}
                wanted = {place: offset for place, offset in kept.items() if place not in changes} | wanted
                self.forget_offsets(connector)
            if wanted:
                places = [TopicPartition(topic, number, offset) for (topic, number), offset in wanted.items()]
                with self._group(connector) as consumer:
                    patiently(lambda: commit(consumer, places))
        except KafkaException as error:
            raise Refused(500, f"Failed to alter consumer group offsets for connector {connector}") from error

    def forget_offsets(self, connector: str) -> None:
        """Delete a connector's offsets; raises Refused (500)."""
        name = group(connector)
        try:
            self._admin.delete_consumer_groups([name])[name].result(ANSWER_WITHIN_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.GROUP_ID_NOT_FOUND:
                raise Refused(500, f"Failed to reset consumer group offsets for connector {connector}") from error

    @contextmanager
    def _group(self, connector: str) -> Iterator[Consumer]:
        consumer = Consumer(client(self.bootstrap, group_id=group(connector), enable_auto_commit=False))
        try:
            yield consumer
        finally:
            consumer.close()
