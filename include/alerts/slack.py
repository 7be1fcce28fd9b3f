"""A message as Slack's Block Kit, within its limits."""

from __future__ import annotations

import re
from typing import Any

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from include.alerts.message import Message, Severity, clock, plain

#: Block Kit's limits, in characters and items (Slack's reference, "Blocks").
HEADER, SECTION, FIELDS, FIELD = 150, 3000, 10, 2000
#: Of all texts of a message together Slack takes about 12,000 characters, which its reference does not say.
TOTAL = 10_000
#: What a person still reads: rows to look at, and facts.
SAMPLES, FACTS = 5, 30
#: The text beside the blocks; Slack's advice is 4,000 characters at most.
TEXT = 3000
#: A longer address is no link: cut it would lead nowhere.
LINK = 1000

COLORS = {
    Severity.CRITICAL: "#d1242f",
    Severity.WARNING: "#d4a72c",
    Severity.INFO: "#57606a",
    Severity.NORMAL: "#1a7f37",
}


def blocks(message: Message, runbooks: str = "") -> list[dict[str, Any]]:
    """The message's blocks, as chat.postMessage takes them. `runbooks`: the address that a runbook's path is below."""
    room = TOTAL - HEADER - 2 * LINK
    headline = fit(escape(message.headline) or "-", SECTION)  # Slack refuses an empty section, and all with it
    room -= len(headline)
    made: list[Block] = [
        HeaderBlock(text=PlainTextObject(text=cut(f"{message.word} {message.subject}", HEADER), emoji=False)),
        SectionBlock(text=MarkdownTextObject(text=headline)),
    ]
    ends = []
    for label, text in (("Floodgate", message.does), ("You", message.act)):
        if text:
            ends.append(fit(f"*{label}:* {escape(text)}", min(SECTION, room // 3)))
            room -= len(ends[-1])
    samples = _samples(message, min(SECTION, room // 2))
    facts = _facts(message, room - len(samples))
    made += [SectionBlock(fields=_texts(facts[at : at + FIELDS])) for at in range(0, len(facts), FIELDS)]
    made += [SectionBlock(text=text) for text in _texts([*([samples] if samples else []), *ends])]
    if links := _links(message, runbooks):
        made.append(ContextBlock(elements=_texts([links])))
    return [block.to_dict() for block in made]


def attachment(message: Message, runbooks: str = "") -> dict[str, Any]:
    """The blocks beside a bar in the colour of the severity."""
    return {"color": COLORS[message.severity], "blocks": blocks(message, runbooks)}


def beside(message: Message) -> str:
    """The text beside the blocks, which notifications show alone: the message's first line."""
    return fit(escape(plain(message).splitlines()[0]), TEXT)


def escape(text: str) -> str:
    """Slack's three control characters, so that data cannot mention people or make links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters; what was cut ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def fit(text: str, limit: int) -> str:
    """As `cut`, for text that is escaped: no entity is cut through."""
    return text if len(text) <= limit else re.sub(r"&\w{0,3}…$", "…", cut(text, limit))


def _facts(message: Message, room: int) -> list[str]:
    facts = [("Since", clock(message.since)), *message.facts] if message.since else list(message.facts)
    if len(facts) > FACTS:
        facts = [*facts[: FACTS - 1], ("More", f"{len(facts) - FACTS + 1:,} of the kind")]
    each = min(FIELD, room // max(1, len(facts)))
    return [fit(f"*{escape(label)}*\n{escape(value)}", each) for label, value in facts]


def _samples(message: Message, limit: int) -> str:
    if not message.samples:
        return ""
    shown = "\n".join(message.samples[:SAMPLES]).replace("```", "'''")  # data must not end the frame around it
    return f"```{fit(escape(shown), limit - 6)}```"


def _links(message: Message, runbooks: str) -> str:
    """Links to run and runbook; a runbook that has no address is named as the path it is."""
    runbook = message.runbook
    if runbook and runbooks and "://" not in runbook:
        runbook = f"{runbooks.rstrip('/')}/{runbook.lstrip('/')}"
    told = [_link(message.run, "Run"), _link(runbook, "Runbook")]
    return "  ".join(text for text in told if text)


def _link(address: str, name: str) -> str:
    if re.match(r"https?://\S+$", address) and len(address) <= LINK:
        return f"<{escape(address).replace('|', '%7C')}|{name}>"
    return f"{name}: {fit(escape(address), LINK)}" if address else ""


def _texts(texts: list[str]) -> list[MarkdownTextObject]:
    return [MarkdownTextObject(text=text) for text in texts]
