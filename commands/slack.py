"""`floodgate slack` and `floodgate slack test`: the messages that were caught, and whether messages arrive at all."""

from __future__ import annotations

import getpass
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from include.alerts import Alerts

app = typer.Typer()
slack = typer.Typer(context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(slack, name="slack")

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]


@slack.callback(invoke_without_command=True)
def show(
    context: typer.Context,
    channel: Annotated[str | None, typer.Option(help="This channel only.")] = None,
    as_json: AsJson = False,
) -> None:
    """The messages that the local Slack catcher holds, threads together; `test` sends some."""
    from commands.pipeline import caught, environed, lines_of

    if context.invoked_subcommand:
        if channel or as_json:
            raise CommandError(f"Options of `slack {context.invoked_subcommand}` are written behind its name.")
        return
    messages = caught(environed(), channel)
    if as_json:
        console.emit(messages)
        return
    if not messages:
        console.say("No message was sent.")
    for message in messages:
        indent = "    " if message.get("thread_ts") not in (None, "", message["ts"]) else ""
        head = "" if indent else f"{message['channel']} {message.get('received_at', '')}\n"
        console.say(head + "\n".join(indent + line for line in lines_of(message)) + "\n")


@slack.command("test")
def try_(
    domain: Annotated[str | None, typer.Option(help="The channel of this domain, and the notices'.")] = None,
    as_json: AsJson = False,
) -> None:
    """Send a message, its reply and its edit to every channel, as an alert is sent; exit code 1 where one fails."""
    from commands.pipeline import environed
    from include import connections
    from include.alerts import Alerts

    channels = channels_of(domain)
    environed()
    alerts = Alerts(connections.from_env(connections.SLACK))
    told = [tried(alerts, channel, names) for channel, names in channels.items()]
    if as_json:
        console.emit({"channels": told})
    else:
        for one in told:
            (console.say if one["sent"] else console.complain)(sentence(one))
    if any(one["sent"] is None for one in told):
        raise typer.Exit(1)


def channels_of(domain: str | None) -> dict[str, list[str]]:
    """Channel -> whom it is for: notices, then each contract's owner. Raises CommandError for a domain that is none."""
    from include.alerts import Severity, route
    from include.contracts import all_contracts

    contracts = {contract.domain: contract for contract in all_contracts()}
    if domain is not None and domain not in contracts:
        raise CommandError(f"There is no domain {domain!r}: {', '.join(contracts)}.")
    chosen = contracts.values() if domain is None else [contracts[domain]]
    channels: dict[str, list[str]] = {}
    for contract in chosen:
        channels[route(contract, Severity.INFO)] = ["notices"]
    for contract in chosen:
        channels.setdefault(route(contract, Severity.CRITICAL), []).append(contract.domain)
    return channels


def tried(alerts: Alerts, channel: str, names: list[str]) -> dict[str, Any]:
    """What became of one channel's messages: `sent` is thread, webhook or None, `error` says why and what to do."""
    from include.alerts import AlertsDown, Message, Severity

    def said(headline: str, *, severity: Severity = Severity.INFO, word: str = "INFO", **more: Any) -> Message:
        return Message(severity=severity, word=word, subject=f"test of {channel}", headline=headline, **more)

    facts = (("For", ", ".join(names)), ("Sent by", user()))
    step = "the message"
    try:
        now = datetime.now(UTC)
        sent = alerts.send(
            channel, said("Nothing is wrong: a person tries whether this arrives.", since=now, facts=facts)
        )
        step = "the reply"
        alerts.send(channel, said("This is the reply.", word="UPDATE"), reply_to=sent)
        step = "the edit"
        headline = "Nothing is wrong, and nothing is missing: message, reply and edit arrived."
        alerts.edit(sent, said(headline, severity=Severity.NORMAL, word="NORMAL", since=now, facts=facts))
    except AlertsDown as error:
        return {"channel": channel, "for": names, "sent": None, "failed_at": step, "error": str(error)}
    return {"channel": channel, "for": names, "sent": "thread" if alerts.threads else "webhook", "error": None}


def sentence(one: dict[str, Any]) -> str:
    """One channel's line."""
    whom = f"{one['channel']} ({', '.join(one['for'])})"
    if one["sent"] == "thread":
        return f"{whom}: sent, with a reply in its thread and an edit."
    if one["sent"] == "webhook":
        return f"{whom}: two lines sent by webhook, to the webhook's own channel; it has no threads and no edits."
    return f"{whom}: {one['failed_at']} was not sent. {one['error']}."


def user() -> str:
    """The person at this shell."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        return f"user {os.getuid()}"
