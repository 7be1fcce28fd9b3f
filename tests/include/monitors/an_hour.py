"""An hour of a line in which everything is data: seconds pass by counting, bursts and sinks are a few lists.

What the places of the real line answer, this one answers, too: receipts, ends of logs, offsets of groups, what landed,
dead letters, states of connectors. Judges are not in here.
"""

from __future__ import annotations

import random
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from include.contracts import Contract, Topic
from include.contracts.event import BurstId, Window
from include.kafka.offsets import Extent
from include.kafka.receipts import Receipt
from include.ledger.comparing import Facts, Rejection, compare
from include.ledger.entries import WAREHOUSES, Ledger, Partition
from include.ledger.landed import Landed
from include.ledger.promises import by_receipts
from include.ledger.runs import Run, joined
from include.monitors.rows import Arrivals
from include.monitors.sequence import EDGE, GRACE, TOLD, Hole, Holes

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
#: From a record's commit to its row.
LANDS_IN = 3 * SECOND
#: After a place was away, its users come again after this.
COMES_AGAIN = 15 * SECOND
#: Trades of each product in a window of the exchange.
TRADES, PRODUCTS = 10, ("A", "B")


class Record(NamedTuple):
    """One record of a log; `at` is Kafka's time, `happened` the event's own."""

    event: str
    at: datetime
    happened: datetime
    bad: bool = False
    product: str = ""
    number: int = 0


class Log:
    """One partition. Marks of transactions take offsets and are no records."""

    def __init__(self) -> None:
        self.records: dict[int, Record] = {}
        self.first, self.last, self.end = 0, -1, 0

    def append(self, record: Record) -> int:
        self.records[self.end] = record
        self.last, self.end = self.end, self.end + 1
        return self.last


class Sink:
    """A connector: what Connect says of it, how far its group is, how many records a second it takes."""

    def __init__(self, domain: str, warehouse: str) -> None:
        self.domain, self.warehouse = domain, warehouse
        self.state: str | None = "RUNNING"
        self.tasks: tuple[str, ...] = ("RUNNING",)
        self.trace = ""
        self.hangs = False
        self.speed = 500
        self.committed: dict[Partition, int] = {}

    @property
    def name(self) -> str:
        return f"{self.warehouse}-{self.domain}"

    def run(self) -> None:
        """As after a restart, or a resume."""
        self.state, self.tasks, self.trace, self.hangs = "RUNNING", ("RUNNING",), "", False

    def pause(self) -> None:
        self.state, self.tasks = "PAUSED", ("PAUSED",)


