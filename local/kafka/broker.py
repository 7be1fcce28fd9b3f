"""What one broker needs on disk before it starts: settings, a formatted log folder, Java's arguments.

All paths in these files are relative to place.data("kafka"), the working folder, so that no path needs escaping.
"""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import time
import uuid
from pathlib import Path

from local.kafka import jars
from local.kafka.java import Java
from local.place import Place
from local.service import ServiceError

# A topic's own max.message.bytes when it names none: Confluent Cloud's default. A topic may name more.
MAX_MESSAGE_BYTES = 2_097_164
HEAP_MB = 256
COLLECTOR = "-XX:+UseSerialGC"
ARCHIVE_DAYS = 30
FORMAT_TIMEOUT_S = 120

LOGGING = Path(__file__).with_name("log4j2.properties")
RECORDING = "classes.recording"


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
    folder = place.data("kafka")
    class_path = jars.ensure(place)
    (folder / "server.properties").write_text("".join(f"{key}={value}\n" for key, value in settings(place).items()))
    shutil.copyfile(LOGGING, folder / LOGGING.name)
    # Native libraries are unpacked here; a killed broker leaves them behind.
    shutil.rmtree(folder / "tmp", ignore_errors=True)
    (folder / "tmp").mkdir()
    archive = _archive(place, java, class_path)
    (folder / "java.args").write_text("".join(f'"{_quoted(word)}"\n' for word in _arguments(java, class_path, archive)))
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
    command = [str(java.path), "-XX:TieredStopAtLevel=1", COLLECTOR, f"-Dlog4j2.configurationFile={LOGGING.name}"]
    command += ["-cp", class_path, "kafka.tools.StorageTool", "format", "-t", _cluster_id(), "-c", "format.properties"]
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=FORMAT_TIMEOUT_S)
    except subprocess.TimeoutExpired as problem:
        raise ServiceError(
            f"Formatting Kafka's log folder took more than {FORMAT_TIMEOUT_S} s: try again when less is running."
        ) from problem
    _note(place, done.stdout + done.stderr)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"ended with {done.returncode}"])[-1]
        raise ServiceError(
            f"Kafka's log folder {folder / 'log'} could not be formatted: {last} (all of it in {place.log('kafka')})."
        )
    (folder / "log.new").replace(folder / "log")
    (folder / "format.properties").unlink()


def _note(place: Place, words: str) -> None:
    with place.log("kafka").open("a") as log:
        log.write(words.rstrip("\n") + "\n")


def _cluster_id() -> str:
    while (text := base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]).startswith("-"):
        pass  # would be read as an option
    return text


def _arguments(java: Java, class_path: str, archive: Path) -> list[str]:
    words = ["-Xms64m", f"-Xmx{HEAP_MB}m", COLLECTOR, "-XX:-UsePerfData"]
    # The supervisor starts it again; a broker that limps on without heap answers nobody.
    words += ["-XX:+ExitOnOutOfMemoryError", "-XX:ErrorFile=java_error.log"]
    words += [f"-Dlog4j2.configurationFile={LOGGING.name}", "-Djava.io.tmpdir=tmp", "-Djava.awt.headless=true"]
    if java.major >= 24:  # else a page of warnings about what its libraries do
        words += ["--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow"]
    one_step = java.major >= 25
    if archive.exists():
        words.append(f"-XX:{'AOTCache' if one_step else 'SharedArchiveFile'}={archive}")
    else:
        words.append(f"-XX:{'AOTCacheOutput' if one_step else 'ArchiveClassesAtExit'}={RECORDING}")
    return [*words, "-Xlog:disable", "-Xlog:all=error:stderr", "-cp", class_path]


def _archive(place: Place, java: Java, class_path: str) -> Path:
    """Where the archive of loaded classes is, or will be after the first clean stop: it halves the time to start.

    A run without one writes RECORDING as it ends; the next start moves that to the cache, where all checkouts find it.
    """
    files = [Path(name).stat() for name in class_path.split(os.pathsep)]
    # Java refuses an archive when a jar's time is another, so the time is part of the name.
    same = (str(java.path), java.version, COLLECTOR, class_path, [(one.st_size, one.st_mtime_ns) for one in files])
    archive = jars.cache().with_name("classes") / (hashlib.sha256(repr(same).encode()).hexdigest()[:16] + ".archive")
    recording = place.data("kafka") / RECORDING
    try:
        if archive.exists():
            os.utime(archive)  # still in use
        elif _whole(recording):
            _save(recording, archive)
    except OSError as problem:  # a broker without one starts too
        _note(place, f"The archive of classes is not at {archive}, starts stay slow: {problem.strerror}.")
    recording.unlink(missing_ok=True)
    return archive


def _save(recording: Path, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    # Another checkout may look for it at this moment: it is there whole, or not at all.
    new = archive.with_suffix(f".{os.getpid()}")
    try:
        shutil.copyfile(recording, new)
        new.replace(archive)
    finally:
        new.unlink(missing_ok=True)
    for old in archive.parent.iterdir():
        if time.time() - old.stat().st_mtime > ARCHIVE_DAYS * 86400:
            old.unlink(missing_ok=True)


def _whole(recording: Path) -> bool:
    # Java writes the head last: zeros there mean that it was killed while writing.
    try:
        with recording.open("rb") as file:
            return any(file.read(4))
    except FileNotFoundError:
        return False


def _quoted(word: str) -> str:
    return word.replace("\\", "\\\\").replace('"', '\\"')
