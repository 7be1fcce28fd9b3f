"""`floodgate demo`: the whole line, once, from an empty folder to marts in both warehouses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.airflow_api import Airflow
    from commands.facts import Facts
    from local.place import Place

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
#: Orders of the demo's own burst, beside those of the schedule: enough to see figures move.
ORDERS = 200
#: Events of the phone shop, for the same: a first window alone has hardly an order.
EVENTS = 600
#: Bursts of the demo's own.
OWN = {"burst_ecommerce": {"size": ORDERS}, "burst_clickstream": {"size": EVENTS}}
#: Domain -> the DAG that enriches its stream on the way.
ENRICHMENTS = {"clickstream": "enrich_clickstream"}
#: What fits into a laptop's first minutes; the others wait, paused.
DOMAINS = ("ecommerce", "fashion")
#: From here on somebody looks, and heals.
WATCHES = ("watch_connectors", "watch_ingestion", "heal", "redrive")


class Steps:
    """What the demo did and how long it took: printed as it goes, unless a program reads along."""

    def __init__(self, *, quiet: bool) -> None:
        self.taken: list[dict[str, Any]] = []
        self._begun = time.monotonic()
        self._quiet = quiet

    @property
    def seconds(self) -> float:
        """Since the demo began."""
        return time.monotonic() - self._begun

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """One step, with a spinner at a terminal and its seconds when it is done."""
        begun = time.monotonic()
        if self._quiet:
            yield
        else:
            with console.out.status(f"{name} ..."):
                yield
        self.took(name, time.monotonic() - begun)

    def took(self, name: str, seconds: float) -> None:
        """Notes and prints a step that is done."""
        self.taken.append({"step": name, "seconds": round(seconds, 1)})
        if not self._quiet:
            console.say(f"{self.seconds:6.1f} s  {name} ({seconds:.1f} s)")


@app.command()
def demo(
    clicks: Annotated[
        Path | None, typer.Option(help="CSV of real clicks to replay.", envvar="FLOODGATE_FASHION_CLICKS")
    ] = None,
    transactions: Annotated[
        Path | None, typer.Option(help="CSV of the transactions.", envvar="FLOODGATE_FASHION_TRANSACTIONS")
    ] = None,
    domains: Annotated[
        str, typer.Option(help="Which of them, as a,b, or all; the others stay paused.", envvar="DOMAINS")
    ] = ",".join(DOMAINS),
    as_json: AsJson = False,
) -> None:
    """Start the stack, let the domains flow from generator to marts, and say what happened and where to look."""
    import msgspec

    from commands import airflow_api
    from commands.facts import gather
    from commands.pipeline import environed

    some = _chosen(domains)
    fashion = _files(clicks, transactions)
    if fashion and "fashion" not in some:
        raise CommandError("The files are of domain fashion, which is not among the domains of this demo.")
    steps = Steps(quiet=as_json)
    place = _started(steps, quiet=as_json)
    environed()
    bursts = [f"burst_{domain}" for domain in some]
    enrichments = [dag for domain, dag in ENRICHMENTS.items() if domain in some]
    transforms = [f"transform_{warehouse}_{domain}" for warehouse in ("clickhouse", "snowflake") for domain in some]
    with airflow_api.connect(place) as airflow:
        with steps.step("Airflow reads the DAGs"):
            _known(airflow, ["prepare", *bursts, *enrichments, *transforms, *WATCHES])
        with steps.step("prepare: topics, landing tables, connectors, first events"):
            _prepared(airflow)
        for dag in bursts:
            airflow.unpause(dag)
        with steps.step("bursts: a window of each domain, and some more events"):
            _ran(airflow, {dag: {} for dag in bursts})
            _ran(airflow, {dag: conf for dag, conf in OWN.items() if dag in bursts})
        if enrichments:
            with steps.step("enrichment of what the bursts produced"):
                for dag in enrichments:
                    airflow.unpause(dag)
                _ran(airflow, {dag: {} for dag in enrichments})
        if fashion:
            with steps.step("replay of the files of clicks and transactions"):
                _ran(airflow, {"burst_fashion": fashion})
        with steps.step("every event lands in ClickHouse and in Snowflake"):
            _landed(within_s=120)
        for dag in transforms:  # not before: a gate that finds no order yet holds the marts and says so
            airflow.unpause(dag)
        with steps.step("staging, gate and marts in both warehouses"):
            _ran(airflow, {dag: {"force": True} for dag in transforms})
        for dag in WATCHES:
            airflow.unpause(dag)
    facts = gather(place)
    if as_json:
        console.emit({"steps": steps.taken, "seconds": round(steps.seconds, 1), **msgspec.to_builtins(facts)})
    else:
        _tell(place, steps, facts)
    if held := [gate for gate in facts.gates if gate["domain"] in some and not gate["passed"]]:
        names = ", ".join(f"{gate['domain']} in {gate['warehouse']}" for gate in held)
        raise CommandError(f"The gate did not pass for {names}: see `floodgate slack`.")


def _chosen(names: str) -> list[str]:
    """The domains named, in the contracts' order; raises CommandError for one that there is not."""
    from commands.facts import contracts

    known = [contract.domain for contract in contracts()]
    some = known if names.strip() == "all" else [name.strip() for name in names.split(",") if name.strip()]
    for name in some:
        if name not in known:
            raise CommandError(f"There is no domain {name!r}: all, or some of {', '.join(known)}.")
    if not some:
        raise CommandError(f"The demo needs a domain: all, or some of {', '.join(known)}.")
    return [name for name in known if name in some]


