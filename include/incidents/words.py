"""What an incident says to people, from its first message to its last."""

from __future__ import annotations

from datetime import datetime

import msgspec

from include.alerts import Message, Severity
from include.alerts.message import clock, counted, lasting
from include.incidents.incident import End, Incident, Silence
from include.monitors.verdict import Verdict

RUNBOOKS = "docs/runbooks"
_WORDS = {Severity.CRITICAL: "CRITICAL", Severity.WARNING: "WARNING", Severity.INFO: "INFO"}


def opened(incident: Incident, run: str) -> Message:
    """The first message of the thread; shown anew, it is also how the incident stands."""
    return Message(
        severity=incident.severity,
        word=_WORDS[incident.severity],
        subject=incident.subject,
        headline=incident.headline,
        since=incident.since,
        facts=incident.facts,
        does=incident.does,
        act=incident.act,
        runbook=f"{RUNBOOKS}/{incident.rule}.md",
        run=run,
    )


def from_verdict(verdict: Verdict, run: str) -> Message:
    """A verdict told by itself, where no book can be kept."""
    return Message(
        severity=verdict.severity,
        word=_WORDS[verdict.severity],
        subject=verdict.subject,
        headline=verdict.headline,
        since=verdict.since,
        facts=verdict.facts,
        does=verdict.does,
        act=verdict.act,
        runbook=f"{RUNBOOKS}/{verdict.rule}.md",
        run=run,
    )


def reply(incident: Incident, text: str, *, severity: Severity | None = None, word: str = "UPDATE") -> Message:
    """A line below the first message."""
    return Message(severity=severity or incident.severity, word=word, subject=incident.subject, headline=text)


def again(incident: Incident, now: datetime) -> Message:
    """It was over and is not."""
    return reply(
        incident,
        f"{incident.headline} This is time {incident.times} in this thread, at {clock(now)}.",
        word="AGAIN",
    )


def still(incident: Incident, now: datetime) -> Message:
    """The reminder."""
    return reply(
        incident,
        f"{incident.headline} For {lasting((now - incident.since).total_seconds())} now. {incident.act}".strip(),
        word="STILL",
    )


def ended(incident: Incident, end: End, said: str, now: datetime) -> Message:
    """The last message: what is so now, what was brought back, how long it took. `said`: what the rule says of it."""
    word, severity, text = {
        "lost": ("LOST", incident.severity, f"{incident.headline} {incident.act}".strip()),
        "gone": ("CLOSED", Severity.INFO, "No contract asks for it any more, so nobody looks at it."),
    }.get(end, ("NORMAL", Severity.NORMAL, said or "It is as it should be again."))
    were = f"{counted(incident.brought_back, 'row')} {'was' if incident.brought_back == 1 else 'were'}"
    back = f" {were} brought back." if incident.brought_back else ""
    lasted = f" It lasted {lasting((now - incident.since).total_seconds())}."
    return reply(incident, f"{text}{back}{lasted}", severity=severity, word=word)


def over(incident: Incident, said: Message) -> Message:
    """The first message as it stands when all is over: what it was, and that it is no more."""
    return msgspec.structs.replace(said, facts=(("Was", incident.headline), *incident.facts), since=incident.since)


def silence_ended(silence: Silence) -> Message:
    """A silence that is over is told, so that nobody believes it still holds."""
    return Message(
        severity=Severity.INFO,
        word="INFO",
        subject=f"silence of {silence.match}",
        headline=f"It ended at {clock(silence.until)}; its reason was: {silence.reason}.",
        act="Make another with `floodgate silence` where the reason still holds.",
    )
