"""A watch's desk, look by look, with the local Slack: what is told, once, whatever becomes of Slack or of the task."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import msgspec
import pytest

from include import alerts
from include.alerts import Alerts, Severity
from include.connections import ConnectionMissing, Endpoint
from include.incidents import Silence
from include.monitors import Kind, Verdict
from include.operators import assets, notices
from include.operators import desk as module
from include.operators.desk import Desk
from local import slack
from local.place import Place
from tests.local import running

pytestmark = pytest.mark.stack

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)


class Memory(dict[str, Any]):
    """An asset's state store: JSON, and copies of it."""

    def set(self, key: str, value: Any) -> None:
        self[key] = json.loads(json.dumps(value))

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(json.dumps(super().get(key, default)))


class Catcher:
    """The local Slack as a connection; `state`: up, away, or missing."""

    def __init__(self, place: Place, away: int) -> None:
        self.place, self.away, self.state, self.asked = place, away, "up", 0
        self.since = f"{time.time():.6f}"

    def endpoint(self, conn_id: str) -> Endpoint:
        self.asked += 1
        if self.state == "missing":
            raise ConnectionMissing(f"no connection {conn_id}")
        port = self.place.ports["slack"] if self.state == "up" else self.away
        extra = {"base_url": f"http://127.0.0.1:{port}/api/"}
        return Endpoint(conn_id=conn_id, conn_type="slack", password=slack.token(self.place), extra=extra)

    def messages(self, channel: str | None = None) -> list[dict[str, Any]]:
        answer = httpx.get(
            f"http://127.0.0.1:{self.place.ports['slack']}/messages.json",
            params={"since": self.since} | ({"channel": channel} if channel else {}),
            headers={"Authorization": f"Bearer {slack.token(self.place)}"},
            trust_env=False,
        )
        return list(answer.raise_for_status().json())

    def threads(self, channel: str | None = None) -> list[list[str]]:
        """The headers of each thread, its first message (as edited) first."""
        found: dict[str, list[str]] = {}
        for one in self.messages(channel):
            header = one["attachments"][0]["blocks"][0]["text"]["text"]
            found.setdefault(one["thread_ts"] or one["ts"], []).append(header)
        return list(found.values())


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = running.a_place(tmp_path_factory.mktemp("slack") / "home")
    with running.running(slack.service(place), place):
        yield place


@pytest.fixture
def catcher(place: Place, monkeypatch: pytest.MonkeyPatch) -> Catcher:
    one = Catcher(place, running.free_ports(1)[0])
    monkeypatch.setattr(module, "endpoint", one.endpoint)
    monkeypatch.setattr(notices, "endpoint", one.endpoint)
    monkeypatch.setattr(module, "run_link", lambda *_: "http://airflow/run")
    return one


class Watch:
    """Looks of a watch, a minute apart; stores and events outlive each."""

    def __init__(self) -> None:
        self.stores: dict[str, Memory] = {}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.now = NOON
        self.inlets = [assets.bursts("ecommerce"), assets.bursts("fashion"), assets.place("kafka")]

    def store(self, asset: Any) -> Memory:
        return self.stores.setdefault(asset.name, Memory())

    def desk(self) -> Desk:
        told = SimpleNamespace(add=lambda asset, extra: self.events.append((asset.name, extra)))
        context = {
            "asset_state_store": type("Stores", (), {"__getitem__": lambda _, asset: self.store(asset)})(),
            "dag": SimpleNamespace(dag_id="watch_ingestion"),
            "run_id": "r",
            "task": SimpleNamespace(inlets=self.inlets),
            "outlet_events": {assets.INCIDENTS: told},
        }
        return Desk(context, assets.WATCH_INGESTION)

    def look(self, *verdicts: Verdict) -> None:
        desk, now = self.desk(), self.now
        self.now += timedelta(minutes=1)
        changes = desk.report(verdicts, now)
        desk.expire(now)
        desk.close(changes)

    def silence(self, match: str, minutes: float) -> Silence:
        silence = Silence(match=match, reason="we move tables", until=self.now + timedelta(minutes=minutes), by="ann")
        store = self.store(assets.SILENCES)
        store.set("silences", [*(store.get("silences") or []), msgspec.to_builtins(silence)])
        return silence

    def waiting(self) -> list[str]:
        """Letters that are kept unsent."""
        book = self.store(assets.WATCH_INGESTION).get("incidents") or {"incidents": {}}
        return [letter["kind"] for one in book["incidents"].values() for letter in one["letters"]]


@pytest.fixture
def watch(catcher: Catcher) -> Watch:
    return Watch()


def verdict(kind: Kind = Kind.FIRING, subject: str = "ecommerce@clickhouse", **given: Any) -> Verdict:
    said = {"domain": "ecommerce", "asset": "bursts_ecommerce", "headline": "3 rows lack.", "normal": "All are there."}
    return Verdict(**{"rule": "rows_missing", "subject": subject, "kind": kind, **said, **given})