def _files(clicks: Path | None, transactions: Path | None) -> dict[str, str]:
    """The params of a replay; none without files. Raises CommandError for one of the two, and for a missing one."""
    given = {name: path for name, path in (("clicks", clicks), ("transactions", transactions)) if path}
    if len(given) == 1:
        raise CommandError("A replay needs both files: give --clicks and --transactions, or neither.")
    for name, path in given.items():
        if not path.is_file():
            raise CommandError(f"There is no file {path} to take {name} from.")
    return {name: str(path.resolve()) for name, path in given.items()} | ({"speed": "max"} if given else {})


def _started(steps: Steps, *, quiet: bool) -> Place:
    from commands import stack
    from local.place import here

    place = here()
    begun = time.monotonic()
    stack.bring_up(place, quiet=quiet)
    steps.took("the local stack is up", time.monotonic() - begun)
    return place


def _known(airflow: Airflow, wanted: list[str], within_s: float = 150) -> None:
    deadline = time.monotonic() + within_s
    while missing := set(wanted) - airflow.dags().keys():
        if time.monotonic() > deadline:
            # Not at the first error: a file that could not be parsed on a busy machine is parsed again.
            errors = "\n".join(airflow.import_errors()) or "see `floodgate logs airflow-dag-processor`"
            raise CommandError(f"Airflow has not found {', '.join(sorted(missing))} after {within_s:.0f} s:\n{errors}")
        time.sleep(0.5)


def _prepared(airflow: Airflow) -> None:
    """The run that `prepare`'s schedule makes once, when it is let; afterwards, in another demo, one by hand."""
    before = airflow.runs("prepare")
    airflow.unpause("prepare")
    if before:
        _ran(airflow, {"prepare": {}})
        return
    wait_for(lambda: bool(airflow.runs("prepare")), 60, "Airflow has not begun to run prepare")
    _ended(airflow, {"prepare": airflow.runs("prepare")[0]})


def _ran(airflow: Airflow, wanted: dict[str, dict[str, Any]]) -> None:
    """Runs the DAGs at once and waits for all; raises CommandError naming the tasks that failed."""
    _ended(airflow, {dag: airflow.trigger(dag, conf) for dag, conf in wanted.items()})


def _ended(airflow: Airflow, runs: dict[str, str]) -> None:
    from commands.pipeline import failed

    problems = []
    for dag, run_id in runs.items():
        if airflow.wait(dag, run_id) == "failed":
            problems.append(failed(dag, airflow.tasks(dag, run_id), airflow.link(dag, run_id)))
    if problems:
        raise CommandError("\n".join(problems))


def _landed(within_s: float) -> None:
    from commands.facts import contracts, streams

    everywhere = contracts()
    wait_for(lambda: all(stream.whole for stream in streams(everywhere)), within_s, "not every event has landed")


def wait_for(done: Callable[[], bool], within_s: float, otherwise: str) -> None:
    """Asks each second; raises CommandError with what did not come to be."""
    deadline = time.monotonic() + within_s
    while not done():
        if time.monotonic() > deadline:
            raise CommandError(f"After {within_s:.0f} s {otherwise}: see `floodgate status`")
        time.sleep(1)


def _tell(place: Place, steps: Steps, facts: Facts) -> None:
    from commands.pipeline import show

    console.say("")
    show(facts)
    login = f"user floodgate, password {place.secrets['airflow']}"
    console.say(f"Done in {steps.seconds:.0f} s. The stack goes on: bursts each 2 minutes, marts each 10.")
    console.say(f"  Airflow        http://127.0.0.1:{place.ports['airflow']}  ({login})")
    console.say(f"  Slack catcher  http://127.0.0.1:{place.ports['slack']}  ({login})")
    console.say("  Next           floodgate status, floodgate break bad-totals, floodgate slack, floodgate down")
