"""The local Slack, run for real: what it accepts, what it refuses, what it keeps, what it shows and to whom."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from local import slack
from local.place import Place
from local.slack.blocks import problems
from local.slack.mrkdwn import to_html
from local.slack.store import Store
from tests.local import running

pytestmark = [pytest.mark.stack, pytest.mark.timeout(60)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return running.a_place(tmp_path_factory.mktemp("slack") / "home")


@pytest.fixture(scope="module")
def catcher(place: Place) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The running catcher; a test that kills it puts the next one in the box."""
    box = {"child": running.start(slack.service(place), place)}
    yield box
    running.stop(slack.service(place), box["child"])


@pytest.fixture
def http(place: Place, catcher: object) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"http://127.0.0.1:{place.ports['slack']}") as client:
        yield client


@pytest.fixture
def bot(http: httpx.Client, place: Place) -> httpx.Client:
    http.headers["Authorization"] = f"Bearer {slack.token(place)}"
    return http


def call(client: httpx.Client, method: str, **fields: Any) -> dict[str, Any]:
    return client.post(f"/api/{method}", json=fields).json()


def caught(client: httpx.Client, channel: str, **more: str) -> list[dict[str, Any]]:
    return client.get("/messages.json", params={"channel": channel, **more}).json()


def page(client: httpx.Client, place: Place, channel: str) -> str:
    answer = client.get("/", params={"channel": channel}, auth=("floodgate", place.secrets["airflow"]))
    assert answer.status_code == 200
    return answer.text


def test_the_bot_token_opens_and_no_other(http: httpx.Client, place: Place) -> None:
    assert call(http, "auth.test") == {"ok": False, "error": "not_authed"}
    http.headers["Authorization"] = "Bearer xoxb-wrong"
    assert call(http, "auth.test") == {"ok": False, "error": "invalid_auth"}
    assert call(http, "chat.postMessage", channel="alerts", text="x") == {"ok": False, "error": "invalid_auth"}
    http.headers["Authorization"] = f"Bearer {slack.token(place)}"
    assert call(http, "auth.test")["ok"]
    del http.headers["Authorization"]
    assert http.post("/api/auth.test", data={"token": slack.token(place)}).json()["ok"]


def test_a_message_its_reply_and_its_edit_are_one_thread(bot: httpx.Client) -> None:
    blocks = [{"type": "header", "text": {"type": "plain_text", "text": "Sink failed"}}]
    metadata = {"event_type": "incident", "event_payload": {"id": "7"}}
    first = call(bot, "chat.postMessage", channel="#incidents", text="Sink failed", blocks=blocks, metadata=metadata)
    assert first["ok"]
    assert first["message"]["text"] == "Sink failed"
    assert first["message"]["blocks"] == blocks
    assert re.fullmatch(r"C[A-Z2-7]{10}", first["channel"])
    # By a form, as some clients send it, with the structures as JSON text.
    form = {
        "channel": first["channel"],
        "thread_ts": first["ts"],
        "text": "restarted",
        "attachments": '[{"color":"good"}]',
    }
    reply = bot.post("/api/chat.postMessage", data=form).json()
    assert reply["message"]["thread_ts"] == first["ts"]
    edited = call(bot, "chat.update", channel=first["channel"], ts=first["ts"], text="Normal again")
    assert (edited["ok"], edited["ts"], edited["text"]) == (True, first["ts"], "Normal again")
    parent, child = caught(bot, "incidents")
    assert (parent["channel"], parent["text"], parent["blocks"]) == ("incidents", "Normal again", blocks)
    assert parent["edited"]["user"]
    assert parent["metadata"] == metadata
    assert parent["thread_ts"] is None
    assert (child["text"], child["thread_ts"], child["attachments"]) == ("restarted", first["ts"], [{"color": "good"}])
    assert caught(bot, "#incidents") == caught(bot, first["channel"]) == [parent, child]


def test_since_gives_what_is_new_or_changed(bot: httpx.Client) -> None:
    first, _, third = (call(bot, "chat.postMessage", channel="since", text=str(n)) for n in range(3))
    assert [message["text"] for message in caught(bot, "since", since=first["ts"])] == ["1", "2"]
    assert caught(bot, "since", since=third["ts"]) == []
    call(bot, "chat.update", channel=first["channel"], ts=first["ts"], text="anew")
    assert [message["text"] for message in caught(bot, "since", since=third["ts"])] == ["anew"]
    assert bot.get("/messages.json", params={"since": "yesterday"}).status_code == 400


