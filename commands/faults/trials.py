"""`floodgate break --all`: every fault made, watched, undone where a person must, and what became of it in a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec

from commands import airflow_api, console
from commands.console import CommandError
from commands.faults import fault as faults
from commands.faults import reckoning
from commands.faults.fault import Fault, Target
from commands.faults.reckoning import Row
from commands.faults.register import FAULTS
from local.place import Place, PlaceError

if TYPE_CHECKING:
    from include.incidents import Incident
    from include.ledger.counts import Stream

#: DAGs without which nothing is seen, or nothing is there to lose.
WATCHES = ("watch_connectors", "watch_ingestion")
#: What all that was produced may take to land once a fault is over.
LANDING_S = 90.0
LOOK_S = 1.0


def chosen(only: str, target: Callable[[Fault], Target | None]) -> list[tuple[Fault, Target]]:
    """The trials to make: all, or those of the faults named; `target` gives another target. Raises CommandError."""
    names = [name.strip() for name in only.split(",") if name.strip()]
    for name in names:
        if name not in FAULTS:
            raise CommandError(f"There is no fault {name!r}: {', '.join(FAULTS)}.")
        if not FAULTS[name].trials:
            raise CommandError(f"{name} is not for --all: `floodgate break {name}`.")
    some = [fault for fault in FAULTS.values() if fault.trials and (fault.name in names or not names)]
    trials = []
    for fault in some:
        other = target(fault)
        trials += [(fault, one) for one in ((other,) if other else fault.trials)]
    return trials


class Progress:
    """Tells how a trial goes: one line that changes at a terminal, else one for each step; silent for programs."""

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self._begun = time.monotonic()
        self._status: Any = None
        self._label = self._said = ""

    @contextmanager
    def trial(self, label: str) -> Iterator[None]:
        """One fault's line."""
        self._begun, self._label, self._said = time.monotonic(), label, ""
        if self._quiet or not console.out.is_terminal:
            yield
            return
        with console.out.status(label) as self._status:
            yield
        self._status = None

    def now(self, what: str) -> None:
        """What happens, or is waited for."""
        text = f"{time.monotonic() - self._begun:6.1f} s  {self._label}: {what}"
        if self._status is not None:
            self._status.update(text)
        elif not self._quiet and what != self._said:
            console.say(text)
        self._said = what

    def done(self, row: Row) -> None:
        """The trial's outcome, which stays."""
        if not self._quiet:
            moments = (("seen", row.seen_after_s), ("told", row.told_after_s), ("healed", row.healed_after_s))
            words = ", ".join(f"not {what}" if at is None else f"{what} after {at:.0f} s" for what, at in moments)
            console.say(f"{'WRONG' if row.wrong else 'ok':6} {row.fault}: {words}")


class _Trial(msgspec.Struct):
    """One fault on its way."""

    fault: Fault
    target: Target
    quiet_at: float
    made_at: float
    seen_at: float | None = None

    @property
    def subject(self) -> str:
        return self.fault.subject(self.target)

    @property
    def made(self) -> list[tuple[Fault, Target]]:
        """The fault, and what is made along with it."""
        along = self.fault.along
        return [(self.fault, self.target), *([(FAULTS[along[0]], along[1])] if along else [])]


