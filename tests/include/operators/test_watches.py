"""An hour of normal running, and the same hour with one thing wrong in it: what both watches tell.

The operators ask, join verdicts, remember in stores, send, and have things healed; places, Slack, DAG heal and the clock
are the world's. What no test of judges sees: a cause that is not named, a memory that is not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from include import alerts
from include.alerts import Message, Sent, plain
from include.connections import Endpoint
from include.connectors.client import ConnectError
from include.contracts.event import Window
from include.healing.restarts import Cure
from include.incidents import Book
from include.kafka import dead_letters, offsets, progress, receipts
from include.kafka.errors import KafkaError
from include.ledger import minutes
from include.monitors import arrivals, places, rows, sequence
from include.operators import assets, desk, healings, read_on, watch_connectors, watch_ingestion, watching, watermark
from include.operators.watch_connectors import WatchConnectors
from include.operators.watch_ingestion import WatchIngestion
from include.warehouses import WarehouseError
from tests.include.monitors.an_hour import MINUTE, SECOND, World
from tests.include.operators.contexts import Airflow
from tests.include.operators.hours import BEFORE, CASES, CONTRACTS, HOUR, START, Wrong, at, fails, normal

NOWHERE = Endpoint(conn_id="nowhere")


class Slack:
    """What was told: thread, word, text; `first_at`: the minute of the hour in which the first of it was."""

    def __init__(self, world: World) -> None:
        self.world, self.up = world, True
        self.told: list[tuple[str, str, str]] = []
        self.first_at: float | None = None

    def __call__(self, _: Any) -> Slack:
        return self

    def send(self, channel: Any, message: Message, *, reply_to: Sent | None = None) -> Sent:
        if not self.up:
            raise alerts.AlertsDown("away")
        thread = reply_to.ts if reply_to else f"{len(self.told)}.0"
        self.told.append((thread, message.word, plain(message)))
        self.first_at = self.first_at or (self.world.now - self.world.start) / MINUTE - BEFORE
        return Sent("C1", thread)

    def edit(self, sent: Sent, message: Message) -> None:
        if not self.up:
            raise alerts.AlertsDown("away")

    @property
    def threads(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for thread, word, _ in self.told:
            found.setdefault(thread, []).append(word)
        return found


class Line:
    """The world, as the operators' questions find it; and a heal that does what it is asked for."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = World(CONTRACTS, START - BEFORE * MINUTE)
        self.airflow, self.slack = Airflow(), Slack(self.world)
        self.heals = True
        self.healed: list[str] = []
        self.ids = False
        self.refuse: set[str] = set()
        self.contracts = list(CONTRACTS)
        normal(self.world)
        world, patch = self.world, monkeypatch.setattr

        class Clock(datetime):
            @classmethod
            def now(cls, tz: Any = None) -> datetime:
                return world.now

        for module in (watch_connectors, watch_ingestion):
            msgspec.convert({}, module._Memory)  # whose fields are of the real datetime
            patch(module, "datetime", Clock)
            patch(module, "second_look", partial(watching.second_look, sleep=lambda _: None))
            patch(module, "all_contracts", lambda: self.contracts)
            patch(module, "endpoint", lambda _: NOWHERE)
        patch(read_on, "endpoint", lambda _: NOWHERE)
        patch(watch_ingestion, "load", lambda domain: world.contracts[domain])
        patch(watch_connectors, "blamed", lambda warehouse: next(
            (name for name, there in zip(places.causes(warehouse), (world.away, self.refuse), strict=True)
             if warehouse in there), ""))  # fmt: skip
        patch(watch_connectors, "_carry_out", self.cure)
        patch(WatchConnectors, "_statuses", lambda _: self.statuses())
        patch(desk, "endpoint", lambda _: NOWHERE)
        patch(alerts, "Alerts", self.slack)
        patch(
            receipts,
            "read",
            lambda _, since=None: self.kafka({k: r for k, r in world.receipts.items() if r.produced_at >= since}),
        )
        patch(progress, "reachable", lambda _: self.kafka(None))
        patch(progress, "progress", lambda _, groups: self.kafka(self.progress(groups)))
        patch(offsets, "look_behind", lambda _, stretches: self.kafka(self.behind(stretches)))
        patch(dead_letters, "arrived", lambda _, some, starts, since: self.kafka(
            ({one.domain: self.letters(one.domain, starts.get("dlq/0"), since) for one in some},
             {"dlq/0": len(world.letters)})))  # fmt: skip
        patch(minutes, "read", lambda *_, since, until: world.ledger(since))
        patch(arrivals, "late", lambda _, some, since: {a.topic: a for c in some for a in world.late(c, since)})
        patch(arrivals, "twice", lambda _, some, since: {a.topic: a for c in some for a in world.twice(c, since)})
        patch(sequence, "read", lambda _, some, since, now: world.numbers(since))
        patch(watermark, "connect", self.connect)
        self.watches = {
            "watch_connectors": WatchConnectors(task_id="watch"),
            "watch_ingestion": WatchIngestion(task_id="watch"),
        }
        logging.getLogger("include").setLevel(logging.CRITICAL)

    # ---------------------------------------------------------------------------------------------- what places say

    def kafka(self, answer: Any) -> Any:
        if "kafka" in self.world.away:
            raise KafkaError("no broker answers", away=True)
        if "kafka" in self.refuse:
            raise KafkaError("topic orders is missing: run the DAG prepare, which makes every contract's topics")
        return answer

    @contextmanager
    def connect(self, warehouse: str, run_id: str, **_: Any) -> Iterator[Any]:
        if warehouse in self.world.away:
            raise WarehouseError(f"{warehouse} does not answer", away=True)
        if warehouse in self.refuse:
            raise WarehouseError(f"{warehouse} refuses user 'floodgate': check login and password")
        yield None

    def statuses(self) -> dict[str, Any]:
        if "connect" in self.world.away:
            raise ConnectError("it does not answer", away=True)
        if "connect" in self.refuse:
            raise ConnectError("it refuses the login", 401)
        return {
            name: SimpleNamespace(
                identity=f"lcc-{name}" if self.ids else "",
                connector=SimpleNamespace(state=sink.state), trace=sink.trace,
                tasks=[SimpleNamespace(state=state) for state in sink.tasks],
            )
            for name, sink in self.world.sinks.items() if sink.state is not None
        }  # fmt: skip

    def progress(self, groups: Mapping[str, Any]) -> dict[str, Any]:
        found = {}
        for group, topics in groups.items():
            sink = self.world.sinks.get(group.removeprefix("connect-lcc-" if self.ids else "connect-"))
            places = [place for place in self.world.logs if place[0] in list(topics)]
            committed = sink.committed if sink else {}
            found[group] = {place: (committed.get(place, -1), self.world.logs[place].end) for place in places}
        return found

    def behind(self, stretches: Mapping[Any, tuple[int, int]]) -> dict[Any, datetime | None]:
        doubts = {f"{topic}/{number}": first for (topic, number), (first, _) in stretches.items()}
        ends = {f"{topic}/{number}": end for (topic, number), (_, end) in stretches.items()}
        found = self.world.behind(doubts, ends)
        return {place: found[f"{place[0]}/{place[1]}"] for place in stretches}

    def letters(self, domain: str, start: int | None, since: datetime) -> list[Any]:
        topics = {topic.name for topic in self.world.contracts[domain].topics}
        return [
            SimpleNamespace(place=(*place, offset), reason="bad")
            for _, place, offset, when in self.world.letters[start or 0 :]
            if place[0] in topics and (start is not None or when >= since)
        ]

    # --------------------------------------------------------------------------------------------------- what is done

    async def cure(self, name: str, cure: Cure, everything: Any) -> None:
        sink = self.world.sinks[name]
        if cure is not Cure.RESTART_FAILED or "FAILED" in (sink.state, *sink.tasks):
            self.world.soon(8, sink.run)

    def heal(self) -> None:
        """DAG heal, for the events that came: it counts anew, replays or produces again, and says how it ended."""
        events, self.airflow.events = self.airflow.events, []
        for asset, gap in events:
            if asset == assets.GAPS.name:
                self.healed.append(gap["fingerprint"])
                self.world.soon(40, partial(self.carry_out, gap))

    def carry_out(self, gap: dict[str, Any]) -> None:
        if self.heals and gap["kind"] == "rows":
            since = datetime.fromisoformat(gap["since"])
            for hole in self.world.ledger(since - MINUTE).holes:
                sink = self.world.sinks[f"{gap['warehouse']}-{gap['domain']}"]
                committed = {f"{topic}/{number}": offset for (topic, number), offset in sink.committed.items()}
                if (hole.domain, hole.warehouse) == (gap["domain"], gap["warehouse"]) and rows.passed(hole, committed):
                    self.world.replay(hole.warehouse, (hole.topic, hole.partition), hole.ranges)
        elif self.heals:
            for domain, windows in gap["windows"].items():
                for start, end in windows:
                    self.world.run(domain, Window(datetime.fromisoformat(start), datetime.fromisoformat(end)))
        context = self.airflow.context()
        healing = healings.read(context, gap["fingerprint"])
        assert healing is not None
        healing.state, healing.said_at = "done" if self.heals else "failed", self.world.now
        healing.steps.append(f"Recount {len(self.healed)}.")
        healings.write(context, gap["fingerprint"], healing)

    def look(self, watch: str) -> None:
        world = self.world
        self.airflow.dags = {f"burst_{domain}": domain in world.paused for domain in world.contracts}
        self.airflow.dags |= dict.fromkeys(self.watches, False)
        self.airflow.runs = world.runs
        store = self.airflow.store(assets.WATCH_CONNECTORS)
        if "trigger" in world.beats:
            store.set(watching.TRIGGER_BEAT, world.beats["trigger"].isoformat())
        self.watches[watch].execute(self.airflow.context(self.watches[watch]))
        self.heal()

    def hour(self, wrong: Wrong = lambda world: None, *, seconds: tuple[int, int] = (4, 7)) -> Line:
        """As `wrong` changes it; both watches look each minute, so many seconds into it."""
        wrong(self.world)
        while self.world.now < START + HOUR * MINUTE:
            for watch, second in zip(self.watches, seconds, strict=True):
                if self.world.now.second == second and watch not in self.world.silent:
                    self.look(watch)
            self.world.second()
        return self

    @property
    def books(self) -> list[Book]:
        kept = [
            self.airflow.store(watch).get(desk.BOOK) or {}
            for watch in (assets.WATCH_CONNECTORS, assets.WATCH_INGESTION)
        ]
        return [msgspec.convert(book, Book) for book in kept]

    def known(self) -> set[str]:
        """Every incident that was, those that were never told among them."""
        return {one.fingerprint for book in self.books for one in (*book.incidents.values(), *book.recent)}

    def open(self) -> set[str]:
        return {name for book in self.books for name, one in book.incidents.items() if one.open}


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    yield Line(monkeypatch)
    logging.getLogger("include").setLevel(logging.NOTSET)


