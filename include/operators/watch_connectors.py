"""The watch of the connectors: look, judge, cure what a restart can cure, report."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Any

import msgspec
from airflow.sdk import BaseOperator

from include.connections import CLICKHOUSE, CONNECT, KAFKA, SNOWFLAKE
from include.contracts import Contract, all_contracts
from include.healing.restarts import Cure, Decision, Restarts, decide, proven
from include.monitors import Verdict, connectors, places, watches
from include.operators import assets
from include.operators.desk import Desk
from include.operators.endpoints import WAREHOUSES, endpoint
from include.operators.read_on import groups
from include.operators.read_on import statuses as statuses_of
from include.operators.stores import keep, recall
from include.operators.watching import MEMORY, beat, beat_of, blamed, paused, second_look

#: Every connector the contracts ask for: name -> (contract, warehouse).
Wanted = dict[str, tuple[Contract, str]]


def wanted() -> Wanted:
    """The connectors of every contract."""
    from include.connectors.render import names

    return {name: (contract, warehouse) for contract in all_contracts() for warehouse, name in names(contract).items()}


class _Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of one connector from look to look."""

    look: connectors.Memory = connectors.Memory()
    restarts: Restarts = Restarts()
    excused: dict[str, datetime] = {}
    group: str = ""


class WatchConnectors(BaseOperator):
    """Looks at every connector once; the number of questions does not grow with what there is to land.

    One to Connect, some to Kafka; one more to Kafka a warehouse where something seems to stand still, one to a
    warehouse before a sink is blamed for what the warehouse does.
    """

    def __init__(self, **kwargs: Any) -> None:
        mine = [assets.WATCH_CONNECTORS, assets.WATCH_INGESTION, assets.SILENCES]
        concerned = [assets.place("connect"), *(assets.connector(name) for name in wanted())]
        super().__init__(inlets=[*mine, *concerned], outlets=[assets.INCIDENTS], **kwargs)

    def execute(self, context: Any) -> dict[str, Any]:
        """Counts of verdicts; raises only what Airflow itself refuses."""
        everything = wanted()
        store = context["asset_state_store"][assets.WATCH_CONNECTORS]
        memory: dict[str, _Memory] = recall(store, MEMORY, dict[str, _Memory], {})
        desk = Desk(context, assets.WATCH_CONNECTORS)
        causes = desk.others(assets.WATCH_INGESTION)
        statuses, troubles = second_look({"connect": self._statuses}, self.log)
        known = groups(everything, statuses["connect"], {name: one.group for name, one in memory.items()})
        progress = self._progress(everything, known)
        now = datetime.now(UTC)
        verdicts = [*places.judge("connect", troubles.get("connect")), self._other_watch(context, now)]
        kept: dict[str, _Memory] = {}
        readings = [_reading(name, *of, statuses["connect"], progress, known[name]) for name, of in everything.items()]
        for reading in self._second(readings, memory):
            name, warehouse = reading.name, reading.warehouse
            before = memory.get(name, _Memory())
            found, look = connectors.judge(reading, before.look, now)
            found = [self._explained(verdict, warehouse, causes) for verdict in found]
            moved = look.moved
            restarts = Restarts() if proven(found, moved=moved) else before.restarts
            if decision := decide(found, restarts, now, failed=reading.failed):
                decision = self._cured(name, decision, everything)
                restarts = decision.restarts
                found = [_answered(verdict, decision) for verdict in found]
            told, excused = connectors.spared(found, before.excused, now)
            verdicts += told
            kept[name] = _Memory(look=look, restarts=restarts, excused=excused, group=known[name])
        changes = desk.report(verdicts, now, causes=causes, all_of_it=True)
        desk.close(changes)
        keep(store, MEMORY, kept)
        beat(context, assets.WATCH_CONNECTORS, now)
        firing = sorted(verdict.fingerprint for verdict in verdicts if verdict.firing)
        self.log.info("%d verdicts, firing: %s", len(verdicts), ", ".join(firing) or "none")
        return {"verdicts": len(verdicts), "firing": firing, "changes": len(changes)}

    def _statuses(self) -> dict[str, Any]:
        return dict(statuses_of(wanted()))

    def _progress(self, everything: Wanted, known: dict[str, str]) -> dict[str, Any] | None:
        from include.kafka.errors import KafkaError
        from include.kafka.progress import progress, reachable

        wanted = {known[name]: [topic.name for topic in contract.topics] for name, (contract, _) in everything.items()}
        try:
            reachable(endpoint(KAFKA))
            return progress(endpoint(KAFKA), wanted)
        except KafkaError as error:
            self.log.warning("%s", error)
            return None

    def _second(self, readings: list[connectors.Reading], memory: dict[str, _Memory]) -> list[connectors.Reading]:
        """Looks into Kafka at what seems to stand still: a record, or only the mark of a transaction? Sinks of one
        warehouse have no partition in common, so one look does for all of them."""
        from include.kafka.errors import KafkaError
        from include.kafka.offsets import look_behind

        doubts = {one.name: connectors.doubtful(one, memory.get(one.name, _Memory()).look) for one in readings}
        seen: dict[str, dict[str, datetime | None]] = {}
        for warehouse in WAREHOUSES:
            stretches = {
                _partition(place): (max(0, at), (one.ends or {})[place])
                for one in readings
                if one.warehouse == warehouse
                for place, at in doubts[one.name].items()
            }
            try:
                found = look_behind(endpoint(KAFKA), stretches) if stretches else {}
                seen[warehouse] = {_place(partition): at for partition, at in found.items()}
            except KafkaError as error:
                self.log.warning("%s", error)
        return [_looked_into(one, doubts[one.name], seen.get(one.warehouse, {})) for one in readings]

    def _other_watch(self, context: Any, now: datetime) -> Verdict:
        name = "watch_ingestion"
        return watches.judge(name, beat_of(context, assets.WATCH_INGESTION), now, paused=paused(context, name))

    def _explained(self, verdict: Verdict, warehouse: str, causes: set[str]) -> Verdict:
        """A sink that fails or stands because of what it hangs on is not blamed, nor restarted."""
        if not verdict.firing or verdict.rule == "offsets_lost":
            return verdict
        cause = places.cause(causes, "connect", "kafka", warehouse) or blamed(warehouse)
        if cause:
            causes.add(cause)  # of a warehouse the other watch will tell it
        return msgspec.structs.replace(verdict, cause=cause)

    def _cured(self, name: str, decision: Decision, everything: Wanted) -> Decision:
        from include.connectors.client import ConnectError

        if decision.cure is None:
            return decision
        begun = time.monotonic()
        try:
            asyncio.run(_carry_out(name, decision.cure, everything))
        except ConnectError as error:
            return msgspec.structs.replace(decision, says=f"The {decision.cure} could not be sent: {error}")
        self.log.info("%s: %s in %.1f s", name, decision.says, time.monotonic() - begun)
        return decision


