"""What `floodgate incidents` tells of the watches' books, of held gates and of the events of assets."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from commands import airflow_api, incidents, main, pipeline
from commands.console import CommandError
from include.alerts import Message, Severity
from include.contracts import domains
from include.incidents import Book, Incident, Letter
from include.incidents.incident import Thread

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
LETTER = Letter(
    kind="first", message=Message(severity=Severity.WARNING, word="WARNING", subject="s", headline="not to be shown")
)


def incident(rule: str = "rows_missing", subject: str = "ecommerce@clickhouse", **given: Any) -> Incident:
    said = {
        "domain": "ecommerce",
        "asset": "bursts_ecommerce",
        "severity": Severity.CRITICAL,
        "headline": "3 rows lack.",
        "since": NOON - timedelta(minutes=5),
    }
    times = dict.fromkeys(("opened_at", "seen_at", "told_at"), NOON - timedelta(minutes=4))
    return Incident(**{"rule": rule, "subject": subject, **said, **times, **given})


class Airflow:
    """Airflow's state stores and events, as the client tells them; nothing is in them at first."""

    def __init__(self) -> None:
        self.stores: dict[str, dict[str, Any]] = {}
        self.events: dict[str, list[dict[str, Any]]] = {}

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_: object) -> None: ...

    def asset_value(self, name: str, key: str) -> Any:
        return self.stores.get(name, {}).get(key)

    def asset_events(self, dag_id: str) -> list[dict[str, Any]]:
        return self.events.get(dag_id, [])

    def looked(self, watch: str, *found: Incident, at: datetime = NOON, recent: tuple[Incident, ...] = ()) -> None:
        book = Book(incidents={one.fingerprint: one for one in found}, recent=list(recent))
        self.stores[watch] = {"beat": at.isoformat(), "incidents": json.loads(msgspec.json.encode(book))}


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    one = Airflow()
    monkeypatch.setattr(pipeline, "environed", lambda: SimpleNamespace())
    monkeypatch.setattr(airflow_api, "connect", lambda place: one)
    clock = SimpleNamespace(now=lambda _: NOON, fromisoformat=datetime.fromisoformat)
    monkeypatch.setattr(incidents, "datetime", clock)
    return one


def told(*arguments: str) -> str:
    return CliRunner().invoke(main.build(), ["incidents", *arguments], catch_exceptions=False).output


CLOSED = incident(
    "rows_missing", "orders@snowflake", closed_at=NOON - timedelta(minutes=2), brought_back=1041, times=2
)  # fmt: skip


def test_what_is_open_comes_first_the_worst_of_it_at_the_top(airflow: Airflow) -> None:
    airflow.looked(
        "watch_ingestion",
        incident("rows_late", "fashion", severity=Severity.WARNING, silenced="we move tables", domain="fashion"),
        incident(
            does="A replay was asked for.", act="Look.", thread=Thread("C1", "1.0"), letters=[LETTER] * 2, times=3
        ),
        CLOSED,
    )
    airflow.looked("watch_connectors", recent=(incident("connector_failed", "c", closed_at=NOON),))
    assert told() == (
        "CRITICAL rows_missing ecommerce@clickhouse, since 2026-03-02 11:55 UTC (5 min), time 3\n"
        "    3 rows lack.\n"
        "    Floodgate: A replay was asked for.\n"
        "    You: Look.\n"
        "    Slack: told in a thread, 2 messages not sent yet\n"
        "\n"
        "WARNING rows_late fashion, since 2026-03-02 11:55 UTC (5 min)\n"
        "    3 rows lack.\n"
        "    Slack: not told, silenced: we move tables\n"
        "\n"
        "Over lately; ended at (UTC):\n"
        "2026-03-02 12:00  connector_failed c, lasted 5 min\n"
        "2026-03-02 11:58  rows_missing orders@snowflake, lasted 3 min, 2 times, 1,041 rows brought back\n"
    )


