"""An hour of normal running, and the same hour with one thing wrong in it: what both watches tell, all judges together.

Minutes are data (an_hour.py) and `now` is an argument. How verdicts are joined is as in the two watches' operators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

import msgspec
import pytest

from include.contracts import Contract, load
from include.contracts.event import Window
from include.healing.restarts import Cure, Restarts, decide, proven
from include.incidents import Book, fold
from include.monitors import Verdict, connectors, generators, places, rows, runs, sequence, watches
from include.monitors.rows import WAREHOUSES
from tests.include.monitors.an_hour import MINUTE, SECOND, Record, World
from tests.include.monitors.test_sequence import exchange

#: A Saturday, a little before twelve.
START = datetime(2026, 3, 7, 10, 0, tzinfo=UTC)
LOOK_BACK, LATELY = 15 * MINUTE, 3 * MINUTE
#: The first minutes fill the line; then comes the hour.
BEFORE, HOUR = 10, 60
EXCHANGE = msgspec.structs.replace(exchange(), domain="exchange")
EXCHANGE = msgspec.structs.replace(
    EXCHANGE, topics=tuple(msgspec.structs.replace(topic, name="trades", domain="exchange", floor=1) for topic in EXCHANGE.topics)
)  # fmt: skip
CONTRACTS = (load("ecommerce"), load("fashion"), EXCHANGE)


class Said(NamedTuple):
    """A letter that went out."""

    minute: float
    kind: str
    word: str
    fingerprint: str
    text: str


class Watches:
    """Both watches, each with its book and its memory, looking at one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.books = {"watch_connectors": Book(), "watch_ingestion": Book()}
        self.said: list[Said] = []
        self.looks: dict[str, connectors.Memory] = {}
        self.restarts: dict[str, Restarts] = {}
        self.excused: dict[str, dict[str, datetime]] = {}
        self.generators: dict[str, generators.Memory] = {}
        self.runs: dict[str, runs.Memory] = {}
        self.idle: dict[tuple[str, str], datetime] = {}
        self.repeats: dict[str, datetime] = {}
        self.in_order: dict[str, datetime] = {}
        self.together = False
        self.away_at: datetime | None = None
        self.oldest: datetime | None = None
        self.healing: set[Any] = set()

    def open(self, watch: str) -> set[str]:
        return {name for name, incident in self.books[watch].incidents.items() if incident.open}

    def tell(self, watch: str, verdicts: list[Verdict], causes: Iterable[str]) -> None:
        """Folds, and sends at once; the book is kept as JSON between two looks."""
        book = msgspec.json.decode(msgspec.json.encode(self.books[watch]), type=Book)
        fold(book, verdicts, self.world.now, causes=causes)
        for incident in [*book.incidents.values(), *book.recent]:
            for letter in incident.letters:
                minute = (self.world.now - self.world.start) / MINUTE - BEFORE
                text = f"{letter.message.headline} {letter.message.does}".strip()
                self.said.append(Said(round(minute, 1), letter.kind, letter.message.word, incident.fingerprint, text))
            incident.letters = []
        self.books[watch] = book

    # ---------------------------------------------------------------------------------------------- watch_connectors

    def connectors(self) -> None:
        world, now = self.world, self.world.now
        causes = self.open("watch_ingestion")
        verdicts = [
            *places.judge("connect", self._trouble("connect")),
            watches.judge("watch_ingestion", world.beats.get("watch_ingestion"), now, paused=False),
        ]
        for sink in world.sinks.values():
            before = self.looks.get(sink.name, connectors.Memory())
            reading = self._reading(sink.name)
            if doubts := connectors.doubtful(reading, before):
                found = world.behind(doubts, reading.ends or {})
                waiting = {place: at for place, at in found.items() if at is not None}
                reading = msgspec.structs.replace(reading, waiting=waiting, empty=frozenset(found) - waiting.keys())
            made, self.looks[sink.name] = connectors.judge(reading, before, now)
            made = [self._explained(verdict, sink.warehouse, causes) for verdict in made]
            restarts = self.restarts.get(sink.name, Restarts())
            restarts = Restarts() if proven(made, moved=self.looks[sink.name].moved) else restarts
            if decision := decide(made, restarts, now, failed=reading.failed):
                restarts = decision.restarts
                if decision.cure:
                    world.soon(8, lambda name=sink.name, cure=decision.cure: self._cure(name, cure))
                made = [
                    msgspec.structs.replace(one, does=decision.says) if one.rule == decision.rule else one for one in made
                ]  # fmt: skip
            self.restarts[sink.name] = restarts
            told, self.excused[sink.name] = connectors.spared(made, self.excused.get(sink.name, {}), now)
            verdicts += told
        self.tell("watch_connectors", verdicts, causes)

    def _trouble(self, place: str) -> places.Trouble | None:
        return places.Trouble("it does not answer") if place in self.world.away else None

    def _reading(self, name: str) -> connectors.Reading:
        world, sink = self.world, self.world.sinks[name]
        blind, kafka = "connect" in world.away, "kafka" not in world.away
        known = not blind and sink.state is not None
        mine = [place for place in world.logs if world.topics[place[0]].domain == sink.domain]
        return connectors.Reading(
            name=name,
            domain=sink.domain,
            warehouse=sink.warehouse,
            state=sink.state if known else None,
            tasks=sink.tasks if known else (),
            trace=sink.trace,
            committed={f"{t}/{n}": at for (t, n), at in sink.committed.items()} if kafka else None,
            ends={f"{t}/{n}": world.logs[t, n].end for t, n in mine} if kafka else None,
            blind=blind,
        )

    def _explained(self, verdict: Verdict, warehouse: str, causes: set[str]) -> Verdict:
        if not verdict.firing or verdict.rule == "offsets_lost":
            return verdict
        gone = causes | {places.away(place) for place in self.world.away if place == warehouse}
        cause = next((places.away(p) for p in ("connect", "kafka", warehouse) if places.away(p) in gone), "")
        return msgspec.structs.replace(verdict, cause=cause)

    def _cure(self, name: str, cure: Cure) -> None:
        sink = self.world.sinks[name]
        if cure is Cure.RESTART_FAILED and "FAILED" not in (sink.state, *sink.tasks):
            return
        sink.run()

    # ----------------------------------------------------------------------------------------------- watch_ingestion

    def ingestion(self) -> None:
        world, now = self.world, self.world.now
        causes = self.open("watch_connectors")
        made, missing = self._generators()
        owed = ""
        if any(missing.values()) and self.books["watch_ingestion"].open(places.away("kafka")):
            owed = "Bursts that could not be produced meanwhile are produced once more."
        verdicts = [
            verdict
            for p in ("kafka", "clickhouse", "snowflake")
            for verdict in places.judge(p, self._trouble(p), owed=owed if p == "kafka" else "")
        ]
        gone = causes | {verdict.fingerprint for verdict in verdicts if verdict.firing}
        verdicts += [_because(one, gone, "kafka") for one in made]
        verdicts += self._rows(missing, gone)
        if any(one.firing and one.rule == places.RULE for one in verdicts):
            self.away_at = now
        aftermath = self.away_at is not None and now - self.away_at < 5 * MINUTE
        away = aftermath or any(cause.startswith(f"{places.RULE}:") for cause in gone)
        for dag_id, (failed, good) in world.runs.items():
            before, counted = self.runs.get(dag_id, runs.Memory()), runs.Runs(failed=failed, good=good)
            paused = dag_id.removeprefix("burst_") in world.paused
            verdict, self.runs[dag_id] = runs.judge(
                dag_id, dag_id.removeprefix("burst_"), counted, before, paused=paused, explained=away
            )
            verdicts.append(verdict)
        verdicts += [
            watches.judge(name, world.beats.get(name), now, paused=False) for name in ("watch_connectors", "trigger")
        ]
        self.tell("watch_ingestion", verdicts, causes)
        self._produce_again(missing)

    def _generators(self) -> tuple[list[Verdict], dict[str, list[generators.Span]]]:
        world, now = self.world, self.world.now
        kafka = "kafka" not in world.away
        missing, looked = {}, {}
        for domain, contract in world.contracts.items():
            there = generators.produced(contract, world.receipts.values())
            reading = generators.Reading(
                domain=domain, paused=domain in world.paused, produced=there if kafka else None
            )
            before = self.generators.get(domain, generators.Memory())
            missing[domain], self.generators[domain] = generators.remember(contract, reading, before, now)
            looked[domain] = kafka
        made = generators.judge(world.contracts.values(), missing, looked, now, together=self.together)
        self.together = any(one.firing and one.subject == generators.TOGETHER for one in made)
        return made, missing

    def _rows(self, missing: dict[str, Any], gone: set[str]) -> list[Verdict]:
        world, now = self.world, self.world.now
        ledger = world.ledger(min(now - LOOK_BACK, self.oldest or now) - MINUTE)
        earliest, receipts = now - LOOK_BACK, list(world.receipts.values())
        numbered_since = {domain: max(earliest, self.in_order.get(domain, earliest)) for domain in world.contracts}
        numbers = world.numbers(numbered_since)
        verdicts: list[Verdict] = []
        lost: list[Any] = []
        for domain, contract in world.contracts.items():
            for warehouse in WAREHOUSES:
                blind = {"kafka", warehouse} & (ledger.blind.keys() | world.away)
                holes = None if blind else [h for h in ledger.holes if (h.domain, h.warehouse) == (domain, warehouse)]
                sink = world.sinks[f"{warehouse}-{domain}"]
                committed = {f"{topic}/{number}": at for (topic, number), at in sink.committed.items()}
                if _idle(sink.name, warehouse, gone) or self.looks.get(sink.name, connectors.Memory()).paused:
                    self.idle[domain, warehouse] = now
                made = rows.missing(
                    contract, warehouse, holes, committed, now, idle_at=self.idle.get((domain, warehouse))
                )
                if made[0].firing:
                    some = [hole for hole in holes or () if rows.passed(hole, committed)]
                    lost += some
                    self._replay(warehouse, some)
                verdicts += [_because(verdict, gone, "kafka", "connect", warehouse) for verdict in made]
            verdicts += self._arrived(contract, missing)
            if "kafka" not in world.away:
                in_order = sequence.in_order_since(contract, receipts, self.generators[domain].on_since(earliest))
                self.in_order[domain] = in_order
            blind = {"kafka", "clickhouse"} & world.away or self.in_order[domain] > numbered_since[domain]
            verdicts += sequence.judge(
                contract,
                None if blind else numbers,
                sequence.elsewhere(ledger),
                LOOK_BACK,
                whole=numbered_since[domain] <= earliest,
                paused=domain in world.paused,
                cause=f"{generators.RULE}:{domain}" if missing.get(domain) else "",
            )
        self.oldest = min((hole.produced_at for hole in lost), default=None)
        return verdicts

    def _arrived(self, contract: Contract, missing: dict[str, Any]) -> list[Verdict]:
        world, since = self.world, self.world.now - LATELY
        if "kafka" in world.away:
            return [rows.late(contract, None), rows.twice(contract, None), rows.rejected(contract, None)]
        receipts = world.receipts.values()
        late = None if "clickhouse" in world.away else world.late(contract, since)
        twice = None if "snowflake" in world.away else world.twice(contract, since)
        again = self.repeats.setdefault(contract.domain, world.now)
        if not rows.repeats(twice or ()):
            self.repeats.pop(contract.domain)
        once = rows.largest(contract, receipts, since) if world.now - again <= LATELY + MINUTE else 0
        return [
            rows.late(contract, late, expected=rows.backfilled(contract, receipts, since)),
            rows.twice(contract, twice, expected=once),
            rows.rejected(contract, world.rejected(contract.domain, since)),
        ]

    def _replay(self, warehouse: str, holes: list[Any]) -> None:
        """What DAG heal does with rows that are lost."""
        for hole in holes:
            key = (warehouse, hole.topic, hole.partition, hole.ranges)
            if key not in self.healing:
                self.healing.add(key)
                place = hole.topic, hole.partition
                self.world.soon(40, lambda place=place, ranges=hole.ranges: self.world.replay(warehouse, place, ranges))

    def _produce_again(self, missing: dict[str, list[generators.Span]]) -> None:
        """What it does with windows that are missing, once their DAG produces again."""
        for domain, windows in missing.items():
            if not generators.alive(windows, self.world.contracts[domain], self.world.now):
                continue
            for start, end in windows:
                if (domain, start) not in self.healing:
                    self.healing.add((domain, start))
                    self.world.soon(30, partial(self.world.run, domain, Window(start, end)))


