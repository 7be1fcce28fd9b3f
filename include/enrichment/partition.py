"""Enriches what waits in one partition, exactly once: read, enriched, produced and noted as read in one transaction.

The note is the group's offset, which is committed by the transaction that holds the enriched records. Whoever takes the
partition next fences the last one off before it asks how far that came, so whatever is killed, wherever, leaves nothing
half done. A record goes to the partition of the same number: order stays as it was, and partitions share nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby

import msgspec
from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka import KafkaError as Cause

from include.connections import Endpoint
from include.contracts import Contract
from include.contracts.event import Event
from include.enrichment import again
from include.enrichment.clickstream import SOURCE, TARGET, Malformed, enrich
from include.enrichment.shares import Block, Blocks, blocks, receipts
from include.kafka.burst import Stretch
from include.kafka.client import CALL_S, consumer, producer
from include.kafka.dead_letters import PREFIX
from include.kafka.errors import KafkaError, Trouble
from include.kafka.offsets import committed, extents, watermarks
from include.kafka.reading import records
from include.kafka.receipts import TOPIC as RECEIPTS
from include.kafka.receipts import Receipt
from include.kafka.topics import MOST_BYTES, MOST_DEAD_LETTER_BYTES
from include.kafka.transaction import DELIVER_S, TRANSACTION_S, abort, attempt, settings

#: The group whose offsets say what was enriched; also what the dead letters name as who rejected them.
GROUP = "enrich-clickstream"
#: A transaction ends after so many records, at the next end of a burst.
BATCH = 50_000
#: Records read at a time, and what waits for the broker at most.
AT_ONCE, WAITING = 5_000, 20_000
#: How long to wait for so many.
QUIET_S = 0.1
#: How long to wait for receipts that cannot be read yet.
RECEIPTS_S = 5.0

Point = Callable[[str], None]


class Enriched(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a partition's records; `behind` is how many offsets were left."""

    partition: int
    enriched: int = 0
    rejected: int = 0
    transactions: int = 0
    behind: int = 0


def waiting(endpoint: Endpoint) -> list[int]:
    """The partitions of the source that have something to be enriched. Raises KafkaError."""
    ends = watermarks(endpoint, [SOURCE])
    read = committed(endpoint, GROUP, list(ends))
    return [place[1] for place, (low, high) in ends.items() if read.get(place, low) < high]


def enrich_partition(
    endpoint: Endpoint, contract: Contract, partition: int, *, batch: int = BATCH, at: Point = lambda point: None
) -> Enriched:
    """Enriches what waits in a partition now. Raises KafkaError; what was committed by then stays.

    `at` hears where it is, for tests that end it there.
    """
    trouble = Trouble(endpoint)
    own = {**settings(f"enrich/{SOURCE}/{partition}"), "message.max.bytes": MOST_DEAD_LETTER_BYTES + 500_000}
    client = producer(endpoint, own, trouble)
    # From here on no other run can commit, and what it had begun is ended.
    attempt(trouble, f"taking over {SOURCE}, partition {partition}", lambda: client.init_transactions(DELIVER_S))
    at("taken over")
    reader = consumer(endpoint, {"group.id": GROUP, "fetch.wait.max.ms": 20}, trouble)
    try:
        low, end = watermarks(endpoint, [SOURCE])[SOURCE, partition]
        start = max(low, committed(endpoint, GROUP, [(SOURCE, partition)]).get((SOURCE, partition), low))
        if start >= end:
            return Enriched(partition=partition)
        reader.assign([TopicPartition(SOURCE, partition, start)])
        return _Run(endpoint, contract, partition, client, reader, trouble, batch, at).through(start, end)
    except KafkaException as error:
        raise trouble.explain(f"enriching {SOURCE}, partition {partition}", error) from error
    finally:
        reader.close()