def test_a_held_gate_is_open_too(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion")
    airflow.looked("watch_connectors")
    airflow.stores["marts_snowflake_ecommerce"] = {
        "held": {"since": "2026-03-02T11:00:00+00:00", "thread": {"channel": "C1", "ts": ""}},
        "gate": {"passed": False, "failed": ["totals_are_right"]},
    }
    text = told()
    assert "CRITICAL marts_held ecommerce@snowflake, since 2026-03-02 11:00 UTC (1 h)" in text
    assert "Its last run fails totals_are_right." in text
    assert "Slack: told by webhook, without a thread" in text
    assert "Nothing is open" not in text
    assert told("--domain", "fashion").startswith("Nothing is open")
    (one,) = json.loads(told("--json"))["open"]
    assert (one["fingerprint"], one["lasted_s"]) == ("marts_held:ecommerce@snowflake", 3600)


def test_quiet_is_one_sentence_and_says_as_of_when(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion", at=NOON - timedelta(seconds=61))
    airflow.looked("watch_connectors")
    assert told() == "Nothing is open as of 2026-03-02 11:58 UTC.\n"


def test_a_watch_that_never_looked_is_told_and_is_no_error(airflow: Airflow) -> None:
    airflow.stores["watch_connectors"] = {"beat": NOON.isoformat()}  # it never had anything to keep
    result = CliRunner().invoke(main.build(), ["incidents"])
    assert result.exit_code == 0
    assert result.stdout == "Nothing is open as of 2026-03-02 12:00 UTC.\n"
    assert result.stderr == (
        "watch_ingestion has not looked yet, so it has no book: `floodgate run watch_ingestion --unpause` lets it.\n"
    )
    airflow.stores.clear()
    assert "Nothing is open as far as is known." in told()


def test_a_watch_that_looks_no_more_is_told(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion", at=NOON - timedelta(minutes=40))
    airflow.looked("watch_connectors")
    text = told()
    assert "watch_ingestion has not looked since 2026-03-02 11:20 UTC: what is wrong since then is not known" in text
    problems = [watch["problem"] for watch in json.loads(told("--json"))["watches"]]
    assert problems[0] is None
    assert problems[1] is not None


def test_a_book_of_another_version_is_told(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion")
    airflow.looked("watch_connectors")
    airflow.stores["watch_ingestion"]["incidents"] = {"incidents": [1]}
    assert "watch_ingestion keeps a book that this version does not understand" in told()


def test_one_domain(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion", incident(), incident("rows_late", "fashion", domain="fashion"), CLOSED)
    airflow.looked("watch_connectors")
    facts = json.loads(told("--domain", "fashion", "--json"))
    assert ([one["fingerprint"] for one in facts["open"]], facts["recent"]) == (["rows_late:fashion"], [])
    with pytest.raises(CommandError, match=f"There is no domain 'weather': {', '.join(domains())}, floodgate"):
        told("--domain", "weather")


def test_for_a_program_it_is_all_that_is_kept(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion", incident(letters=[LETTER]), recent=(CLOSED,) * 30)
    airflow.looked("watch_connectors")
    facts = json.loads(told("--json"))
    assert sorted(facts) == ["open", "recent", "watches"]
    (one,) = facts["open"]
    assert one["fingerprint"] == "rows_missing:ecommerce@clickhouse"
    assert (one["since"], one["thread"], one["unsent"], one["lasted_s"]) == ("2026-03-02T11:55:00Z", None, 1, 300)
    assert "letters" not in one
    assert len(facts["recent"]) == 30
    assert (facts["recent"][0]["brought_back"], facts["recent"][0]["lasted_s"]) == (1041, 180)
    text = told()
    assert "Over lately, the latest 10 of 30; ended at (UTC):" in text
    assert text.count("orders@snowflake") == 10


def event(minute: int, **extra: Any) -> dict[str, Any]:
    return {"id": minute, "timestamp": f"2026-03-02T11:{minute:02}:00Z", "source_run_id": "r", "extra": extra}


def test_the_history_is_every_change_of_both_watches_and_nothing_else(airflow: Airflow) -> None:
    airflow.looked("watch_ingestion")
    airflow.looked("watch_connectors")
    words = {"rule": "rows_missing", "subject": "orders@snowflake", "domain": "ecommerce", "headline": "3 rows lack."}
    heal = {"fingerprint": "rows_missing:orders@snowflake", "kind": "rows"}
    airflow.events["watch_ingestion"] = [
        event(9, what="closed", **words),
        event(7, **heal),
        event(5, what="opened", **words),
    ]
    airflow.events["watch_connectors"] = [event(7, what="opened", **words | {"domain": "fashion", "subject": "c"})]
    assert [(one["at"][14:16], one["what"], one["dag"]) for one in json.loads(told("--all", "--json"))["history"]] == [
        ("09", "closed", "watch_ingestion"),
        ("07", "opened", "watch_connectors"),
        ("05", "opened", "watch_ingestion"),
    ]
    assert told("--all").splitlines()[-3:] == [
        "2026-03-02 11:09  closed   rows_missing orders@snowflake: 3 rows lack.",
        "2026-03-02 11:07  opened   rows_missing c: 3 rows lack.",
        "2026-03-02 11:05  opened   rows_missing orders@snowflake: 3 rows lack.",
    ]
    assert len(json.loads(told("--all", "--json", "--domain", "fashion"))["history"]) == 1
    airflow.events.clear()
    assert told("--all").endswith("No change yet.\n")
