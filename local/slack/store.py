"""Every message that was sent, in one file of JSON lines. A message that was answered with ok is on the disk."""

from __future__ import annotations

import base64
import hashlib
import logging
import os
import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

LOG = logging.getLogger(__name__)

# What Slack's own ids look like: channels, groups, direct messages, users.
ID = re.compile(r"[CGDUW][A-Z0-9]{8,}")
TS = re.compile(r"\d{1,12}\.\d{6}")


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it is now; `ts` names it within its channel, `thread_ts` names the message it replies to."""

    ts: str
    channel: str
    text: str
    thread_ts: str | None = None
    blocks: list[dict[str, Any]] = []
    attachments: list[dict[str, Any]] = []
    metadata: dict[str, Any] | None = None
    edited: dict[str, str] | None = None
    received_at: str

    @property
    def touched(self) -> str:
        """The ts of the last change."""
        return self.edited["ts"] if self.edited else self.ts


class Store:
    """The messages of one file. An edit is one more line, which stands for the earlier ones of the same ts."""

    def __init__(self, path: Path) -> None:
        self._messages: dict[tuple[str, str], Message] = {}
        self._names: dict[str, str] = {}
        self._last_us = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._load(path)

    def post(self, channel: str, **fields: Any) -> Message:
        """Keeps a new message (fields as in Message); raises OSError where the disk does not take it."""
        message = Message(ts=self._next_ts(), channel=self.name_of(channel), received_at=_now(), **fields)
        return self._keep(message)

    def edit(self, message: Message, **fields: Any) -> Message:
        """Keeps a message anew with other `fields`; raises OSError where the disk does not take it."""
        edited = {"user": "UFLOODGATE", "ts": self._next_ts()}
        return self._keep(msgspec.structs.replace(message, edited=edited, **fields))

    def find(self, channel: str, ts: str) -> Message | None:
        """The message of that ts in a channel (name or id)."""
        return self._messages.get((self.name_of(channel), ts))

    def messages(self, channel: str | None = None, since: str = "0") -> list[Message]:
        """Those sent or edited after `since` (a ts or seconds), oldest first; of all channels or of one."""
        name = None if channel is None else self.name_of(channel)
        after = _microseconds(since)
        found = [m for m in self._messages.values() if name in (None, m.channel) and _microseconds(m.touched) > after]
        return sorted(found, key=lambda message: _microseconds(message.ts))

    def name_of(self, channel: str) -> str:
        """A channel's name for its name, with or without #, or for its id."""
        return self._names.get(channel, channel.removeprefix("#"))

    @staticmethod
    def id_of(channel: str) -> str:
        """A channel's id, which Slack answers with and wants for an edit; always the same for the same name."""
        if ID.fullmatch(channel):
            return channel
        return "C" + base64.b32encode(hashlib.sha256(channel.encode()).digest()).decode()[:10]

    def _load(self, path: Path) -> None:
        content = path.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            os.ftruncate(self._file, end)  # the writer was killed within this line, so nobody was told it is kept
        for number, line in enumerate(content[:end].splitlines(), start=1):
            try:
                self._remember(msgspec.json.decode(line, type=Message))
            except (msgspec.DecodeError, ValueError) as problem:
                LOG.warning("%s, line %d is not shown, it is no message: %s", path, number, problem)

    def _keep(self, message: Message) -> Message:
        size = os.fstat(self._file).st_size
        line = msgspec.json.encode(message) + b"\n"
        try:
            if os.write(self._file, line) != len(line):
                raise OSError(28, os.strerror(28))
            os.fsync(self._file)
        except OSError:
            os.ftruncate(self._file, size)
            raise
        self._remember(message)
        return message

    def _remember(self, message: Message) -> None:
        self._messages[message.channel, message.ts] = message
        self._names[self.id_of(message.channel)] = message.channel
        self._last_us = max(self._last_us, _microseconds(message.touched))

    def _next_ts(self) -> str:
        # Never twice the same, also where the clock was set back.
        self._last_us = max(time.time_ns() // 1000, self._last_us + 1)
        return f"{self._last_us // 1_000_000}.{self._last_us % 1_000_000:06d}"


def _microseconds(ts: str) -> int:
    seconds, _, rest = ts.partition(".")
    return int(seconds) * 1_000_000 + int(rest.ljust(6, "0")[:6])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
