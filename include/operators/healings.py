"""How watch and heal work together: the watch asks, heal says how far it is, the watch tells it in the thread.

Each healing is one entry in the state store of the asset `gaps`. Heal writes it, one task after another; the watch
reads it while its incident is open. So one sender writes into a thread, and nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from include.incidents import Book
from include.incidents.book import note
from include.monitors import Verdict
from include.operators.assets import GAPS, INCIDENTS
from include.operators.stores import keep, recall

#: A healing that says nothing for so long has died; longer than a person may take to approve.
DEAD = timedelta(minutes=75)
#: After one that ended and did not help, the next comes after n² + n minutes; so many in all.
TRIES = 3
#: A person rejected it: it is not asked again for the same incident.
REFUSED = "refused"


class Healing(msgspec.Struct, kw_only=True):
    """How far a healing is. `steps` are sentences for the thread; `gap` is what it was asked to mend."""

    state: str = "asked"
    asked_at: datetime
    said_at: datetime
    gap: dict[str, Any] = {}
    tries: int = 1
    steps: list[str] = []
    brought_back: int = 0

    @property
    def active(self) -> bool:
        """It is under way."""
        return self.state not in ("done", "failed", REFUSED)


def key(fingerprint: str) -> str:
    """Where an incident's healing is kept."""
    return f"healing:{fingerprint}"


def read(context: Any, fingerprint: str) -> Healing | None:
    """The healing of an incident; None where none was asked for."""
    return recall(context["asset_state_store"][GAPS], key(fingerprint), Healing | None, None)  # type: ignore[arg-type]


def write(context: Any, fingerprint: str, healing: Healing) -> None:
    """Keeps it."""
    keep(context["asset_state_store"][GAPS], key(fingerprint), healing)


def progress(context: Any, book: Book) -> None:
    """Tells, in the threads of open incidents, the steps that were not told yet."""
    for incident in book.incidents.values():
        if not incident.open or incident.rule not in ("rows_missing", "generator_silent", "place_away"):
            continue
        healing = read(context, incident.fingerprint)
        if healing is None or healing.said_at < incident.opened_at:
            continue
        for step in healing.steps[incident.notes :]:
            note(incident, step)
        incident.notes = max(incident.notes, len(healing.steps))
        incident.brought_back = healing.brought_back


def ask(
    context: Any, book: Book, verdicts: Iterable[Verdict], gaps: Mapping[str, dict[str, Any]], now: datetime
) -> None:
    """Starts DAG heal for what is open and not being healed, by an event of the asset `gaps`."""
    for fingerprint, gap in gaps.items():
        incident = book.incidents.get(fingerprint)
        if incident is None or not incident.open:
            continue
        before = read(context, fingerprint)
        fresh = before is None or before.asked_at < incident.opened_at
        if not fresh and before is not None and not _due(before, now):
            continue
        tries = 1 if fresh or before is None else before.tries + 1
        steps = [] if fresh or before is None else before.steps
        if tries > TRIES:
            if before is not None and len(steps) == incident.notes and not steps[-1].startswith("Three"):
                steps.append("Three healings did not bring it back: a person is needed, see the runbook.")
                before.said_at = now
                write(context, fingerprint, before)
            continue
        kept = 0 if fresh or before is None else before.brought_back
        asked = Healing(asked_at=now, said_at=now, gap=gap, tries=tries, steps=steps, brought_back=kept)
        write(context, fingerprint, asked)
        context["outlet_events"][INCIDENTS].add(GAPS, extra={"fingerprint": fingerprint, **gap})


def _due(healing: Healing, now: datetime) -> bool:
    if healing.state == REFUSED:
        return False  # a person has decided; by hand it can be healed all the same
    if healing.active:
        return now - healing.said_at > DEAD
    return now - healing.said_at >= timedelta(minutes=healing.tries**2 + healing.tries)