def _because(verdict: Verdict, gone: set[str], *on: str) -> Verdict:
    cause = next((places.away(place) for place in on if places.away(place) in gone), "")
    return msgspec.structs.replace(verdict, cause=cause) if cause and verdict.firing else verdict


def _idle(connector: str, warehouse: str, gone: set[str]) -> bool:
    ill = {f"connector_{state}:{connector}" for state in ("failed", "stalled", "missing")}
    return bool((ill | {places.away(place) for place in ("kafka", "connect", warehouse)}) & gone)


# ------------------------------------------------------------------------------------------------------------ the hour

Wrong = Callable[[World], None]


def an_hour(wrong: Wrong = lambda world: None, *, seconds: tuple[int, int] = (4, 7)) -> Watches:
    """The hour, as `wrong` changes it; both watches look each minute, so many seconds into it."""
    world = World(CONTRACTS, START - BEFORE * MINUTE)
    watches = Watches(world)
    normal(world)
    wrong(world)
    while world.now < START + HOUR * MINUTE:
        if world.now.second == seconds[0] and "watch_connectors" not in world.silent:
            watches.connectors()
        if world.now.second == seconds[1] and "watch_ingestion" not in world.silent:
            watches.ingestion()
        world.second()
    return watches


def at(minute: float) -> float:
    """Minutes of the hour as minutes of the world."""
    return minute + BEFORE


