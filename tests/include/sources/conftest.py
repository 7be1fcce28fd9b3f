"""A real broker of the local stack."""

from tests.include.kafka.conftest import broker, kafka

__all__ = ["broker", "kafka"]
