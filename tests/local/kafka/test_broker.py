"""The local Kafka, run for real: what clients rely on, what a kill leaves, how it starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

from local import kafka
from local.kafka import broker, jars, jvm
from local.place import Place
from local.service import ServiceError
from tests.local import running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(120)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return running.a_place(tmp_path_factory.mktemp("kafka") / "home")


@pytest.fixture(scope="module")
def running_broker(place: Place) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The broker, for all tests here; a test that kills it puts the next one in the box."""
    service = kafka.service(place)
    box = {"child": running.start(service, place)}
    yield box
    running.stop(service, box["child"])


@pytest.fixture
def client(place: Place, running_broker: object) -> dict[str, Any]:
    """What every client is configured with."""
    return {"bootstrap.servers": f"127.0.0.1:{place.ports['kafka']}", "reconnect.backoff.max.ms": 500, "log_level": 0}


def make_topic(client: dict[str, Any], name: str, partitions: int = 1, **config: str) -> str:
    settings = {key.replace("_", "."): value for key, value in config.items()}
    admin = AdminClient(client)
    admin.create_topics([NewTopic(name, partitions, 1, config=settings)])[name].result(15)
    return name


def produce(client: dict[str, Any], topic: str, values: list[bytes], **more: Any) -> list[KafkaError | None]:
    """Delivery errors in order of the reports; None for a record that is acknowledged."""
    reports: list[KafkaError | None] = []
    producer = Producer({**client, "acks": "all", "enable.idempotence": True, **more})
    for value in values:
        producer.produce(topic, value, on_delivery=lambda error, _: reports.append(error))
    assert producer.flush(30) == 0
    return reports


def read(client: dict[str, Any], topic: str, count: int, within_s: float = 15, **more: Any) -> list[Message]:
    """The first `count` records, or fewer where no more come for a second after the end was reached."""
    consumer = Consumer({**client, "group.id": f"test-{time.time_ns()}", "auto.offset.reset": "earliest", **more})
    consumer.subscribe([topic])
    found: list[Message] = []
    until = time.monotonic() + within_s
    while len(found) < count and time.monotonic() < until:
        found += [message for message in consumer.consume(10_000, 0.2) if not message.error()]
    consumer.close()
    return found


def test_what_is_produced_is_read(client: dict[str, Any]) -> None:
    topic = make_topic(client, "orders", partitions=3)
    assert produce(client, topic, [b"%d" % n for n in range(5000)], **{"compression.type": "zstd"}) == [None] * 5000
    found = read(client, topic, 5000)
    assert sorted(int(message.value()) for message in found) == list(range(5000))


def test_an_aborted_transaction_is_never_read(client: dict[str, Any]) -> None:
    topic = make_topic(client, "payments")
    producer = Producer({**client, "transactional.id": "test"})
    producer.init_transactions(20)
    for name, commit in (("first", True), ("second", False), ("third", True)):
        producer.begin_transaction()
        for n in range(100):
            producer.produce(topic, f"{name} {n}".encode())
        producer.commit_transaction(20) if commit else producer.abort_transaction(20)
    found = [message.value().decode() for message in read(client, topic, 200, **{"isolation.level": "read_committed"})]
    assert found == [f"{name} {n}" for name in ("first", "third") for n in range(100)]


def test_a_topic_is_never_made_by_a_guess(client: dict[str, Any]) -> None:
    reports = produce(client, "nobody.made.this", [b"x"], **{"message.timeout.ms": 1500})
    assert reports[0] is not None
    assert "nobody.made.this" not in AdminClient(client).list_topics(timeout=10).topics


def test_topics_take_two_megabytes_as_in_confluent_cloud(client: dict[str, Any]) -> None:
    topic = make_topic(client, "pictures")
    admin = AdminClient(client)
    (answer,) = admin.describe_configs([ConfigResource("topic", topic)]).values()
    assert answer.result(10)["max.message.bytes"].value == "2097164"
    generous = {"message.max.bytes": 4_000_000}
    assert produce(client, topic, [b"x" * 2_097_000], **generous) == [None]
    (error,) = produce(client, topic, [b"x" * 2_100_000], **generous)
    assert error is not None
    assert error.code() == KafkaError.MSG_SIZE_TOO_LARGE
    # A topic of dead letters holds such a record and its headers besides.
    more = make_topic(client, "pictures.dlq", max_message_bytes="3145728")
    assert produce(client, more, [b"x" * 2_500_000], **generous) == [None]


