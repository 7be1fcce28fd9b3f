"""The watch of what is produced and lands: generators, rows in both warehouses, dead letters, runs of DAGs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from airflow.sdk import BaseOperator

from include.connections import KAFKA
from include.contracts import Contract, all_contracts, domains, load
from include.monitors import Verdict, generators, places, rows, runs, sequence
from include.operators import assets, rejections
from include.operators.airflow_look import AirflowLook
from include.operators.desk import Desk
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.healings import ask, progress
from include.operators.missing_rows import Memory as Missing
from include.operators.missing_rows import MissingRows, Sink
from include.operators.stores import keep, recall
from include.operators.watching import MEMORY, beat, paused, second_look

#: How far back a quiet minute looks; further where something older is still open.
LOOK_BACK = timedelta(minutes=15)
#: Late rows, rows that come twice, rejected records: of so many last minutes.
LATELY = timedelta(minutes=3)
#: What a warehouse may take to answer the first question; then it is away.
SOON_S = 15
#: After a place was away, runs that failed meanwhile are no news for so long.
AFTERMATH = timedelta(minutes=5)


class _Memory(msgspec.Struct, kw_only=True):
    """What is kept from look to look. `repeats`: domain, and since when its events come again. `in_order`: domain, and
    from when on its windows came in order."""

    generators: dict[str, generators.Memory] = {}
    together: bool = False
    runs: dict[str, runs.Memory] = {}
    letters: list[rejections.Mark] = []
    rows: Missing = msgspec.field(default_factory=Missing)
    repeats: dict[str, datetime] = {}
    in_order: dict[str, datetime] = {}
    away_at: datetime | None = None


class WatchIngestion(BaseOperator):
    """Looks once at everything between generators and landing tables; a quiet minute asks each place the same few
    questions, whatever the history holds."""

    def __init__(self, **kwargs: Any) -> None:
        mine = [assets.WATCH_INGESTION, assets.WATCH_CONNECTORS, assets.SILENCES, assets.GAPS]
        concerned = [assets.place(name) for name in ("kafka", "clickhouse", "snowflake")]
        concerned += [assets.bursts(domain) for domain in domains()]
        concerned += [assets.marts(warehouse, domain) for warehouse in WAREHOUSES for domain in domains()]
        super().__init__(inlets=[*mine, *concerned], outlets=[assets.INCIDENTS], **kwargs)

    def execute(self, context: Any) -> dict[str, Any]:
        """Counts of verdicts; raises only what Airflow itself refuses."""
        look = _Look(context, self.log)
        desk, memory = look.desk, look.memory
        causes = desk.others(assets.WATCH_CONNECTORS)
        verdicts = look.all(causes)
        progress(context, desk.book)
        changes = desk.report(verdicts, look.now, causes=causes, all_of_it=True)
        look.airflow.adopt(desk.book)
        ask(context, desk.book, verdicts, look.gaps(), look.now)
        desk.expire(look.now)
        desk.close(changes)
        keep(look.store, MEMORY, memory)
        beat(context, assets.WATCH_INGESTION, look.now)
        firing = sorted(verdict.fingerprint for verdict in verdicts if verdict.firing)
        self.log.info("%d verdicts, firing: %s", len(verdicts), ", ".join(firing) or "none")
        return {"verdicts": len(verdicts), "firing": firing, "changes": len(changes)}


class _Look:
    """One look: places first, then what can be asked of those that answer."""

    def __init__(self, context: Any, log: Any) -> None:
        self.context, self.log = context, log
        self.now = datetime.now(UTC)
        self.store = context["asset_state_store"][assets.WATCH_INGESTION]
        self.memory = recall(self.store, MEMORY, _Memory, _Memory())
        self.desk = Desk(context, assets.WATCH_INGESTION)
        self.contracts = [contract for contract in all_contracts() if contract.burst is not None]
        self.missing: dict[str, list[generators.Span]] = {}
        self.holes: dict[tuple[str, str], list[Any]] = {}
        self.numbers: dict[str, sequence.Holes] = {}
        self.numbered_since = {
            one.domain: max(self.now - LOOK_BACK, self.memory.in_order.get(one.domain, self.now - LOOK_BACK))
            for one in self.contracts
        }
        self.airflow = AirflowLook(context, self.store, self.contracts, self.now)

    def all(self, causes: set[str]) -> list[Verdict]:
        """Every verdict of this minute."""
        asked = {"kafka": self._kafka, **{name: self._warehouse(name) for name in WAREHOUSES}}
        found, troubles = second_look(asked, self.log)
        made = self._generators(found["kafka"])
        if found["kafka"] is not None:
            self.memory.letters = found["kafka"][1].marks
        owed = self._owed()
        verdicts: list[Verdict] = []
        for name in asked:
            verdicts += places.judge(name, troubles.get(name), owed=owed if name == "kafka" else "")
        gone = causes | {verdict.fingerprint for verdict in verdicts if verdict.firing}
        verdicts += [self._because(verdict, gone, "kafka") for verdict in made]
        verdicts += self._rows(found, gone)
        if places.cause(gone, *asked):
            self.memory.away_at = self.now
        aftermath = self.memory.away_at is not None and self.now - self.memory.away_at < AFTERMATH
        away_now = aftermath or bool(places.cause(gone, *places.NAMES))
        verdicts += self.airflow.failures(self.memory.runs, away=away_now)
        verdicts += self.airflow.signs_of_life()
        firing = {verdict.fingerprint for verdict in verdicts if verdict.firing}
        return verdicts + self.airflow.missed(self.desk.book, firing)

    def gaps(self) -> dict[str, dict[str, Any]]:
        """Fingerprint -> what DAG heal is to be asked for."""
        gaps: dict[str, dict[str, Any]] = {}
        for (domain, warehouse), holes in self.holes.items():
            since = min(hole.minute for hole in holes if hole.in_kafka)
            gaps[f"rows_missing:{rows.subject(domain, warehouse)}"] = {
                "kind": "rows", "domain": domain, "warehouse": warehouse, "since": since.isoformat()
            }  # fmt: skip
        back = {
            domain: [[start.isoformat(), end.isoformat()] for start, end in missing]
            for domain, missing in self.missing.items()
            if missing and generators.alive(missing, load(domain), self.now)
        }
        owner = f"{generators.RULE}:{generators.TOGETHER}" if self.memory.together else ""
        if self.desk.book.open(places.away("kafka")):
            owner = places.away("kafka")
        for domain, windows in back.items():
            fingerprint = owner or f"{generators.RULE}:{domain}"
            gap = gaps.setdefault(fingerprint, {"kind": "windows", "windows": {}})
            gap["windows"][domain] = windows
        return gaps

    def _kafka(self) -> tuple[dict[Any, Any], rejections.Rejected]:
        """Receipts since the first window that may be missing, and who was rejected lately, and why."""
        from include.kafka import receipts
        from include.kafka.progress import reachable

        kafka = endpoint(KAFKA)
        reachable(kafka)
        whole = [one.whole_until for one in self.memory.generators.values() if one.whole_until]
        since = min([*whole, self.now - LOOK_BACK]) - timedelta(minutes=2)
        made = receipts.read(kafka, since=since)
        return made, rejections.look(kafka, self.contracts, self.memory.letters, self.now, LATELY)

    def _warehouse(self, name: str) -> Callable[[], dict[str, rows.Arrivals]]:
        from include.monitors import arrivals
        from include.operators.watermark import connect

        asks: dict[str, Any] = {"clickhouse": arrivals.late, "snowflake": arrivals.twice}

        def question() -> dict[str, rows.Arrivals]:
            with connect(name, "watch_ingestion", timeout_s=SOON_S) as client:
                if name == "clickhouse":
                    self.numbers = sequence.read(client, self.contracts, self.numbered_since, self.now)
                return asks[name](client, self.contracts, self.now - LATELY)

        return question

    def _generators(self, kafka: Any) -> list[Verdict]:
        looked: dict[str, bool] = {}
        for contract in self.contracts:
            reading = generators.Reading(
                domain=contract.domain,
                paused=paused(self.context, f"burst_{contract.domain}"),
                produced=None if kafka is None else generators.produced(contract, kafka[0].values()),
            )
            before = self.memory.generators.get(contract.domain, generators.Memory())
            found, after = generators.remember(contract, reading, before, self.now)
            self.missing[contract.domain] = found
            self.memory.generators[contract.domain] = after
            looked[contract.domain] = reading.paused is not None and reading.produced is not None
        verdicts = generators.judge(self.contracts, self.missing, looked, self.now, together=self.memory.together)
        self.memory.together = any(one.firing and one.subject == generators.TOGETHER for one in verdicts)
        return verdicts

    def _owed(self) -> str:
        """What Kafka's absence has left behind, while its incident is open: bursts that could not be produced."""
        if not any(self.missing.values()) or not self.desk.book.open(places.away("kafka")):
            return ""
        return "Bursts that could not be produced meanwhile are produced once more."

    def _rows(self, found: dict[str, Any], gone: set[str]) -> list[Verdict]:
        ledger = self._ledger() if found["kafka"] is not None else None
        others = self.context["asset_state_store"][assets.WATCH_CONNECTORS]
        sinks = recall(others, MEMORY, dict[str, Sink], {})
        look = MissingRows(ledger, self._ledger, sinks, self.memory.rows, gone, self.now, self.log)
        verdicts = []
        for contract in self.contracts:
            for warehouse in WAREHOUSES:
                made = look.judge(contract, warehouse, looked=found[warehouse] is not None)
                verdicts += [self._because(verdict, gone, "kafka", "connect", warehouse) for verdict in made]
            verdicts += self._arrived(contract, found)
            verdicts += self._numbered(contract, found, ledger)
        self.holes, self.memory.rows = look.holes, look.remembered()
        return verdicts

    def _arrived(self, contract: Contract, found: dict[str, Any]) -> list[Verdict]:
        """Of the last minutes; without Kafka nobody knows what was produced on purpose."""
        if found["kafka"] is None:
            return [rows.late(contract, None), rows.twice(contract, None), rows.rejected(contract, None)]
        made, letters = found["kafka"]
        made, lately = made.values(), self.now - LATELY
        landed = _of(contract, found["snowflake"])
        again = self.memory.repeats.setdefault(contract.domain, self.now)
        if not rows.repeats(landed or ()):
            self.memory.repeats.pop(contract.domain)
        once = rows.largest(contract, made, lately) if self.now - again <= LATELY + timedelta(minutes=1) else 0
        expected = rows.backfilled(contract, made, lately)
        late = rows.late(contract, _of(contract, found["clickhouse"]), expected=expected)
        rejected = rows.rejected(contract, letters.counts[contract.domain], letters.reasons[contract.domain])
        return [late, rows.twice(contract, landed, expected=once), rejected]

    def _numbered(self, contract: Contract, found: dict[str, Any], ledger: Any) -> list[Verdict]:
        """What a paused DAG did not read is nobody's loss, and what a backfill brings has numbers of long ago."""
        domain, earliest = contract.domain, self.now - LOOK_BACK
        since, known = self.numbered_since[domain], self.memory.generators[domain]
        if found["kafka"] is not None:
            receipts = found["kafka"][0].values()
            self.memory.in_order[domain] = sequence.in_order_since(contract, receipts, known.on_since(earliest))
        blind = found["kafka"] is None or found["clickhouse"] is None or self.memory.in_order[domain] > since
        return sequence.judge(
            contract,
            None if blind else self.numbers,
            None if ledger is None else sequence.elsewhere(ledger),
            LOOK_BACK,
            whole=since <= earliest,
            paused=known.paused_at == self.now,
            cause=f"{generators.RULE}:{domain}" if self.missing.get(domain) else "",
        )

    def _ledger(self) -> Any:
        from include.ledger import minutes
        from include.operators.watermark import connect

        since = min([self.now - LOOK_BACK, *([self.memory.rows.oldest] if self.memory.rows.oldest else [])])
        clients = {name: (lambda name=name: connect(name, "watch_ingestion")) for name in WAREHOUSES}
        return minutes.read(
            endpoint(KAFKA), clients, self.contracts, since=since - timedelta(minutes=1), until=self.now
        )

    def _because(self, verdict: Verdict, gone: set[str], *on: str) -> Verdict:
        cause = places.cause(gone, *on)
        return msgspec.structs.replace(verdict, cause=cause) if cause and verdict.firing else verdict


def _of(contract: Contract, found: dict[str, rows.Arrivals] | None) -> list[rows.Arrivals] | None:
    return None if found is None else [found[topic.name] for topic in contract.topics if topic.name in found]
