"""`floodgate ledger`: minute by minute, what was produced and where it is."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from include.ledger.minutes import Cell, Hole, Ledger

app = typer.Typer()

PLACES = {"kafka": "Kafka", "clickhouse": "ClickHouse", "snowflake": "Snowflake"}
COLUMNS = ("produced", "kafka", "clickhouse", "snowflake", "rejected")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


@app.command()
def ledger(
    domain: Annotated[str | None, typer.Option(help="This domain only.")] = None,
    since: Annotated[str, typer.Option(help="How far back: 15m, 2h, 1d.")] = "1h",
    partitions: Annotated[bool, typer.Option("--partitions", help="Each partition by itself.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The same facts for a program.")] = False,
) -> None:
    """Events by topic and minute: produced, in Kafka, in ClickHouse, in Snowflake, rejected."""
    import msgspec

    from commands.pipeline import _table, environed

    length = length_of(since)
    some = contracts(domain)
    environed()
    until = datetime.now(UTC)
    start = (until - length).replace(second=0, microsecond=0)
    found = _read(some, start, until)
    if as_json:
        facts = msgspec.to_builtins(found)
        for cell, row in zip(found.cells, facts["cells"], strict=True):
            row["differs"] = cell.differs
        console.emit({"since": start.isoformat(), "until": until.isoformat(), **facts})
        return
    columns = ("topic", *(("partition",) if partitions else ()), "minute (UTC)", *COLUMNS, "")
    _table("Events by the minute they were produced in", rows(found.cells, partitions=partitions), columns)
    console.say(sentence(found, start))


def length_of(text: str, option: str = "--since") -> timedelta:
    """`15m`, `2h`, `1d`; raises CommandError, which names the option."""
    told = re.fullmatch(r"(\d{1,6})([mhd])", text)
    if told is None or int(told[1]) == 0:
        raise CommandError(f"{option} {text} is no length of time: it looks like 15m, 2h or 1d.")
    return timedelta(**{_UNITS[told[2]]: int(told[1])})


def contracts(domain: str | None) -> list[Any]:
    """The contracts asked for; raises CommandError."""
    from commands.facts import contracts as all_of_them

    found = {contract.domain: contract for contract in all_of_them()}
    if domain is not None and domain not in found:
        raise CommandError(f"There is no domain {domain!r}: {', '.join(found)}.")
    return list(found.values()) if domain is None else [found[domain]]


def _read(some: Iterable[Any], since: datetime, until: datetime) -> Ledger:
    from commands.facts import CLIENTS, CONNECTIONS
    from include import connections
    from include.ledger import minutes

    def connect(warehouse: str) -> Any:
        return CLIENTS[warehouse].connect(connections.from_env(CONNECTIONS[warehouse]), run_id="floodgate ledger")

    clients = {name: (lambda name=name: connect(name)) for name in minutes.WAREHOUSES}
    kafka = connections.from_env(connections.KAFKA)
    return minutes.read(kafka, clients, some, since=since, until=until, count_kafka=True)


def rows(cells: Iterable[Cell], *, partitions: bool) -> list[dict[str, Any]]:
    """A row for each topic and minute, its partitions added up unless each is wanted; the last column says how it
    differs."""
    added: dict[tuple[Any, ...], dict[str, Any]] = {}
    for cell in cells:
        key = (cell.topic, cell.minute, cell.partition if partitions else None)
        row = added.setdefault(
            key,
            {
                "topic": cell.topic,
                **({"partition": cell.partition} if partitions else {}),
                "minute (UTC)": f"{cell.minute:%m-%d %H:%M}",
                **dict.fromkeys(COLUMNS, 0),
                "": False,
            },
        )
        for column in COLUMNS:
            count = getattr(cell, column)
            row[column] = None if count is None or row[column] is None else row[column] + count
        row[""] = row[""] or cell.differs
    return [row | {"": _difference(row) if row[""] else ""} for row in added.values()]


def _difference(row: dict[str, Any]) -> str:
    """`ClickHouse -3, 1 rejected`; partitions that make up for each other differ all the same."""
    produced = row["produced"]
    told = [
        f"{name} {row[place] - produced:+,}" for place, name in PLACES.items() if row[place] not in (None, produced)
    ]
    told += [f"{row['rejected']:,} rejected"] if row["rejected"] else []
    return ", ".join(told) or "partitions differ"


def sentence(ledger: Ledger, since: datetime) -> str:
    """What is missing where, and which place could not be asked."""
    blind = [f"{PLACES[place]} could not be asked: {reason}" for place, reason in ledger.blind.items()]
    if "kafka" in ledger.blind:
        return "Nobody knows what was produced. " + " ".join(blind)
    produced = sum(cell.produced or 0 for cell in ledger.cells)
    if not ledger.cells:
        told = f"Nothing was produced since {since:%Y-%m-%d %H:%M} UTC."
    elif ledger.holes:
        told = f"Of {produced:,} events are missing " + "; ".join(
            _missing(name, [hole for hole in ledger.holes if hole.warehouse == place])
            for place, name in PLACES.items()
            if any(hole.warehouse == place for hole in ledger.holes)
        )
        told += "."
    else:
        asked = [name for place, name in PLACES.items() if place not in ledger.blind]
        told = f"Of {produced:,} events nothing is missing in {' and '.join(asked[1:]) or asked[0]}."
    rejected = sum(cell.rejected or 0 for cell in ledger.cells)
    if rejected:
        told += f" {rejected:,} records were rejected: `floodgate dead-letters` says why."
    return " ".join([told, *blind])


def _missing(name: str, holes: list[Hole]) -> str:
    by_topic: dict[str, int] = {}
    for hole in holes:
        by_topic[hole.topic] = by_topic.get(hole.topic, 0) + hole.missing
    topics = ", ".join(f"{topic} {count:,}" for topic, count in by_topic.items())
    gone = sum(hole.missing for hole in holes if not hole.in_kafka)
    lost = f", {gone:,} of them no longer in Kafka" if gone else ""
    return f"{sum(by_topic.values()):,} in {name} ({topics}{lost})"
