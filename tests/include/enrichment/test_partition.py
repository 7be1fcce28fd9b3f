"""The enrichment against a real broker: each record once, whatever is killed, and counted as the ledger counts."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from include.connections import Endpoint
from include.contracts import load
from include.enrichment import Malformed, enrich
from include.enrichment import partition as room
from include.enrichment.clickstream import SOURCE, TARGET
from include.enrichment.partition import GROUP, enrich_partition, waiting
from include.generators import BurstId, Event, Window, events
from include.kafka import KafkaError, burst, client, dead_letters, receipts, redrives
from include.kafka.reading import records
from tests.include.enrichment.ends import POINTS
from tests.include.kafka.conftest import Broker

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[3]
CONTRACT = load("clickstream")
DAY = datetime(2026, 2, 1, tzinfo=UTC)
WINDOWS = count()


def new_burst(size: int, shard: str = "test") -> tuple[BurstId, list[Any]]:
    start = DAY + timedelta(minutes=2 * next(WINDOWS))
    name = BurstId("clickstream", Window(start, start + timedelta(minutes=2)), shard)
    return name, list(events(CONTRACT, name.window, seed=1, size=size, shard=shard))


def produce(kafka: Endpoint, size: int) -> BurstId:
    name, made = new_burst(size)
    burst.produce(kafka, CONTRACT, name, made)
    return name


def send(kafka: Endpoint, *values: bytes | None) -> None:
    """Somebody else's records, without a receipt."""
    producer = client.producer(kafka, {})
    for number, value in enumerate(values):
        producer.produce(SOURCE, value, f"stranger-{number}".encode(), number % 3)
    assert producer.flush(20) == 0


def run_all(kafka: Endpoint, **options: Any) -> list[room.Enriched]:
    return [enrich_partition(kafka, CONTRACT, partition, **options) for partition in waiting(kafka)]


def told(kafka: Endpoint) -> None:
    """Everything of the source is enriched, once, in its order; what is malformed is a dead letter, once."""
    wanted: dict[int, list[str]] = {0: [], 1: [], 2: []}
    malformed: Counter[Any] = Counter()
    for record in records(kafka, SOURCE):
        if record.value() is None:
            continue
        try:
            wanted[record.partition()].append(json.loads(enrich(record.value()))["source_event_id"])
        except Malformed:
            malformed[SOURCE, record.partition(), record.offset()] += 1
    found: dict[int, list[str]] = {0: [], 1: [], 2: []}
    for record in records(kafka, TARGET):
        found[record.partition()].append(json.loads(record.value())["source_event_id"])
    for partition, ids in wanted.items():
        again = [one for one, times in (Counter(found[partition]) - Counter(ids)).items() for _ in range(times)]
        missing = Counter(ids) - Counter(found[partition])
        assert not again, f"partition {partition}: {len(again)} records more than once"
        assert not missing, f"partition {partition}: {missing.total()} records are lost"
        assert found[partition] == ids, f"partition {partition}: another order"
    letters = Counter(one.place for one in dead_letters.read(kafka, CONTRACT) if one.connector == GROUP)
    assert letters == malformed


def shares(kafka: Endpoint, name: BurstId) -> dict[str, dict[int, int]]:
    """Events a partition of a burst, by the receipts of both topics."""
    found: dict[str, dict[int, int]] = {SOURCE: {}, TARGET: {}}
    for (of, topic, partition), receipt in receipts.read(kafka).items():
        if of == str(name):
            found[topic][partition] = receipt.events
    return found


def test_a_burst_is_enriched_whole_and_counts_as_one(kafka: Endpoint) -> None:
    name = produce(kafka, 900)
    assert waiting(kafka) == [0, 1, 2]
    done = run_all(kafka)
    assert sum(one.enriched for one in done) >= 900
    assert {one.behind for one in done} == {0}
    told(kafka)
    found = shares(kafka, name)
    assert found[SOURCE] == found[TARGET]
    assert sum(found[TARGET].values()) == 900
    assert waiting(kafka) == []
    assert enrich_partition(kafka, CONTRACT, 0).transactions == 0


def test_receipts_say_where_the_enriched_stand(kafka: Endpoint) -> None:
    name = produce(kafka, 300)
    run_all(kafka)
    ids = {
        json.loads(event.value)["event_id"] for event in events(CONTRACT, name.window, seed=1, size=300, shard="test")
    }
    there: dict[int, list[int]] = {}
    for record in records(kafka, TARGET):
        if json.loads(record.value())["source_event_id"] in ids:
            there.setdefault(record.partition(), []).append(record.offset())
    own = [one for key, one in receipts.read(kafka).items() if key[:2] == (str(name), TARGET)]
    assert {one.partition: (one.first_offset, one.last_offset) for one in own} == {
        partition: (min(offsets), max(offsets)) for partition, offsets in there.items()
    }