def test_a_killed_broker_is_back_in_ten_seconds_with_every_acknowledged_record(
    client: dict[str, Any], place: Place, running_broker: dict[str, subprocess.Popen[bytes]]
) -> None:
    topic = make_topic(client, "clicks", partitions=3)
    acknowledged: list[bytes] = []
    producer = Producer(
        {**client, "acks": "all", "enable.idempotence": True, "message.timeout.ms": 60_000, "linger.ms": 5}
    )

    def report(error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        acknowledged.append(message.value())
        if len(acknowledged) == 500:
            os.kill(running_broker["child"].pid, signal.SIGKILL)

    sent = 0
    while running_broker["child"].poll() is None:
        if sent - len(acknowledged) < 2000:  # so many are on their way when it is killed
            producer.produce(topic, b"%d" % sent, on_delivery=report)
            sent += 1
        producer.poll(0 if sent % 100 else 0.002)
    begun = time.monotonic()
    running_broker["child"] = running.start(kafka.service(place), place)
    seconds = time.monotonic() - begun
    assert producer.flush(60) == 0
    assert len(acknowledged) == sent
    values = [message.value() for message in read(client, topic, sent)]
    assert len(values) == sent
    assert set(values) == set(acknowledged)
    # 3 s where the machine has nothing else to do; the default settings alone would take 9 s more.
    assert seconds < 45


def test_the_first_clean_stop_makes_the_next_start_fast(
    place: Place, running_broker: dict[str, subprocess.Popen[bytes]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A cache of its own: the same jars, no archive of classes yet.
    (tmp_path / "floodgate").mkdir()
    (tmp_path / "floodgate" / "jars").symlink_to(jars.cache())
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    own = running.a_place(tmp_path / "home")
    service = kafka.service(own)
    with running.running(service, own):
        pass
    archives = tmp_path / "floodgate" / "classes"
    assert not archives.exists()
    with running.running(service, own) as child:
        (archive,) = archives.iterdir()
        assert str(archive) in Path(f"/proc/{child.pid}/maps").read_text()
    assert sorted(entry.name for entry in own.data("kafka").iterdir()) == [
        "java.args", "log", "log4j2.properties", "server.properties", "tmp",
    ]  # fmt: skip


def test_an_archive_that_was_cut_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = running.a_place(tmp_path / "home")
    jar = tmp_path / "a.jar"
    jar.write_bytes(b"x")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    java = jvm.Java(Path("java"), "17.0.15")
    recording = place.data("kafka") / jvm.RECORDING
    recording.write_bytes(bytes(4096) + b"classes")
    assert not jvm.archive(place, "kafka", java, str(jar)).exists()
    assert not recording.exists()
    recording.write_bytes(b"head" + bytes(4096))
    archive = jvm.archive(place, "kafka", java, str(jar))
    assert archive.read_bytes().startswith(b"head")
    assert list(archive.parent.iterdir()) == [archive]
    # Another jar's time is another archive, since Java would refuse this one.
    os.utime(jar, (1, 1))
    assert jvm.archive(place, "kafka", java, str(jar)) != archive


def test_an_archive_that_cannot_be_kept_is_no_reason_not_to_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = running.a_place(tmp_path / "home")
    (tmp_path / "a.jar").write_bytes(b"x")
    (tmp_path / "cache").write_text("a file where the folder should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (place.data("kafka") / jvm.RECORDING).write_bytes(b"head")
    assert not jvm.archive(place, "kafka", jvm.Java(Path("java"), "17.0.15"), str(tmp_path / "a.jar")).exists()
    assert "starts stay slow: Not a directory." in place.log("kafka").read_text()


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    (place.data("kafka") / "server.properties").mkdir()
    with pytest.raises(ServiceError, match=r"data/kafka cannot be prepared \(Is a directory\): free space on its disk"):
        kafka.service(place).prepare()


def test_an_old_registration_is_soon_forgotten(place: Place) -> None:
    assert int(broker.settings(place)["broker.session.timeout.ms"]) <= 3000


def test_formatting_is_whole_or_begun_again(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    folder = place.data("kafka")
    (folder / "log.new").mkdir()
    (folder / "log.new" / "meta.properties").write_text("half of it")
    kafka.service(place).prepare()
    first = (folder / "log" / "meta.properties").read_text()
    assert "cluster.id=" in first
    assert not (folder / "log.new").exists()
    kafka.service(place).prepare()
    assert (folder / "log" / "meta.properties").read_text() == first


def test_a_folder_that_is_no_log_folder_is_left_alone(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    (place.data("kafka") / "log").mkdir()
    (place.data("kafka") / "log" / "letters.txt").write_text("dear")
    with pytest.raises(ServiceError, match=r"holds files but is no Kafka log folder .* move it away"):
        kafka.service(place).prepare()
    assert (place.data("kafka") / "log" / "letters.txt").read_text() == "dear"


def test_ready_tells_apart_silence_a_stranger_and_a_broker(place: Place, running_broker: object) -> None:
    assert kafka.ready(place.ports["kafka"]) is None
    port = running.free_ports(1)[0]
    assert kafka.ready(port) == f"Kafka does not answer on 127.0.0.1:{port} yet (Connection refused)"
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        threading.Thread(target=lambda: stranger.accept()[0].sendall(b"\0\0\0\x05hello"), daemon=True).start()
        assert "the answer is not Kafka's" in (kafka.ready(stranger.getsockname()[1]) or "")


def test_it_listens_on_loopback_alone(place: Place, running_broker: dict[str, subprocess.Popen[bytes]]) -> None:
    asked = {"bootstrap.servers": f"127.0.0.1:{place.ports['kafka']}", "log_level": 0}
    (only,) = AdminClient(asked).list_topics(timeout=10).brokers.values()
    assert (only.host, only.port) == ("127.0.0.1", place.ports["kafka"])
    for role in ("kafka", "kafka_controller"):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", place.ports[role]), timeout=1).close()
