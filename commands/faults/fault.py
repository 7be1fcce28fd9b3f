"""A fault as data: how it is made and undone, and what the watch is to say of it. What was made is noted in the place.

Production code knows nothing of faults: they use the doors that operators of real services have, or the local stack's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from commands.console import CommandError
from local.place import Place

Facts = dict[str, Any]


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be broken. A fault looks at those parts that it takes."""

    warehouse: str = "clickhouse"
    domain: str = "ecommerce"

    @property
    def connector(self) -> str:
        """The domain's connector to the warehouse."""
        return f"{self.warehouse}-{self.domain}"


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """`make` gives facts of what it did, with a sentence under `said`; `mend` gets them again and gives a sentence.

    `takes`: options that choose its target. `rule` and `subject` (a pattern) are the incident that is to follow.
    `lift`: whether a person has to undo it, and when `break --all` does: once it was told, or once it was seen.
    `lasts`: it is in the data of the stack, so that it goes on after `floodgate down` and `up`; others end with it.
    `trials` are the targets that `break --all` tries, one after the other; `along` is made with it there.
    """

    name: str
    help: str
    make: Callable[[Place, Target], Facts]
    rule: str
    subject: Callable[[Target], str]
    mend: Callable[[Place, Target, Facts], str] | None = None
    no_undo: str = ""
    takes: tuple[Literal["warehouse", "domain", "connector"], ...] = ()
    default: Target = Target()
    lift: Literal["", "told", "seen"] = ""
    lasts: bool = False
    trials: tuple[Target, ...] = (Target(),)
    along: tuple[str, Target] | None = None

    def label(self, target: Target) -> str:
        """The fault and what it takes: `lose-rows clickhouse-ecommerce`."""
        names = [self.name]
        if "connector" in self.takes or {"warehouse", "domain"} <= set(self.takes):
            names.append(target.connector)
        else:
            names += [getattr(target, part) for part in self.takes]
        return " ".join(names)


def note(place: Place, fault: Fault, target: Target, facts: Facts) -> None:
    """Remembers what was done, for its undo."""
    file = _folder(place) / f"{fault.label(target).replace(' ', '.')}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    made_at = datetime.now(UTC).isoformat(timespec="seconds")
    file.write_text(json.dumps({"target": msgspec.to_builtins(target), "made_at": made_at, **facts}, default=str))


def noted(place: Place, fault: Fault) -> list[tuple[Target, Facts]]:
    """What was made of this fault and not undone, the latest last."""
    found = []
    for file in sorted(_folder(place).glob("*.json"), key=lambda path: path.stat().st_mtime):
        if file.stem.split(".")[0] == fault.name:
            facts = json.loads(file.read_text())
            found.append((msgspec.convert(facts.get("target", {}), Target), facts))
    return found


def forget(place: Place, fault: Fault, target: Target) -> None:
    """It was undone, or has healed."""
    (_folder(place) / f"{fault.label(target).replace(' ', '.')}.json").unlink(missing_ok=True)


def stack_ended(place: Place, faults: Iterable[Fault]) -> list[str]:
    """Forgets what ended with the stack; gives the names of the faults that will be there when it is up again."""
    left = []
    for fault in faults:
        known = noted(place, fault)
        if fault.lasts and known:
            left.append(fault.name)
        for target, _ in [] if fault.lasts else known:
            forget(place, fault, target)
    return left


def make(place: Place, fault: Fault, target: Target) -> Facts:
    """Makes the fault and notes it; twice does no harm. Raises CommandError, and what the room of the place raises."""
    facts = fault.make(place, target)
    note(place, fault, target, facts)
    return facts


def undo(place: Place, fault: Fault, target: Target | None) -> str:
    """Undoes the fault, that of `target` or the latest one made; gives a sentence. Raises CommandError."""
    if fault.mend is None:
        raise CommandError(f"{fault.name} cannot be undone by hand: {fault.no_undo}")
    known = [one for one in noted(place, fault) if target in (None, one[0])]
    if not known:
        raise CommandError(
            f"{fault.name if target is None else fault.label(target)} is not made here: nothing to undo."
        )
    found, facts = known[-1]
    said = fault.mend(place, found, facts)
    forget(place, fault, found)
    return said


def _folder(place: Place) -> Any:
    return place.home / "faults"
