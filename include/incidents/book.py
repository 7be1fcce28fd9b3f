"""Verdicts, one reading after another, folded into incidents. Pure: whoever calls it reads the clock and sends letters.

One incident, one thread: only changes speak, and a reminder after an hour. One cause over many subjects is one:
a verdict whose cause is open says nothing. What flaps goes on in the thread it had.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from include.alerts import Severity
from include.incidents import words
from include.incidents.incident import End, Incident, Letter, Silence
from include.monitors.verdict import Kind, Verdict

#: A reading that is fine closes an incident; one that fires again within this time goes on in its thread.
FLAP = timedelta(minutes=15)
REMIND = timedelta(hours=1)
#: Closed incidents that are kept for `floodgate incidents`.
KEPT = 50
#: Letters that wait while Slack is away; the first and the last ones count.
WAITING = 12

_RANK = {Severity.NORMAL: 0, Severity.INFO: 1, Severity.WARNING: 2, Severity.CRITICAL: 3}


class Change(msgspec.Struct, frozen=True):
    """What became of an incident in this reading: its history is made of these."""

    what: Literal["opened", "again", "updated", "closed"]
    incident: Incident


class Book(msgspec.Struct, kw_only=True):
    """Incidents by fingerprint; `recent` are closed ones, the latest first."""

    incidents: dict[str, Incident] = {}
    recent: list[Incident] = []

    def open(self, fingerprint: str) -> bool:
        """Whether that incident goes on."""
        found = self.incidents.get(fingerprint)
        return found is not None and found.open


def fold(
    book: Book,
    verdicts: Iterable[Verdict],
    now: datetime,
    *,
    silences: Iterable[Silence] = (),
    causes: Iterable[str] = (),
    gone: Iterable[str] = (),
    run: str = "",
) -> list[Change]:
    """Changes the book by one reading; gives what changed. Letters to send are in the incidents.

    `causes`: fingerprints that are open in another book. `gone`: those whose subject nobody looks at any more. A
    verdict is fine only where its rule looked: blind ones, and subjects that no verdict speaks of, change nothing.
    """
    given = list(verdicts)
    firing = {verdict.fingerprint for verdict in given if verdict.firing} | set(causes)
    firing |= {name for name, incident in book.incidents.items() if incident.open}
    holding = [silence for silence in silences if now < silence.until]
    changes: list[Change] = []
    for verdict in given:
        if verdict.kind is Kind.BLIND:
            continue
        if verdict.kind is not Kind.FINE:
            changes += _fires(book, verdict, now, holding, run, explained=verdict.cause in firing)
        if not verdict.firing:
            found = book.incidents.get(verdict.fingerprint)
            changes += _ends(found, "lost" if verdict.kind is Kind.LOST else "normal", verdict.normal, now)
    for name in gone:
        changes += _ends(book.incidents.get(name), "gone", "", now)
    for incident in book.incidents.values():
        if incident.open and now - incident.told_at >= REMIND and not incident.silenced:
            incident.told_at = now
            _tell(incident, Letter(kind="reply", message=words.still(incident, now)))
    _forget(book, now)
    return changes


def _fires(
    book: Book, verdict: Verdict, now: datetime, silences: list[Silence], run: str, *, explained: bool
) -> list[Change]:
    found = book.incidents.get(verdict.fingerprint)
    if found is None:
        return [] if explained else [_opens(book, verdict, now, silences, run)]
    if not found.open:
        if explained:
            return []
        if now - (found.closed_at or now) > FLAP:
            _retire(book, verdict.fingerprint)
            return [_opens(book, verdict, now, silences, run)]
        return [_reopens(found, verdict, now, silences, run)]
    found.seen_at, found.fine_since = now, None
    return _updates(found, verdict, now, silences, run)


def _opens(book: Book, verdict: Verdict, now: datetime, silences: list[Silence], run: str) -> Change:
    incident = Incident(
        rule=verdict.rule,
        subject=verdict.subject,
        domain=verdict.domain,
        asset=verdict.asset,
        severity=verdict.severity,
        headline=verdict.headline,
        opened_at=now,
        seen_at=now,
        told_at=now,
        since=verdict.since or now,
        facts=verdict.facts,
        does=verdict.does,
        act=verdict.act,
        silenced=_silenced(verdict.fingerprint, silences, now),
        letters=[],
    )
    if not incident.silenced:
        _tell(incident, Letter(kind="first", message=words.opened(incident, run)))
    book.incidents[verdict.fingerprint] = incident
    return Change("opened", incident)


def _reopens(incident: Incident, verdict: Verdict, now: datetime, silences: list[Silence], run: str) -> Change:
    _take(incident, verdict)
    incident.does = verdict.does  # what was done the last time is over
    incident.closed_at = incident.fine_since = None
    incident.times += 1
    incident.opened_at = incident.seen_at = incident.told_at = now
    incident.since = verdict.since or now
    incident.notes = incident.brought_back = 0
    incident.end = ""
    incident.silenced = _silenced(verdict.fingerprint, silences, now)
    if not incident.silenced:
        _tell(incident, Letter(kind="reply", message=words.again(incident, now)))
        _tell(incident, Letter(kind="edit", message=words.opened(incident, run)))
    return Change("again", incident)


def _updates(incident: Incident, verdict: Verdict, now: datetime, silences: list[Silence], run: str) -> list[Change]:
    was_silenced = incident.silenced
    incident.silenced = _silenced(verdict.fingerprint, silences, now)
    worse = _RANK[verdict.severity] > _RANK[incident.severity]
    moved = verdict.does != incident.does and bool(verdict.does)
    _take(incident, verdict)
    if incident.silenced:
        return []
    if was_silenced and incident.thread is None and not incident.letters:
        incident.told_at = now
        _tell(incident, Letter(kind="first", message=words.opened(incident, run)))
        return [Change("updated", incident)]
    if worse or moved:
        incident.told_at = now
        text = f"{incident.headline} {incident.does}" if worse else incident.does
        _tell(incident, Letter(kind="reply", message=words.reply(incident, text)))
        _tell(incident, Letter(kind="edit", message=words.opened(incident, run)))
        return [Change("updated", incident)]
    return []


def _ends(found: Incident | None, end: End, said: str, now: datetime) -> list[Change]:
    if found is None or not found.open:
        return []
    found.closed_at, found.seen_at, found.end = now, now, end
    if not found.silenced or found.thread:
        message = words.ended(found, end, said, now)
        _tell(found, Letter(kind="reply", message=message))
        _tell(found, Letter(kind="edit", message=words.over(found, message)))
    return [Change("closed", found)]


def note(incident: Incident, text: str) -> None:
    """A step of its healing, told in its thread."""
    _tell(incident, Letter(kind="reply", message=words.reply(incident, text)))


def _take(incident: Incident, verdict: Verdict) -> None:
    incident.severity, incident.headline, incident.facts = verdict.severity, verdict.headline, verdict.facts
    incident.does, incident.act = verdict.does or incident.does, verdict.act or incident.act


def _tell(incident: Incident, letter: Letter) -> None:
    kept = [one for one in incident.letters if not (letter.kind == "edit" and one.kind == "edit")]
    if len(kept) >= WAITING:  # Slack has been away for long: the first message and the latest replies say enough
        kept = [*kept[:1], *kept[2:]]
    incident.letters = [*kept, letter]


def _silenced(fingerprint: str, silences: list[Silence], now: datetime) -> str:
    return next((silence.reason for silence in silences if silence.covers(fingerprint, now)), "")


def _retire(book: Book, fingerprint: str) -> None:
    book.recent = [book.incidents.pop(fingerprint), *book.recent][:KEPT]


def _forget(book: Book, now: datetime) -> None:
    """Closed ones leave the book when they can no longer flap and all was told."""
    over = [
        name
        for name, incident in book.incidents.items()
        if incident.closed_at is not None and now - incident.closed_at > FLAP and not incident.letters
    ]
    for name in over:
        _retire(book, name)