FINE = verdict(Kind.FINE)
OF_FASHION = {"subject": "fashion@clickhouse", "domain": "fashion", "asset": "bursts_fashion"}


def test_it_is_told_once_in_one_thread(watch: Watch, catcher: Catcher) -> None:
    watch.look(FINE)
    for _ in range(3):
        watch.look(verdict())
    assert catcher.threads("shop-alerts") == [["CRITICAL ecommerce@clickhouse"]]
    watch.look(verdict(does="Restart 1 of 5 sent."))
    watch.look(FINE)
    watch.look(FINE)
    ends = ["NORMAL ecommerce@clickhouse", "UPDATE ecommerce@clickhouse", "NORMAL ecommerce@clickhouse"]
    assert catcher.threads() == [ends], "the first message shows how it stands"
    assert watch.waiting() == []


def test_a_quiet_look_keeps_nothing(watch: Watch) -> None:
    watch.look(FINE)
    assert watch.store(assets.WATCH_INGESTION) == {}


def test_a_warning_is_no_business_of_the_owners_channel(watch: Watch, catcher: Catcher) -> None:
    watch.look(verdict(severity=Severity.WARNING))
    assert catcher.threads("floodgate-notices") == [["WARNING ecommerce@clickhouse"]]
    assert catcher.threads("shop-alerts") == []


def test_what_slack_missed_is_told_once_and_in_order_when_it_is_back(watch: Watch, catcher: Catcher) -> None:
    catcher.state = "away"
    watch.look(verdict(), verdict(**OF_FASHION))
    assert catcher.asked == 1, "each try costs the watch a time-out"
    watch.look(verdict(does="Restart 1 of 5 sent."), verdict(**OF_FASHION))
    watch.look(FINE)
    assert watch.waiting() == ["first", "reply", "reply", "edit", "first"]
    assert [what["what"] for _, what in watch.events] == ["opened", "opened", "updated", "closed"], (
        "whatever Slack does"
    )
    catcher.state = "up"
    watch.look()
    watch.look()
    ends = ["NORMAL ecommerce@clickhouse", "UPDATE ecommerce@clickhouse", "NORMAL ecommerce@clickhouse"]
    assert catcher.threads("shop-alerts") == [ends]
    assert catcher.threads("fashion-alerts") == [["CRITICAL fashion@clickhouse"]]
    assert watch.waiting() == []


def test_slack_that_goes_away_between_two_letters(
    watch: Watch, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    catcher.state = "away"
    watch.look(verdict())
    watch.look(verdict(does="Restart 1 of 5 sent."))
    send = Alerts.send

    def once(*args: Any, **given: Any) -> Any:
        catcher.state = "away"
        return send(*args, **given)

    catcher.state = "up"
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Alerts, "send", once)
        watch.look()
    assert catcher.threads() == [["CRITICAL ecommerce@clickhouse"]]
    assert watch.waiting() == ["reply", "edit"]
    catcher.state = "up"
    watch.look()
    assert catcher.threads() == [["CRITICAL ecommerce@clickhouse", "UPDATE ecommerce@clickhouse"]]


class Killed(BaseException):
    """The task's process is gone."""


