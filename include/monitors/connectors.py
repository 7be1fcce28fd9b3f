"""A connector's health: its state, its tasks, whether it gets on with what waits, whether it lost its place.

RUNNING alone is not health: a sink that commits nothing while records wait is stalled, whatever it says of itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from include.alerts import Severity
from include.alerts.message import counted
from include.monitors.verdict import Kind, Verdict

#: Records wait and no offset was committed for so long: stalled. Longer than a warehouse takes to restart.
STALLED = timedelta(seconds=45)
#: The same of some partitions, while others get on: a backlog is worked off one partition after another, too.
STALLED_IN_PART = timedelta(minutes=5)
#: Neither running nor failed nor paused (UNASSIGNED, RESTARTING, no task yet) for so long: failed.
UNSETTLED = timedelta(seconds=90)
#: A managed connector that was just made is PROVISIONING for minutes; a restart would only hold it up.
BEING_MADE = timedelta(minutes=10)
#: What a place's absence has done to a connector may go on for so long after it: a restart, and a look at what it did.
SPARED = timedelta(minutes=3)

#: `topic/partition`, as memory and readings have it.
Offsets = Mapping[str, int]


class Reading(msgspec.Struct, frozen=True, kw_only=True):
    """One look. `state` is None where Connect has no such connector. `committed` and `ends` are None where Kafka could
    not be asked. A second look, into partitions that did not move, found a record between the committed offset and
    that end in `waiting` (with the time it has in Kafka) and none in `empty`; of others it could not tell.
    """

    name: str
    domain: str
    warehouse: str
    state: str | None
    tasks: tuple[str, ...] = ()
    trace: str = ""
    committed: Offsets | None = None
    ends: Offsets | None = None
    waiting: Mapping[str, datetime] = {}
    empty: frozenset[str] = frozenset()
    #: Connect itself could not be asked: nothing is known of state and tasks.
    blind: bool = False

    @property
    def paused(self) -> bool:
        """By a person, on purpose."""
        return self.state in ("PAUSED", "STOPPED")

    @property
    def failed(self) -> bool:
        """It, or one of its tasks."""
        return "FAILED" in (self.state, *self.tasks)

    @property
    def running(self) -> bool:
        """As it says of itself."""
        return self.state == "RUNNING" and bool(self.tasks) and set(self.tasks) == {"RUNNING"}


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What the next look needs: offsets, ends at which nothing waited, when it last got on, which partitions stand.
    `paused` is for the other watch."""

    committed: dict[str, int] = {}
    settled: dict[str, int] = {}
    alive_at: datetime | None = None
    ran: bool = False
    moved: bool = True
    paused: bool = False
    standing: dict[str, datetime] = {}
    unsettled_since: datetime | None = None
    lost_since: datetime | None = None
    lost: int = 0


def behind(reading: Reading, memory: Memory) -> dict[str, int]:
    """Partition -> the next offset, where the log goes on behind it, as far as is known. Marks of transactions count
    here, so that a partition is behind until a look has found it empty at this very end."""
    if reading.committed is None or reading.ends is None:
        return {}
    return {
        place: reading.committed.get(place, -1)
        for place, end in reading.ends.items()
        if end > max(0, reading.committed.get(place, -1))
        and place not in reading.empty
        and memory.settled.get(place) != end
    }


def doubtful(reading: Reading, memory: Memory) -> dict[str, int]:
    """Of what is behind, the partitions that did not move since the last look: only Kafka tells what waits there."""
    if memory.alive_at is None:
        return {}
    return {place: at for place, at in behind(reading, memory).items() if memory.committed.get(place, -1) == at}


def judge(reading: Reading, memory: Memory, now: datetime) -> tuple[list[Verdict], Memory]:
    """The verdicts of every rule about this connector, and what is to be remembered."""
    later = _remembered(reading, memory, now)
    verdicts = [_missing(reading), _failed(reading, later, now), _stalled(reading, later, now)]
    return [*verdicts, _lost(reading, later)], later


def spared(
    verdicts: Iterable[Verdict], excused: Mapping[str, datetime], now: datetime
) -> tuple[list[Verdict], dict[str, datetime]]:
    """The verdicts to be told, and by rule when a cause last explained what has gone on since: a sink that gave up
    while a place was away is restarted before anybody hears of it."""
    told: list[Verdict] = []
    later: dict[str, datetime] = {}
    for verdict in verdicts:
        since = excused.get(verdict.rule)
        if verdict.firing and verdict.cause:
            later[verdict.rule] = now
        elif verdict.kind is not Kind.FINE and since is not None and now - since < SPARED:
            later[verdict.rule] = since
            verdict = msgspec.structs.replace(verdict, kind=Kind.BLIND)
        told.append(verdict)
    return told, later


