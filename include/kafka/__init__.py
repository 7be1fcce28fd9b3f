"""Kafka as the rest of the code sees it: topics, bursts, receipts, offsets, dead letters. The only client code."""

from include.kafka.errors import KafkaError

__all__ = ["KafkaError"]
