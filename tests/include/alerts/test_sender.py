"""Messages by token and by webhook: to the local catcher for real, and to a Slack that answers anything else."""

from __future__ import annotations

import http.server
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from include.alerts import Alerts, AlertsDown, Message, Sent, Severity
from include.alerts.sender import _QUIET, RUNBOOKS_URL
from include.connections import Endpoint
from local import slack
from local.place import Place
from tests.local import running

TOKEN = "xoxb-not-to-be-told"


def message(word: str = "CRITICAL", **given: Any) -> Message:
    said = {"severity": Severity.CRITICAL, "word": word, "subject": "orders@clickhouse", "headline": "3 rows lack."}
    return Message(**{**said, **given})


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    place = running.a_place(tmp_path_factory.mktemp("slack") / "home")
    with running.running(slack.service(place), place):
        yield place


def bot(place: Place) -> Endpoint:
    return Endpoint(
        conn_id="slack_alerts",
        conn_type="slack",
        password=slack.token(place),
        extra={"base_url": f"http://127.0.0.1:{place.ports['slack']}/api/"},
    )


def hook(place: Place, name: str) -> Endpoint:
    return Endpoint(
        conn_id="slack_alerts",
        conn_type="slackwebhook",
        host=f"http://127.0.0.1:{place.ports['slack']}/services",
        password=f"T0/B0/{name}",
    )


def caught(place: Place, channel: str) -> list[dict[str, Any]]:
    answer = httpx.get(
        f"http://127.0.0.1:{place.ports['slack']}/messages.json",
        params={"channel": channel},
        headers={"Authorization": f"Bearer {slack.token(place)}"},
        trust_env=False,
    )
    return list(answer.raise_for_status().json())


def headers(messages: list[dict[str, Any]]) -> list[str]:
    return [one["attachments"][0]["blocks"][0]["text"]["text"] for one in messages]


@pytest.mark.stack
def test_by_token_a_message_its_reply_and_its_edit_are_one_thread(place: Place) -> None:
    alerts = Alerts(bot(place), {RUNBOOKS_URL: "https://git.example"})
    first = alerts.send("#one-thread", message(runbook="docs/runbooks/rows_missing.md"))
    alerts.send("#elsewhere", message("UPDATE"), reply_to=first)
    alerts.edit(first, message("NORMAL", severity=Severity.NORMAL, runbook="docs/runbooks/rows_missing.md"))
    parent, reply = caught(place, "one-thread")
    assert headers([parent, reply]) == ["NORMAL orders@clickhouse", "UPDATE orders@clickhouse"]
    assert (reply["thread_ts"], parent["ts"]) == (parent["ts"], first.ts)
    assert parent["text"] == "NORMAL orders@clickhouse: 3 rows lack.", "what a notification shows"
    assert "<https://git.example/docs/runbooks/rows_missing.md|Runbook>" in json.dumps(parent)
    assert caught(place, "elsewhere") == [], "a reply goes where its thread is"
    assert alerts.threads


@pytest.mark.stack
def test_by_webhook_it_is_two_messages_and_no_edit(place: Place) -> None:
    alerts = Alerts(hook(place, "XYZ"))
    first = alerts.send("#any", message())
    assert first == Sent("#any")
    alerts.send("#any", message("NORMAL"), reply_to=first)
    alerts.edit(first, message("EDITED"))
    sent = caught(place, "webhook-xyz")
    assert headers(sent) == ["CRITICAL orders@clickhouse", "NORMAL orders@clickhouse"]
    assert [one["thread_ts"] for one in sent] == [None, None]
    assert not alerts.threads


@pytest.mark.stack
def test_what_the_catcher_refuses_is_told(place: Place) -> None:
    alerts = Alerts(bot(place))
    with pytest.raises(AlertsDown, match=r"\(channel_not_found\): make the channel #, or invite") as told:
        alerts.send("#", message())
    assert told.value.refused
    with pytest.raises(AlertsDown, match=r"message_not_found") as told:
        alerts.edit(Sent("C0123456789", "1.000001"), message())
    assert told.value.refused
    wrong = Endpoint(conn_id="slack_alerts", conn_type="slack", password=TOKEN, extra=bot(place).extra)
    with pytest.raises(AlertsDown, match=r"\(invalid_auth\): give the connection slack_alerts a valid bot") as told:
        Alerts(wrong).send("#x", message())
    assert not told.value.refused
    with pytest.raises(AlertsDown, match="405|404|Not Found"):
        Alerts(Endpoint(conn_id="slack_alerts", conn_type="slackwebhook", password=wrong.extra["base_url"])).send(
            "#x", message()
        )


