"""Where a watch reports: verdicts become incidents, incidents become messages, and all of it is remembered.

The book of incidents is in the state store of the watch's own asset, so that a quiet minute reads it once. What changed
is written beside it on the asset it concerns, and told in an event of that asset. Slack never blocks a watch: what
could not be sent stays in the book and is sent, once, when Slack is back.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from airflow.sdk import Asset

from include.connections import SLACK, ConnectionMissing
from include.contracts import domains, load
from include.contracts.loader import PLATFORM
from include.incidents import Book, Change, Incident, Silence, fold
from include.incidents.incident import Thread
from include.incidents.words import silence_ended
from include.monitors.generators import TOGETHER
from include.monitors.verdict import Verdict
from include.operators.assets import INCIDENTS, SILENCES
from include.operators.endpoints import endpoint
from include.operators.notices import run_link, tell
from include.operators.stores import SILENCED, keep, plain, recall

#: A look speaks of every subject of its rules, if only to say that it was blind; but not of every run that is in time,
#: and of all generators together only where it could look.
SELDOM = "deadline_missed"

log = logging.getLogger(__name__)

#: Keys in state stores: a watch's book, the incidents that concern an asset.
BOOK, CONCERN = "incidents", "incident"


class Desk:
    """One watch's desk, for one run. `context` is the task's; its inlets hold every asset that can be concerned."""

    def __init__(self, context: Any, home: Asset) -> None:
        self._context = context
        self._stores = context["asset_state_store"]
        self._home = self._stores[home]
        self.book = recall(self._home, BOOK, Book, Book())
        self._before = plain(self.book)
        self._silences = recall(self._stores[SILENCES], SILENCED, list[Silence], [])
        self._run = run_link(context["dag"].dag_id, context["run_id"])

    def others(self, home: Asset) -> set[str]:
        """Fingerprints that are open in another watch's book."""
        book = recall(self._stores[home], BOOK, Book, Book())
        return {name for name, incident in book.incidents.items() if incident.open}

    def report(
        self, verdicts: Iterable[Verdict], now: datetime, *, causes: Iterable[str] = (), all_of_it: bool = False
    ) -> list[Change]:
        """Takes a reading's verdicts into the book; nothing is sent or kept before `close`. `all_of_it`: they speak of
        every subject there is, so that what is open and not among them has lost its subject."""
        given = list(verdicts)
        gone = self._gone({verdict.fingerprint for verdict in given}) if all_of_it else []
        return fold(self.book, given, now, silences=self._silences, causes=causes, gone=gone, run=self._run)

    def _gone(self, told: set[str]) -> list[str]:
        """Of what is open, that of which a look does not speak any more: its contract, or its topic, was removed."""
        return [
            name
            for name, incident in self.book.incidents.items()
            if incident.open and name not in told and incident.rule != SELDOM and incident.subject != TOGETHER
        ]

    def close(self, changes: list[Change]) -> None:
        """Sends what is to be sent, keeps the book, tells the assets concerned; raises nothing of Slack's."""
        for incident in [*self.book.incidents.values(), *self.book.recent]:
            if incident.letters and not self._send(incident):
                break
        self._save()
        for change in changes:
            self._concern(change)

    def _send(self, incident: Incident) -> bool:
        """Sends an incident's letters in order; False where Slack is away and the rest has to wait."""
        while incident.letters:
            letter = incident.letters[0]
            try:
                self._post(incident, letter.kind, letter.message)
            except _Away:
                return False
            except _Refused:
                if letter.kind != "edit":
                    return True  # it waits until somebody has done what the log says; other channels may be well
            incident.letters = incident.letters[1:]
            self._save()  # a task that is killed right here must not send it again
        return True

    def _save(self) -> None:
        after = plain(self.book)
        if after != self._before:
            self._home.set(BOOK, after)
            self._before = after

    def _post(self, incident: Incident, kind: str, message: Any) -> None:
        from include.alerts import Alerts, AlertsDown, Sent, route
        from include.alerts import plain as text_of

        # A domain whose contract is gone leaves incidents behind; they are the platform's.
        contract = load(incident.domain if incident.domain in domains() else PLATFORM)
        try:
            alerts = Alerts(endpoint(SLACK))
            thread = Sent(incident.thread.channel, incident.thread.ts) if incident.thread else None
            if kind == "edit":
                if thread:
                    alerts.edit(thread, message)
                return
            sent = alerts.send(route(contract, incident.severity), message, reply_to=thread)
        except ConnectionMissing:
            log.info("no connection to Slack, so it is told here:\n%s", text_of(message))
            return
        except AlertsDown as error:
            log.warning("not sent yet (%s):\n%s", error, text_of(message))
            raise (_Refused if error.refused else _Away) from None
        log.info("sent to %s:\n%s", sent.channel, text_of(message))
        if incident.thread is None:
            incident.thread = Thread(sent.channel, sent.ts)

    def expire(self, now: datetime) -> None:
        """Silences that are over are told and taken away; one watch does this for all."""
        over = [silence for silence in self._silences if silence.until <= now and self._ended(silence)]
        if over:
            # Read anew: a person may have made one while this watch looked.
            there = recall(self._stores[SILENCES], SILENCED, list[Silence], [])
            self._silences = [silence for silence in there if silence not in over]
            keep(self._stores[SILENCES], SILENCED, self._silences)

    def _ended(self, silence: Silence) -> bool:
        message = silence_ended(silence)
        try:
            endpoint(SLACK)
        except ConnectionMissing:
            log.info("no connection to Slack, so it is told here:\n%s", message.headline)
            return True
        return tell(load(PLATFORM), message) is not None

    def _concern(self, change: Change) -> None:
        incident = change.incident
        asset = next((one for one in self._context["task"].inlets if one.name == incident.asset), None)
        if asset is None:
            log.warning("%s concerns %s, which is no inlet of this task", incident.fingerprint, incident.asset)
            return
        said = plain(incident)
        said.pop("letters")
        self._stores[asset].set(f"{CONCERN}:{incident.rule}", said)
        self._context["outlet_events"][INCIDENTS].add(asset, extra={"what": change.what, **said})


class _Away(Exception):
    """Slack takes nothing now."""


class _Refused(Exception):
    """Slack does not take this, and may take others."""