def normal(world: World) -> None:
    """All that happens in an hour and is nobody's business."""
    # A DAG is paused on purpose for ten minutes; a window of those is produced by a backfill when it is an hour old.
    for domain in ("fashion", "exchange"):
        world.at(at(-6.2), lambda domain=domain: world.paused.add(domain))
        world.at(at(3.8), lambda domain=domain: world.paused.discard(domain))
    world.at(at(58.5), lambda: world.produce("fashion", Window(START - 4 * MINUTE, START - 2 * MINUTE)))
    # The other one rests in the midst of it.
    world.at(at(12.2), lambda: world.paused.add("ecommerce"))
    world.at(at(22.2), lambda: world.paused.discard("ecommerce"))
    # A connector is paused while bursts come.
    world.at(at(24.3), world.sinks["snowflake-fashion"].pause)
    world.at(at(36.3), world.sinks["snowflake-fashion"].run)
    # Another one goes from worker to worker for a while.
    sink = world.sinks["clickhouse-fashion"]
    world.at(at(40.1), lambda: setattr(sink, "tasks", ("UNASSIGNED",)))
    world.at(at(41.2), sink.run)
    # Bursts are a minute late, one is run again by hand at once, one is of a size that somebody asked for.
    world.delays["ecommerce", START + 26 * MINUTE] = 60 * SECOND
    world.delays["fashion", START + 38 * MINUTE] = 60 * SECOND
    for domain in world.contracts:
        world.at(
            at(44.9), lambda domain=domain: world.produce(domain, Window(START + 42 * MINUTE, START + 44 * MINUTE))
        )
    world.at(
        at(30.4),
        lambda: world.produce("ecommerce", Window(START + 28 * MINUTE, START + 30 * MINUTE), "size-300.0", 300),
    )
    # The weekend's rest: as few rows as the contracts allow.
    world.damped = lambda start: START + 46 * MINUTE <= start < START + 56 * MINUTE


