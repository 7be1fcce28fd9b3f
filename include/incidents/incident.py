"""What is remembered of an incident. All of it is JSON in the state store of an asset."""

from __future__ import annotations

import fnmatch
from datetime import datetime
from typing import Literal

import msgspec

from include.alerts import Message, Severity

#: How an incident ended: all is well again, or what is lost stays lost, or nobody looks at its subject any more; empty
#: while it is open.
End = Literal["", "normal", "lost", "gone"]


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """Something to be told and not yet sent: the thread's first message, a reply, or the first message's new text."""

    kind: Literal["first", "reply", "edit"]
    message: Message


class Thread(msgspec.Struct, frozen=True):
    """Where the first message stands. `ts` is empty where it came by webhook, which has no threads."""

    channel: str
    ts: str = ""


class Incident(msgspec.Struct, kw_only=True):
    """One rule about one subject, from the first sign to the last word. `letters` wait to be sent, in order.

    `opened_at` is when it was opened, or opened again; `notes` counts the healing steps that were told since then.
    """

    rule: str
    subject: str
    domain: str
    asset: str
    severity: Severity
    headline: str
    opened_at: datetime
    seen_at: datetime
    told_at: datetime
    since: datetime
    facts: tuple[tuple[str, str], ...] = ()
    does: str = ""
    act: str = ""
    closed_at: datetime | None = None
    fine_since: datetime | None = None
    times: int = 1
    silenced: str = ""
    thread: Thread | None = None
    letters: list[Letter] = []
    notes: int = 0
    brought_back: int = 0
    end: End = ""

    @property
    def fingerprint(self) -> str:
        """As the verdict's."""
        return f"{self.rule}:{self.subject}"

    @property
    def open(self) -> bool:
        """It goes on."""
        return self.closed_at is None


class Silence(msgspec.Struct, frozen=True, kw_only=True):
    """Fingerprints (a pattern such as `rows_late:*`) that are not told until a moment, and why."""

    match: str
    reason: str
    until: datetime
    by: str = ""

    def covers(self, fingerprint: str, now: datetime) -> bool:
        """True while it holds for that incident."""
        return now < self.until and fnmatch.fnmatchcase(fingerprint, self.match)
