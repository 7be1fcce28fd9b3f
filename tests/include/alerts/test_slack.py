"""Block Kit's limits for whatever an incident may say, and what becomes a link."""

from __future__ import annotations

from typing import Any

import pytest

from include.alerts import Message, Severity
from include.alerts.slack import FACTS, LINK, TEXT, TOTAL, beside, blocks, escape, fit
from local.slack.blocks import problems

RUNBOOK = "docs/runbooks/rows_missing.md"


def message(**given: Any) -> Message:
    return Message(**{"severity": Severity.CRITICAL, "word": "CRITICAL", "subject": "s", "headline": "h", **given})


def texts(of: Message, **given: Any) -> list[str]:
    """Every text in the blocks."""
    found = []
    for block in blocks(of, **given):
        parts = [block.get("text"), *block.get("fields", []), *block.get("elements", [])]
        found += [part["text"] for part in parts if part]
    return found


HUGE = {
    "many facts": message(facts=tuple((f"fact {n}", "v" * 5000) for n in range(900))),
    "long facts of entities": message(facts=tuple(("<" * 900, "&" * 5000) for _ in range(25))),
    "all of it long": message(
        subject="s" * 500,
        headline="<h>" * 9000,
        does="d" * 9000,
        act="&" * 9000,
        samples=tuple("<x>" * 2000 for _ in range(9)),
        facts=tuple((f"fact {n}", "v" * 5000) for n in range(40)),
        run="http://run/" + "r" * 9000,
        runbook="docs/" + "b" * 9000,
    ),
    "next to nothing": message(word="", subject="", headline=""),
    "lines and quotes": message(headline="one\ntwo", samples=("```", "`<!here>`", "")),
}


@pytest.mark.parametrize("of", HUGE.values(), ids=HUGE)
def test_whatever_is_said_slack_takes_it(of: Message) -> None:
    assert problems(blocks(of)) == []
    assert sum(len(text) for text in texts(of)) <= TOTAL, "all together, which no block's limit says"
    assert 0 < len(beside(of)) <= TEXT


def test_the_judge_of_blocks_is_not_blind() -> None:
    assert problems([{"type": "section", "text": {"type": "mrkdwn", "text": ""}}])


def test_facts_beyond_what_is_read_are_counted() -> None:
    shown = texts(message(facts=tuple(("Topic", f"t{n}") for n in range(40))))[2:]
    assert len(shown) == FACTS
    assert shown[-2:] == ["*Topic*\nt28", "*More*\n11 of the kind"]


def test_samples_keep_their_frame() -> None:
    (shown,) = [text for text in texts(message(samples=("a ``` b", "<" * 4000))) if text.startswith("```")]
    assert shown.startswith("```a ''' b\n&lt;")
    assert shown.endswith("…```")
    assert shown.count("```") == 2


@pytest.mark.parametrize("limit", range(1, 12))
def test_no_entity_is_cut_through(limit: int) -> None:
    shown = fit(escape("a<b&c"), limit)
    assert len(shown) <= limit
    assert shown.rstrip("…") in ("", "a", "a&lt;", "a&lt;b")


def test_a_runbooks_path_is_text_and_its_address_a_link() -> None:
    path = message(runbook=RUNBOOK, run="http://airflow/run?a=1&b=2|3")
    run = "<http://airflow/run?a=1&amp;b=2%7C3|Run>"
    assert texts(path)[-1] == f"{run}  Runbook: {RUNBOOK}"
    at = "https://git.example/floodgate/blob/main"
    for base in (at, f"{at}/"):
        assert texts(path, runbooks=base)[-1] == f"{run}  <{at}/{RUNBOOK}|Runbook>"
    assert texts(message(runbook="https://wiki.example/x"), runbooks=at)[-1] == "<https://wiki.example/x|Runbook>"
    assert texts(message(runbook=RUNBOOK), runbooks="git.example")[-1] == f"Runbook: git.example/{RUNBOOK}"
    assert len(texts(message())) == 2, "nothing to link to"


@pytest.mark.parametrize("address", ["http://x/ y", "javascript:alert(1)", "http://x/" + "y" * LINK])
def test_what_is_no_address_is_no_link(address: str) -> None:
    assert not texts(message(run=address))[-1].startswith("<")
