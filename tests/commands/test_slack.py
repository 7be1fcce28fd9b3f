"""`floodgate slack` and `floodgate slack test`, on the local catcher."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from commands import main, pipeline
from commands import slack as room
from commands.console import CommandError
from include.alerts import Alerts, AlertsDown, Sent
from include.contracts import domains
from local import slack
from local.place import Place
from tests.local import running

CHANNELS = {
    "#floodgate-notices": ["notices"],
    "#shop-alerts": ["ecommerce"],
    "#music-alerts": ["eventsim"],
    "#fashion-alerts": ["fashion"],
    "#floodgate": ["floodgate"],
}


@pytest.fixture(scope="module")
def running_place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = running.a_place(tmp_path_factory.mktemp("slack") / "home")
    with running.running(slack.service(place), place):
        yield place


@pytest.fixture
def place(running_place: Place, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setattr(pipeline, "environed", lambda: running_place)
    connected(monkeypatch, running_place)
    return running_place


def connected(monkeypatch: pytest.MonkeyPatch, place: Place, **given: Any) -> None:
    at = f"http://127.0.0.1:{place.ports['slack']}"
    bot = {"conn_type": "slack", "password": slack.token(place), "extra": {"base_url": f"{at}/api/"}}
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", json.dumps(given or bot))


def floodgate(*arguments: str) -> Result:
    return CliRunner().invoke(main.build(), ["slack", *arguments], catch_exceptions=False)


def test_the_channels_are_those_of_the_contracts() -> None:
    assert room.channels_of(None) == CHANNELS
    assert room.channels_of("fashion") == {"#floodgate-notices": ["notices"], "#fashion-alerts": ["fashion"]}
    with pytest.raises(CommandError, match=f"There is no domain 'weather': {', '.join(domains())}, floodgate"):
        room.channels_of("weather")


@pytest.mark.stack
def test_a_message_its_reply_and_its_edit_reach_every_channel(place: Place) -> None:
    result = floodgate("test")
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        f"{channel} ({names[0]}): sent, with a reply in its thread and an edit." for channel, names in CHANNELS.items()
    ]
    for channel in CHANNELS:
        first, reply = pipeline.caught(place, channel)
        assert first["text"].startswith(f"NORMAL test of {channel}: Nothing is wrong, and nothing is missing")
        assert reply["thread_ts"] == first["ts"]
        assert reply["text"] == f"UPDATE test of {channel}: This is the reply."
        assert getpass.getuser() in json.dumps(first)


@pytest.mark.stack
def test_slack_alone_lists_as_before(place: Place) -> None:
    found = json.loads(floodgate("test", "--domain", "fashion", "--json").output)["channels"]
    assert [(one["channel"], one["sent"], one["error"]) for one in found] == [
        ("#floodgate-notices", "thread", None),
        ("#fashion-alerts", "thread", None),
    ]
    text = floodgate("--channel", "fashion-alerts").output
    assert "    UPDATE test of #fashion-alerts: This is the reply." in text
    assert "#shop-alerts" not in text
    messages = json.loads(floodgate("--json").output)
    assert {one["channel"] for one in messages} >= {"fashion-alerts", "floodgate-notices"}
    assert floodgate("--channel", "empty").output == "No message was sent.\n"
    with pytest.raises(CommandError, match="behind its name"):
        floodgate("--json", "test")


@pytest.mark.stack
def test_by_webhook_two_lines_come_and_it_says_so(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    at = f"http://127.0.0.1:{place.ports['slack']}/services"
    connected(monkeypatch, place, conn_type="slackwebhook", host=at, password="T0/B0/TEST")
    result = floodgate("test", "--domain", "fashion")
    assert (result.exit_code, result.output.count("two lines sent by webhook")) == (0, 2)
    assert [one["thread_ts"] for one in pipeline.caught(place, "webhook-test")] == [None] * 4


@pytest.mark.stack
def test_what_is_not_sent_is_said_with_what_to_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {"base_url": f"http://127.0.0.1:{place.ports['slack']}/api/"}
    connected(monkeypatch, place, conn_type="slack", password="xoxb-wrong", extra=wrong)
    result = floodgate("test", "--domain", "fashion")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines()[1] == (
        "#fashion-alerts (fashion): the message was not sent. Slack did not take the message (invalid_auth): give the "
        "connection slack_alerts a valid bot token (xoxb-…) as its password."
    )
    connected(monkeypatch, place, conn_type="http")
    with pytest.raises(AlertsDown, match="make it slack"):
        floodgate("test")


class Half:
    """A channel that takes a message and refuses its reply."""

    threads = True

    def send(self, channel: str, message: Any, *, reply_to: Sent | None = None) -> Sent:
        if reply_to:
            raise AlertsDown("Slack did not take the message (x): check it")
        return Sent(channel, "1.0")


def test_one_that_fails_half_way_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    found = room.tried(Half(), "#x", ["fashion"])  # type: ignore[arg-type]
    assert room.sentence(found) == (
        "#x (fashion): the reply was not sent. Slack did not take the message (x): check it."
    )
    monkeypatch.setattr(pipeline, "environed", lambda: None)
    monkeypatch.setenv("AIRFLOW_CONN_SLACK_ALERTS", '{"conn_type": "slack", "password": "x"}')
    monkeypatch.setattr(Alerts, "send", Half.send)
    result = floodgate("test", "--json")
    assert result.exit_code == 1
    assert {one["sent"] for one in json.loads(result.stdout)["channels"]} == {None}


def test_a_user_without_a_name_has_a_number(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)
    assert room.user().startswith("user ")
