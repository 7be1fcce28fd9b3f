"""The local Kafka: one real broker, a KRaft node on loopback, run by Java."""

from __future__ import annotations

import socket
import struct

from local.kafka import broker, jvm
from local.place import Place
from local.service import Service

METADATA, METADATA_VERSION = 3, 1


def service(place: Place) -> Service:
    """The broker as the supervisor runs it; a missing Java is told when it is prepared."""
    return jvm.service(
        place,
        "kafka",
        ("kafka.Kafka", "server.properties"),
        prepare=lambda java: broker.prepare(place, java),
        ready=lambda: ready(place.ports["kafka"]),
        ports=(place.ports["kafka"], place.ports["kafka_controller"]),
    )


def ready(port: int) -> str | None:
    """None when the broker on 127.0.0.1:`port` names itself in its metadata, else what is missing."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.settimeout(2)
            connection.sendall(_request())
            brokers = _brokers(_receive(connection))
    except OSError as problem:
        return f"Kafka does not answer on 127.0.0.1:{port} yet ({problem.strerror or problem})"
    # Until its controller lets it in, a node answers with no broker at all.
    return None if port in brokers else f"Kafka on 127.0.0.1:{port} answers but has not joined its cluster yet"


def _request() -> bytes:
    name = b"floodgate-ready"
    body = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, len(name)) + name + struct.pack(">i", 0)  # of no topic
    return struct.pack(">i", len(body)) + body


def _receive(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        head = stream.read(4)
        if len(head) < 4:
            raise ConnectionError("the connection was closed")
        return stream.read(struct.unpack(">i", head)[0])


def _brokers(answer: bytes) -> list[int]:
    """The ports of the brokers in a metadata answer."""
    try:
        (count,), at, ports = struct.unpack_from(">i", answer, 4), 8, []
        for _ in range(count):
            (length,) = struct.unpack_from(">h", answer, at + 4)
            (port,) = struct.unpack_from(">i", answer, at + 6 + length)
            (rack,) = struct.unpack_from(">h", answer, at + 10 + length)
            at += 12 + length + max(rack, 0)
            ports.append(port)
    except struct.error as problem:
        raise ConnectionError("the answer is not Kafka's") from problem
    return ports
