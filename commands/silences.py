"""`floodgate silence | silences`: incidents that are not told for a while, and why."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from commands import console
from commands.console import CommandError

if TYPE_CHECKING:
    from commands.airflow_api import Airflow
    from include.incidents import Silence

app = typer.Typer()

AsJson = Annotated[bool, typer.Option("--json", help="The same facts for a program.")]
#: Asset, and key in its state store, that the watches read.
ASSET, KEY = "silences", "silences"
#: What is silenced for longer is no incident but a decision: the contract or the rule is to be changed.
LONGEST = timedelta(days=30)


@app.command()
def silence(
    pattern: Annotated[str, typer.Argument(help="A fingerprint <rule>:<subject>, * for anything; or a rule.")],
    until: Annotated[str | None, typer.Option(help="Its end: 2026-01-31T12:00 or 12:00 (UTC unless it says).")] = None,
    for_: Annotated[str | None, typer.Option("--for", help="Its length: 15m, 2h, 1d.")] = None,
    reason: Annotated[str | None, typer.Option(help="Why; it is told with the incident and at the end.")] = None,
    end: Annotated[bool, typer.Option("--end", help="End it now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Have incidents not told until a moment, 30 days ahead at most, and for a reason."""
    from commands import airflow_api
    from commands.pipeline import environed

    now = datetime.now(UTC)
    match = matched(pattern)
    if end and (until or for_ or reason):
        raise CommandError("--end takes nothing but the pattern.")
    made = None if end else made_of(match, until, for_, reason, now)
    place = environed()
    with airflow_api.connect(place) as airflow:
        ended = take_away(airflow, match) if made is None else put(airflow, made)
        covers = covered(airflow, match)
    if as_json:
        console.emit(
            {"silence": made and plain(made, now), "ended": [plain(one, now) for one in ended], "covers": covers}
        )
    elif made is None:
        goes_on = f" Open, and told at the next look: {', '.join(covers)}." if covers else ""
        console.say(f"{match} is told again.{goes_on}")
    else:
        now_open = f" Open now: {', '.join(covers)}." if covers else " Nothing that it covers is open now."
        console.say(f"{match} is not told until {_clock(made.until)}: {made.reason}.{now_open}")


@app.command()
def silences(as_json: AsJson = False) -> None:
    """The silences that hold, and those whose end was not told yet."""
    from commands import airflow_api
    from commands.pipeline import environed

    now = datetime.now(UTC)
    place = environed()
    with airflow_api.connect(place) as airflow:
        rows = [{**plain(one, now), "covers": covered(airflow, one.match)} for one in read(airflow)]
    if as_json:
        console.emit({"silences": rows})
        return
    if not rows:
        console.say("Nothing is silenced.")
    for row in rows:
        over = "" if row["holds"] else ", which is over: the next look tells it"
        covers = f" Open and not told: {', '.join(row['covers'])}." if row["covers"] else ""
        console.say(f"{row['match']} until {_clock(row['until'])}{over}, by {row['by']}: {row['reason']}.{covers}")


def matched(pattern: str) -> str:
    """The pattern as a silence has it; raises CommandError where no known rule could match."""
    from include.monitors import RULES

    match = pattern.strip()
    match = match if ":" in match else f"{match}:*"
    rule, _, subject = match.partition(":")
    if not subject or re.search(r"[\s\[\]?]", match):
        raise CommandError(f"{pattern!r} is no pattern: it looks like rows_missing:ecommerce@*, with * for anything.")
    rules = [name for name in RULES if fnmatch.fnmatchcase(name, rule)]
    if not rules:
        raise CommandError(f"No rule matches {rule!r}: {', '.join(RULES)}.")
    return match