class Ill:
    """A Slack that answers what it is told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.status, self.body, self.headers, self.asked = 200, b"", {}, 0  # type: ignore[var-annotated]
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                outer.asked += 1
                self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 0:
                    self.wfile.write(b"what is this\r\n\r\n")
                    return
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(outer.body)

            def log_message(self, *_: Any) -> None: ...

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answers(self, status: int, body: str = "", **headers: str) -> None:
        self.status, self.body, self.headers = status, body.encode(), headers


@pytest.fixture(scope="module")
def server() -> Iterator[Ill]:
    ill = Ill()
    yield ill
    ill.server.shutdown()
    ill.server.server_close()


@pytest.fixture
def ill(server: Ill) -> Ill:
    server.asked = 0
    return server


@pytest.fixture(params=["slack", "slackwebhook"])
def alerts(request: pytest.FixtureRequest, ill: Ill) -> Alerts:
    if request.param == "slack":
        extra = {"base_url": ill.url}
        return Alerts(Endpoint(conn_id="slack_alerts", conn_type="slack", password=TOKEN, extra=extra))
    return Alerts(Endpoint(conn_id="slack_alerts", conn_type="slackwebhook", password=f"{ill.url}T0/B0/{TOKEN}"))


AWAY = "the watches try again by themselves"


@pytest.mark.parametrize(
    ("status", "body", "said", "refused"),
    [
        (500, "<html>Internal</html>", rf"\(HTTP 500\): Slack itself has a problem; {AWAY}", False),
        (503, "", rf"\(HTTP 503\): Slack itself has a problem; {AWAY}", False),
        (429, '{"ok": false, "error": "ratelimited"}', r"\(ratelimited\): Slack wants fewer messages", False),
        (403, "", r"\(.*\): check the connection slack_alerts", True),
        (0, "", r"slack_alerts", False),
    ],
)
def test_what_is_no_yes_is_told_with_what_to_do(
    alerts: Alerts, ill: Ill, status: int, body: str, said: str, refused: bool
) -> None:
    ill.answers(status, body)
    with pytest.raises(AlertsDown, match=said) as told:
        alerts.send("#x", message())
    assert told.value.refused is refused
    assert TOKEN not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("channel_not_found", "make the channel #x, or invite the bot"),
        ("not_in_channel", "invite the bot to #x"),
        ("is_archived", "bring #x back"),
        ("some_day_invented", "check the connection slack_alerts"),
    ],
)
def test_what_slack_says_of_one_channel_leaves_the_others(ill: Ill, code: str, said: str) -> None:
    ill.answers(200, json.dumps({"ok": False, "error": code}))
    alerts = Alerts(Endpoint(conn_id="slack_alerts", conn_type="slack", password=TOKEN, extra={"base_url": ill.url}))
    with pytest.raises(AlertsDown, match=rf"\({code}\): {said}") as told:
        alerts.send("#x", message())
    assert told.value.refused


@pytest.mark.parametrize("body", ["[]", "1", "", "<html>sign in</html>", '"ok"'])
def test_a_portal_before_slack_is_no_slack(ill: Ill, body: str) -> None:
    ill.answers(200, body)
    alerts = Alerts(Endpoint(conn_id="slack_alerts", conn_type="slack", password=TOKEN, extra={"base_url": ill.url}))
    with pytest.raises(AlertsDown, match="slack_alerts"):
        alerts.send("#x", message())
    with pytest.raises(AlertsDown, match="slack_alerts"):
        alerts.edit(Sent("C1", "1.0"), message())


def test_a_short_wait_is_waited_and_a_long_one_is_not(alerts: Alerts, ill: Ill) -> None:
    ill.answers(429, "", **{"Retry-After": "1"})
    begun = time.monotonic()
    with pytest.raises(AlertsDown, match=r"\(ratelimited for 1 s\)"):
        alerts.send("#x", message())
    assert (ill.asked, time.monotonic() - begun > 1) == (2, True)
    ill.answers(429, "", **{"Retry-After": "40"})
    begun = time.monotonic()
    with pytest.raises(AlertsDown, match=r"\(ratelimited for 40 s\)"):
        alerts.send("#x", message())
    assert (ill.asked, time.monotonic() - begun < 1) == (3, True)


def test_away_is_told_and_in_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    (port,) = running.free_ports(1)
    for given in (
        {"conn_type": "slack", "password": TOKEN, "extra": {"base_url": f"http://127.0.0.1:{port}/"}},
        {"conn_type": "slackwebhook", "password": f"http://127.0.0.1:{port}/{TOKEN}"},
    ):
        with pytest.raises(AlertsDown, match=rf"Connection refused.*{AWAY}") as told:
            Alerts(Endpoint(conn_id="slack_alerts", **given)).send("#x", message())  # type: ignore[arg-type]
        assert not told.value.refused
    assert caplog.records == []
    assert _QUIET not in logging.root.manager.loggerDict.values(), "Airflow sets those up anew, and they speak"


@pytest.mark.parametrize(
    "given",
    [
        {"conn_type": "slack", "password": f"{TOKEN}\n\x00"},
        {"conn_type": "slack", "password": f"{TOKEN}…"},
        {"conn_type": "slack", "password": TOKEN, "extra": {"base_url": f"ftp://{TOKEN}/"}},
        {"conn_type": "slackwebhook", "password": f"http://127.0.0.1:port/{TOKEN}"},
        {"conn_type": "slackwebhook", "password": f"http://127.0.0.1:1/{TOKEN} x\n"},
        {"conn_type": "slackwebhook", "host": f"ftp://{TOKEN}", "password": TOKEN},
    ],
)
def test_a_secret_that_cannot_be_used_is_told_but_not_shown(given: dict[str, Any]) -> None:
    with pytest.raises(AlertsDown, match="connection slack_alerts") as told:
        Alerts(Endpoint(conn_id="slack_alerts", **given)).send("#x", message())
    assert TOKEN not in str(told.value)