@pytest.mark.parametrize("seconds", [(4, 7), (16, 11), (55, 52)], ids=str)
def test_an_hour_of_normal_running_says_nothing(line: Line, seconds: tuple[int, int]) -> None:
    world = line.hour(seconds=seconds).world
    assert line.slack.told == []
    assert line.known() == set()
    assert line.healed == []
    # It was an hour of work: nothing is missing, and everything happened that is said to be in it.
    assert len({receipt.burst for receipt in world.receipts.values()}) > 80
    assert all(log.end > max(log.records) + 1 for log in world.logs.values() if log.records), (
        "marks behind every partition"
    )
    assert world.ledger(START - 5 * MINUTE).holes == ()
    in_snowflake, in_clickhouse = (sum(map(len, world.rows[name].values())) for name in ("snowflake", "clickhouse"))
    assert in_snowflake > in_clickhouse, "the burst that was run again"


@pytest.mark.parametrize("name", CASES)
def test_one_thing_wrong_is_one_thread_that_ends_well(line: Line, name: str) -> None:
    case = CASES[name]
    line.hour(case.wrong)
    ((_, words),) = line.slack.threads.items()
    assert (words[0] in ("CRITICAL", "WARNING"), words[-1], words.count("NORMAL")) == (True, "NORMAL", 1), (
        line.slack.told
    )
    assert case.told[0] <= (line.slack.first_at or 0) <= case.told[1]
    assert case.normal in line.slack.told[-1][2]
    assert (line.known(), line.open()) == ({case.fingerprint}, set())
    assert set(line.healed) <= {case.fingerprint}
    assert len(line.healed) <= 1, "healed once"
    assert line.world.ledger(START - 5 * MINUTE).holes == ()