@pytest.mark.parametrize("seconds", [(4, 7), (9, 14), (16, 11), (33, 48), (55, 52)], ids=str)
def test_an_hour_of_normal_running_says_nothing(seconds: tuple[int, int]) -> None:
    watches = an_hour(seconds=seconds)
    assert watches.said == []
    assert not watches.books["watch_connectors"].incidents and not watches.books["watch_ingestion"].incidents
    world = watches.world
    # It was an hour of work: nothing is missing, and everything happened that is said to be in it.
    assert len({receipt.burst for receipt in world.receipts.values()}) > 80
    assert all(log.end > max(log.records) + 1 for log in world.logs.values() if log.records), (
        "marks behind every partition"
    )
    assert world.ledger(START - 5 * MINUTE).holes == ()
    assert sum(len(rows) for rows in world.rows["snowflake"].values()) > sum(
        len(rows) for rows in world.rows["clickhouse"].values()
    ), "the burst that was run again"


# ------------------------------------------------------------------------------------------- one thing wrong at a time


class Case(NamedTuple):
    """What goes wrong, whose thread it is, by when it must be told, and what is said at its end."""

    wrong: Wrong
    fingerprint: str
    told: tuple[float, float]
    normal: str


def fails(name: str) -> Wrong:
    def wrong(world: World) -> None:
        def fail() -> None:
            world.sinks[name].tasks, world.sinks[name].trace = ("FAILED",), "ConnectException: refused"

        world.at(at(8.5), fail)

    return wrong


