"""The ledger of a stretch of time: by topic, partition and minute, what was produced and where it is now.

Receipts say which offsets hold what was produced; each warehouse says, in one query, which offsets it has. See
docs/decisions/0015-ledger-by-offset-runs.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from include.connections import ConnectionMissing, Endpoint
from include.contracts import Contract
from include.ledger.entries import WAREHOUSES, Cell, Hole, Ledger, Partition
from include.ledger.runs import Run

if TYPE_CHECKING:
    from include.ledger.comparing import Facts
    from include.ledger.landed import Landed

__all__ = ["WAREHOUSES", "Cell", "Hole", "Ledger", "read"]

Found = TypeVar("Found")


def read(
    kafka: Endpoint,
    clients: Mapping[str, Any],
    contracts: Iterable[Contract],
    *,
    since: datetime,
    until: datetime,
    count_kafka: bool = False,
) -> Ledger:
    """The ledger of what was produced from `since` (its minute's beginning) until `until`, asked everywhere at once.

    `clients` has, by name, a client of each warehouse or a function that makes one, which is closed again. Contracts
    without bursts have no receipts: their topics are read, as all are with `count_kafka`. What cannot be asked is told
    in `blind`; raises nothing for it.
    """
    # Only those who ask pay for Kafka's client: DAG files import what is above.
    from include.kafka.transaction import DELIVER_S, TRANSACTION_S
    from include.ledger import landed, produced
    from include.ledger.comparing import Facts, compare
    from include.ledger.corrected import corrected

    some = tuple(contracts)
    since = since.replace(second=0, microsecond=0)
    # A record is older than its receipt by what a transaction may take and the broker may keep it waiting. Bursts that
    # overlap one in question belong to it: so receipts are read from one margin on, and rows from two.
    margin = timedelta(seconds=TRANSACTION_S + DELIVER_S)
    early, earliest = since - margin, since - 2 * margin
    without_receipts = [contract for contract in some if contract.burst is None]
    counted = some if count_kafka else without_receipts
    blind: dict[str, str] = {}
    with ThreadPoolExecutor(max_workers=5) as pool:
        receipts = pool.submit(produced.promised, kafka, some, early)
        letters = pool.submit(produced.rejected, kafka, some, earliest)
        records = pool.submit(produced.held, kafka, counted, earliest)
        rows = {
            name: pool.submit(_ask, clients[name], landed.ASK[name], some, earliest, until)
            for name in WAREHOUSES
            if name in clients
        }
        promised, rejected = _answer(receipts.result, "kafka", blind), _answer(letters.result, "kafka", blind)
        held = _answer(records.result, "kafka", blind)
        there = {name: _answer(one.result, name, blind) for name, one in rows.items()}
    if promised is None or rejected is None or held is None:
        return Ledger(blind=blind)
    facts = Facts(
        domains={topic.name: contract.domain for contract in some for topic in contract.topics},
        promises=promised.promises + produced.by_kafka(held, without_receipts),
        extents=promised.extents,
        landed=there,
        rejected=rejected,
        held=produced.events(held) if count_kafka else None,
    )
    cells, holes = compare(facts, since=since, until=until)
    latency = {contract.domain: timedelta(seconds=contract.latency_s) for contract in some}
    # What is merely on its way is not looked up.
    due = [
        hole for hole in holes if hole.warehouse == "clickhouse" and hole.produced_at <= until - latency[hole.domain]
    ]
    if due:
        question = partial(_ask, clients["clickhouse"], corrected, kafka, some, due)
        facts.landed = {**facts.landed, "clickhouse": _joined(facts, _answer(question, "clickhouse", blind))}
        cells, holes = compare(facts, since=since, until=until)
    return Ledger(cells=cells, holes=holes, blind=blind)


def _joined(facts: Facts, more: Mapping[Partition, Iterable[Run]] | None) -> Mapping[Partition, Landed] | None:
    """ClickHouse's offsets with those that were found to be there all the same; None where it could not be asked."""
    from include.ledger.landed import NOTHING

    there = facts.landed["clickhouse"]
    if there is None or more is None:
        return None
    return {**there, **{place: there.get(place, NOTHING).joined_by(runs) for place, runs in more.items()}}


def _ask(client: Any, question: Callable[..., Found], *arguments: Any) -> Found:
    if not callable(client):
        return question(client, *arguments)
    with client() as made:
        return question(made, *arguments)


def _answer(asked: Callable[[], Found], place: str, blind: dict[str, str]) -> Found | None:
    from include.kafka.errors import KafkaError
    from include.warehouses import WarehouseError

    try:
        return asked()
    except (KafkaError, WarehouseError, ConnectionMissing) as error:
        blind[place] = str(error)
        return None