AWAY = 'rel="noreferrer noopener" target="_blank"'


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"text": "x"}, "channel_not_found"),
        ({"channel": "c"}, "no_text"),
        ({"channel": "c", "text": "x" * 40_001}, "msg_too_long"),
        ({"channel": "c", "text": "x", "thread_ts": "yesterday"}, "invalid_thread_ts"),
        ({"channel": "c", "text": "x", "metadata": {"event_type": "a"}}, "invalid_metadata_format"),
        ({"channel": "c", "text": "x", "attachments": [{}] * 101}, "too_many_attachments"),
        ({"channel": "c", "text": "x", "attachments": "{"}, "invalid_attachments"),
        ({"channel": "c", "text": "x", "blocks": "["}, "invalid_blocks_format"),
        ({"channel": "c", "blocks": [{"type": "divider"}] * 51}, "invalid_blocks"),
        ({"channel": "c", "attachments": [{"blocks": [{"type": "banner"}]}]}, "invalid_blocks"),
    ],
)
def test_what_slack_refuses_is_refused(bot: httpx.Client, fields: dict[str, Any], error: str) -> None:
    assert call(bot, "chat.postMessage", **fields)["error"] == error
    assert caught(bot, "c") == []


def test_an_edit_needs_the_id_and_a_ts_that_is_there(bot: httpx.Client) -> None:
    sent = call(bot, "chat.postMessage", channel="edits", text="x")
    assert call(bot, "chat.update", channel=sent["channel"], ts="1.000001", text="y")["error"] == "message_not_found"
    assert call(bot, "chat.update", channel="edits", ts=sent["ts"], text="y")["error"] == "channel_not_found"
    assert call(bot, "chat.delete", channel="edits", ts=sent["ts"])["error"] == "unknown_method"
    assert bot.post("/api/chat.postMessage", content=b"{", headers={"Content-Type": "application/json"}).json() == {
        "ok": False,
        "error": "invalid_json",
    }


def text(words: str, kind: str = "mrkdwn") -> dict[str, str]:
    return {"type": kind, "text": words}


@pytest.mark.parametrize(
    ("block", "problem", "where"),
    [
        ({"type": "section", "text": text("x" * 3001)}, "must be less than 3001 characters", "/text/text"),
        ({"type": "section", "fields": [text("x" * 2001)]}, "must be less than 2001 characters", "/fields/0/text"),
        ({"type": "section", "fields": [text("x")] * 11}, "no more than 10 items allowed", "/fields"),
        ({"type": "section"}, "missing required field: text or fields", ""),
        ({"type": "section", "text": text("")}, "must be a text of at least one character", "/text/text"),
        ({"type": "section", "text": text("x", "html")}, "must be one of plain_text, mrkdwn", "/text/type"),
        ({"type": "header", "text": text("x" * 151, "plain_text")}, "must be less than 151 characters", "/text/text"),
        ({"type": "header", "text": text("x")}, "must be one of plain_text", "/text/type"),
        ({"type": "header"}, "must provide an object", "/text"),
        ({"type": "context", "elements": []}, "must provide a list of at least one item", "/elements"),
        (
            {"type": "actions", "elements": [{"type": "button", "text": text("x" * 76, "plain_text")}]},
            "must be less than 76 characters",
            "/elements/0/text/text",
        ),
        ({"type": "image", "image_url": "https://x"}, "must be a text of at least one character", "/alt_text"),
        ({"type": "banner"}, "unsupported type: banner", "/type"),
        ("banner", "unsupported type: None", "/type"),
    ],
)
def test_block_kit_rules(block: Any, problem: str, where: str) -> None:
    assert problems([block]) == [f"{problem} [json-pointer:/blocks/0{where}]"]


def test_blocks_at_their_limits_pass() -> None:
    assert problems([{"type": "divider"}] * 50) == []
    assert problems([{"type": "section", "text": text("x" * 3000), "fields": [text("x" * 2000)] * 10}]) == []
    assert problems([{"type": "header", "text": text("x" * 150, "plain_text")}]) == []
    assert problems([{"type": "rich_text", "elements": []}, {"type": "context", "elements": [text("x")] * 10}]) == []
    assert problems([{"type": "divider", "block_id": "a"}] * 2) == [
        "block_id already exists: a [json-pointer:/blocks/1/block_id]"
    ]


