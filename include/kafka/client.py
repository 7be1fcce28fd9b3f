"""Makes Kafka clients from a connection's settings; what librdkafka has to say goes to Python's logging."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._metadata import ClusterMetadata

from include.connections import Endpoint
from include.kafka.errors import KafkaError, Trouble

log = logging.getLogger(__name__)
# Without a handler of the program's own, Python would write warnings to stderr.
log.addHandler(logging.NullHandler())

#: What a call to a broker that answers takes at most.
CALL_S = 20.0

Client = TypeVar("Client")
Settings = Mapping[str, Any]


def settings(endpoint: Endpoint, own: Settings) -> dict[str, Any]:
    """The connection's extra, which is librdkafka's settings, under `own`; KafkaError for one without a broker."""
    # Airflow's own Kafka hook keeps settings of its own there, too, such as error_cb: they have no dot.
    extra = {name: value for name, value in endpoint.extra.items() if "." in name}
    if not extra.get("bootstrap.servers"):
        raise KafkaError(
            f"connection {endpoint.conn_id} names no broker: put bootstrap.servers into its extra, e.g. "
            '{"bootstrap.servers": "broker:9092"}'
        )
    # A client that is left running while the broker is away would log twenty lines a second.
    return {"reconnect.backoff.max.ms": 2000, **extra, **own}


def admin(endpoint: Endpoint, trouble: Trouble | None = None) -> AdminClient:
    """A client for topics and groups, whose errors `trouble` hears; raises KafkaError for a wrong setting."""
    return _made(AdminClient, endpoint, {}, trouble)


def producer(endpoint: Endpoint, own: Settings, trouble: Trouble | None = None) -> Producer:
    """A producer, whose errors `trouble` hears; raises KafkaError for a wrong setting."""
    return _made(Producer, endpoint, own, trouble)


def consumer(endpoint: Endpoint, own: Settings, trouble: Trouble | None = None) -> Consumer:
    """A consumer of committed records that commits nothing itself; raises KafkaError for a wrong setting."""
    reader = {
        "group.id": "floodgate-reader",
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        # What retention has taken is not to be mistaken for what was read.
        "auto.offset.reset": "earliest",
        # The default, a second, is what a full queue of fetched records costs.
        "fetch.queue.backoff.ms": 10,
    }
    return _made(Consumer, endpoint, reader | dict(own), trouble)


def metadata(client: AdminClient | Producer | Consumer, trouble: Trouble, topic: str | None = None) -> ClusterMetadata:
    """What the cluster has, or that one topic; raises KafkaError where it does not answer."""
    try:
        return client.list_topics(topic, timeout=CALL_S) if topic else client.list_topics(timeout=CALL_S)
    except KafkaException as error:
        client.poll(0)  # hands over the errors that tell why
        raise trouble.explain("asking Kafka for its topics", error) from error


def _made(kind: Callable[..., Client], endpoint: Endpoint, own: Settings, trouble: Trouble | None) -> Client:
    try:
        return kind({**settings(endpoint, own), "error_cb": trouble or Trouble(endpoint)}, logger=log)
    except (KafkaException, TypeError, ValueError) as error:
        text = error.args[0].str() if isinstance(error, KafkaException) else error
        raise KafkaError(
            f"a setting is wrong ({text}): correct it in the extra of connection {endpoint.conn_id}"
        ) from error
