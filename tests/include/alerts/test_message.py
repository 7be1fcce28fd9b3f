from datetime import UTC, datetime

import pytest
from slack_sdk import WebClient
from slack_sdk.webhook import WebhookClient

from include.alerts import Alerts, AlertsDown, Message, Severity, plain, route
from include.alerts.message import lasting
from include.alerts.slack import HEADER, SECTION, attachment, blocks, cut
from include.connections import Endpoint
from include.contracts import load

HELD = Message(
    severity=Severity.CRITICAL,
    word="HELD",
    subject="ecommerce marts, Snowflake",
    headline="41 of 2,310 orders have a total unlike price x quantity.",
    since=datetime(2026, 3, 1, 14, 2, tzinfo=UTC),
    facts=(("Expectation", "totals_are_right"),),
    samples=("order 17: 12.00, expected 24.00",),
    does="The marts stay as they were.",
    act="Look at the orders.",
    run="http://127.0.0.1/run",
)


def test_text_has_its_parts_in_order() -> None:
    assert plain(HELD) == (
        "HELD ecommerce marts, Snowflake: 41 of 2,310 orders have a total unlike price x quantity. "
        "Since 2026-03-01 14:02 UTC.\n"
        "Expectation: totals_are_right\n"
        "  order 17: 12.00, expected 24.00\n"
        "The marts stay as they were.\n"
        "Look at the orders.\n"
        "Run: http://127.0.0.1/run"
    )


def test_blocks_stay_within_slacks_limits() -> None:
    long = Message(
        severity=Severity.WARNING,
        word="WARNING",
        subject="s" * 500,
        headline="h" * 9000,
        facts=tuple((f"fact {n}", "v" * 5000) for n in range(25)),
        samples=tuple("x" * 2000 for _ in range(9)),
    )
    made = blocks(long)
    assert len(made) <= 50
    assert len(made[0]["text"]["text"]) == HEADER
    assert all(
        len(block["text"]["text"]) <= SECTION for block in made if block["type"] == "section" and "text" in block
    )
    assert [len(block["fields"]) for block in made if "fields" in block] == [10, 10, 5]


def test_data_cannot_mention_people_or_make_links() -> None:
    sly = Message(severity=Severity.INFO, word="INFO", subject="s", headline="<!channel> & <http://x|y>")
    assert blocks(sly)[1]["text"]["text"] == "&lt;!channel&gt; &amp; &lt;http://x|y&gt;"


class Answer(dict[str, str]):
    """What a bot is answered, and a webhook."""

    status_code = 200


@pytest.mark.parametrize("kind", ["slack", "slackwebhook"])
def test_data_cannot_do_so_in_the_text_beside_the_blocks(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    def taken(_: object, text: str, **__: object) -> object:
        sent.append(text)
        return Answer(channel="C1", ts="1.0")

    for client, method in ((WebClient, "chat_postMessage"), (WebClient, "chat_update"), (WebhookClient, "send")):
        monkeypatch.setattr(client, method, taken)
    sly = Message(severity=Severity.INFO, word="INFO", subject="s", headline="<!channel>", samples=("x",))
    alerts = Alerts(Endpoint(conn_id="slack_alerts", conn_type=kind, password="x"))
    alerts.edit(alerts.send("#x", sly), sly)
    assert sent
    assert set(sent) == {"INFO s: &lt;!channel&gt;"}, "the blocks say the rest"


def test_colour_tells_severity() -> None:
    assert attachment(HELD)["color"] == "#d1242f"


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "0 s"), (45, "45 s"), (660, "11 min"), (3600, "1 h"), (7500, "2 h 5 min"), (3599, "1 h")]
)
def test_duration_as_a_person_says_it(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_cut_says_that_it_cut() -> None:
    assert (cut("abc", 3), cut("abcd", 3)) == ("abc", "ab…")


def test_only_what_needs_a_person_goes_to_the_owner() -> None:
    contract = load("ecommerce")
    assert route(contract, Severity.CRITICAL) == "#shop-alerts"
    assert {route(contract, s) for s in Severity if s is not Severity.CRITICAL} == {"#floodgate-notices"}


def test_connection_of_another_type_is_refused_with_what_to_do() -> None:
    with pytest.raises(AlertsDown, match="make it slack"):
        Alerts(Endpoint(conn_id="slack_alerts", conn_type="http"))


def test_slack_away_is_told_and_names_the_connection() -> None:
    away = Endpoint(
        conn_id="slack_alerts", conn_type="slack", password="xoxb-x", extra={"base_url": "http://127.0.0.1:9/api/"}
    )
    with pytest.raises(AlertsDown, match="slack_alerts"):
        Alerts(away).send("#x", HELD)