def test_a_webhook_answers_ok_and_needs_no_token(http: httpx.Client, place: Place) -> None:
    answer = http.post("/services/T000/B000/XYZ", json={"text": "held", "channel": "#notices"})
    assert (answer.status_code, answer.text) == (200, "ok")
    assert http.post("/services/T000/B000/XYZ", data={"payload": '{"text": "as a form"}'}).text == "ok"
    assert (refused := http.post("/services/T000/B000/XYZ", json={})).status_code == 400
    assert refused.text == "no_text"
    assert (
        http.post("/services/T000/B000/XYZ", content=b"{", headers={"Content-Type": "application/json"}).text
        == "invalid_payload"
    )
    http.headers["Authorization"] = f"Bearer {slack.token(place)}"
    assert [message["text"] for message in caught(http, "notices")] == ["held"]
    assert [message["text"] for message in caught(http, "webhook-xyz")] == ["as a form"]


def test_a_kill_loses_no_message_that_was_answered(
    bot: httpx.Client, place: Place, catcher: dict[str, subprocess.Popen[bytes]]
) -> None:
    sent = [call(bot, "chat.postMessage", channel="durable", text=str(n)) for n in range(50)]
    call(bot, "chat.update", channel=sent[0]["channel"], ts=sent[0]["ts"], text="anew")
    os.kill(catcher["child"].pid, signal.SIGKILL)
    catcher["child"].wait()
    with (place.data("slack") / "messages.jsonl").open("a") as file:
        file.write('{"ts":"1.000000","channel":"durable","te')  # what a kill in the middle of a line leaves
    catcher["child"] = running.start(slack.service(place), place)
    assert [message["text"] for message in caught(bot, "durable")] == ["anew", *map(str, range(1, 50))]
    after = call(bot, "chat.postMessage", channel="durable", text="after")
    assert float(after["ts"]) > float(sent[-1]["ts"])
    assert Store(place.data("slack") / "messages.jsonl").messages("durable")[-1].text == "after"


def test_a_line_that_is_no_message_hides_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "messages.jsonl"
    Store(file).post("a", text="first")
    with file.open("a") as more:
        more.write("what is this\n")
    Store(file).post("a", text="second")
    assert [message.text for message in Store(file).messages()] == ["first", "second"]
    assert "messages.jsonl, line 2 is not shown, it is no message" in caplog.text


def test_a_full_disk_refuses_and_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "messages.jsonl")
    store.post("a", text="first")
    write = os.write
    monkeypatch.setattr(os, "write", lambda file, line: write(file, line[:10]))
    with pytest.raises(OSError, match="No space left"):
        store.post("a", text="second")
    monkeypatch.undo()
    store.post("a", text="third")
    assert [json.loads(line)["text"] for line in (tmp_path / "messages.jsonl").read_text().splitlines()] == [
        "first",
        "third",
    ]


def test_a_clock_set_back_repeats_no_ts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path / "messages.jsonl")
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    first, second = store.post("a", text="1"), store.post("a", text="2")
    monkeypatch.setattr("time.time_ns", lambda: 1_600_000_000_000_000_000)
    assert [first.ts, second.ts, store.post("a", text="3").ts] == [f"1700000000.00000{n}" for n in range(3)]


def test_page_and_messages_are_for_those_who_sign_in(http: httpx.Client, place: Place) -> None:
    person, wrong = ("floodgate", place.secrets["airflow"]), ("floodgate", "wrong")
    for path in ("/", "/messages.json"):
        assert http.get(path).status_code == 401
        assert http.get(path).headers["WWW-Authenticate"].startswith("Basic ")
        assert http.get(path, auth=wrong).status_code == 401
        assert http.get(path, auth=person).status_code == 200
    bearer = {"Authorization": f"Bearer {slack.token(place)}"}
    assert http.get("/messages.json", headers=bearer).status_code == 200
    assert http.get("/", headers=bearer).status_code == 401


