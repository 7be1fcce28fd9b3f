"""`floodgate incidents`: what is open, what was, and what Floodgate did about it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.airflow_api import Airflow
    from include.incidents import Book, Incident

app = typer.Typer()

WATCHES = ("watch_connectors", "watch_ingestion")
#: So many closed incidents are shown; --json has all that are kept.
SHOWN = 10


@app.command()
def incidents(
    domain: Annotated[str | None, typer.Option(help="This domain only.")] = None,
    all_: Annotated[bool, typer.Option("--all", help="And every change that Airflow has an event of.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same facts for a program.")] = False,
) -> None:
    """What is wrong now, since when and what is done about it; then what is over. Times are UTC."""
    from commands import airflow_api
    from commands.pipeline import environed

    check(domain)
    place = environed()
    now = datetime.now(UTC)
    with airflow_api.connect(place) as airflow:
        facts = gather(airflow, domain, now, history=all_)
    if as_json:
        console.emit(facts)
    else:
        show(facts)


def check(domain: str | None) -> None:
    """Raises CommandError for a domain that is none."""
    from include.contracts import all_contracts

    known = [contract.domain for contract in all_contracts()]
    if domain not in (None, *known):
        raise CommandError(f"There is no domain {domain!r}: {', '.join(known)}.")


def gather(airflow: Airflow, domain: str | None, now: datetime, *, history: bool = False) -> dict[str, Any]:
    """open (the worst first), recent (the latest first), watches; with `history` every change, the latest first."""
    books, watches = zip(*(read(airflow, name, now) for name in WATCHES), strict=True)
    found = [one for book in books for one in [*book.incidents.values(), *book.recent] if domain in (None, one.domain)]
    facts: dict[str, Any] = {
        "open": [row(one, now) for one in sorted(found, key=_worst) if one.open] + held(airflow, domain, now),
        "recent": [row(one, now) for one in sorted(found, key=_latest) if not one.open],
        "watches": list(watches),
    }
    return {**facts, "history": changes(airflow, domain)} if history else facts


def read(airflow: Airflow, watch: str, now: datetime) -> tuple[Book, dict[str, Any]]:
    """A watch's book, and when it last looked; `problem` says why nothing may be seen though something is wrong."""
    import msgspec

    from include.incidents import Book
    from include.monitors.watches import SILENT

    book, problem = Book(), None
    try:
        book = msgspec.convert(airflow.asset_value(watch, "incidents") or {}, Book)
    except msgspec.ValidationError as error:
        problem = f"{watch} keeps a book that this version does not understand ({error}); its next look begins anew."
    looked = airflow.asset_value(watch, "beat")
    if looked is None:
        problem = f"{watch} has not looked yet, so it has no book: `floodgate run {watch} --unpause` lets it."
    elif now - datetime.fromisoformat(looked) > SILENT[watch]:
        problem = f"{watch} has not looked since {_clock(looked)}: what is wrong since then is not known here."
    return book, {"name": watch, "looked_at": looked, "problem": problem}


def row(incident: Incident, now: datetime) -> dict[str, Any]:
    """An incident as it is kept, without what waits to be sent; and its fingerprint and how long it lasted."""
    import msgspec

    facts = msgspec.to_builtins(incident)
    waiting = len(facts.pop("letters"))
    lasted = (incident.closed_at or now) - incident.since
    return {"fingerprint": incident.fingerprint, **facts, "unsent": waiting, "lasted_s": round(lasted.total_seconds())}


def _worst(incident: Incident) -> tuple[Any, ...]:
    ranks = ("critical", "warning", "info", "normal")
    return ranks.index(incident.severity), incident.since


def _latest(incident: Incident) -> float:
    return -(incident.closed_at or incident.seen_at).timestamp()


def held(airflow: Airflow, domain: str | None, now: datetime) -> list[dict[str, Any]]:
    """Gates that hold their marts, in the form of an incident: the gate tells them itself, in a thread of its own."""
    from commands.facts import WAREHOUSES
    from include.contracts import domains

    rows = []
    for name in domains():
        for warehouse in WAREHOUSES if domain in (None, name) else ():
            asset = f"marts_{warehouse}_{name}"
            found = airflow.asset_value(asset, "held")
            if not found:
                continue
            failed = (airflow.asset_value(asset, "gate") or {}).get("failed") or []
            since = datetime.fromisoformat(found["since"])
            rows.append(
                {
                    "fingerprint": f"marts_held:{name}@{warehouse}",
                    "rule": "marts_held",
                    "subject": f"{name}@{warehouse}",
                    "domain": name,
                    "asset": asset,
                    "severity": "critical",
                    "headline": f"Its last run fails {', '.join(failed) or 'an expectation'}.",
                    "since": found["since"],
                    "does": "The marts stay as they were; every run asks again and publishes when the rows are right.",
                    "act": "Correct or remove the rows: the thread and the run's gate task name them.",
                    "closed_at": None,
                    "silenced": found.get("silenced", ""),
                    "thread": found.get("thread"),
                    "unsent": 0 if found.get("thread") or found.get("silenced") else 1,
                    "lasted_s": round((now - since).total_seconds()),
                }
            )
    return rows


