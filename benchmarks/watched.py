"""`python -m benchmarks.watched FOLDER scheduler`: the watches over the contracts of a folder, and what they watch.

Each line of standard input is a wish in JSON, each line of standard output its answer. Every wish is fulfilled by a
process of its own, forked from one that has loaded what Airflow's scheduler loads, as a task is.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec

from benchmarks import copies

#: Asset -> key -> value: the state stores, kept here from look to look.
Stores = dict[str, dict[str, Any]]
#: Of what was landed as history, the oldest and the youngest.
OLDEST, YOUNGEST = timedelta(hours=30), timedelta(hours=6)


class _Store:
    def __init__(self, values: dict[str, Any], counts: Counter[str]) -> None:
        self.values, self.counts = values, counts

    def get(self, key: str, default: Any = None) -> Any:
        self.counts["airflow state read"] += 1
        return json.loads(json.dumps(self.values.get(key, default)))

    def set(self, key: str, value: Any) -> None:
        self.counts["airflow state kept"] += 1
        self.values[key] = json.loads(json.dumps(value))


class _Stores:
    def __init__(self, stores: Stores, counts: Counter[str]) -> None:
        self.stores, self.counts = stores, counts

    def __getitem__(self, asset: Any) -> _Store:
        return _Store(self.stores.setdefault(asset.name, {}), self.counts)


class _Airflow:
    """What a task asks Airflow of DAGs and runs, answered at once: nothing is paused and nothing has failed."""

    def __init__(self, counts: Counter[str]) -> None:
        self.counts = counts

    def get_dag(self, dag_id: str) -> Any:
        self.counts["airflow get_dag"] += 1
        return SimpleNamespace(dag_id=dag_id, is_paused=False)

    def get_dr_count(self, dag_id: str, **_: Any) -> int:
        self.counts["airflow get_dr_count"] += 1
        return 1

    def get_dagrun_state(self, dag_id: str, run_id: str) -> str:
        self.counts["airflow get_dagrun_state"] += 1
        return "success"


def look(stores: Stores, name: str, *, counted: bool = False) -> dict[str, Any]:
    """One look of a watch: what it found, by kind of verdict, and, where counted, what it asked."""
    from include.operators import assets
    from include.operators.desk import Desk
    from include.operators.watch_connectors import WatchConnectors
    from include.operators.watch_ingestion import WatchIngestion

    kinds: dict[str, list[str]] = {}

    class Listening(Desk):
        def report(self, verdicts: Any, *arguments: Any, **named: Any) -> Any:
            for one in verdicts:
                kinds.setdefault(one.kind.value, []).append(one.fingerprint)
            return super().report(verdicts, *arguments, **named)

    operator: Any = {"watch_connectors": WatchConnectors, "watch_ingestion": WatchIngestion}[name](task_id="watch")
    sys.modules[type(operator).__module__].Desk = Listening  # type: ignore[attr-defined]
    counts: Counter[str] = Counter()
    context = {
        "asset_state_store": _Stores(stores, counts),
        "outlet_events": {assets.INCIDENTS: SimpleNamespace(add=lambda *_, **__: None)},
        "task": operator,
        "dag": SimpleNamespace(dag_id=name),
        "run_id": "bench",
        "ti": _Airflow(counts),
    }
    if counted:
        from benchmarks.counted import counting

        with counting(counts):
            operator.execute(context)
    else:
        operator.execute(context)
    return {"kinds": {kind: sorted(found) for kind, found in kinds.items()}, "counts": dict(counts), "stores": stores}


def line() -> None:
    """Topics, landing tables and connectors of every contract, as DAG prepare makes them."""
    from include.operators.prepare import EnsureConnectors, EnsureLanding, EnsureTopics

    context = {"run_id": "bench"}
    EnsureTopics(task_id="topics").execute(context)
    for warehouse in ("clickhouse", "snowflake"):
        EnsureLanding(task_id=f"landing_{warehouse}", warehouse=warehouse).execute(context)
    EnsureConnectors(task_id="connectors").execute(context)


def bursts(first: str, last: str) -> dict[str, int]:
    """Produces every domain's bursts of the windows of two minutes from the one time to the other; events a topic."""
    from include import connections
    from include.contracts import all_contracts
    from include.contracts.event import BurstId, Window
    from include.kafka import burst

    produced: dict[str, int] = {}
    at, until, step = datetime.fromisoformat(first), datetime.fromisoformat(last), timedelta(minutes=2)
    while at < until:
        window = Window(at, at + step)
        for contract in (one for one in all_contracts() if one.burst is not None):
            made = burst.produce(
                connections.from_env(connections.KAFKA),
                contract,
                BurstId(contract.domain, window),
                copies.burst(contract, window),
            )
            for receipt in made:
                produced[receipt.topic] = produced.get(receipt.topic, 0) + receipt.events
        at += step
    return produced


