"""`floodgate dead-letters | redrive`: what could not land and why, and its way back."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from include.connections import Endpoint
    from include.kafka.dead_letters import DeadLetter

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
Domain = Annotated[str | None, typer.Argument(help="One domain; else every one.")]


@app.command("dead-letters")
def dead_letters(domain: Domain = None, as_json: AsJson = False) -> None:
    """Records that could not land, by topic and reason; times are those of the records, in UTC."""
    from commands.pipeline import environed
    from include import connections
    from include.connections import from_env

    environed()
    facts = letters(from_env(connections.KAFKA), domain)
    if as_json:
        console.emit(facts)
        return
    for state, found in facts.items():
        for row in found:
            console.say(f"{row['records']:,} of {row['topic']} {state}, {_between(row)}{_by(row)}\n    {row['reason']}")
    if not facts["rejected"]:
        console.say("No dead letter waits.")


def _between(row: dict[str, Any]) -> str:
    """`2026-03-01 12:00 UTC`, or both ends."""
    first, last = (row[edge][:16].replace("T", " ") for edge in ("first", "last"))
    return f"{first} UTC" if first == last else f"{first} to {last} UTC"


def _by(row: dict[str, Any]) -> str:
    by = f", by {' and '.join(row['connectors'])}" if row["connectors"] else ""
    times = {0: "", 1: ", sent again once"}.get(row["sent_again"], f", sent again {row['sent_again']} times")
    return by + times


def letters(kafka: Endpoint, domain: str | None = None) -> dict[str, list[dict[str, Any]]]:
    """`rejected` and `parked`, each a row for every topic and kind of reason. Raises CommandError, KafkaError."""
    from include.contracts import all_contracts
    from include.kafka import dead_letters

    contracts = [contract for contract in all_contracts() if domain in (None, contract.domain)]
    if not contracts:
        known = ", ".join(contract.domain for contract in all_contracts())
        raise CommandError(f"There is no domain {domain!r}: {known}.")
    return {
        "rejected": rows(one for contract in contracts for one in dead_letters.rejected(kafka, contract)),
        "parked": rows(one for contract in contracts for one in dead_letters.parked(kafka, contract)),
    }


def rows(some: Iterable[DeadLetter]) -> list[dict[str, Any]]:
    """Letters by topic and kind of reason, the largest group first; `records` are distinct ones."""
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for one in some:
        new = {
            "topic": one.topic,
            "reason": one.kind,
            "connectors": set(),
            "records": set(),
            "sent_again": 0,
            "first": one.at_ms,
            "last": one.at_ms,
        }
        group = groups.setdefault((one.topic, one.kind), new)
        group["connectors"] |= {one.connector} - {""}
        group["records"].add(one.place)
        group["sent_again"] = max(group["sent_again"], one.times)
        group["first"], group["last"] = min(group["first"], one.at_ms), max(group["last"], one.at_ms)
    told = [
        group
        | {"connectors": sorted(group["connectors"]), "records": len(group["records"])}
        | {edge: f"{datetime.fromtimestamp(group[edge] / 1000, UTC):%Y-%m-%dT%H:%M:%SZ}" for edge in ("first", "last")}
        for group in groups.values()
    ]
    return sorted(told, key=lambda row: -row["records"])


@app.command()
def redrive(
    domain: Domain = None,
    topic: Annotated[str | None, typer.Option(help="Only those of this topic.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only those whose reason has this text in it.")] = None,
    connector: Annotated[str | None, typer.Option(help="Only those that this connector rejected.")] = None,
    since: Annotated[str | None, typer.Option(help="Only records not older: 15m, 1h, 2d, or a time (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Only records older than this, as --since.")] = None,
    fix: Annotated[str | None, typer.Option(help="What is done to each before; a wrong name lists them.")] = None,
    at_most: Annotated[int, typer.Option(help="So often a record is sent again; then it is parked.")] = 3,
    yes: Annotated[bool, typer.Option("--yes", help="Do it; else it is only said what would be done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters to their topics again, once each; says first what would be done."""
    from commands.pipeline import environed
    from include import connections
    from include.connections import from_env
    from include.healing import redrive as healing

    asked = {
        "domain": domain,
        "topic": topic,
        "reason": reason,
        "connector": connector,
        "since": since,
        "until": until,
        "fix": fix,
        "at_most": at_most,
    }
    place = environed()
    orders = healing.orders(now=datetime.now(UTC), **asked)  # type: ignore[arg-type]
    if yes:
        told, link = _done(place, asked)
    else:
        import msgspec

        kafka = from_env(connections.KAFKA)
        told, link = [dict(msgspec.to_builtins(healing.look(kafka, order))) for order in orders], None
    counts = {name: sum(one[name] for one in told) for name in ("send", "park", "leave")}
    if as_json:
        console.emit({"done": yes, **counts, "domains": told, "link": link})
    else:
        _say(told, counts, link)


def _done(place: Any, asked: dict[str, Any]) -> tuple[list[dict[str, Any]], str]:
    """Runs the DAG to its end; what its task says it did, and the run's page."""
    from commands import airflow_api
    from commands.pipeline import failed

    dag = "redrive"
    with airflow_api.connect(place) as airflow:
        airflow.ready(dag, unpause=True)
        run_id = airflow.trigger(dag, asked | {"dry_run": False})
        link = airflow.link(dag, run_id)
        if airflow.wait(dag, run_id) == "failed":
            raise CommandError(failed(dag, airflow.tasks(dag, run_id), link))
        return list(airflow.result(dag, run_id, "redrive")), link


def _say(told: list[dict[str, Any]], counts: dict[str, int], link: str | None) -> None:
    for line in (line for one in told for line in one["lines"]):
        why = f": {line['why']}" if line["why"] else ""
        console.say(f"{line['does']} {line['records']:,} of {line['topic']}{why}\n    {line['reason']}")
    if not any(counts.values()):
        console.say("No dead letter waits that fits.")
    elif link:
        console.say("Sent again {send}, parked {park}, left {leave}.".format(**counts) + f" {link}")
    else:
        text = "Would send {send} again, park {park}, leave {leave}.".format(**counts)
        console.say(text + (" Say --yes to do it." if counts["send"] + counts["park"] else ""))