def test_a_burst_that_was_produced_twice_counts_once(kafka: Endpoint) -> None:
    """Whether the copies are enriched together or one after the other: there is one receipt, of the later copy."""
    apart, made = new_burst(200)
    burst.produce(kafka, CONTRACT, apart, made)
    run_all(kafka)
    first = {key: one for key, one in receipts.read(kafka).items() if key[:2] == (str(apart), TARGET)}
    burst.produce(kafka, CONTRACT, apart, made)
    run_all(kafka)
    second = {key: one for key, one in receipts.read(kafka).items() if key[:2] == (str(apart), TARGET)}
    assert all(second[key].first_offset > first[key].last_offset for key in first)
    together, made = new_burst(200)
    burst.produce(kafka, CONTRACT, together, made)
    burst.produce(kafka, CONTRACT, together, made)
    run_all(kafka)
    for name in (apart, together):
        found = shares(kafka, name)
        assert found[SOURCE] == found[TARGET]
        assert sum(found[TARGET].values()) == 200
    told(kafka)


def test_a_malformed_record_is_a_dead_letter_and_stops_nothing(kafka: Endpoint) -> None:
    good = json.loads(new_burst(1)[1][0].value)
    before = produce(kafka, 60)
    send(
        kafka,
        b"not json",
        json.dumps(good | {"event_time": "2026-01-01"}).encode(),
        None,
        json.dumps(good | {"event_id": "stranger"}).encode(),
    )
    after = produce(kafka, 60)
    done = run_all(kafka)
    assert sum(one.rejected for one in done) == 2
    told(kafka)
    letters = [one for one in dead_letters.read(kafka, CONTRACT) if one.connector == GROUP]
    assert {(one.value, one.stage, one.exception) for one in letters[-2:]} >= {
        (b"not json", "TRANSFORMATION", "Malformed")
    }
    assert any("event_time" in one.reason for one in letters)
    for name in (before, after):
        assert shares(kafka, name)[SOURCE] == shares(kafka, name)[TARGET]
    promised = receipts.produced(receipts.read(kafka))
    assert promised[SOURCE] == promised[TARGET], "what nobody promised has no receipt in either"


def test_what_a_redrive_sends_counts_once_it_is_enriched(kafka: Endpoint) -> None:
    """As `floodgate status` counts: an event that was malformed counts when it is mended, one that was not does not."""
    from include.healing import redrive

    def promised() -> tuple[int, int]:
        told = receipts.read(kafka)
        beyond = redrives.beyond_receipts(redrives.read(kafka).values(), told.values())
        made = receipts.produced(told)
        return made.get(SOURCE, 0) + beyond.get(SOURCE, 0), made[TARGET] + beyond.get(TARGET, 0)

    run_all(kafka)
    before = promised()
    good = json.loads(new_burst(1)[1][0].value)
    timeless = {name: value for name, value in good.items() if name != "event_time"} | {"event_id": "mended"}
    name, made = new_burst(40)
    spoiled = json.loads(made[7].value) | {"event_time": None}
    made[7] = Event(SOURCE, made[7].key, json.dumps(spoiled).encode(), made[7].time_ms)
    burst.produce(kafka, CONTRACT, name, made)
    send(kafka, json.dumps(timeless).encode())
    run_all(kafka)
    assert promised() == (before[0] + 40, before[1] + 39)
    # A sink has refused a record that was enriched all the same.
    record = next(one for one in records(kafka, SOURCE) if one.value() == made[3].value)
    letter = {"topic": SOURCE, "partition": record.partition(), "offset": record.offset(), "exception.message": "full"}
    headers = [(f"__connect.errors.{key}", str(value).encode()) for key, value in letter.items()]
    producer = client.producer(kafka, {})
    producer.produce(CONTRACT.dead_letters, record.value(), record.key(), headers=headers)
    assert producer.flush(20) == 0
    now = datetime.now(UTC)
    sent = redrive.redrive(
        kafka, redrive.Order(domain="clickstream", reason="event_time", fix="fill_missing_time"), now=now
    )
    sent_too = redrive.redrive(kafka, redrive.Order(domain="clickstream", reason="full"), now=now)
    assert (sent.send, sent_too.send) == (2, 1)
    run_all(kafka)
    assert promised() == (before[0] + 41, before[1] + 41)
    told(kafka)