def _remembered(reading: Reading, memory: Memory, now: datetime) -> Memory:
    unsettled = not (reading.running or reading.failed or reading.paused or reading.state is None or reading.blind)
    unsettled_since = (memory.unsettled_since or now) if unsettled else None
    paused = memory.paused if reading.blind else reading.paused
    if reading.committed is None or reading.ends is None:
        return msgspec.structs.replace(memory, unsettled_since=unsettled_since, paused=paused)
    committed = dict(reading.committed)
    settled = {place: end for place, end in memory.settled.items() if reading.ends.get(place) == end}
    settled |= {place: reading.ends[place] for place in reading.empty}
    left = behind(reading, memory)
    moved = any(committed.get(place, -1) > memory.committed.get(place, -1) for place in reading.ends)
    got_on = moved or not left or not (reading.running and memory.ran)
    alive_at = now if got_on or memory.alive_at is None else memory.alive_at
    standing: dict[str, datetime] = {}
    if reading.running and memory.ran:
        doubts = doubtful(reading, memory)  # some of which could not be told this time: they stand as they stood
        standing = {place: max(at, memory.alive_at or now) for place, at in reading.waiting.items()}
        standing |= {place: since for place, since in memory.standing.items() if place in doubts}
    back = sum(
        max(0, before - committed.get(place, 0)) for place, before in memory.committed.items() if place in reading.ends
    )
    lost_since = now if back else memory.lost_since if left else None
    return Memory(
        committed=committed,
        settled=settled,
        alive_at=alive_at,
        ran=reading.running,
        moved=moved or not left,
        paused=paused,
        standing=standing,
        unsettled_since=unsettled_since,
        lost_since=lost_since,
        lost=back or (memory.lost if lost_since else 0),
    )


def _verdict(reading: Reading, rule: str, kind: Kind, **words: object) -> Verdict:
    return Verdict(
        rule=rule,
        subject=reading.name,
        kind=kind,
        domain=reading.domain,
        asset=f"connector_{reading.name}",
        **words,  # type: ignore[arg-type]
    )


def _missing(reading: Reading) -> Verdict:
    if reading.blind:
        return _verdict(reading, "connector_missing", Kind.BLIND)
    if reading.state is not None:
        return _verdict(reading, "connector_missing", Kind.FINE, normal="The connector is there again.")
    return _verdict(
        reading,
        "connector_missing",
        Kind.FIRING,
        headline="Connect has no such connector; the contract asks for it.",
        act="See who deleted it; `floodgate run prepare` makes it by hand.",
    )


def _failed(reading: Reading, memory: Memory, now: datetime) -> Verdict:
    if reading.blind or reading.state is None:
        return _verdict(reading, "connector_failed", Kind.BLIND)
    states = ", ".join(f"task {number} {state}" for number, state in enumerate(reading.tasks)) or "no task"
    facts = (("Connector", reading.state), ("Tasks", states))
    if reading.failed:
        down = sum(state == "FAILED" for state in reading.tasks)
        what = f"{down} of {len(reading.tasks)} tasks FAILED" if down else "the connector itself is FAILED"
        return _verdict(
            reading,
            "connector_failed",
            Kind.FIRING,
            headline=f"{what}: {reading.trace[:300].rstrip('. ') or 'no reason given'}.",
            facts=facts,
            act="Read the trace; where a setting or the warehouse refuses, no restart helps.",
        )
    if memory.unsettled_since and now - memory.unsettled_since >= _patience(reading):
        return _verdict(
            reading,
            "connector_failed",
            Kind.FIRING,
            headline=f"It is {reading.state} with {states} and has not come to run.",
            since=memory.unsettled_since,
            facts=facts,
            act="See the workers' log: a rebalance that does not end, or too few workers.",
        )
    if memory.unsettled_since:
        return _verdict(reading, "connector_failed", Kind.BLIND)
    paused = "It is paused on purpose." if reading.paused else "It runs, all its tasks with it."
    return _verdict(reading, "connector_failed", Kind.FINE, normal=paused)


def _patience(reading: Reading) -> timedelta:
    return BEING_MADE if "PROVISIONING" in (reading.state, *reading.tasks) else UNSETTLED


def _stalled(reading: Reading, memory: Memory, now: datetime) -> Verdict:
    if reading.paused:
        return _verdict(reading, "connector_stalled", Kind.FINE, normal="It is paused on purpose.")
    if reading.blind or reading.committed is None or not reading.running:
        return _verdict(reading, "connector_stalled", Kind.BLIND)
    since = min(memory.standing.values(), default=None)
    waiting = sum((reading.ends or {})[place] - max(0, reading.committed.get(place, -1)) for place in memory.standing)
    patience = STALLED_IN_PART if memory.moved else STALLED
    if since and reading.waiting and now - since >= patience:
        return _verdict(
            reading,
            "connector_stalled",
            Kind.FIRING,
            headline=f"It says RUNNING, yet {counted(waiting, 'offset')} {'waits' if waiting == 1 else 'wait'}, the "
            f"first since {since:%H:%M:%S} UTC, and none of theirs was committed since.",
            since=since,
            facts=(("Waiting", f"{counted(waiting, 'offset')} in {counted(len(memory.standing), 'partition')}"),),
            act="See the worker's log and whether the warehouse takes writes.",
        )
    if memory.standing:
        return _verdict(reading, "connector_stalled", Kind.BLIND)
    return _verdict(reading, "connector_stalled", Kind.FINE, normal="It gets on with what waits.")


def _lost(reading: Reading, memory: Memory) -> Verdict:
    if reading.committed is None or (reading.paused and not memory.lost_since):
        return _verdict(reading, "offsets_lost", Kind.BLIND)
    if memory.lost_since:
        return _verdict(
            reading,
            "offsets_lost",
            Kind.FIRING,
            severity=Severity.WARNING,
            headline=f"Its group went back by {counted(memory.lost, 'offset')}: what had landed is read again.",
            since=memory.lost_since,
            does="Nothing is to be done: what lands again replaces itself, being keyed by event.",
            act="Find out who reset the group, or whether Kafka forgot it.",
        )
    return _verdict(
        reading,
        "offsets_lost",
        Kind.FINE,
        normal="It has read up to the end again; what it read twice counts once.",
    )
