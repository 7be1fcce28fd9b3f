"""Enrichment as tasks: which partitions have something waiting, and each of them enriched."""

from __future__ import annotations

from typing import Any

from airflow.sdk import BaseOperator

from include.connections import KAFKA
from include.contracts import load
from include.operators.endpoints import endpoint

#: Domains whose stream is enriched on the way.
ENRICHED = ("clickstream",)


class PlanEnrichment(BaseOperator):
    """Finds the partitions that have something waiting, one mapped task each."""

    def __init__(self, *, domain: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain = domain

    def execute(self, context: Any) -> list[int]:
        """Numbers of partitions. Raises KafkaError."""
        from include.enrichment.partition import waiting

        return waiting(endpoint(KAFKA))


class EnrichPartition(BaseOperator):
    """Enriches what waits in one partition, exactly once, however often it is run or wherever it is killed."""

    template_fields = ("partition",)

    def __init__(self, *, domain: str, partition: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.domain = domain
        self.partition = partition

    def execute(self, context: Any) -> dict[str, int]:
        """What became of the partition's records. Raises KafkaError."""
        import msgspec

        from include.enrichment.partition import enrich_partition

        done = enrich_partition(endpoint(KAFKA), load(self.domain), int(self.partition))
        self.log.info(
            "partition %d: %d enriched, %d malformed, %d offsets left",
            *(done.partition, done.enriched, done.rejected, done.behind),
        )
        return dict(msgspec.to_builtins(done))