def keeps_failing(world: World) -> None:
    """Its first two restarts do not help."""
    sink = world.sinks["clickhouse-ecommerce"]
    for minute in (8.5, 9.5, 11.6):
        world.at(at(minute), lambda: setattr(sink, "tasks", ("FAILED",)))


def is_nobodys(world: World) -> None:
    world.at(at(8.5), lambda: setattr(world.sinks["clickhouse-ecommerce"], "tasks", ("UNASSIGNED",)))


def stalls(world: World) -> None:
    world.at(at(5.2), lambda: setattr(world.sinks["snowflake-ecommerce"], "hangs", True))


def is_deleted(world: World) -> None:
    world.at(at(8.5), lambda: setattr(world.sinks["clickhouse-fashion"], "state", None))


def loses(warehouse: str, domain: str) -> Wrong:
    return lambda world: world.at(at(9.4), partial(world.lose, warehouse, domain))


def silent(*domains: str) -> Wrong:
    def wrong(world: World) -> None:
        world.at(at(4.5), lambda: world.stuck.update(domains))
        world.at(at(10.5), lambda: world.stuck.difference_update(domains))

    return wrong


def leaves(place: str, minutes: float = 8) -> Wrong:
    def wrong(world: World) -> None:
        world.at(at(4.5), partial(world.leave, place))
        world.at(at(4.5 + minutes), partial(world.come_back, place))

    return wrong


def fails_of(place: str, *sinks: str) -> Wrong:
    """A place is away, and sinks give up over it; that it is back does not wake them."""

    def wrong(world: World) -> None:
        leaves(place)(world)
        for name in sinks:
            world.at(at(6.2), partial(setattr, world.sinks[name], "tasks", ("FAILED",)))

    return wrong


def poisons(world: World) -> None:
    bad = [Record(f"bad-{n}", START, START, bad=True) for n in range(4)]
    world.at(at(7.4), partial(world.send, "orders", *bad))


