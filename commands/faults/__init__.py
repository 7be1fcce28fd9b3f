"""`floodgate break`: what goes wrong on purpose, to see it seen, told and set right."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.faults.fault import Fault, Target
    from commands.faults.reckoning import Row
    from local.place import Place

app = typer.Typer()

#: Seconds that `break --all` waits until a fault is told, and from there until it is healed.
PATIENCE_S = 360.0


@app.command("break")
def break_(
    fault: Annotated[str, typer.Argument(help="The fault's name; without one, the faults are listed.")] = "",
    undo: Annotated[bool, typer.Option("--undo", help="Set right what the fault did.")] = False,
    all_: Annotated[
        bool, typer.Option("--all", help="Try every fault, one by one, and tell what became of it.")
    ] = False,
    only: Annotated[str, typer.Option(help="With --all: these faults alone, with commas between.")] = "",
    warehouse: Annotated[str, typer.Option(help="clickhouse or snowflake, where the fault has one.")] = "",
    domain: Annotated[str, typer.Option(help="The domain, where the fault has one.")] = "",
    connector: Annotated[str, typer.Option(help="The connector: <warehouse>-<domain>.")] = "",
    patience: Annotated[
        float, typer.Option(min=1, help="With --all: seconds until a fault is told, and then healed.")
    ] = PATIENCE_S,
    as_json: Annotated[bool, typer.Option("--json", help="The same facts for a program.")] = False,
) -> None:
    """Make something go wrong, to see it seen, told and set right."""
    from commands.faults import fault as faults
    from commands.faults.register import FAULTS
    from commands.pipeline import environed

    place = environed()
    if all_ or only:
        if fault or undo:
            raise CommandError("--all takes no fault and no --undo: name faults with --only.")
        _try_all(place, only, (warehouse, domain, connector), patience, as_json=as_json)
        return
    if not fault:
        _list(place, as_json=as_json)
        return
    if fault not in FAULTS:
        raise CommandError(f"There is no fault {fault!r}: {', '.join(FAULTS)}.")
    one = FAULTS[fault]
    target = _target(one, warehouse, domain, connector)
    told = {"said": faults.undo(place, one, target)} if undo else faults.make(place, one, target or one.default)
    if as_json:
        console.emit({"fault": fault, "undone": undo, **told})
    else:
        console.say(str(told["said"]))


def _target(fault: Fault, warehouse: str, domain: str, connector: str) -> Target | None:
    """What the options choose, None without any; raises CommandError for what the fault does not take."""
    import msgspec

    from commands.facts import WAREHOUSES, contracts

    given = {"warehouse": warehouse, "domain": domain, "connector": connector}
    given = {name: text for name, text in given.items() if text}
    if strange := [name for name in given if name not in fault.takes]:
        takes = ", ".join(f"--{name}" for name in fault.takes) or "no target"
        raise CommandError(f"{fault.name} takes {takes}, not --{strange[0]}.")
    if name := given.pop("connector", ""):
        parts = name.partition("-")
        given |= {"warehouse": parts[0], "domain": parts[2]}
    domains = [contract.domain for contract in contracts()]
    for what, known in (("warehouse", WAREHOUSES), ("domain", domains)):
        if given.get(what, known[0]) not in known:
            raise CommandError(f"There is no {what} {given[what]!r}: {', '.join(known)}.")
    return msgspec.structs.replace(fault.default, **given) if given else None


def _list(place: Place, *, as_json: bool) -> None:
    from commands.faults import fault as faults
    from commands.faults.register import FAULTS
    from commands.pipeline import _table

    rows: list[dict[str, Any]] = [
        {
            "fault": one.name,
            "help": one.help,
            "takes": [f"--{name}" for name in one.takes],
            "rule": one.rule,
            "undo": one.mend is not None,
            "made": [f"{one.label(target)} {facts.get('made_at', '')}" for target, facts in faults.noted(place, one)],
        }
        for one in FAULTS.values()
    ]
    if as_json:
        console.emit(rows)
        return
    _table("Faults", [{**row, "undo": "yes" if row["undo"] else ""} for row in rows], ("fault", "help", "undo", "made"))
    console.say("`floodgate break FAULT` makes one, --undo undoes it, `floodgate break --all` tries them all.")


def _try_all(place: Place, only: str, given: tuple[str, str, str], patience: float, *, as_json: bool) -> None:
    import msgspec

    from commands import airflow_api
    from commands.faults.trials import Progress, Trials, chosen

    trials = chosen(only, lambda fault: _target(fault, *given) if any(given) else None)
    rows: list[Row] = []
    with airflow_api.connect(place) as airflow:
        trying = Trials(place, airflow, Progress(quiet=as_json), patience)
        trying.ready(trials)
        rows.extend(trying.all(trials))
    if as_json:
        console.emit(msgspec.to_builtins(rows))
    else:
        _show(rows)
    if wrong := [row for row in rows if row.wrong]:
        words = "; ".join(f"{row.fault}: {', '.join(row.wrong)}" for row in wrong)
        raise CommandError(f"{len(wrong)} of {len(rows)} faults did not go as they should: {words}.")


def _show(rows: list[Row]) -> None:
    from commands.pipeline import _table

    moments, counts = ("seen", "told", "healed"), ("missing", "twice", "threads")
    shown = []
    for row in rows:
        seconds = {name: getattr(row, f"{name}_after_s") for name in moments}
        line = {name: "-" if at is None else f"{at:.1f} s" for name, at in seconds.items()}
        shown.append({"fault": row.fault, **line, **{name: getattr(row, name) for name in counts}})
    _table("Faults, and how long after each was made", shown, ("fault", *moments, *counts))