def made_of(match: str, until: str | None, length: str | None, reason: str | None, now: datetime) -> Silence:
    """The silence asked for; raises CommandError."""
    from commands.slack import user
    from include.incidents import Silence

    if not (reason and reason.strip()):
        raise CommandError("A silence has a reason: say it with --reason.")
    if (until is None) == (length is None):
        raise CommandError("A silence has one end: say --until TIME or --for 2h.")
    ends = moment(until, now) if until is not None else now + _length(str(length))
    if ends <= now:
        raise CommandError(f"--until {until} is {_clock(ends)}, which is over.")
    if ends > now + LONGEST:
        raise CommandError(f"A silence lasts {LONGEST.days} days at most, until {_clock(now + LONGEST)}.")
    return Silence(match=match, reason=" ".join(reason.split()), until=ends.replace(microsecond=0), by=user())


def _length(text: str) -> timedelta:
    from commands.ledger import length_of

    return length_of(text, "--for")


def moment(text: str, now: datetime) -> datetime:
    """`2026-01-31T12:00`, or `12:00` for the next one; UTC unless it says. Raises CommandError."""
    given = text.strip()
    try:
        if match := re.fullmatch(r"(\d{1,2}):(\d{2})", given):
            found = now.replace(hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0)
            return found if found > now else found + timedelta(days=1)
        found = datetime.fromisoformat(given)
    except ValueError:
        raise CommandError(f"--until {text} is no time: it looks like 2026-01-31T12:00, or 12:00, in UTC.") from None
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def read(airflow: Airflow) -> list[Silence]:
    """The silences that are kept; none where an earlier version kept something else, as the watches have it."""
    import msgspec

    from include.incidents import Silence

    try:
        return msgspec.convert(airflow.asset_value(ASSET, KEY) or [], list[Silence])
    except msgspec.ValidationError:
        return []


def put(airflow: Airflow, made: Silence) -> list[Silence]:
    """Adds it to the others; gives those that it stands for now: one's own of the same pattern."""

    def own(one: Silence) -> bool:
        return (one.match, one.by) == (made.match, made.by)

    before = [one for one in read(airflow) if own(one)]
    _write(airflow, lambda there: [*(one for one in there if not own(one)), made])
    return before


def take_away(airflow: Airflow, match: str) -> list[Silence]:
    """Ends every silence of that pattern and gives them; raises CommandError where there is none."""
    there = read(airflow)
    ended = [one for one in there if one.match == match]
    if not ended:
        known = ", ".join(sorted({one.match for one in there})) or "nothing"
        raise CommandError(f"{match} is not silenced; silenced is {known}.")
    _write(airflow, lambda there: [one for one in there if one.match != match])
    return ended


def _write(airflow: Airflow, change: Callable[[list[Silence]], list[Silence]]) -> None:
    """Reads, changes, writes; and again where somebody who wrote at the same moment has undone it."""
    import msgspec

    for _ in range(3):
        airflow.set_asset_value(ASSET, KEY, msgspec.to_builtins(change(read(airflow))))
        there = read(airflow)
        if set(change(there)) == set(there):
            return
    raise CommandError("Others write silences at the same moment: try again.")


def covered(airflow: Airflow, match: str) -> list[str]:
    """Fingerprints of open incidents that a pattern covers."""
    from commands.incidents import WATCHES, held
    from commands.incidents import read as book_of

    now = datetime.now(UTC)
    books = [book_of(airflow, watch, now)[0] for watch in WATCHES]
    names = [name for book in books for name, one in book.incidents.items() if one.open]
    names += [one["fingerprint"] for one in held(airflow, None, now)]
    return sorted(name for name in names if fnmatch.fnmatchcase(name, match))


def plain(one: Silence, now: datetime) -> dict[str, Any]:
    """match, reason, until (ISO 8601, UTC), by; holds says whether it does."""
    import msgspec

    return {**msgspec.to_builtins(one), "holds": now < one.until}


def _clock(at: str | datetime) -> str:
    from include.alerts.message import clock

    return clock(datetime.fromisoformat(at) if isinstance(at, str) else at)