class World:
    """The line. `plan` holds what happens by itself at a second; what is left out of it never happens."""

    def __init__(self, contracts: Iterable[Contract], start: datetime) -> None:
        self.contracts = {contract.domain: contract for contract in contracts}
        self.start = self.now = start
        self.topics: dict[str, Topic] = {t.name: t for c in self.contracts.values() for t in c.topics}
        self.logs: dict[Partition, Log] = {
            (topic.name, number): Log() for topic in self.topics.values() for number in range(topic.partitions)
        }
        self.receipts: dict[Any, Receipt] = {}
        self.rows: dict[str, dict[Partition, dict[int, Record]]] = {
            name: defaultdict(dict) for name in WAREHOUSES
        }  # fmt: skip
        self.versions: dict[str, int] = {}
        self.sinks = {s.name: s for s in (Sink(c, w) for c in self.contracts for w in WAREHOUSES)}
        self.letters: list[tuple[str, Partition, int, datetime]] = []
        self.arrived: list[datetime] = []
        self.away: set[str] = set()
        self.back_at: dict[str, datetime] = {}
        self.paused: set[str] = set()
        self.stuck: set[str] = set()
        self.runs: dict[str, list[int]] = {f"burst_{domain}": [0, 5] for domain in self.contracts}
        self.silent: set[str] = set()
        self.beats: dict[str, datetime] = {}
        self.damped: Callable[[datetime], bool] = lambda at: False
        self.deaf: Callable[[int], bool] = lambda number: False
        self.spoiled: Callable[[int], bool] = lambda number: False
        self.delays: dict[tuple[str, datetime], timedelta] = {}
        self.plan: defaultdict[datetime, list[Callable[[], object]]] = defaultdict(list)

    # ------------------------------------------------------------------------------------------------- what happens

    def at(self, minute: float, what: Callable[[], object]) -> None:
        """So many minutes after the start."""
        self.plan[self.start + timedelta(seconds=round(minute * 60))].append(what)

    def soon(self, seconds: float, what: Callable[[], object]) -> None:
        self.plan[self.now + timedelta(seconds=round(seconds))].append(what)

    def second(self) -> None:
        """One second passes."""
        for name in ("watch_connectors", "watch_ingestion", "trigger"):
            if name not in self.silent and self.now.second % 15 == 0:
                self.beats[name] = self.now
        if self.now.minute % 2 == 0 and self.now.second == 0:
            window = Window(self.now - 2 * MINUTE, self.now)
            for domain in self.contracts:
                if domain not in self.paused:
                    delay = self.delays.get((domain, window.start), (8 + zlib.crc32(domain.encode()) % 9) * SECOND)
                    self.plan[self.now + delay].append(lambda domain=domain: self.run(domain, window))
        for what in self.plan.pop(self.now, []):
            what()
        for sink in self.sinks.values():
            self._land(sink)
        self.now += SECOND

    def run(self, domain: str, window: Window) -> None:
        """A run of a burst DAG: well, failed where Kafka is away, not at all where it waits for a slot."""
        if domain in self.stuck:
            return
        counts = self.runs[f"burst_{domain}"]
        if "kafka" in self.away:
            counts[0] += 1
            return
        self.produce(domain, window)
        counts[1] += 1

    def produce(
        self, domain: str, window: Window, shard: str = "0", size: int | None = None, *, again: int = 1
    ) -> None:
        """A burst, with its receipts: the same for the same window, domain, shard and size."""
        burst = BurstId(domain, window, shard)
        touched: defaultdict[Partition, list[int]] = defaultdict(list)
        for topic, record in self._events(burst, size):
            partition = topic, zlib.crc32((record.product or record.event).encode()) % self.topics[topic].partitions
            touched[partition].append(self.logs[partition].append(record._replace(at=self.now - SECOND)))
        for partition, offsets in touched.items():
            self.logs[partition].end += 1  # the mark of the transaction
            happened = [self.logs[partition].records[offset].happened for offset in offsets]
            receipt = Receipt(
                event_id=f"{burst}/{partition}", burst=str(burst), domain=domain, window_start=window.start,
                window_end=window.end, shard=shard, topic=partition[0], partition=partition[1], events=len(offsets),
                first_offset=offsets[0], last_offset=offsets[-1], min_event_time=min(happened),
                max_event_time=max(happened), produced_at=self.now - SECOND,
            )  # fmt: skip
            self.receipts[receipt.key] = receipt

    def _events(self, burst: BurstId, size: int | None) -> Iterable[tuple[str, Record]]:
        contract, draw = self.contracts[burst.domain], random.Random(f"{burst}/{size}")
        assert contract.burst is not None
        number = int((burst.window.start - self.start) // (2 * MINUTE)) + 1000
        for topic in contract.topics:
            if topic.sequence:
                for product in PRODUCTS:
                    for n in range(number * TRADES, (number + 1) * TRADES):
                        if not self.deaf(n):
                            bad = self.spoiled(n)
                            yield topic.name, Record(f"{product}-{n}", self.now, burst.window.start, bad, product, n)
                continue
            if topic.name in ("shops", "products", "customers"):
                continue
            least, most = contract.burst.size
            count = draw.randint(least, most) if size is None else size
            if self.damped(burst.window.start) and size is None:
                count = topic.floor or 0
            elif not topic.floor:
                count = count * 3 // 4
            for n in range(count):
                happened = burst.window.start + timedelta(seconds=draw.randrange(120))
                yield topic.name, Record(f"{burst}/{topic.name}/{n}", self.now, happened)

    def send(self, topic: str, *records: Record) -> None:
        """Records as they are, without a transaction, without receipts."""
        for record in records:
            partition = topic, zlib.crc32(record.event.encode()) % self.topics[topic].partitions
            self.logs[partition].append(record._replace(at=self.now))

    def leave(self, place: str) -> None:
        self.away.add(place)

    def come_back(self, place: str) -> None:
        self.away.discard(place)
        self.back_at[place] = self.now

    def _works(self, *places: str) -> bool:
        return not any(
            place in self.away or self.now - self.back_at.get(place, self.start - MINUTE) < COMES_AGAIN
            for place in places
        )

    def _land(self, sink: Sink) -> None:
        if sink.state != "RUNNING" or set(sink.tasks) != {"RUNNING"} or sink.hangs:
            return
        if not self._works("kafka", "connect", sink.warehouse):
            return
        left = sink.speed
        for topic in self.contracts[sink.domain].topics:
            for number in range(topic.partitions):
                partition = topic.name, number
                log, landed = self.logs[partition], self.rows[sink.warehouse][partition]
                at = sink.committed.get(partition, 0)
                while left and at <= log.last:
                    record = log.records.get(at)
                    if record and record.at > self.now - LANDS_IN:
                        break
                    if record and record.bad:
                        self.letters.append((sink.name, partition, at, record.at))
                        self.arrived.append(self.now)
                    elif record:
                        if sink.warehouse == "clickhouse":  # one version of an event is kept, and merged at once
                            landed.pop(self.versions.get(record.event, -1), None)
                            self.versions[record.event] = at
                        landed[at] = record
                    if record:
                        sink.committed[partition] = at + 1  # a mark is passed with what comes behind it
                        left -= 1
                    at += 1

    # ----------------------------------------------------------------------------------------- what the places answer

    def ledger(self, since: datetime) -> Ledger:
        """As include.ledger.minutes.read gives it."""
        if "kafka" in self.away:
            return Ledger(blind={"kafka": "away"})
        blind = {name: "away" for name in WAREHOUSES if name in self.away}
        since = since.replace(second=0, microsecond=0)
        promises = by_receipts(one for one in self.receipts.values() if one.produced_at >= since - MINUTE)
        facts = Facts(
            domains={topic.name: topic.domain for topic in self.topics.values()},
            promises=promises,
            extents={place: Extent(log.first, log.end, log.end) for place, log in self.logs.items()},
            landed={name: None if name in blind else self._landed(name, since) for name in WAREHOUSES},
            rejected=self._rejected(since),
        )
        cells, holes = compare(facts, since=since, until=self.now)
        return Ledger(cells=cells, holes=holes, blind=blind)

    def _landed(self, warehouse: str, since: datetime) -> dict[Partition, Landed]:
        found = {}
        for place, rows in self.rows[warehouse].items():
            offsets: list[Run] = [(o, o) for o, row in rows.items() if row.at >= since - 2 * MINUTE]
            if warehouse == "clickhouse":  # events that a later version took the place of are there all the same
                there = {row.event for row in rows.values()}
                offsets += [(o, o) for o, record in self.logs[place].records.items() if record.event in there]
            found[place] = Landed(joined(offsets))
        return found

    def _rejected(self, since: datetime) -> dict[Partition, list[Rejection]]:
        meant: defaultdict[Partition, dict[int, tuple[datetime, set[str]]]] = defaultdict(dict)
        for connector, place, offset, at in self.letters:
            if at >= since - 2 * MINUTE:
                meant[place].setdefault(offset, (at, set()))[1].add(self.sinks[connector].warehouse)
        return {
            place: [
                Rejection(o, int(at.timestamp() * 1000), frozenset(names)) for o, (at, names) in sorted(found.items())
            ]
            for place, found in meant.items()
        }

    def rejected(self, domain: str, since: datetime) -> dict[str, int]:
        """Topic -> records set aside since then, however old they are themselves."""
        names = {topic.name for topic in self.contracts[domain].topics}
        places = {
            (place, offset)
            for (_, place, offset, _), at in zip(self.letters, self.arrived, strict=True)
            if at >= since and place[0] in names
        }
        found: dict[str, int] = {}
        for place, _ in places:
            found[place[0]] = found.get(place[0], 0) + 1
        return found

    def late(self, contract: Contract, since: datetime) -> list[Arrivals]:
        allowed = timedelta(seconds=contract.late_after_s)
        return self._arrivals("clickhouse", contract, since, lambda rows: {
            "late": sum(row.happened < row.at - allowed for row in rows)
        })  # fmt: skip

    def twice(self, contract: Contract, since: datetime) -> list[Arrivals]:
        return self._arrivals("snowflake", contract, since, lambda rows: {"events": len({row.event for row in rows})})

    def _arrivals(
        self, warehouse: str, contract: Contract, since: datetime, count: Callable[[list[Record]], dict[str, int]]
    ) -> list[Arrivals]:
        found = []
        for topic in contract.topics:
            places = [self.rows[warehouse][topic.name, number] for number in range(topic.partitions)]
            rows = [row for place in places for row in place.values() if row.at >= since]
            if rows:
                found.append(Arrivals(topic=topic.name, rows=len(rows), **count(rows)))
        return found

    def numbers(self, since: Mapping[str, datetime]) -> dict[str, Holes]:
        """As include.monitors.sequence.read gives it, in plain Python."""
        found = {}
        for topic in self.topics.values():
            if topic.sequence is None:
                continue
            contract, low = self.contracts[topic.domain], since[topic.domain]
            high = self.now - timedelta(seconds=contract.latency_s) - GRACE
            first: dict[tuple[str, int], datetime] = {}
            for number in range(topic.partitions):
                for row in self.rows["clickhouse"][topic.name, number].values():
                    if row.at >= low - EDGE:
                        key = row.product, row.number
                        first[key] = min(first.get(key, row.at), row.at)
            holes = []
            keys = sorted(first)
            for one, other in zip(keys, keys[1:], strict=False):
                if (
                    one[0] == other[0]
                    and other[1] > one[1] + 1
                    and low <= min(first[one], first[other])
                    and max(first[one], first[other]) <= high
                ):
                    holes.append((first[one], Hole(one[0], one[1] + 1, other[1] - 1)))
            if holes:
                found[topic.name] = Holes(
                    topic=topic.name,
                    missing=sum(hole.last - hole.first + 1 for _, hole in holes),
                    holes=len(holes),
                    sources=len({hole.by for _, hole in holes}),
                    since=min(at for at, _ in holes),
                    largest=tuple(hole for _, hole in sorted(holes, key=lambda one: one[1].first - one[1].last)[:TOLD]),
                )
        return found

    def behind(self, doubts: Mapping[str, int], ends: Mapping[str, int]) -> dict[str, datetime | None]:
        """As include.kafka.offsets.look_behind gives it: the first record from there on and before the end."""
        found: dict[str, datetime | None] = {}
        for place, at in doubts.items():
            topic, _, number = place.rpartition("/")
            records = self.logs[topic, int(number)].records
            waiting = [offset for offset in records if max(0, at) <= offset < ends[place]]
            found[place] = records[min(waiting)].at if waiting else None
        return found

    # --------------------------------------------------------------------------------------------- what people break

    def burst(self, domain: str) -> list[Receipt]:
        """The receipts of the latest burst that has been there for a minute."""
        old = [one for one in self.receipts.values() if one.domain == domain and one.produced_at < self.now - MINUTE]
        last = max(old, key=lambda one: one.produced_at).burst
        return [one for one in old if one.burst == last]

    def lose(self, warehouse: str, domain: str) -> None:
        """The rows of the latest burst's first topic vanish."""
        receipts = self.burst(domain)
        for receipt in receipts:
            if receipt.topic == receipts[0].topic:
                for offset in range(receipt.first_offset, receipt.last_offset + 1):
                    self.rows[warehouse][receipt.topic, receipt.partition].pop(offset, None)

    def retain(self, since: datetime) -> None:
        """Kafka no longer has what is older."""
        for log in self.logs.values():
            log.first = min((offset for offset, record in log.records.items() if record.at >= since), default=log.end)

    def replay(self, warehouse: str, place: Partition, ranges: Iterable[Run]) -> None:
        """What a healing does."""
        for first, last in ranges:
            for offset in range(first, last + 1):
                if (record := self.logs[place].records.get(offset)) and not record.bad:
                    self.rows[warehouse][place][offset] = record

    def again(self, domain: str, times: int) -> None:
        """A careless producer sends the latest burst's records."""
        for receipt in self.burst(domain):
            log = self.logs[receipt.topic, receipt.partition]
            some = [log.records[o] for o in range(receipt.first_offset, receipt.last_offset + 1) if o in log.records]
            self.send(receipt.topic, *some * times)


def one_topic(contract: Contract, topic: str, **changes: Any) -> Contract:
    """The contract with one topic alone."""
    kept = msgspec.structs.replace(contract.topic(topic), **changes)
    return msgspec.structs.replace(contract, topics=(kept,))