def test_a_burst_under_way_holds_back_only_what_is_beside_it(kafka: Endpoint) -> None:
    """Readers see a burst in part while another, begun between its records, is open: it is not cut in two."""
    from include.kafka.transaction import settings

    done = produce(kafka, 30)
    under_way = client.producer(kafka, settings("under-way"))
    under_way.init_transactions(30)
    under_way.begin_transaction()
    for partition in range(3):
        under_way.produce(SOURCE, new_burst(1)[1][0].value, b"open", partition)
    under_way.flush(30)
    late = produce(kafka, 30)
    run_all(kafka)
    assert shares(kafka, done)[TARGET] == shares(kafka, done)[SOURCE]
    assert shares(kafka, late)[TARGET] == {}
    under_way.commit_transaction(30)
    run_all(kafka)
    assert shares(kafka, late)[TARGET] == shares(kafka, late)[SOURCE]
    told(kafka)


def test_who_takes_a_partition_over_fences_the_other_off(kafka: Endpoint) -> None:
    produce(kafka, 300)

    def overtaken(point: str) -> None:
        if point == "sent":
            enrich_partition(kafka, CONTRACT, 1)

    with pytest.raises(KafkaError, match="took over"):
        enrich_partition(kafka, CONTRACT, 1, at=overtaken)
    run_all(kafka)
    told(kafka)


def test_records_that_are_seen_before_their_receipts_wait_for_them(
    kafka: Endpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when a commit has come to the one partition and not yet to the other."""
    run_all(kafka)
    monkeypatch.setattr(room, "RECEIPTS_S", 0.3)
    name, made = new_burst(300)
    late = client.producer(kafka, {"transactional.id": "late receipts"})
    late.init_transactions(20)
    written: list[Any] = []
    real = burst._receipts
    with monkeypatch.context() as patched:
        patched.setattr(burst, "_receipts", lambda *given: written.extend(real(*given)) or ())
        burst.produce(kafka, CONTRACT, name, made)
    late.begin_transaction()
    for receipt in written:
        late.produce(receipts.TOPIC, msgspec.json.encode(receipt), receipt.event_id.encode(), 0)
    late.flush(20)
    held = run_all(kafka)
    assert (sum(one.enriched for one in held), min(one.behind for one in held) > 0) == (0, True)
    late.commit_transaction(20)
    monkeypatch.undo()
    run_all(kafka)
    told(kafka)
    found = shares(kafka, name)
    assert found[SOURCE] == found[TARGET]
    assert sum(found[TARGET].values()) == 300


def child(broker: Broker, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.include.enrichment.ends", broker.servers, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.parametrize("point", POINTS)
def test_killed_at_a_chosen_point_nothing_is_lost_and_nothing_twice(
    kafka: Endpoint, broker: Broker, point: str
) -> None:
    names = [produce(kafka, size) for size in (1500, 700, 900, 40)]
    for nth in ("1", "2"):
        killed = child(broker, point, nth)
        said, _ = killed.communicate(timeout=60)
        assert killed.returncode == -signal.SIGKILL, said
    done = child(broker)
    said, _ = done.communicate(timeout=60)
    assert done.returncode == 0, said
    told(kafka)
    for name in names:
        assert shares(kafka, name)[SOURCE] == shares(kafka, name)[TARGET]


def test_killed_anywhere_ten_times_nothing_is_lost_and_nothing_twice(kafka: Endpoint, broker: Broker) -> None:
    chance = random.Random(5)
    names: list[BurstId] = []
    kills = 0
    while kills < 10:
        names += [produce(kafka, size) for size in (4000, 1500, 2500)]
        running = child(broker)
        assert running.stdout is not None
        assert running.stdout.readline() == "under way\n"
        time.sleep(chance.uniform(0, 1.2))
        running.kill()
        running.communicate()
        kills += running.returncode == -signal.SIGKILL
    run_all(kafka)
    told(kafka)
    for name in names:
        assert shares(kafka, name)[SOURCE] == shares(kafka, name)[TARGET]


def test_what_is_lost_or_twice_would_be_seen(kafka: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checks above, seen red: on one who notes how far it was after the commit and is killed between."""
    run_all(kafka)
    told(kafka)
    produce(kafka, 90)

    class Careless(room._Run):
        def _transaction(self, stop: int) -> int:
            self.client.begin_transaction()
            self._produce(self._some(stop))
            self.client.commit_transaction(30)
            return stop

    with monkeypatch.context() as patched:
        patched.setattr(room, "_Run", Careless)
        enrich_partition(kafka, CONTRACT, 0)
    run_all(kafka)
    with pytest.raises(AssertionError, match="more than once"):
        told(kafka)
