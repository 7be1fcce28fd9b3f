"""`floodgate up | down | reset | doctor | logs`: the local stack."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console

if TYPE_CHECKING:
    from rich.table import Table

    from local.place import Place

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
STYLES = {"ready": "green", "starting": "yellow", "restarting": "yellow", "failed": "bold red", "stopped": "dim"}
PATIENCE_S = 420.0


@app.command()
def up(
    only: Annotated[list[str] | None, typer.Option(help="This service and what it needs; may be given again.")] = None,
    wait: Annotated[bool, typer.Option(help="Wait until every service is ready.")] = True,
    as_json: AsJson = False,
) -> None:
    """Start the local stack and wait until all of it is ready; does no harm where it runs already."""
    from local import control
    from local.place import here

    place = here()
    manifests = _manifests(place)
    fresh = control.start(place, only or ())
    if fresh:
        _still_broken(place)  # it may have ended without `down`
    if not fresh and not as_json:
        console.say(f"The stack at {place.home} is running already.")
    last = awaited(place, quiet=as_json) if wait else control.status(place)
    _made(manifests)
    if as_json:
        console.emit({**last, "already_running": not fresh})
    _judge(place, last, wait)
    if not as_json and wait:
        _welcome(place, {service["name"] for service in last["services"]})


def bring_up(place: Place, *, quiet: bool) -> None:
    """Starts the stack where it does not run, and waits until all of it is ready; raises CommandError, PlaceError."""
    from local import control

    manifests = _manifests(place)
    if control.start(place):
        _still_broken(place)
    last = awaited(place, quiet=quiet)
    _made(manifests)
    _judge(place, last, waited=True)


def _still_broken(place: Place) -> list[str]:
    """The faults that outlive the stack; the others are forgotten."""
    from commands.faults.fault import stack_ended
    from commands.faults.register import FAULTS

    return stack_ended(place, FAULTS.values())


def _manifests(place: Place) -> subprocess.Popen[str]:
    """Begins to parse the dbt projects, which the transform DAGs are rendered from, while the services start."""
    return subprocess.Popen(
        [str(place.python), "-m", "include.operators.manifest"],
        cwd=place.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _made(manifests: subprocess.Popen[str]) -> None:
    said, _ = manifests.communicate()
    if manifests.returncode:
        raise console.CommandError(
            f"The dbt projects cannot be parsed, so there are no transform DAGs:\n{said[-2000:]}"
        )


def awaited(place: Place, *, quiet: bool) -> dict[str, Any]:
    """The last status, when all services are ready, one has failed, or patience is at its end."""
    from local import control

    begun = time.monotonic()
    last = control.status(place)
    for now in _shown(control.watch(place), quiet=quiet):
        last = now
        if time.monotonic() - begun > PATIENCE_S:
            break
    return last


def _welcome(place: Place, names: set[str]) -> None:
    """Where to look, and with which login."""
    from local import environment

    console.say("Ready.")
    if "airflow-api" in names:
        login = f"user {environment.AIRFLOW_USER}, password {place.secrets['airflow']}"
        console.say(f"  Airflow        http://127.0.0.1:{place.ports['airflow']}  ({login})")
    if "slack" in names:
        console.say(f"  Slack catcher  http://127.0.0.1:{place.ports['slack']}")
    console.say(f"  Your shell     set -a; . {place.home}/env; set +a")


def _judge(place: Place, last: dict[str, Any], waited: bool) -> None:
    """Raises CommandError where a stack that was waited for is not ready."""
    from local import control, holding

    services = last["services"]
    if failed := [service for service in services if service["state"] == "failed"]:
        words = [f"{service['name']} failed: {service['waiting_for']}" for service in failed]
        words.append("The other services stay up; `floodgate down` ends them.")
        raise console.CommandError("\n".join(words))
    if last["supervisor"] is None:
        said = control.last_words(place, "supervisor", 1) or "no word in its log"
        raise console.CommandError(f"The supervisor has ended: {said}; see `floodgate logs supervisor`.")
    held = [service for service in services if service["waiting_for"] == holding.WORDS]
    if waited and held:
        raise console.CommandError(
            f"Down, {holding.WORDS}: {', '.join(service['name'] for service in held)}. `floodgate break` lists the "
            "faults; --undo lets one go."
        )
    if waited and (late := [service for service in services if service["state"] != "ready"]):
        words = [f"{service['name']} is not ready: {service['waiting_for']}" for service in late]
        words.append(
            f"This was all in {PATIENCE_S / 60:.0f} min; they go on starting, see `floodgate logs {late[0]['name']}`."
        )
        raise console.CommandError("\n".join(words))


def _shown(statuses: Iterator[dict[str, Any]], quiet: bool) -> Iterator[dict[str, Any]]:
    """Passes the statuses on, showing them: a live table at a terminal, else a line for each change."""
    if quiet:
        yield from statuses
    elif console.out.is_terminal:
        from rich.live import Live

        begun = time.monotonic()
        with Live(console=console.out, refresh_per_second=4) as live:
            for status in statuses:
                live.update(_table(status, time.monotonic() - begun))
                yield status
    else:
        seen: dict[str, str] = {}
        begun = time.monotonic()
        for status in statuses:
            for service in status["services"]:
                if seen.get(service["name"]) != service["state"]:
                    seen[service["name"]] = service["state"]
                    console.say(f"{time.monotonic() - begun:6.1f} s  {service['name']:22} {service['state']}")
            yield status


def _table(status: dict[str, Any], seconds: float) -> Table:
    from rich.table import Table
    from rich.text import Text

    ready = sum(service["state"] == "ready" for service in status["services"])
    table = Table(
        caption=f"{ready} of {len(status['services'])} ready, {seconds:.0f} s", box=None, caption_justify="left"
    )
    table.add_column("service", no_wrap=True, min_width=max(len(service["name"]) for service in status["services"]))
    table.add_column("state", no_wrap=True, min_width=max(map(len, STYLES)))
    table.add_column("waiting for", no_wrap=True, overflow="ellipsis")
    for service in status["services"]:
        state = Text(service["state"], style=STYLES[service["state"]])
        table.add_row(service["name"], state, Text(service["waiting_for"] or "", style="dim"))
    return table


@app.command()
def down(as_json: AsJson = False) -> None:
    """End the local stack; its data stays. Says so when no process and no port is left."""
    from local import control
    from local.place import here

    place = here()
    was_running = control.running(place)
    begun = time.monotonic()
    left = control.stop(place)
    if as_json:
        console.emit({"was_running": was_running, "seconds": round(time.monotonic() - begun, 1), "left": left})
    if left:
        raise console.CommandError(
            "\n".join([*left, "End what is named here by hand, then run `floodgate down` again."])
        )
    broken = _still_broken(place)
    if not as_json:
        console.say(f"The stack at {place.home} is down: no process and no port is left. Its data stays.")
    for name in [] if as_json else broken:
        console.say(f"Still broken when it is up again: {name} (`floodgate break {name} --undo`).")


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """End the local stack and remove all its data and logs; the passwords stay."""
    from local import control
    from local.place import here

    place = here()
    if not yes:
        if as_json or not sys.stdin.isatty():
            raise console.CommandError(f"This removes all data at {place.home}: say --yes to do so.")
        typer.confirm(f"Remove all data and logs at {place.home}?", abort=True)
    left = control.reset(place)
    if as_json:
        console.emit({"home": str(place.home), "removed": not left, "left": left})
    if left:
        raise console.CommandError("\n".join([*left, "Nothing was removed."]))
    if not as_json:
        console.say(f"{place.home} is empty but for its passwords. `floodgate up` begins anew.")


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check everything the stack needs, and the stack where it runs; exit code 1 where something is wrong."""
    from commands.doctor import examine
    from local.place import here

    findings = examine(here())
    if as_json:
        console.emit([finding._asdict() for finding in findings])
    else:
        from rich.text import Text

        for finding in findings:
            sign = Text("ok      ", "green") if finding.ok else Text("problem ", "bold red")
            console.out.print(sign, Text(f"{finding.what}: {finding.found}"), sep="")
            if finding.cure:
                console.out.print(Text(f"        -> {finding.cure}"))
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def logs(
    service: Annotated[str, typer.Argument(help="A service, or `supervisor`.")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on showing what comes.")] = False,
    lines: Annotated[int, typer.Option("-n", "--lines", min=1, help="How many lines from the end.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Show the output of a service."""
    from local import logfile
    from local.place import here

    place = here()
    path = place.log(service)
    known = sorted(file.stem for file in path.parent.glob("*.log"))
    if service not in known:
        raise console.CommandError(
            f"There is no log of {service!r} at {path.parent}; there is: {', '.join(known) or 'none yet'}."
        )
    if as_json:
        console.emit({"service": service, "file": str(path), "lines": logfile.tail(path, lines).splitlines()})
        return
    sys.stdout.write(logfile.tail(path, lines) + "\n")
    sys.stdout.flush()
    if follow:
        for text in logfile.follow(path):
            sys.stdout.write(text)
            sys.stdout.flush()
