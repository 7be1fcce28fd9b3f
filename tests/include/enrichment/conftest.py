"""A real broker for the tests of this room, as that of Kafka's has it."""

from tests.include.kafka.conftest import broker, kafka

__all__ = ["broker", "kafka"]