def history(rows: int) -> dict[str, int]:
    """Records of yesterday, some `rows` in all, with receipts as so many bursts have, and letters; events a topic."""
    from include import connections
    from include.contracts import all_contracts
    from include.contracts.event import Window
    from include.kafka import client, receipts

    some = [one for one in all_contracts() if one.burst is not None]
    kafka = client.producer(
        connections.from_env(connections.KAFKA),
        {"compression.type": "lz4", "linger.ms": 20, "queue.buffering.max.messages": 2_000_000},
    )
    now = datetime.now(UTC).replace(microsecond=0)
    begin, length = now - OLDEST, OLDEST - YOUNGEST
    produced: dict[str, int] = {}
    for contract in some:
        made = 0
        # Orders have three followers each; what there is of a fashion's click differs little from one.
        size = rows // len(some) // (4 if len(contract.topics) > 3 else 1)
        for event in copies.burst(contract, Window(begin, now - YOUNGEST), size=size):
            kafka.produce(event.topic, event.value, event.key, timestamp=event.time_ms)
            made += event.value is not None
            if event.value is not None:
                produced[event.topic] = produced.get(event.topic, 0) + 1
            if made % 1000 == 0:
                kafka.poll(0)
        for number in range(made // 5):  # a burst of fifty events has some ten receipts
            at = begin + length * number / (made // 5)
            receipt = _receipt(receipts, contract, at, number)
            kafka.produce(
                receipts.TOPIC, msgspec.json.encode(receipt), receipt.event_id.encode(),
                timestamp=int(at.timestamp() * 1000),
            )  # fmt: skip
        for number in range(made // 1000):
            at = begin + length * number / (made // 1000)
            kafka.produce(contract.dead_letters, b"{}", b"", timestamp=int(at.timestamp() * 1000))
        kafka.flush(120)
    return produced


def _receipt(receipts: Any, contract: Any, at: datetime, number: int) -> Any:
    topic, burst = contract.topics[0], f"{contract.domain}/history/{number}"
    return receipts.Receipt(
        event_id=f"{burst}/{topic.name}/0", burst=burst, domain=contract.domain, window_start=at, window_end=at,
        shard="history", topic=topic.name, partition=0, events=1, first_offset=number, last_offset=number,
        min_event_time=at, max_event_time=at, produced_at=at,
    )  # fmt: skip


def landed() -> dict[str, dict[str, int]]:
    """Warehouse -> topic -> distinct events there."""
    from include import connections
    from include.contracts import all_contracts
    from include.ledger import counts
    from include.warehouses import clickhouse, snowflake

    some = [one for one in all_contracts() if one.burst is not None]
    with clickhouse.connect(connections.from_env(connections.CLICKHOUSE)) as live:
        there = {"clickhouse": counts.clickhouse(live, some)}
    with snowflake.connect(connections.from_env(connections.SNOWFLAKE)) as kept:
        return there | {"snowflake": counts.snowflake(kept, some)}


WISHES: dict[str, Callable[..., Any]] = {
    "line": line, "bursts": bursts, "history": history, "landed": landed, "look": look
}  # fmt: skip


def fulfil(wish: dict[str, Any]) -> dict[str, Any]:
    """Fulfils a wish in a process of its own: `answer`, or `error`, `cpu_s` of that process, and `seconds`."""
    reading, writing = os.pipe()
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            said = {"answer": WISHES[wish.pop("do")](**wish)}
        except BaseException:
            said = {"error": traceback.format_exc()}
        with os.fdopen(writing, "w") as pipe:
            json.dump(said, pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        text = pipe.read()
    _, _, used = os.wait4(child, 0)
    told = json.loads(text or '{"error": "it died"}')
    return {**told, "cpu_s": _cpu(used), "seconds": time.monotonic() - begun}


def _cpu(used: resource.struct_rusage) -> float:
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Answers until there are no more wishes."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Airflow logs to standard output
    importlib.import_module("airflow_local_settings")  # `scheduler` among the arguments makes it load what tasks need
    copies.be(Path(sys.argv[1]))
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for text in sys.stdin:
        print(json.dumps(fulfil(json.loads(text))), file=answers, flush=True)


if __name__ == "__main__":
    main()
