"""A sink task: one thread that reads its share of the partitions, puts records into the sink, and then commits.

An offset is committed only after every record before it is safe: in the warehouse, in the dead letter topic, or dropped
by a transform on purpose. After a crash the records since the last commit come again; sinks make that harmless.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as Read

from local.connect.broker import Broker, client, commit, group, patiently
from local.connect.deadletters import DeadLetters
from local.connect.faults import ConnectFault, Rejected, Retriable, trace
from local.connect.pipeline import Pipeline, below, names
from local.connect.plugins import Plugin
from local.connect.records import Message, Record
from local.connect.sinks import Sink, Start

LOOK_FOR_PARTITIONS_S = 5.0
LONGEST_BACKOFF_S = 10.0
KINDS = ("NoTimestampType", "CreateTime", "LogAppendTime")
log = logging.getLogger("connect.task")


class Task:
    """Task `number` of `of` of a connector. `state` is what the REST interface shows, nothing while it is "", and
    `first` until the sink is open; `trace` says why it FAILED."""

    def __init__(
        self,
        start: Start,
        of: int,
        plugin: Plugin,
        broker: Broker,
        paused: bool,
        on_topic: Callable[[str], None],
        first: str = "",
    ) -> None:
        self.number, self.state, self.trace, self._first = start.task, first, "", first
        self._start, self._of, self._plugin, self._broker, self._on_topic = start, of, plugin, broker, on_topic
        self._ended, self._paused = threading.Event(), threading.Event()
        self._sabotage = ""
        self._uncommitted: dict[tuple[str, int], int] = {}
        self._assigned: set[tuple[str, int]] = set()
        self._complained = 0.0
        if paused:
            self._paused.set()
        self._name = f"{start.connector}-{start.task}"
        self._thread = threading.Thread(target=self._run, name=f"task-{self._name}", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Stop reading as soon as what was read is put; the state follows."""
        self._paused.set()

    def resume(self) -> None:
        """Read on from the committed offsets."""
        self._paused.clear()

    def end(self) -> None:
        """Ask the thread to end; it has when it is no longer `alive`."""
        self._ended.set()

    def sabotage(self, fault: str) -> None:
        """Break this task on purpose, soon: "fail", or "stall": it stays RUNNING and neither reads nor commits."""
        self._sabotage = fault

    @property
    def alive(self) -> bool:
        """False when the thread has ended, after which nothing of it touches Kafka or the warehouse."""
        return self._thread.is_alive()

    def _run(self) -> None:
        sink: Sink | None = None
        dead = DeadLetters(self._start.connector, self.number, self._start.config, self._broker)
        try:
            pipeline = Pipeline(self._start.config)
            sink = self._plugin.make(self._start)
            self._again(sink.open)
            self._again(dead.open)
            self._started()
            while not self._ended.is_set():
                if self._paused.is_set():
                    self.state = "PAUSED"
                    self._ended.wait(0.2)
                else:
                    self.state = "RUNNING"
                    self._read(sink, pipeline, dead)
        except Exception as fault:
            self.trace, self.state = trace(fault), "FAILED"
            log.error("%s FAILED: %s", self._name, fault.__cause__ or fault)
        finally:
            dead.close()
            if sink is not None:
                sink.close()

    def _started(self) -> None:
        if self.state == self._first:
            self.state = "PAUSED" if self._paused.is_set() else "RUNNING"

    def _wanted(self) -> bool:
        return not self._ended.is_set() and not self._paused.is_set()

    def _read(self, sink: Sink, pipeline: Pipeline, dead: DeadLetters) -> None:
        self._assigned, self._uncommitted = set(), {}
        consumer = Consumer(self._settings())
        looked = float("-inf")
        try:
            while self._wanted():
                if self._sabotage:
                    self._broken()
                    continue
                if time.monotonic() - looked > LOOK_FOR_PARTITIONS_S or not self._assigned:
                    self._share(consumer, sink)
                    looked = time.monotonic()
                if batch := self._gather(consumer, sink):
                    self._deliver(batch, sink, pipeline, dead)
                self._commit(consumer)
        finally:
            consumer.close()

    def _broken(self) -> None:
        """Fails or hangs as somebody wanted; a task that was made anew does not."""
        if self._sabotage == "fail":
            raise ConnectFault("Exiting WorkerSinkTask due to unrecoverable exception.") from ConnectFault(
                f"Task {self._name} was made to fail by floodgate break"
            )
        self._ended.wait(0.2)

    def _settings(self) -> dict[str, Any]:
        settings = client(
            self._broker.bootstrap,
            group_id=group(self._start.connector),
            client_id=f"connector-consumer-{self._name}",
            enable_auto_commit=False,
            enable_auto_offset_store=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_queue_backoff_ms=10,
            fetch_wait_max_ms=500,
            queued_max_messages_kbytes=8_192,
        )
        known = {"auto.offset.reset", "isolation.level", "fetch.max.bytes", "fetch.wait.max.ms", "client.id"}
        overrides = below(self._start.config, "consumer.override.")
        return settings | {name: value for name, value in overrides.items() if name in known}

    def _share(self, consumer: Consumer, sink: Sink) -> None:
        """Take up this task's share of the partitions that exist now, and let go of those that are gone."""
        try:
            everything = self._broker.topics()
            share = self._mine(everything)
            new = [TopicPartition(*place) for place in sorted(share - self._assigned)]
            found = patiently(lambda: consumer.committed(new, 10)) if new else []
            committed = {(one.topic, one.partition): one.offset for one in found}
        except KafkaException as error:
            self._complain(f"cannot ask the broker for partitions: {error}")
            self._ended.wait(0.5)
            return
        if gone := self._assigned - share:
            consumer.incremental_unassign([TopicPartition(*place) for place in gone])
        if new:
            self._again(lambda: sink.assigned({place: max(offset, -1) for place, offset in committed.items()}))
            starts = [
                TopicPartition(*place, offset if offset >= 0 else OFFSET_INVALID) for place, offset in committed.items()
            ]
            consumer.incremental_assign(starts)
        elif not share:
            self._ended.wait(0.5)  # the topics are missing: RUNNING all the same, as in the runtime
        self._assigned = share

    def _mine(self, everything: Mapping[str, int]) -> set[tuple[str, int]]:
        config = self._start.config
        if pattern := config.get("topics.regex"):
            topics = [name for name in everything if re.fullmatch(pattern, name)]
        else:
            topics = names(config, "topics")
        places = sorted((topic, number) for topic in topics for number in range(everything.get(topic, 0)))
        return set(places[self.number :: self._of])

    def _gather(self, consumer: Consumer, sink: Sink) -> list[Read]:
        """Messages of one batch: from the first one on, for the sink's linger or until its buffer is full."""
        first = consumer.poll(0.5)
        if first is None:
            return []
        batch, size, buffer = [first], len(first), sink.buffer
        deadline = time.monotonic() + buffer.linger_s
        while len(batch) < buffer.records and size < buffer.size and self._wanted():
            left = deadline - time.monotonic()
            if left <= 0:
                break
            more = consumer.consume(min(500, buffer.records - len(batch)), min(left, 0.1))
            batch += more
            size += sum(len(one) for one in more)
        for error in (one.error() for one in batch):
            if error is not None:
                self._complain(f"the broker says: {error.str()}")
        return [one for one in batch if one.error() is None]

    def _deliver(self, batch: Sequence[Read], sink: Sink, pipeline: Pipeline, dead: DeadLetters) -> None:
        positions: dict[tuple[str, int], int] = {}
        units: dict[Any, list[Record]] = {}
        rejected: list[Rejected] = []
        for read in batch:
            message = _message(read)
            positions[message.topic, message.partition] = message.offset + 1
            made = pipeline.record(message)
            if isinstance(made, Rejected):
                rejected.append(made)
            elif made is not None:
                units.setdefault(sink.unit(made), []).append(made)
        for topic in {topic for topic, _ in positions}:
            self._on_topic(topic)
        if not dead.settle(rejected, self._wanted):
            return
        for records in units.values():
            refused = self._again(lambda records=records: sink.put(records), self._wanted)  # type: ignore[misc]
            if refused is None or not dead.settle(refused, self._wanted):
                return  # paused or ended while waiting: nothing of this batch is committed
        self._uncommitted |= positions

    def _again(self, step: Callable[[], Any], wanted: Callable[[], bool] | None = None) -> Any:
        """Do `step` until it is not told to retry; None where it is not `wanted` any more (the task was ended)."""
        pause, since = 0.25, time.monotonic()
        while wanted() if wanted else not self._ended.is_set():
            try:
                return step()
            except (Retriable, KafkaException) as fault:
                self._started()  # and waits for the other side
                waited = time.monotonic() - since
                self._complain(f"retrying for {waited:.0f} s: {fault}")
                self._ended.wait(pause)
                pause = min(pause * 2, LONGEST_BACKOFF_S)
        return None

    def _commit(self, consumer: Consumer) -> None:
        if not self._uncommitted:
            return
        places = [TopicPartition(*place, offset) for place, offset in self._uncommitted.items()]
        try:
            commit(consumer, places)
            self._uncommitted = {}
        except KafkaException as error:  # kept, and tried again with the next offsets
            self._complain(f"cannot commit offsets yet: {error}")

    def _complain(self, what: str) -> None:
        now = time.monotonic()
        if now - self._complained > 30:
            self._complained = now
            log.warning("%s: %s", self._name, what)


def _message(read: Any) -> Message:
    kind, stamp = read.timestamp()
    stamp = stamp if kind else -1
    headers = tuple(read.headers() or ())
    return Message(read.topic(), read.partition(), read.offset(), stamp, KINDS[kind], read.key(), read.value(), headers)