def poisons_while_nobody_reads(world: World) -> None:
    """The records are minutes old when they are rejected, and keep their own time."""
    poisons(world)
    for warehouse in WAREHOUSES:
        world.at(at(6), world.sinks[f"{warehouse}-ecommerce"].pause)
        world.at(at(13), world.sinks[f"{warehouse}-ecommerce"].run)


def poisons_trades(world: World) -> None:
    """A number is missing in ClickHouse, but not at its source."""
    world.spoiled = lambda number: number % 1000 == 124


def loses_offsets(world: World) -> None:
    """The group begins anew, and reads on slowly."""
    sink = world.sinks["clickhouse-ecommerce"]

    def lose() -> None:
        sink.committed.clear()
        sink.speed = 2

    world.at(at(9) + 1 / 60, lose)
    world.at(at(12.5), lambda: setattr(sink, "speed", 500))


def repeats(world: World) -> None:
    world.at(at(9.4), partial(world.again, "ecommerce", 40))


def doubles(world: World) -> None:
    """A producer that sends each burst twice, for a quarter of an hour."""
    for minute in range(7, 22, 2):
        world.at(at(minute + 0.6), partial(world.again, "fashion", 1))


def comes_late(world: World) -> None:
    window = Window(START - 182 * MINUTE, START - 180 * MINUTE)
    world.at(at(7.4), partial(world.produce, "ecommerce", window, "late", 200))


def skips_numbers(world: World) -> None:
    """The exchange sends them, and nobody hears."""
    world.deaf = lambda number: number % 1000 in (123, 124, 125)


def fails_a_run(world: World) -> None:
    def fail() -> None:
        world.runs["burst_ecommerce"][0] += 1

    world.at(at(9.2), fail)


def falls_silent(name: str) -> Wrong:
    def wrong(world: World) -> None:
        world.at(at(5.5), lambda: world.silent.add(name))
        world.at(at(12.5), lambda: world.silent.discard(name))

    return wrong


def backfills_unseen(world: World) -> None:
    """Old numbers come while nobody looks."""
    falls_silent("watch_ingestion")(world)
    world.at(at(8.1), partial(world.produce, "exchange", Window(START - 4 * MINUTE, START - 2 * MINUTE)))