@pytest.mark.parametrize("name", ["rows are lost in ClickHouse", "a task fails", "a connector stalls"])
def test_connectors_that_have_an_id_of_their_own_read_under_it(line: Line, name: str) -> None:
    """As managed ones do; what is asked for by their names has never read anything."""
    line.ids = True
    line.hour(CASES[name].wrong)
    ((_, words),) = line.slack.threads.items()
    assert (words[0], words[-1]) == ("CRITICAL", "NORMAL"), line.slack.told
    assert line.open() == set()


@pytest.mark.parametrize("place", ["kafka", "connect", "clickhouse", "snowflake"])
def test_a_place_that_refuses_is_one_thread_that_says_so_and_ends(line: Line, place: str) -> None:
    """Runs fail over it, and sinks give up over it."""
    line.world.at(at(4.5), partial(line.refuse.add, place))
    line.world.at(at(12.5), partial(line.refuse.discard, place))
    CASES["a run fails"].wrong(line.world)
    line.hour(fails(f"{place}-ecommerce") if place in rows.WAREHOUSES else lambda world: None)
    assert list(line.slack.threads.values()) == [["CRITICAL", "NORMAL"]], line.slack.told
    first, last = line.slack.told[0][2], line.slack.told[-1][2]
    assert first.startswith(f"CRITICAL {place}: It answers, and does not do what the watch asks: ")
    assert "does again what it is asked" in last


