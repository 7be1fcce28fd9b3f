"""What one broker needs on disk before it starts: settings, a formatted log folder, what Java is started with."""

from __future__ import annotations

import base64
import shutil
import subprocess
import uuid

from local.kafka import jars, jvm
from local.kafka.java import Java
from local.place import Place
from local.service import ServiceError

# A topic's own max.message.bytes when it names none: Confluent Cloud's default. A topic may name more.
MAX_MESSAGE_BYTES = 2_097_164
FORMAT_TIMEOUT_S = 120


def settings(place: Place) -> dict[str, str | int]:
    """server.properties: one node that is broker and controller, on loopback, with one copy of everything."""
    client, controller = place.ports["kafka"], place.ports["kafka_controller"]
    return {
        "process.roles": "broker,controller",
        "node.id": 1,
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "listeners": f"PLAINTEXT://127.0.0.1:{client},CONTROLLER://127.0.0.1:{controller}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{client}",
        "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": "log",
        # As in Confluent Cloud: topics are made, never guessed.
        "auto.create.topics.enable": "false",
        "message.max.bytes": MAX_MESSAGE_BYTES,
        # Three copies, the default, cannot be had from one node.
        "default.replication.factor": 1,
        "min.insync.replicas": 1,
        "offsets.topic.replication.factor": 1,
        "transaction.state.log.replication.factor": 1,
        "transaction.state.log.min.isr": 1,
        "share.coordinator.state.topic.replication.factor": 1,
        "share.coordinator.state.topic.min.isr": 1,
        # 50 partitions each, the default, are files and seconds at every start.
        "offsets.topic.num.partitions": 4,
        "transaction.state.log.num.partitions": 4,
        "share.coordinator.state.topic.num.partitions": 4,
        # A node that was killed has to wait until its own old registration expires; the default is 9 s.
        "broker.session.timeout.ms": 2000,
        "broker.heartbeat.interval.ms": 500,
        "group.initial.rebalance.delay.ms": 0,
        "num.network.threads": 2,
        "num.io.threads": 4,
        "num.recovery.threads.per.data.dir": 2,
        "log.segment.bytes": 128 * 1024 * 1024,
        # The default, 128 MB, is half of the heap.
        "log.cleaner.dedupe.buffer.size": 16 * 1024 * 1024,
    }


def prepare(place: Place, java: Java) -> None:
    """Everything before a start, safe to repeat and to be killed in: jars, settings, format, class archive."""
    class_path = jars.class_path(jars.ensure(place, "kafka"), jars.cache())
    jvm.write_properties(place.data("kafka") / "server.properties", settings(place))
    jvm.prepare(place, "kafka", java, class_path)
    _format(place, java, class_path)


def _format(place: Place, java: Java, class_path: str) -> None:
    """Makes the log folder beside its place and moves it there: it is whole, or it is not there."""
    folder = place.data("kafka")
    if (folder / "log" / "meta.properties").exists():
        return
    if (folder / "log").exists() and any((folder / "log").iterdir()):
        raise ServiceError(
            f"{folder / 'log'} holds files but is no Kafka log folder (meta.properties is missing): "
            "move it away to start with an empty Kafka, or put the file back to keep its records."
        )
    shutil.rmtree(folder / "log.new", ignore_errors=True)
    written = (folder / "server.properties").read_text().replace("log.dirs=log\n", "log.dirs=log.new\n")
    (folder / "format.properties").write_text(written)
    command = [str(java.path), "-XX:TieredStopAtLevel=1", jvm.COLLECTOR]
    command += [f"-Dlog4j2.configurationFile={jvm.LOGGING.name}"]
    command += ["-cp", class_path, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", "format.properties"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S)
    except subprocess.TimeoutExpired as problem:
        raise ServiceError(
            f"Formatting Kafka's log folder took more than {FORMAT_TIMEOUT_S} s: try again when less is running."
        ) from problem
    jvm.note(place, "kafka", done.stdout + done.stderr)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        raise ServiceError(
            f"Kafka's log folder {folder / 'log'} could not be formatted: {last} (all of it in {place.log('kafka')})."
        )
    (folder / "log.new").replace(folder / "log")
    (folder / "format.properties").unlink()


def _cluster_id() -> str:
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]).startswith("-"):
        pass  # would be read as an option
    return text
