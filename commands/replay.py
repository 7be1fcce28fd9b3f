"""`floodgate replay`: files of real clicks and transactions, played again as change events."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.airflow_api import Airflow

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
#: A replay that keeps time hands over what is due each so often.
REPLAY_WINDOW = timedelta(minutes=2)


@app.command()
def replay(
    domain: Annotated[str, typer.Argument(help="fashion")],
    clicks: Annotated[Path, typer.Option(help="CSV file of clicks.", exists=True, dir_okay=False)],
    transactions: Annotated[Path, typer.Option(help="CSV file of transactions.", exists=True, dir_okay=False)],
    speed: Annotated[str, typer.Option(help="How many times faster than it was; max: as fast as possible.")] = "max",
    since: Annotated[str | None, typer.Option(help="When the replay began (ISO 8601), to go on with it.")] = None,
    as_json: AsJson = False,
) -> None:
    """Play files of real clicks and transactions again, as change events. A file played twice counts once."""
    from commands import airflow_api
    from commands.pipeline import environed

    if domain != "fashion":
        raise CommandError(f"There is nothing to replay for {domain!r}: only fashion has files.")
    place = environed()
    files = {"clicks": str(clicks.resolve()), "transactions": str(transactions.resolve())}
    with airflow_api.connect(place) as airflow:
        airflow.ready("burst_fashion", unpause=True)
        if speed == "max":
            told = [_replayed(airflow, {**files, "speed": speed})]
        else:
            told = list(_replayed_in_time(airflow, files, speed, since, quiet=as_json))
    topics: dict[str, int] = {}
    for part in told:
        for topic, events in part["topics"].items():
            topics[topic] = topics.get(topic, 0) + events
    if as_json:
        console.emit({"bursts": [part["burst"] for part in told], "topics": topics})
    else:
        events = ", ".join(f"{count:,} in {topic}" for topic, count in topics.items())
        console.say(f"Replayed {clicks.name} and {transactions.name}: {events or 'no event'}.")


def _replayed(airflow: Airflow, conf: dict[str, Any], window: dict[str, str] | None = None) -> dict[str, Any]:
    """One run of the burst, to its end; what it says it produced."""
    from commands.pipeline import failed

    dag = "burst_fashion"
    run_id = airflow.trigger(dag, conf, window=window)
    if airflow.wait(dag, run_id) == "failed":
        raise CommandError(failed(dag, airflow.tasks(dag, run_id), airflow.link(dag, run_id)))
    return dict(airflow.result(dag, run_id, "produce", map_index=0))


def _replayed_in_time(
    airflow: Airflow, files: dict[str, str], speed: str, since: str | None, *, quiet: bool
) -> Iterator[dict[str, Any]]:
    """A burst each window, when the window is over, until the last row is due; windows that are past come at once."""
    from include.contracts import load
    from include.generators.fashion_replay import read

    try:
        factor = float(speed)
        start = datetime.fromisoformat(since) if since else datetime.now(UTC).replace(microsecond=0)
    except ValueError as error:
        raise CommandError(
            f"--speed is a number or max, --since a time as 2026-01-31T12:00:00+00:00: {error}"
        ) from None
    rows = read(load("fashion"), clicks=Path(files["clicks"]), transactions=Path(files["transactions"]))
    end = rows.ends(start, factor)
    if not quiet:
        console.say(f"Until {end:%H:%M:%S} UTC. To go on after an interruption: --since {start.isoformat()}")
    edge = start
    while edge <= end:
        following = edge + REPLAY_WINDOW
        time.sleep(max(0.0, (following - datetime.now(UTC)).total_seconds()))
        window = {
            "logical_date": datetime.now(UTC).isoformat(),
            "data_interval_start": edge.isoformat(),
            "data_interval_end": following.isoformat(),
        }
        told = _replayed(airflow, {**files, "speed": speed, "replay_start": start.isoformat()}, window)
        if not quiet:
            console.say(f"{following:%H:%M:%S} UTC: {sum(told['topics'].values()):,} events")
        yield told
        edge = following
