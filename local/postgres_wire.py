"""As much of Postgres' wire protocol as it takes to sign in, with the standard library alone."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import socket
import struct

PROTOCOL_3 = 196608
SASL, SASL_CONTINUE = 10, 11


def sign_in(connection: socket.socket, user: str, database: str, password: str) -> str | None:
    """Signs in, the password going by SCRAM-SHA-256: None at "ready for query", else the server's own words.

    Raises OSError or struct.error where the other side does not speak so.
    """
    words = f"user\0{user}\0database\0{database}\0\0".encode()
    connection.sendall(struct.pack(">II", 8 + len(words), PROTOCOL_3) + words)
    scram = _Scram(password)
    while True:
        kind, body = _message(connection)
        if kind == b"Z":
            return None
        if kind == b"E":
            said = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
            return f"Postgres answers: {said.get(b'M', 'an error')}"
        if kind != b"R":
            continue
        (step,) = struct.unpack_from(">I", body)
        if step == SASL:
            first = scram.first()
            _send(connection, b"SCRAM-SHA-256\0" + struct.pack(">I", len(first)) + first)
        elif step == SASL_CONTINUE:
            _send(connection, scram.second(body[4:].decode()))


def _send(connection: socket.socket, body: bytes) -> None:
    connection.sendall(b"p" + struct.pack(">I", 4 + len(body)) + body)


def _message(connection: socket.socket) -> tuple[bytes, bytes]:
    head = _exactly(connection, 5)
    return head[:1], _exactly(connection, struct.unpack(">I", head[1:])[0] - 4)


def _exactly(connection: socket.socket, size: int) -> bytes:
    got = b""
    while len(got) < size:
        if not (more := connection.recv(size - len(got))):
            raise ConnectionError("the connection was closed")
        got += more
    return got


class _Scram:
    """The client's side of RFC 5802 with SHA-256, without channel binding."""

    def __init__(self, password: str) -> None:
        self.password = password.encode()
        self.bare = f"n=,r={secrets.token_urlsafe(18)}"

    def first(self) -> bytes:
        return f"n,,{self.bare}".encode()

    def second(self, server: str) -> bytes:
        given = dict(part.split("=", 1) for part in server.split(","))
        salted = hashlib.pbkdf2_hmac("sha256", self.password, base64.b64decode(given["s"]), int(given["i"]))
        key = hmac.digest(salted, b"Client Key", "sha256")
        unproven = f"c=biws,r={given['r']}"
        signed = f"{self.bare},{server},{unproven}".encode()
        signature = hmac.digest(hashlib.sha256(key).digest(), signed, "sha256")
        proof = base64.b64encode(bytes(a ^ b for a, b in zip(key, signature, strict=True))).decode()
        return f"{unproven},p={proof}".encode()