async def _carry_out(name: str, cure: Cure, everything: Wanted) -> None:
    from include.connectors.client import ConnectClient
    from include.connectors.render import configs

    sinks = endpoint(CONNECT)
    async with ConnectClient(sinks) as connect:
        if cure is Cure.CREATE:
            contract, _ = everything[name]
            await connect.put(name, configs(contract, endpoint(CLICKHOUSE), endpoint(SNOWFLAKE), sinks)[name])
        else:
            await connect.restart(name, only_failed=cure is Cure.RESTART_FAILED)


def _answered(verdict: Verdict, decision: Decision) -> Verdict:
    return msgspec.structs.replace(verdict, does=decision.says) if verdict.rule == decision.rule else verdict


def _reading(
    name: str,
    contract: Contract,
    warehouse: str,
    statuses: dict[str, Any] | None,
    progress: dict[str, Any] | None,
    group: str,
) -> connectors.Reading:
    status = (statuses or {}).get(name)
    places = None if progress is None else progress[group]
    return connectors.Reading(
        name=name,
        domain=contract.domain,
        warehouse=warehouse,
        state=status.connector.state if status else None,
        tasks=tuple(task.state for task in status.tasks) if status else (),
        trace=status.trace if status else "",
        committed=None if places is None else {_place(p): at for p, (at, _) in places.items() if at >= 0},
        ends=None if places is None else {_place(p): end for p, (_, end) in places.items()},
        blind=statuses is None,
    )


def _looked_into(
    reading: connectors.Reading, doubts: dict[str, int], seen: dict[str, datetime | None]
) -> connectors.Reading:
    told = {place: seen[place] for place in doubts if place in seen}
    waiting = {place: at for place, at in told.items() if at is not None}
    return msgspec.structs.replace(reading, waiting=waiting, empty=frozenset(told.keys() - waiting.keys()))


def _place(partition: tuple[str, int]) -> str:
    return f"{partition[0]}/{partition[1]}"


def _partition(place: str) -> tuple[str, int]:
    topic, _, number = place.rpartition("/")
    return topic, int(number)