CASES = {
    "a task fails": Case(fails("clickhouse-ecommerce"), "connector_failed:clickhouse-ecommerce", (8.5, 9.5), "It runs"),
    "it fails again and again": Case(keeps_failing, "connector_failed:clickhouse-ecommerce", (8.5, 9.5), "It runs"),
    "a task is no worker's": Case(is_nobodys, "connector_failed:clickhouse-ecommerce", (10, 11.5), "It runs"),
    "a connector stalls": Case(stalls, "connector_stalled:snowflake-ecommerce", (6, 9), "It gets on"),
    "a connector is deleted": Case(is_deleted, "connector_missing:clickhouse-fashion", (8.5, 9.5), "is there again"),
    "rows are lost in ClickHouse": Case(
        loses("clickhouse", "ecommerce"), "rows_missing:ecommerce@clickhouse", (9.4, 11.5), "is in ClickHouse, once"
    ),
    "rows are lost in Snowflake": Case(
        loses("snowflake", "fashion"), "rows_missing:fashion@snowflake", (9.4, 11.5), "is in Snowflake, once"
    ),
    "rows with numbers are lost": Case(
        loses("clickhouse", "exchange"), "rows_missing:exchange@clickhouse", (9.4, 11.5), "is in ClickHouse, once"
    ),
    "a generator is silent": Case(silent("ecommerce"), "generator_silent:ecommerce", (7, 9), "Every burst"),
    "one with numbers is silent": Case(silent("exchange"), "generator_silent:exchange", (7, 9), "Every burst"),
    "all generators are silent": Case(
        silent("ecommerce", "fashion", "exchange"), "generator_silent:bursts", (7, 9), "Every burst"
    ),
    "Kafka is away": Case(leaves("kafka"), "place_away:kafka", (4.5, 6), "Kafka answers again"),
    "ClickHouse is away": Case(leaves("clickhouse"), "place_away:clickhouse", (4.5, 6), "ClickHouse answers again"),
    "Snowflake is away": Case(leaves("snowflake"), "place_away:snowflake", (4.5, 6), "Snowflake answers again"),
    "Connect is away": Case(leaves("connect"), "place_away:connect", (4.5, 6), "Kafka Connect answers again"),
    "sinks fail while ClickHouse is away": Case(
        fails_of("clickhouse", *(f"clickhouse-{contract.domain}" for contract in CONTRACTS)),
        "place_away:clickhouse",
        (4.5, 6),
        "ClickHouse answers again",
    ),
    "sinks fail while Kafka is away": Case(
        fails_of("kafka", *(f"{name}-{contract.domain}" for contract in CONTRACTS for name in WAREHOUSES)),
        "place_away:kafka",
        (4.5, 6),
        "Kafka answers again",
    ),
    "ClickHouse is away for half an hour": Case(
        leaves("clickhouse", 31), "place_away:clickhouse", (4.5, 6), "ClickHouse answers again"
    ),
    "records are bad": Case(poisons, "rows_rejected:ecommerce", (7.4, 9.5), "No further record"),
    "old records are bad": Case(poisons_while_nobody_reads, "rows_rejected:ecommerce", (13, 14.5), "No further record"),
    "a record with a number is bad": Case(poisons_trades, "rows_rejected:exchange", (16, 18), "No further record"),
    "a group forgets": Case(loses_offsets, "offsets_lost:clickhouse-ecommerce", (9, 9.5), "read up to the end"),
    "events come again and again": Case(repeats, "rows_twice:ecommerce@snowflake", (9.4, 10.5), "once again"),
    "each burst comes twice": Case(doubles, "rows_twice:fashion@snowflake", (9, 14), "once again"),
    "old events come": Case(comes_late, "rows_late:ecommerce@clickhouse", (7.4, 8.5), "about now again"),
    "numbers never come": Case(skips_numbers, "sequence_hole:trades", (16, 19), "have no hole"),
    "a run fails": Case(fails_a_run, "run_failed:burst_ecommerce", (9.2, 10.5), "A run went well"),
    "the trigger is dead": Case(falls_silent("trigger"), "watch_silent:trigger", (6, 8.5), "signs of life"),
    "a watch is dead": Case(
        falls_silent("watch_connectors"), "watch_silent:watch_connectors", (6, 10), "signs of life"
    ),
    "it is dead while a backfill comes": Case(
        backfills_unseen, "watch_silent:watch_ingestion", (6, 10), "signs of life"
    ),
    "the other watch is dead": Case(
        falls_silent("watch_ingestion"), "watch_silent:watch_ingestion", (6, 10), "signs of life"
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_one_thing_wrong_is_one_thread_that_ends_well(name: str) -> None:
    case = CASES[name]
    watches = an_hour(case.wrong)
    assert {said.fingerprint for said in watches.said} == {case.fingerprint}, watches.said
    words = [said.word for said in watches.said if said.kind != "edit"]
    assert [said.kind for said in watches.said].count("first") == 1, watches.said
    assert (words[0] in ("CRITICAL", "WARNING"), words[-1]) == (True, "NORMAL"), watches.said
    assert words.count("NORMAL") == 1, watches.said
    assert case.told[0] <= watches.said[0].minute <= case.told[1], watches.said[0]
    assert case.normal in watches.said[-1].text, watches.said[-1]
    assert not any(watches.open(watch) for watch in watches.books)
    assert all(hole.domain == "none" for hole in watches.world.ledger(START - 5 * MINUTE).holes), "all of it was healed"
