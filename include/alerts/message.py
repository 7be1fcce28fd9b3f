"""What a message says, before anything knows how it will look."""

from __future__ import annotations

import enum
from datetime import UTC, datetime

import msgspec


class Severity(enum.StrEnum):
    """How bad it is; `normal` ends what one of the others began."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"
    NORMAL = "normal"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell a person, in the order a person needs it.

    `subject` is the thing (`ecommerce marts, Snowflake`), `headline` the figure against what was expected, `does` what
    Floodgate does by itself, `act` what the reader does. `facts` are label and value; `samples` lines to look at.
    """

    severity: Severity
    word: str
    subject: str
    headline: str
    since: datetime | None = None
    facts: tuple[tuple[str, str], ...] = ()
    samples: tuple[str, ...] = ()
    does: str = ""
    act: str = ""
    runbook: str = ""
    run: str = ""


def plain(message: Message) -> str:
    """The message as text: the form for logs, and Slack's fallback."""
    since = f" Since {clock(message.since)}." if message.since else ""
    lines = [f"{message.word} {message.subject}: {message.headline}{since}"]
    lines += [f"{label}: {value}" for label, value in message.facts]
    lines += [f"  {sample}" for sample in message.samples]
    lines += [text for text in (message.does, message.act) if text]
    if message.runbook:
        lines.append(f"Runbook: {message.runbook}")
    if message.run:
        lines.append(f"Run: {message.run}")
    return "\n".join(lines)


def clock(at: datetime) -> str:
    """`2026-03-01 14:02 UTC`."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 row`, `1,041 rows`; `many` where it is not `one` with an s."""
    return f"{count:,} {one if count == 1 else many or f'{one}s'}"


def lasting(seconds: float) -> str:
    """A duration as a person says it: `45 s`, `11 min`, `2 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, rest = divmod(minutes, 60)
    return f"{hours} h {rest} min" if rest else f"{hours} h"
