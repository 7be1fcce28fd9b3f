"""`floodgate break | replay`: what goes wrong on purpose, and real files played again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.airflow_api import Airflow
    from include.connections import Endpoint
    from local.place import Place

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
#: Orders of the burst with wrong totals, and how many of them are wrong.
ORDERS, WRONG = 20, 3
BIG = 2_000_000
#: A replay that keeps time hands over what is due each so often.
REPLAY_WINDOW = timedelta(minutes=2)


@app.command("break")
def break_(
    fault: Annotated[str, typer.Argument(help="bad-totals or poison")],
    undo: Annotated[bool, typer.Option("--undo", help="Set right what the fault did.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make something go wrong, to see it seen, told and set right."""
    from commands.pipeline import environed
    from include import connections
    from include.connections import from_env

    if fault not in FAULTS:
        raise CommandError(f"There is no fault {fault!r}: {', '.join(FAULTS)}.")
    place = environed()
    told = FAULTS[fault](place, from_env(connections.KAFKA), undo)
    if as_json:
        console.emit({"fault": fault, "undone": undo, **told})
    else:
        console.say(str(told["said"]))


def bad_totals(place: Place, kafka: Endpoint, undo: bool) -> dict[str, Any]:
    """A burst of orders some of whose totals are wrong; undone by the same burst, rightly made: ids are the same."""
    from include.contracts import load
    from include.contracts.event import BurstId, Window
    from include.generators import events
    from include.kafka import burst

    remembered = place.home / "faults" / "bad-totals.json"
    if undo and not remembered.exists():
        raise CommandError("bad-totals is not broken here: nothing to undo.")
    if remembered.exists():
        start = datetime.fromisoformat(json.loads(remembered.read_text())["window_start"])
    else:
        start = _last_whole_window()
        remembered.parent.mkdir(parents=True, exist_ok=True)
        remembered.write_text(json.dumps({"window_start": start.isoformat()}))
    contract = load("ecommerce")
    assert contract.burst is not None  # noqa: S101 - ecommerce has one
    window = Window(start, start + timedelta(minutes=2))
    made = events(
        contract,
        window,
        seed=contract.burst.seed,
        size=ORDERS,
        shard="bad-totals",
        wrong_totals=0 if undo else WRONG,
    )
    burst.produce(kafka, contract, BurstId("ecommerce", window, "bad-totals"), made)
    if undo:
        remembered.unlink()
        said = f"The same {ORDERS} orders were sent again with right totals; the next transform publishes the marts."
    else:
        said = (
            f"{ORDERS} orders were sent, {WRONG} of them with a wrong total: the next transform of each warehouse is "
            "held and Slack is told. `floodgate break bad-totals --undo` sends the same orders rightly."
        )
    return {"orders": ORDERS, "wrong": 0 if undo else WRONG, "said": said}


def _last_whole_window() -> datetime:
    now = datetime.now(UTC).replace(second=0, microsecond=0)
    return now - timedelta(minutes=now.minute % 2 + 2)


def poison(place: Place, kafka: Endpoint, undo: bool) -> dict[str, Any]:
    """Four records that no sink can land, as another producer might send them, among the good ones."""
    from include.kafka.client import producer

    if undo:
        raise CommandError("Poison cannot be taken back: it is in the dead letters, where it harms nobody.")
    sent: list[str] = []
    errors: list[str] = []
    client = producer(kafka, {"message.max.bytes": BIG + 100_000})
    stamp = str(time.time_ns())
    for name, value in poisons(stamp).items():
        client.produce(
            "orders",
            key=f"poison-{name}",
            value=value,
            on_delivery=lambda error, _: errors.append(str(error)) if error else None,
        )
        sent.append(name)
    if client.flush(30) or errors:
        raise CommandError(f"Poison was not taken by the broker: {'; '.join(errors) or 'no answer within 30 s'}")
    return {
        "topic": "orders",
        "records": sent,
        "said": f"{len(sent)} records that cannot land were sent to orders ({', '.join(sent)}); "
        "see `rejected` in `floodgate status`.",
    }


def poisons(stamp: str) -> dict[str, bytes]:
    """The bad records: name -> bytes; `stamp` makes them new ones each time."""
    good = {
        "event_id": f"poison-{stamp}",
        "id": f"poison-{stamp}",
        "product_id": 1,
        "customer_id": 1,
        "quantity": 1,
        "total_price": 1.0,
        "created_at": "2026-01-01T00:00:00.000Z",
    }
    return {
        "not-json": b'{"event_id": "poison-' + stamp.encode() + b'", oops',
        "missing-field": json.dumps({name: value for name, value in good.items() if name != "created_at"}).encode(),
        "wrong-type": json.dumps(good | {"quantity": "several"}).encode(),
        "too-big": json.dumps(good | {"id": "x" * BIG}).encode(),
    }


FAULTS: dict[str, Callable[[Any, Any, bool], dict[str, Any]]] = {"bad-totals": bad_totals, "poison": poison}


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