def test_the_page_shows_a_thread_as_people_read_it(bot: httpx.Client, place: Place) -> None:
    blocks = [
        {"type": "header", "text": text("HELD ecommerce marts", "plain_text")},
        {"type": "section", "text": text("*41* of `2,310` orders\n<https://x.test/?a=1&amp;b=2|the run>")},
        {"type": "section", "fields": [text("*Warehouse*\nSnowflake"), text("*Since*\n14:02 UTC")]},
        {"type": "context", "elements": [text("gate 7")]},
        {
            "type": "actions",
            "elements": [{"type": "button", "text": text("Runbook", "plain_text"), "url": "https://x.test/r"}],
        },
        {"type": "rich_text", "elements": []},
    ]
    parent = call(bot, "chat.postMessage", channel="page", attachments=[{"color": "danger", "blocks": blocks}])
    call(bot, "chat.postMessage", channel="page", thread_ts=parent["ts"], text=":white_check_mark: normal again")
    call(bot, "chat.postMessage", channel="page", text="another thread")
    shown = page(bot, place, "page")
    for part in (
        "<h2>HELD ecommerce marts</h2>",
        '<p><b>41</b> of <code>2,310</code> orders<br><a href="https://x.test/?a=1&amp;b=2" rel',
        '<div class="fields"><div><b>Warehouse</b><br>Snowflake</div><div><b>Since</b><br>14:02 UTC</div></div>',
        '<p class="context">gate 7</p>',
        '<a class="button" href="https://x.test/r"',
        'class="bar" style="border-color:#a30200"',
        "[a block of type rich_text; its content is in the JSON]",
        "<p>✅ normal again</p></article></div></article>",
        '<meta http-equiv="refresh"',
    ):
        assert part in shown
    assert shown.index("another thread") < shown.index("HELD") < shown.index("normal again")
    assert "<script" not in shown
    assert not re.search(r'(src|<link[^>]*href)="', shown)


def test_nothing_that_was_sent_becomes_markup(bot: httpx.Client, place: Place) -> None:
    evil = "<script>alert(1)</script>\"'<img src=x onerror=1>&lt;i&gt;<javascript:alert(1)|click>"
    attachment = {
        "color": '#fff" onclick="x',
        "title": evil,
        "text": evil,
        "fields": [{"title": evil, "value": evil}],
        "footer": evil,
    }
    blocks = [{"type": "section", "text": text(evil)}, {"type": "header", "text": text(evil[:150], "plain_text")}]
    blocks += [{"type": "context", "elements": [{"type": "image", "image_url": "x", "alt_text": evil}]}]
    metadata = {"event_type": evil, "event_payload": {}}
    channel = "<b>&evil"
    call(
        bot, "chat.postMessage", channel=channel, text=evil, blocks=blocks, attachments=[attachment], metadata=metadata
    )
    shown = page(bot, place, channel)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in shown
    body = shown.partition("</style>")[2]
    tags = set(re.findall(r"<([a-z0-9!/]+)", body))
    ours = {
        "/head",
        "body",
        "nav",
        "h1",
        "/h1",
        "a",
        "/a",
        "/nav",
        "main",
        "article",
        "div",
        "/div",
        "p",
        "/p",
        "h2",
        "/h2",
        "b",
        "/b",
        "br",
        "/article",
        "/main",
        "/body",
        "/html",
    }
    assert tags <= ours
    assert "onclick" not in body
    assert 'href="javascript' not in body


@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        ("*bold* _slanted_ ~gone~", "<b>bold</b> <i>slanted</i> <s>gone</s>"),
        ("2*3*4 and stg_orders_daily", "2*3*4 and stg_orders_daily"),
        ("*a\nb*", "*a<br>b*"),
        ("```x *y*\n<z>```", "<pre>x *y*\n&lt;z&gt;</pre>"),
        ("a &lt; b &amp;lt; c", "a &lt; b &amp;lt; c"),
        ("<!here> <@U123|ann> <#C1|alerts>", "<b>@here</b> <b>@ann</b> <b>#alerts</b>"),
        ("since <!date^1700000000^{time}|22:13>", "since 22:13"),
        ("*<https://x.test|run>* :x: :unknown:", f'<b><a href="https://x.test" {AWAY}>run</a></b> ❌ :unknown:'),
    ],
)
def test_mrkdwn(sent: str, shown: str) -> None:
    assert to_html(sent) == shown