def changes(airflow: Airflow, domain: str | None) -> list[dict[str, Any]]:
    """Every change of an incident that the watches told as an event of an asset, the latest first."""
    kept = ("rule", "subject", "domain", "severity", "headline", "opened_at", "closed_at", "brought_back", "silenced")
    rows = []
    for watch in WATCHES:
        for event in airflow.asset_events(watch):
            extra = event.get("extra") or {}
            if "what" not in extra or domain not in (None, extra.get("domain")):
                continue
            told = {"at": event["timestamp"], "what": extra["what"], **{name: extra.get(name) for name in kept}}
            rows.append({**told, "dag": watch, "run": event.get("source_run_id")})
    return sorted(rows, key=lambda change: str(change["at"]), reverse=True)


def show(facts: dict[str, Any]) -> None:
    """Prints them: a paragraph for each that is open, a line for each that is over."""
    for one in facts["open"]:
        console.say("\n    ".join(paragraph(one)) + "\n")
    for problem in filter(None, (watch["problem"] for watch in facts["watches"])):
        console.complain(problem)
    if not facts["open"]:
        looks = [watch["looked_at"] for watch in facts["watches"] if watch["problem"] is None]
        known = f" as of {_clock(min(looks))}" if looks else " as far as is known"
        console.say(f"Nothing is open{known}.")
    recent = facts["recent"]
    if recent:
        latest = f", the latest {SHOWN} of {len(recent)}" if len(recent) > SHOWN else ""
        between = "" if facts["open"] else "\n"
        console.say(f"{between}Over lately{latest}; ended at (UTC):")
    for one in recent[:SHOWN]:
        console.say(over(one))
    if "history" in facts:
        console.say("\nEvery change that was told, the latest first (UTC):" if facts["history"] else "\nNo change yet.")
        for one in facts["history"]:
            console.say(f"{_minute(one['at'])}  {one['what']:<7}  {one['rule']} {one['subject']}: {one['headline']}")


def paragraph(one: dict[str, Any]) -> list[str]:
    """The lines of an open one."""
    from include.alerts.message import lasting

    since = f"since {_clock(one['since'])} ({lasting(one['lasted_s'])})"
    times = f", time {one['times']}" if one.get("times", 1) > 1 else ""
    lines = [f"{one['severity'].upper()} {one['rule']} {one['subject']}, {since}{times}", one["headline"]]
    if one["does"]:
        lines.append(f"Floodgate: {one['does']}")
    if one.get("brought_back"):
        lines.append(f"Rows brought back: {one['brought_back']:,}")
    if one["act"]:
        lines.append(f"You: {one['act']}")
    return [line for line in [*lines, f"Slack: {_slack(one)}"] if line]


def _slack(one: dict[str, Any]) -> str:
    thread = one["thread"]
    told = "not told" if not thread else "told in a thread" if thread["ts"] else "told by webhook, without a thread"
    waits = f", {one['unsent']} message{'s' * (one['unsent'] != 1)} not sent yet" if one["unsent"] else ""
    return f"{told}{waits}" + (f", silenced: {one['silenced']}" if one["silenced"] else "")


def over(one: dict[str, Any]) -> str:
    """The line of a closed one."""
    from include.alerts.message import lasting

    again = f", {one['times']} times" if one["times"] > 1 else ""
    back = f", {one['brought_back']:,} rows brought back" if one["brought_back"] else ""
    unsent = f", {one['unsent']} messages not sent yet" if one["unsent"] else ""
    lasted = f"lasted {lasting(one['lasted_s'])}"
    end = f", {one['end'].upper()}" if one["end"] not in ("", "normal") else ""
    return f"{_minute(one['closed_at'])}  {one['rule']} {one['subject']}{end}, {lasted}{again}{back}{unsent}"


def _minute(at: str) -> str:
    return _clock(at).removesuffix(" UTC")


def _clock(at: str) -> str:
    from include.alerts.message import clock

    return clock(datetime.fromisoformat(at))