@pytest.mark.parametrize("at", range(1, 6))
def test_a_task_that_is_killed_between_letters_tells_none_twice(
    watch: Watch, catcher: Catcher, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    catcher.state = "away"
    watch.look(verdict())
    watch.look(verdict(does="Restart 1 of 5 sent."), verdict(**OF_FASHION))
    catcher.state = "up"
    left = [at]
    posted = Desk._post

    def post(self: Desk, *letter: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        posted(self, *letter)

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(Desk, "_post", post)
        with pytest.raises(Killed):
            watch.look(FINE)
    watch.look(FINE)  # the next run, with what the store has
    ends = ["NORMAL ecommerce@clickhouse", "UPDATE ecommerce@clickhouse", "NORMAL ecommerce@clickhouse"]
    assert catcher.threads("shop-alerts") == [ends]
    assert catcher.threads("fashion-alerts") == [["CRITICAL fashion@clickhouse"]]


def test_one_channel_that_refuses_holds_up_no_other(
    watch: Watch, catcher: Catcher, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    right = alerts.route
    with monkeypatch.context() as meanwhile:
        wrong = lambda contract, severity: "#" if contract.domain == "ecommerce" else right(contract, severity)  # noqa: E731
        meanwhile.setattr(alerts, "route", wrong)
        watch.look(verdict(), verdict(**OF_FASHION))
        assert catcher.threads() == [["CRITICAL fashion@clickhouse"]]
        assert watch.waiting() == ["first"]
        assert "channel_not_found" in caplog.text
    watch.look()
    assert catcher.threads("shop-alerts") == [["CRITICAL ecommerce@clickhouse"]], "the channel is there by now"


def test_a_first_message_that_was_deleted_in_slack_holds_up_nothing(watch: Watch, catcher: Catcher) -> None:
    watch.look(verdict())
    book = watch.store(assets.WATCH_INGESTION).get("incidents")
    book["incidents"]["rows_missing:ecommerce@clickhouse"]["thread"]["ts"] = "1.000001"
    watch.store(assets.WATCH_INGESTION).set("incidents", book)
    watch.look(verdict(does="Restart 1 of 5 sent."))
    assert watch.waiting() == [], "its edit is given up, its reply is sent"


def test_an_incident_of_a_domain_that_is_gone_goes_to_the_platform(watch: Watch, catcher: Catcher) -> None:
    watch.look(verdict(domain="weather"))
    assert catcher.threads("floodgate") == [["CRITICAL ecommerce@clickhouse"]]


def test_without_a_connection_it_is_told_in_the_log_alone(
    watch: Watch, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    catcher.state = "missing"
    watch.silence("rows_late:*", minutes=-1)
    watch.look(verdict())
    assert "CRITICAL ecommerce@clickhouse: 3 rows lack." in caplog.text
    assert "It ended at" in caplog.text
    assert watch.waiting() == []
    assert watch.store(assets.SILENCES).get("silences") == []
    watch.look(FINE)
    catcher.state = "up"
    watch.look(FINE)
    assert catcher.threads() == []


def test_a_silenced_incident_is_remembered_and_told_when_the_silence_ends(watch: Watch, catcher: Catcher) -> None:
    watch.silence("rows_missing:*", minutes=2.5)
    for _ in range(3):
        watch.look(verdict())
    assert catcher.threads() == []
    assert [(name, what["what"], what["silenced"]) for name, what in watch.events] == [
        ("bursts_ecommerce", "opened", "we move tables")
    ]
    watch.look(verdict())
    watch.look(verdict())
    assert catcher.threads("floodgate-notices") == [["INFO silence of rows_missing:*"]]
    assert catcher.threads("shop-alerts") == [["CRITICAL ecommerce@clickhouse"]]


def test_the_end_of_a_silence_is_told_once_and_others_stay(
    watch: Watch, catcher: Catcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch.silence("rows_late:*", minutes=-1)
    others = watch.silence("run_failed:*", minutes=60)
    catcher.state = "away"
    watch.look()
    assert len(watch.store(assets.SILENCES).get("silences")) == 2, "kept, for it was not told"
    catcher.state = "up"
    meanwhile: list[Silence] = []
    tell = module.tell

    def slowly(*args: Any) -> Any:
        meanwhile.append(watch.silence("rows_twice:*", minutes=60))  # by a person, while this watch looks
        return tell(*args)

    monkeypatch.setattr(module, "tell", slowly)
    watch.look()
    watch.look()
    assert catcher.threads() == [["INFO silence of rows_late:*"]]
    left = msgspec.convert(watch.store(assets.SILENCES).get("silences"), list[Silence])
    assert left == [others, *meanwhile]
    assert len(meanwhile) == 1


def test_changes_are_events_of_the_asset_concerned(watch: Watch) -> None:
    kafka = Verdict(rule="place_away", subject="kafka", kind=Kind.FIRING, domain="floodgate", asset="place_kafka")
    watch.look(kafka, verdict())
    watch.look(kafka, FINE)
    assert [(name, what["what"], what["rule"]) for name, what in watch.events] == [
        ("place_kafka", "opened", "place_away"),
        ("bursts_ecommerce", "opened", "rows_missing"),
        ("bursts_ecommerce", "closed", "rows_missing"),
    ]
    _, extra = watch.events[-1]
    assert "letters" not in extra
    assert json.loads(json.dumps(extra)) == extra
    kept = watch.stores["bursts_ecommerce"].get("incident:rows_missing")
    assert {"what": "closed", **kept} == extra


def test_an_asset_that_is_no_inlet_is_logged_and_the_rest_goes_on(
    watch: Watch, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    watch.look(verdict(asset="bursts_weather"), verdict(**OF_FASHION))
    assert "rows_missing:ecommerce@clickhouse concerns bursts_weather, which is no inlet" in caplog.text
    assert [name for name, _ in watch.events] == ["bursts_fashion"]
    assert len(catcher.threads()) == 2


def test_another_watch_reads_what_is_open(watch: Watch) -> None:
    watch.look(verdict(), verdict(**OF_FASHION))
    watch.look(FINE)
    assert watch.desk().others(assets.WATCH_INGESTION) == {"rows_missing:fashion@clickhouse"}
    assert watch.desk().others(assets.WATCH_CONNECTORS) == set()


def test_a_book_of_another_version_is_begun_anew(watch: Watch, catcher: Catcher) -> None:
    watch.store(assets.WATCH_INGESTION).set("incidents", {"incidents": [1]})
    watch.look(verdict())
    assert catcher.threads() == [["CRITICAL ecommerce@clickhouse"]]