def test_the_last_known_group_is_read_while_connect_is_away(line: Line) -> None:
    line.ids = True
    line.world.at(at(20), partial(line.world.leave, "connect"))
    line.world.at(at(29), partial(line.world.come_back, "connect"))
    line.hour()
    assert list(line.slack.threads.values()) == [["CRITICAL", "NORMAL"]], line.slack.told
    assert "Connect" in line.slack.told[-1][2]


def test_what_is_still_missing_is_not_forgotten_when_a_place_was_away(line: Line) -> None:
    """Healings fail for half an hour; then a warehouse is away for two looks."""
    line.heals = False
    line.world.at(at(30.5), partial(line.world.leave, "snowflake"))
    line.world.at(at(32.5), partial(line.world.come_back, "snowflake"))
    line.hour(partial(lose_at, 9.4))
    assert "rows_missing:ecommerce@clickhouse" in line.open(), line.slack.told


@pytest.mark.parametrize("name", ["rows are lost in Snowflake", "a connector is deleted"])
def test_incidents_of_a_domain_that_was_removed_are_closed_and_say_why(line: Line, name: str) -> None:
    line.heals = False
    line.world.at(at(8.6), lambda: setattr(line.world.sinks["clickhouse-fashion"], "run", lambda: None))
    line.world.at(at(30), lambda: line.contracts.remove(line.world.contracts["fashion"]))
    line.hour(CASES[name].wrong)
    ((_, words),) = line.slack.threads.items()
    assert (words[0], words[-1]) == ("CRITICAL", "CLOSED"), words
    assert "No contract asks for it any more" in line.slack.told[-1][2]
    assert line.open() == set()


def test_one_that_is_merely_blind_is_not_gone(line: Line) -> None:
    line.heals = False
    line.world.at(
        at(30.5), lambda: [line.world.leave(name) for name in ("kafka", "connect", "clickhouse", "snowflake")]
    )
    line.hour(CASES["rows are lost in Snowflake"].wrong)
    assert "rows_missing:fashion@snowflake" in line.open()


def test_rows_beyond_kafkas_retention_are_lost_and_said_so_once(line: Line) -> None:
    line.heals = False
    line.world.at(at(30), lambda: line.world.retain(START + 11 * MINUTE))
    line.hour(partial(lose_at, 9.4))
    ((_, words),) = line.slack.threads.items()
    assert (words[0], words[-1], words.count("LOST"), "NORMAL" in words) == ("CRITICAL", "LOST", 1, False), words
    assert "Kafka no longer has them" in line.slack.told[-1][2]
    assert line.open() == set()
    assert len(line.healed) == 3, "nobody heals what is gone"
    memory = line.airflow.store(assets.WATCH_INGESTION).get(watching.MEMORY)
    assert (memory["rows"]["oldest"], memory["rows"]["given_up"]) == (None, {}), "nor is it looked for for ever"


def test_nor_when_the_warehouse_itself_was_away(line: Line) -> None:
    line.heals = False
    line.world.at(at(30.5), partial(line.world.leave, "clickhouse"))
    line.world.at(at(32.5), partial(line.world.come_back, "clickhouse"))
    line.hour(partial(lose_at, 9.4))
    assert "rows_missing:ecommerce@clickhouse" in line.open(), line.slack.told


def lose_at(minute: float, world: World) -> None:
    world.at(at(minute), partial(world.lose, "clickhouse", "ecommerce"))


def test_slack_that_is_away_loses_nothing_and_blocks_nothing(line: Line) -> None:
    line.world.at(at(4), lambda: setattr(line.slack, "up", False))
    line.world.at(at(25), lambda: setattr(line.slack, "up", True))
    line.hour(CASES["a task fails"].wrong)
    ((_, words),) = line.slack.threads.items()
    assert (words[0], words[-1]) == ("CRITICAL", "NORMAL")


def test_a_quiet_look_asks_each_place_the_same_few_questions(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    counts: list[int] = []

    def counted(module: Any, name: str) -> None:
        real: Callable[..., Any] = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *a, **k: (asked.append(name), real(*a, **k))[1])

    for module, name in ((receipts, "read"), (dead_letters, "arrived"), (progress, "progress"), (minutes, "read"),
                         (arrivals, "late"), (arrivals, "twice"), (sequence, "read"), (watermark, "connect")):  # fmt: skip
        counted(module, name)
    while line.world.now < START + 40 * MINUTE:
        if line.world.now.second == 7:
            asked.clear()
            line.look("watch_ingestion")
            counts.append(len(asked))
        line.world.second()
    quiet = sorted(counts[BEFORE:])
    assert quiet[0] == quiet[len(quiet) // 2] == counts[BEFORE], "whatever has passed by then"
    # More only where rows are on their way: how far the sink is, a question for each domain and warehouse.
    assert quiet[-1] <= quiet[0] + 2 * len(CONTRACTS)
    assert SECOND
