"""A message as Slack's Block Kit, within its limits."""

from __future__ import annotations

from typing import Any

from slack_sdk.models.blocks import (
    Block,
    ContextBlock,
    HeaderBlock,
    MarkdownTextObject,
    PlainTextObject,
    SectionBlock,
)

from include.alerts.message import Message, Severity, clock

#: Block Kit's limits, in characters and items (Slack's reference, "Blocks").
HEADER, SECTION, FIELDS, FIELD = 150, 3000, 10, 2000
SAMPLES = 5

COLORS = {
    Severity.CRITICAL: "#d1242f",
    Severity.WARNING: "#d4a72c",
    Severity.INFO: "#57606a",
    Severity.NORMAL: "#1a7f37",
}


def blocks(message: Message) -> list[dict[str, Any]]:
    """The message's blocks, as chat.postMessage takes them."""
    made: list[Block] = [
        HeaderBlock(text=PlainTextObject(text=cut(f"{message.word} {message.subject}", HEADER), emoji=False)),
        SectionBlock(text=_text(escape(message.headline))),
    ]
    facts = [("Since", clock(message.since)), *message.facts] if message.since else list(message.facts)
    for start in range(0, len(facts), FIELDS):
        some = facts[start : start + FIELDS]
        made.append(SectionBlock(fields=[_text(f"*{escape(label)}*\n{escape(value)}", FIELD) for label, value in some]))
    if message.samples:
        shown = "\n".join(message.samples[:SAMPLES])
        made.append(SectionBlock(text=_text(f"```{escape(cut(shown, SECTION - 100))}```")))
    for label, text in (("Floodgate", message.does), ("You", message.act)):
        if text:
            made.append(SectionBlock(text=_text(f"*{label}:* {escape(text)}")))
    links = [f"<{url}|{name}>" for name, url in (("Run", message.run), ("Runbook", message.runbook)) if url]
    if links:
        made.append(ContextBlock(elements=[_text("  ".join(links))]))
    return [block.to_dict() for block in made]


def attachment(message: Message) -> dict[str, Any]:
    """The blocks beside a bar in the colour of the severity."""
    return {"color": COLORS[message.severity], "blocks": blocks(message)}


def escape(text: str) -> str:
    """Slack's three control characters, so that data cannot mention people or make links."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def cut(text: str, limit: int) -> str:
    """At most `limit` characters; what was cut ends in an ellipsis."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _text(text: str, limit: int = SECTION) -> MarkdownTextObject:
    return MarkdownTextObject(text=cut(text, limit))
