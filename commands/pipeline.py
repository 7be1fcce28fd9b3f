"""`floodgate status | run | query`: the pipeline, looked at and set going; and what the local Slack has caught."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.facts import Facts
    from local.place import Place

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
READS = ("select", "with", "show", "describe", "desc", "explain", "exists")


def environed() -> Place:
    """The place, with its connections in this process's environment; connections that the user set there stay."""
    from local.environment import environment
    from local.place import here

    place = here()
    for name, value in environment(place).items():
        if not (name.startswith("AIRFLOW_CONN_") and name in os.environ):
            os.environ[name] = value
    return place


@app.command()
def status(as_json: AsJson = False) -> None:
    """Services, streams, connectors, gates and marts, as they are now."""
    import msgspec

    from commands.facts import gather

    facts = gather(environed())
    if as_json:
        console.emit(msgspec.to_builtins(facts))
    else:
        show(facts)


def show(facts: Facts) -> None:
    """Prints the facts as tables."""
    if not facts.services:
        console.say("The local stack was never started here: `floodgate up`.")
    else:
        _table("Services", facts.services, ("name", "state", "restarts", "waiting_for"))
    _table(
        "Streams (distinct events)",
        [
            {
                "topic": stream.topic,
                "produced": stream.produced,
                "clickhouse": stream.clickhouse,
                "snowflake": stream.snowflake,
                "rejected": stream.rejected,
                "": "" if stream.whole else "differs",
            }
            for stream in facts.streams
        ],
        ("topic", "produced", "clickhouse", "snowflake", "rejected", ""),
    )
    _table("Connectors", facts.connectors, ("name", "state", "tasks", "lag"))
    _table("Gates", [gate for gate in facts.gates if gate["at"]], ("domain", "warehouse", "passed", "at", "failed"))
    _table("Marts (rows)", begun(facts.marts), ("domain", "warehouse", "model", "rows"))
    for problem in facts.problems:
        console.complain(problem)


def begun(marts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The marts of domains that have any: of one that waits, paused, there is nothing to see."""
    there = {(mart["domain"], mart["warehouse"]) for mart in marts if mart["rows"] is not None}
    return [mart for mart in marts if (mart["domain"], mart["warehouse"]) in there]


def _table(title: str, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    from rich.table import Table

    if not rows:
        return
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        numbers = all(isinstance(row[column], int | None) and not isinstance(row[column], bool) for row in rows)
        table.add_column(column, justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*(_cell(row[column]) for column in columns))
    console.out.print(table)
    console.out.print()


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list):
        return ", ".join(str(one) for one in value)
    return str(value)


@app.command()
def run(
    dag: Annotated[str, typer.Argument(help="The DAG's id, as `burst_ecommerce`.")],
    conf: Annotated[str, typer.Option(help="Params of the run, as JSON.")] = "{}",
    wait: Annotated[bool, typer.Option("--wait", help="Wait for its end; exit code 1 where it fails.")] = False,
    unpause: Annotated[bool, typer.Option("--unpause", help="Let a paused DAG run, now and on its schedule.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a run of a DAG."""
    from commands import airflow_api

    try:
        params = json.loads(conf)
    except ValueError as error:
        raise CommandError(f"--conf is not JSON: {error}. It looks like '{{\"size\": 100}}'.") from None
    with airflow_api.connect(environed()) as airflow:
        airflow.ready(dag, unpause=unpause)
        run_id = airflow.trigger(dag, params)
        state = airflow.wait(dag, run_id) if wait else "queued"
        tasks = airflow.tasks(dag, run_id) if wait else []
        link = airflow.link(dag, run_id)
    if as_json:
        states = {task["task_id"]: task["state"] for task in tasks}
        console.emit({"dag": dag, "run": run_id, "state": state, "tasks": states, "link": link})
    else:
        console.say(f"{dag} {run_id}: {state}. {link}")
    if state == "failed":
        raise CommandError(failed(dag, tasks, link))


def failed(dag: str, tasks: list[dict[str, Any]], link: str) -> str:
    """One sentence on a failed run: the tasks that failed by themselves, and where to look."""
    names = [task["task_id"] for task in tasks if task["state"] == "failed"]
    return f"{dag} failed at {', '.join(names) or 'no task of its own'}: see {link}"


@app.command()
def query(
    warehouse: Annotated[str, typer.Argument(help="clickhouse or snowflake")],
    sql: Annotated[str, typer.Argument(help="One statement that reads.")],
    as_json: AsJson = False,
) -> None:
    """Ask a warehouse; marts are <domain>.<model>, as `select count(*) from ecommerce.fct_orders`."""
    from include import connections
    from include.warehouses import clickhouse, snowflake

    if not sql.lstrip("( \n").lower().startswith(READS):
        raise CommandError(f"This reads only: a statement begins with one of {', '.join(READS)}.")
    environed()
    if warehouse == "clickhouse":
        client: Any = clickhouse.connect(connections.from_env(connections.CLICKHOUSE_READER))
    elif warehouse == "snowflake":
        client = snowflake.connect(connections.from_env(connections.SNOWFLAKE))
    else:
        raise CommandError(f"There is no warehouse {warehouse!r}: clickhouse or snowflake.")
    with client:
        rows = client.query(sql)
    if as_json:
        console.emit(rows)
    elif rows:
        _table(f"{len(rows)} rows", rows, tuple(rows[0]))
    else:
        console.say("0 rows")


def lines_of(message: dict[str, Any]) -> list[str]:
    """A caught message as text: its own, then what its blocks say beyond that."""
    texts = message["text"].splitlines()
    for attachment in message.get("attachments") or []:
        for block in attachment.get("blocks", [])[2:]:  # the first two say what the text does
            parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
            texts += [line for part in parts if part for line in _unmarked(part["text"]).splitlines() if line]
    return texts


def _unmarked(text: str) -> str:
    plain = re.sub(r"\*(.+?)\*\n?", lambda found: f"{found[1].rstrip(':')}: ", text).replace("```", "")
    plain = re.sub(r"<(\S+?)\|(.+?)>", r"\2: \1", plain)
    return plain.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")


def caught(place: Place, channel: str | None = None) -> list[dict[str, Any]]:
    """The catcher's messages, oldest thread first, replies after their parent. Raises CommandError."""
    import httpx

    url = f"http://127.0.0.1:{place.ports['slack']}/messages.json"
    try:
        answer = httpx.get(
            url,
            params={"channel": channel} if channel else {},
            auth=("floodgate", place.secrets["airflow"]),
            trust_env=False,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        raise CommandError(
            f"The Slack catcher at {url} does not answer ({error}): start it with `floodgate up`"
        ) from None
    found = answer.json()
    messages = list(found["messages"] if isinstance(found, dict) else found)
    return sorted(messages, key=lambda message: (message.get("thread_ts") or message["ts"], message["ts"]))
