"""Of a look of watch_ingestion: rows that are missing, what of them can be healed, and what nobody can bring back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from include.contracts import Contract
from include.ledger.entries import Hole, Ledger
from include.ledger.runs import Run
from include.monitors import Verdict, connectors, places, rows


class Sink(msgspec.Struct, kw_only=True):
    """Of what the other watch keeps of a connector, the part that is of use here."""

    look: connectors.Memory = connectors.Memory()
    group: str = ""


class Memory(msgspec.Struct, kw_only=True):
    """`oldest`: the earliest row that was missing and may still be. `given_up`: offsets that were told as lost for
    good, as long as a look finds them. `idle`: connector, and when it was last known to take nothing."""

    oldest: datetime | None = None
    given_up: dict[str, list[Run]] = {}
    idle: dict[str, datetime] = {}


class MissingRows:
    """`wrong`: fingerprints that are open. `read_again` reads the ledger once more. `holes`: what there is to heal, by
    domain and warehouse."""

    def __init__(
        self,
        ledger: Ledger | None,
        read_again: Callable[[], Ledger],
        sinks: Mapping[str, Sink],
        memory: Memory,
        wrong: set[str],
        now: datetime,
        log: Any,
    ) -> None:
        self.ledger, self.sinks, self.before, self.wrong, self.now, self.log = ledger, sinks, memory, wrong, now, log
        self._read_again = read_again
        self.holes: dict[tuple[str, str], list[Hole]] = {}
        self.later = Memory(idle=dict(memory.idle))
        self._blind = False

    def judge(self, contract: Contract, warehouse: str, *, looked: bool) -> list[Verdict]:
        """rows_missing and rows_waiting; `looked`: the warehouse answered."""
        name = f"{warehouse}-{contract.domain}"
        holes = self._of(self.ledger, contract, warehouse) if looked else None
        committed = self._committed(contract, warehouse, self.sinks.get(name, Sink()).group) if holes else {}
        if holes and committed and rows.lost(contract, holes, committed, self.now):
            # A sink that catches up may have landed them since the ledger asked: missing is what is not there after it
            # was known how far the sink is.
            holes = self._of(self._read_again(), contract, warehouse)
        idle_at, told = self._idle(name, warehouse), self.before.given_up
        made = rows.missing(contract, warehouse, holes, committed, self.now, idle_at=idle_at, given_up=told)
        if holes is None or committed is None:
            self._blind = True
            places_of = {f"{warehouse}/{topic.name}" for topic in contract.topics}
            self.later.given_up |= {one: runs for one, runs in told.items() if one.rpartition("/")[0] in places_of}
            return made
        lost = rows.lost(contract, holes, committed, self.now)
        if made[0].firing:
            self.holes[contract.domain, warehouse] = lost
            lost = [hole for hole in lost if rows.is_told(hole, told)]
        self.later.given_up |= rows.gone(lost)
        return made

    def _of(self, ledger: Ledger | None, contract: Contract, warehouse: str) -> list[Hole] | None:
        """The holes of a domain in a warehouse; None where nobody could look."""
        if ledger is None or {"kafka", warehouse} & set(ledger.blind):
            return None
        return [hole for hole in ledger.holes if (hole.domain, hole.warehouse) == (contract.domain, warehouse)]

    def remembered(self) -> Memory:
        """For the next look; one that could not look forgets no row."""
        missing = [hole.produced_at for holes in self.holes.values() for hole in holes]
        missing += [self.before.oldest] if self._blind and self.before.oldest else []
        self.later.oldest = min(missing, default=None)
        return self.later

    def _committed(self, contract: Contract, warehouse: str, group: str) -> dict[str, int] | None:
        from include.connectors.client import ConnectError
        from include.kafka.errors import KafkaError
        from include.operators.read_on import committed

        try:
            return committed(contract, warehouse, group)
        except (KafkaError, ConnectError) as error:
            self.log.warning("%s", error)
            return None

    def _idle(self, name: str, warehouse: str) -> datetime | None:
        """When a sink last took nothing, for a known reason: rows that waited for it are no news of their own."""
        ill = {f"connector_{state}:{name}" for state in ("failed", "stalled", "missing")}
        resting = self.sinks.get(name, Sink()).look.paused
        if ill & self.wrong or places.cause(self.wrong, "kafka", "connect", warehouse) or resting:
            self.later.idle[name] = self.now
        return self.later.idle.get(name)
