"""Redrives: dead letters sent to their topics again, or parked, each with a record of it in the same transaction."""

from __future__ import annotations

import functools
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime

import msgspec
from confluent_kafka import KafkaError as Cause
from confluent_kafka import KafkaException, Message, Producer

from include.connections import Endpoint
from include.kafka.client import metadata, producer
from include.kafka.errors import KafkaError, Trouble, topic_missing
from include.kafka.reading import records
from include.kafka.receipts import Receipt
from include.kafka.topics import MOST_DEAD_LETTER_BYTES
from include.kafka.transaction import DELIVER_S, abort, attempt, settings

TOPIC = "floodgate.redrives"
#: Headers of a record that was sent again: how often by now, and the place of its first rejection.
COUNT, OF = "floodgate.redrive.count", "floodgate.redrive.of"

#: Topic, partition, offset.
Place = tuple[str, int, int]
Headers = tuple[tuple[str, bytes | None], ...]


def text(place: Place) -> str:
    """`orders/1/7`: a place as the records of redrives are keyed."""
    return "/".join(map(str, place))


class Redrive(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one dead letter; the fields are those of the platform's contract."""

    event_id: str
    domain: str
    topic: str
    partition: int
    offset: int
    origin: str
    times: int
    fix: str | None
    to_topic: str
    to_partition: int
    to_offset: int
    redriven_at: datetime

    @property
    def place(self) -> Place:
        """The place that the record was rejected from."""
        return self.topic, self.partition, self.offset

    @property
    def parked(self) -> bool:
        """Whether it was put aside for good instead of being sent again."""
        return self.to_topic != self.topic


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """A dead letter on its way: what it was, and the record that is sent. `at_ms` is the record's own time."""

    domain: str
    place: Place
    origin: str
    times: int
    fix: str | None
    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    at_ms: int


def read(endpoint: Endpoint, since: datetime | None = None) -> dict[Place, Redrive]:
    """Every dead letter that was sent again or parked (since then), by the place it was rejected from; raises
    KafkaError."""
    found: dict[bytes | None, Redrive] = {}
    for record in records(endpoint, TOPIC, missing_ok=True, since=since):
        value = record.value()
        if value is None:  # a person has put the letter back into the list
            found.pop(record.key(), None)
            continue
        try:
            redrive = msgspec.json.decode(value, type=Redrive)
        except msgspec.MsgspecError as error:
            raise KafkaError(
                f"{TOPIC}, partition {record.partition()}, offset {record.offset()} tells of no redrive ({error}): "
                "only redrives may write there; see who else does"
            ) from error
        found[record.key()] = redrive
    return {redrive.place: redrive for redrive in found.values()}


def accounted(endpoint: Endpoint) -> set[Place]:
    """Places whose rejection is settled: what stood there was sent again or parked. Raises KafkaError."""
    return set(read(endpoint))


def beyond_receipts(redrives: Iterable[Redrive], receipts: Iterable[Receipt]) -> dict[str, int]:
    """Topic -> events that count as produced though no burst's receipt does, because a redrive sent them: records of
    others, as `break poison` makes them. Those that ended parked do not."""
    ranges: defaultdict[tuple[str, int], list[tuple[int, int]]] = defaultdict(list)
    for receipt in receipts:
        ranges[receipt.topic, receipt.partition].append((receipt.first_offset, receipt.last_offset))
    sent: dict[str, str] = {}
    parked: set[str] = set()
    for redrive in redrives:
        topic, partition, offset = redrive.origin.rsplit("/", 2)
        if redrive.parked:
            parked.add(redrive.origin)
        elif not any(first <= int(offset) <= last for first, last in ranges[topic, int(partition)]):
            sent[redrive.origin] = topic
    counts: defaultdict[str, int] = defaultdict(int)
    for origin in sent.keys() - parked:
        counts[sent[origin]] += 1
    return dict(counts)


def produce(
    endpoint: Endpoint, outgoing: Callable[[Mapping[Place, Redrive]], Iterable[Outgoing]], *, now: datetime
) -> tuple[Redrive, ...]:
    """Sends what `outgoing` chooses, given what was redriven before, and tells of each in `TOPIC`: one transaction.

    Whatever ends it early leaves nothing that a reader of committed records sees. There is one redrive at a time: the
    next one, whoever starts it, fences the last one off before it reads what was redriven, so nothing is sent twice.
    Raises KafkaError.
    """
    trouble = Trouble(endpoint)
    client = producer(endpoint, {**settings("redrive"), "message.max.bytes": MOST_DEAD_LETTER_BYTES + 500_000}, trouble)
    there = {name: len(topic.partitions) for name, topic in metadata(client, trouble).topics.items()}
    if TOPIC not in there:
        raise topic_missing(TOPIC)
    attempt(trouble, "beginning a redrive", lambda: client.init_transactions(DELIVER_S))
    done = read(endpoint)
    client.begin_transaction()
    try:
        sending = _Sending(client, trouble)
        letters = []
        for one in outgoing(done):
            if one.topic not in there:
                raise topic_missing(one.topic)
            # A topic that was made anew may have fewer partitions.
            partition = one.partition if one.partition < there[one.topic] else zlib.crc32(one.key or b"")
            sending.send(one, partition % there[one.topic])
            letters.append(one)
        redrives = tuple(
            _redrive(one, *place, now) for one, place in zip(letters, sending.arrived(len(letters)), strict=True)
        )
        telling = _Sending(client, trouble)
        for redrive in redrives:
            telling.send(_told(redrive), 0)
        telling.arrived(len(redrives))
        attempt(trouble, "committing a redrive", lambda: client.commit_transaction(DELIVER_S))
    except BaseException as error:
        abort(client, trouble, "redrive")
        if isinstance(error, KafkaException):
            raise trouble.explain("redriving", error) from error
        raise
    return redrives


class _Sending:
    """Records handed to a client, and where each arrived."""

    def __init__(self, client: Producer, trouble: Trouble) -> None:
        self.client, self.trouble = client, trouble
        self.places: dict[int, tuple[int, int]] = {}
        self.handed = 0
        self.error: Cause | None = None

    def send(self, one: Outgoing, partition: int) -> None:
        """Hands a record over, waiting where the client has no room; raises KafkaError, KafkaException."""
        told = functools.partial(self._report, self.handed)
        self.handed += 1
        while True:
            try:
                self.client.produce(
                    one.topic,
                    one.value,
                    one.key,
                    partition,
                    on_delivery=told,
                    timestamp=max(one.at_ms, 0),
                    headers=list(one.headers),
                )
            except BufferError:
                self.client.poll(0.1)
                self._check()
                continue
            self.client.poll(0)
            return self._check()

    def arrived(self, expected: int) -> list[tuple[int, int]]:
        """Partition and offset of each record, in the order of sending, when all are there; raises KafkaError."""
        while len(self.client):
            self.client.poll(0.1)
            self._check()
        self._check()
        places = [self.places.get(number, (-1, -1)) for number in range(expected)]
        # A broker that answers a repeated request may leave the offset out.
        if any(offset < 0 for _, offset in places):
            raise KafkaError("the broker told no offset for a record: redrive again, nothing of this one counts")
        return places

    def _report(self, number: int, error: Cause | None, message: Message) -> None:
        if error is not None:
            self.error = self.error or error
        else:
            self.places[number] = int(message.partition() or 0), -1 if (at := message.offset()) is None else at

    def _check(self) -> None:
        if self.error is not None:
            raise self.trouble.explain("sending dead letters again", self.error)


def _redrive(one: Outgoing, partition: int, offset: int, now: datetime) -> Redrive:
    return Redrive(
        event_id=text(one.place),
        domain=one.domain,
        topic=one.place[0],
        partition=one.place[1],
        offset=one.place[2],
        origin=one.origin,
        times=one.times,
        fix=one.fix,
        to_topic=one.topic,
        to_partition=partition,
        to_offset=offset,
        redriven_at=now.astimezone(UTC).replace(microsecond=now.microsecond // 1000 * 1000),
    )


def _told(redrive: Redrive) -> Outgoing:
    return Outgoing(
        domain=redrive.domain,
        place=redrive.place,
        origin=redrive.origin,
        times=redrive.times,
        fix=redrive.fix,
        topic=TOPIC,
        partition=0,
        key=redrive.event_id.encode(),
        value=msgspec.json.encode(redrive),
        headers=(),
        at_ms=0,
    )
