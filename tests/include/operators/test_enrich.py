"""The tasks of the enrichment: what waits becomes mapped tasks, and each says what it did."""

from __future__ import annotations

import pytest

from include.connections import KAFKA, Endpoint
from include.contracts import all_contracts, domains
from include.enrichment import partition as room
from include.operators import enrich
from include.operators.airflow_look import watched_dags
from include.operators.enrich import ENRICHED, EnrichPartition, PlanEnrichment


@pytest.fixture(autouse=True)
def broker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrich, "endpoint", lambda conn_id: Endpoint(conn_id=conn_id))


def test_the_plan_is_the_partitions_that_have_something_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    def waiting(kafka: Endpoint) -> list[int]:
        assert kafka.conn_id == KAFKA
        return [0, 2]

    monkeypatch.setattr(room, "waiting", waiting)
    assert PlanEnrichment(task_id="plan", domain="clickstream").execute({}) == [0, 2]


def test_a_task_enriches_its_partition_and_says_what_became_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def enriched(kafka: Endpoint, contract: object, partition: int) -> room.Enriched:
        assert (kafka.conn_id, contract.domain, partition) == (KAFKA, "clickstream", 2)  # type: ignore[attr-defined]
        return room.Enriched(partition=partition, enriched=7, rejected=1, transactions=1)

    monkeypatch.setattr(room, "enrich_partition", enriched)
    done = EnrichPartition(task_id="enrich", domain="clickstream", partition=2).execute({})
    assert done == {"partition": 2, "enriched": 7, "rejected": 1, "transactions": 1, "behind": 0}


def test_somebody_is_told_of_its_failures() -> None:
    watched = watched_dags(all_contracts())
    assert {name: domain for name, domain in watched.items() if name.startswith("enrich_")} == {
        f"enrich_{domain}": domain for domain in ENRICHED
    }
    assert set(ENRICHED) <= set(domains())