class Trials:
    """Makes faults on one stack, one after the other. `patience_s`: until it was told, and from there until healed."""

    def __init__(self, place: Place, airflow: airflow_api.Airflow, progress: Progress, patience_s: float) -> None:
        self._place, self._airflow, self._progress, self._patience_s = place, airflow, progress, patience_s
        self._messages: list[dict[str, Any]] = []

    def ready(self, trials: Iterable[tuple[Fault, Target]]) -> None:
        """Raises CommandError where the watches, or the bursts of a domain that is tried, do not run."""
        known = self._airflow.dags()
        domains = {target.domain for fault, first in trials for target in (first, *(fault.along or ())[1:])}
        wanted = [*WATCHES, "heal", *(f"burst_{domain}" for domain in sorted(domains))]
        if asleep := [dag for dag in wanted if dag not in known or known[dag]["is_paused"]]:
            raise CommandError(
                f"Nothing can be tried while {', '.join(asleep)} {'is' if len(asleep) == 1 else 'are'} paused or "
                "missing: `floodgate demo` lets all of them run."
            )

    def all(self, trials: list[tuple[Fault, Target]]) -> Iterator[Row]:
        """A row a trial, as it ends; whatever happens, what a person must undo is undone."""
        quiet_at = time.time()
        for fault, target in trials:
            with self._progress.trial(fault.label(target)):
                row = self._one(fault, target, quiet_at)
            quiet_at = time.time()
            self._progress.done(row)
            yield row

    def _one(self, fault: Fault, target: Target, quiet_at: float) -> Row:
        problems: list[str] = []
        if not self._until(self._quiet, "waits until it is quiet"):
            problems.append("it was not quiet before")
        trial = _Trial(fault, target, quiet_at, time.time())
        healed = False
        try:
            self._make(trial)
            if fault.lift == "seen":
                self._until(lambda: self._is_seen(trial), "made, waits until it is seen")
                self._mend(trial)
            self._until(lambda: self._is_told(trial), "made, waits until it is told")
            if fault.lift == "told":
                self._mend(trial)
            healed = self._until(lambda: self._is_healed(trial), "told, waits until it is healed")
        except _expected() as error:
            problems.append(str(error).rstrip("."))
        finally:
            problems += self._settle(trial, healed=healed)
        return reckoning.reckon(
            fault.label(target),
            trial.subject,
            quiet_at=quiet_at,
            made_at=trial.made_at,
            seen_at=trial.seen_at,
            streams=self._landed(),
            messages=self._caught(),
            problems=problems,
        )

    def _make(self, trial: _Trial) -> None:
        self._progress.now("is made")
        for fault, target in trial.made:
            faults.make(self._place, fault, target)

    def _mend(self, trial: _Trial) -> None:
        """Undoes what is noted of the fault, not of what was made along with it: that heals by itself."""
        self._progress.now("is undone")
        faults.undo(self._place, trial.fault, trial.target)

    def _settle(self, trial: _Trial, *, healed: bool) -> list[str]:
        """Undoes what nobody has undone or healed, and forgets the rest; gives what went wrong at that."""
        problems = []
        for fault, target in trial.made:
            if not any(known == target for known, _ in faults.noted(self._place, fault)):
                continue
            try:
                if fault.mend is not None and (fault.lift or not healed):
                    faults.undo(self._place, fault, target)
            except _expected() as error:
                problems.append(str(error).rstrip("."))
            faults.forget(self._place, fault, target)
        return problems

    def _is_seen(self, trial: _Trial) -> bool:
        if trial.seen_at is None:
            found = self._incidents()
            trial.seen_at = reckoning.seen(found, trial.fault.rule, trial.subject, trial.made_at, time.time())
        return trial.seen_at is not None

    def _is_told(self, trial: _Trial) -> bool:
        told = reckoning.told(self._caught(), trial.subject, trial.made_at)
        return self._is_seen(trial) and told is not None

    def _is_healed(self, trial: _Trial) -> bool:
        told = reckoning.told(self._caught(), trial.subject, trial.made_at)
        return told is not None and reckoning.healed(self._messages, told[1], told[0]) is not None

    def _until(self, holds: Callable[[], bool], what: str, within_s: float | None = None) -> bool:
        deadline = time.monotonic() + (self._patience_s if within_s is None else within_s)
        while not holds():
            if time.monotonic() > deadline:
                return False
            self._progress.now(what)
            time.sleep(LOOK_S)
        return True

    def _incidents(self) -> dict[str, Incident]:
        """Both watches' books; what cannot be asked now shows nothing."""
        from include.incidents import Book

        found: dict[str, Incident] = {}
        for watch in WATCHES:
            try:
                book = self._airflow.asset_value(watch, "incidents")
            except CommandError:
                continue
            found |= msgspec.convert(book or {}, Book).incidents
        return found

    def _caught(self) -> list[dict[str, Any]]:
        """Slack's messages; those that were last seen while the catcher is away."""
        from commands.pipeline import caught

        with suppress(CommandError):
            self._messages = caught(self._place)
        return self._messages

    def _quiet(self) -> bool:
        """No incident is open, everything has landed."""
        return not any(incident.open for incident in self._incidents().values()) and self._whole() is not None

    def _whole(self) -> list[Stream] | None:
        found = self._streams()
        return found if found is not None and all(stream.whole for stream in found) else None

    def _landed(self) -> list[Stream] | None:
        """The streams when all has landed, or as they are when patience is at its end."""
        whole: list[Stream] | None = None

        def found() -> bool:
            nonlocal whole
            whole = self._whole()
            return whole is not None

        self._until(found, "waits until everything has landed", LANDING_S)
        # Not asked once more: the next burst may be on its way by then.
        return whole if whole is not None else self._streams()

    def _streams(self) -> list[Stream] | None:
        from commands.facts import contracts, streams

        try:
            return list(streams(contracts()))
        except _expected():
            return None


def _expected() -> tuple[type[Exception], ...]:
    """What a place says that is away, or a command that cannot do what it was asked."""
    from include.connections import ConnectionMissing
    from include.kafka.errors import KafkaError
    from include.warehouses import WarehouseError

    return CommandError, PlaceError, KafkaError, WarehouseError, ConnectionMissing