class _Run:
    """One partition, from where the group is to where readers may see."""

    def __init__(
        self,
        endpoint: Endpoint,
        contract: Contract,
        partition: int,
        client: Producer,
        reader: Consumer,
        trouble: Trouble,
        batch: int,
        at: Point,
    ) -> None:
        self.endpoint, self.contract, self.partition = endpoint, contract, partition
        self.client, self.reader, self.trouble = client, reader, trouble
        self.batch, self.at = batch, at
        self.done = Enriched(partition=partition)
        self.failed: Cause | None = None
        self.told_all = True
        self.held = False
        self.found = Blocks()
        self.messages: Iterator[Message] = iter(())
        self.next: Message | None = None

    def through(self, start: int, end: int) -> Enriched:
        """Transaction after transaction, until `end`."""
        self.messages = self._messages(end)
        self.next, stop = next(self.messages, None), end
        if self.next is not None:
            self.told_all = self._receipts_are_there()
            self.found, stop = blocks(self._promised(self.next), start, end)
        if stop <= start:
            return Enriched(partition=self.partition, behind=end - stop)
        while True:
            read_until = self._transaction(stop)
            if self.held or self.next is None or _offset(self.next) >= stop:
                return msgspec.structs.replace(self.done, behind=end - read_until)

    def _some(self, stop: int) -> Iterator[Message]:
        """The messages of one transaction: a burst's stretch is not cut."""
        count, block = 0, None
        while (message := self.next) is not None and _offset(message) < stop:
            here = self.found.of(_offset(message))
            if count >= self.batch and (here is None or here is not block):
                return
            if here is None and not self.told_all:
                # Nobody's record, or one whose receipt is still to be seen: a later run knows.
                self.held = True
                return
            count, block = count + 1, here
            self.next = next(self.messages, None)
            yield message

    def _messages(self, end: int) -> Iterator[Message]:
        """Everything committed before `end`."""
        silent = 0.0
        while True:
            got = self.reader.consume(AT_ONCE, timeout=QUIET_S)
            silent = 0 if got else silent + QUIET_S
            for message in got:
                error = message.error()
                if error is None:
                    if _offset(message) >= end:
                        return
                    yield message
                elif error.code() == Cause._PARTITION_EOF:
                    return
                elif not error.retriable():
                    raise self.trouble.explain(f"reading {SOURCE}", error)
            if silent > CALL_S:
                raise self.trouble.explain(f"reading {SOURCE}", Cause(Cause._TIMED_OUT, "no record and no end came"))

    def _receipts_are_there(self) -> bool:
        """Whether all receipts that were written by now can be read. A commit comes to its partitions one after the
        other, so records may be seen before the receipts of the same transaction. Raises KafkaError."""
        (extent,) = extents(self.endpoint, [RECEIPTS]).values()
        end, until = extent.end, time.monotonic() + RECEIPTS_S
        while extent.readable < end:
            if time.monotonic() > until:
                return False
            time.sleep(0.05)
            (extent,) = extents(self.endpoint, [RECEIPTS]).values()
        return True

    def _promised(self, first: Message) -> list[Receipt]:
        """Every receipt of this partition's bursts that is not older than its first record, earlier copies too."""
        at_ms = first.timestamp()[1]
        margin = timedelta(seconds=TRANSACTION_S + DELIVER_S)
        since = datetime.fromtimestamp(max(at_ms, 0) / 1000, UTC) - margin if at_ms > 0 else None
        told = (record.value() for record in records(self.endpoint, RECEIPTS, since=since))
        found = (msgspec.json.decode(value, type=Receipt) for value in told if value is not None)
        return [one for one in found if (one.topic, one.partition) == (SOURCE, self.partition)]

    def _transaction(self, stop: int) -> int:
        """Produces what these make, their receipts, and the group's next offset, which it gives: all or nothing."""
        self.client.begin_transaction()
        try:
            self.at("begun")
            counts = self._produce(self._some(stop))
            read_until = stop if self.next is None else min(stop, _offset(self.next))
            place = TopicPartition(SOURCE, self.partition, read_until)
            group = self.reader.consumer_group_metadata()
            attempt(
                self.trouble,
                f"noting how far {SOURCE} was enriched",
                lambda: self.client.send_offsets_to_transaction([place], group, DELIVER_S),
            )
            self.at("noted")
            attempt(self.trouble, f"committing what {SOURCE} makes", lambda: self.client.commit_transaction(DELIVER_S))
        except BaseException as error:
            abort(self.client, self.trouble, f"enrichment of {SOURCE}, partition {self.partition}")
            if isinstance(error, BufferError):
                raise self.trouble.explain("enriching", Cause(Cause._QUEUE_FULL, str(error))) from error
            raise
        self.at("committed")
        self.done = msgspec.structs.replace(
            self.done,
            enriched=self.done.enriched + counts[0],
            rejected=self.done.rejected + counts[1],
            transactions=self.done.transactions + 1,
        )
        return read_until

    def _produce(self, messages: Iterator[Message]) -> tuple[int, int]:
        """Sends enriched records, dead letters, receipts; gives how many of the first two."""
        made: list[tuple[Block | None, Stretch]] = []
        rejected = 0
        for block, some in groupby(messages, self._block):
            stretch = Stretch(TARGET, self.partition)
            made.append((block, stretch))
            for message in some:
                value = message.value()
                if value is None:
                    continue
                try:
                    stretch.batch.append(Event(TARGET, message.key() or b"", enrich(value), message.timestamp()[1]))
                except Malformed as error:
                    self._reject(message, str(error))
                    rejected += 1
                if len(stretch.batch) >= AT_ONCE:
                    self._hand_over(stretch)
            self._hand_over(stretch)
        self._settle(made)
        self.at("sent")
        for block, stretch in made:
            if block is not None:
                for receipt in receipts(block, stretch, TARGET):
                    value = msgspec.json.encode(receipt)
                    self.client.produce(RECEIPTS, value, receipt.event_id.encode(), 0, on_delivery=self._told)
        self._settle(made)
        return sum(stretch.events for _, stretch in made), rejected

    def _block(self, message: Message) -> Block | None:
        """The stretch that a record belongs to: its burst's, one of its own where it was sent again, or none."""
        return self.found.of(_offset(message)) or again.block(self.endpoint, message)

    def _hand_over(self, stretch: Stretch) -> None:
        if stretch.batch:
            stretch.hand_over(self.client)
            self.at("handed over")
        while len(self.client) > WAITING:
            self.client.poll(0.1)

    def _settle(self, made: list[tuple[Block | None, Stretch]]) -> None:
        """Waits until everything that was sent is delivered; raises KafkaError."""
        while len(self.client):
            self.client.poll(0.1)
        failed = self.failed or next((stretch.error for _, stretch in made if stretch.error), None)
        if failed is not None:
            raise self.trouble.explain(f"producing what {SOURCE} makes", failed)
        if any(stretch.delivered != stretch.handed for _, stretch in made):
            raise KafkaError(f"not all that was sent to {TARGET} arrived: enrich again, nothing of this counts")

    def _reject(self, message: Message, reason: str) -> None:
        """Sets a record aside, as a connector does: it is the record as it was, and headers that tell why."""
        told = {
            "topic": SOURCE,
            "partition": self.partition,
            "offset": _offset(message),
            "connector.name": GROUP,
            "stage": "TRANSFORMATION",
            "exception.class.name": Malformed.__name__,
            "exception.message": reason[: MOST_BYTES // 100],
        }
        headers = [*(message.headers() or ()), *((PREFIX + name, str(value).encode()) for name, value in told.items())]
        self.client.produce(
            self.contract.dead_letters,
            message.value(),
            message.key(),
            headers=headers,
            timestamp=max(message.timestamp()[1], 0),
            on_delivery=self._told,
        )

    def _told(self, error: Cause | None, _: Message) -> None:
        self.failed = self.failed or error


def _offset(message: Message) -> int:
    return int(message.offset() or 0)
