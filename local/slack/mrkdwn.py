"""Slack's mrkdwn as HTML. Everything that comes in is escaped; only what is recognised becomes an element."""

from __future__ import annotations

import html
import re

TOKEN = re.compile(r"```(?P<pre>.+?)```|`(?P<code>[^`\n]+)`|<(?P<link>[^<>\s][^<>\n]*)>", re.DOTALL)
STYLES = [
    (
        re.compile(
            rf"(?<![\w{re.escape(mark)}]){re.escape(mark)}(\S(?:[^\n]*?\S)?){re.escape(mark)}(?![\w{re.escape(mark)}])"
        ),
        tag,
    )
    for mark, tag in (("*", "b"), ("_", "i"), ("~", "s"))
]
EMOJI = {
    "bell": "🔔",
    "hourglass_flowing_sand": "⏳",
    "information_source": "ℹ️",  # noqa: RUF001
    "large_blue_circle": "🔵",
    "large_green_circle": "🟢",
    "large_orange_circle": "🟠",
    "large_yellow_circle": "🟡",
    "red_circle": "🔴",
    "rotating_light": "🚨",
    "warning": "⚠️",
    "white_check_mark": "✅",
    "x": "❌",
}
# Stands for an element while the text around it is styled; not a character that a message may hold.
PLACE = "\x00{}\x00"


def to_html(text: str) -> str:
    """One text of a message, as HTML that is safe to put into a page."""
    elements: list[str] = []

    def keep(found: re.Match[str]) -> str:
        elements.append(_element(found))
        return PLACE.format(len(elements) - 1)

    shown = _with_emoji(TOKEN.sub(keep, text.replace("\x00", "")))
    for pattern, tag in STYLES:
        shown = pattern.sub(rf"<{tag}>\1</{tag}>", shown)
    return re.sub("\x00(\\d+)\x00", lambda found: elements[int(found[1])], shown.replace("\n", "<br>"))


def plain_to_html(text: str) -> str:
    """A text without styles: escaped, with its emoji and its lines."""
    return _with_emoji(text).replace("\n", "<br>")


def _with_emoji(text: str) -> str:
    return _escaped(re.sub(r":([a-z_]+):", lambda found: EMOJI.get(found[1], found[0]), text))


def _element(found: re.Match[str]) -> str:
    if found["pre"] is not None:
        return f"<pre>{_escaped(found['pre'].strip(chr(10)))}</pre>"
    if found["code"] is not None:
        return f"<code>{_escaped(found['code'])}</code>"
    target, _, label = found["link"].partition("|")
    if target.startswith(("http://", "https://", "mailto:")):
        return f'<a href="{_escaped(target)}" rel="noreferrer noopener" target="_blank">{_escaped(label or target)}</a>'
    if target.startswith("!date^"):
        return _escaped(label)
    if target[0] in "!@#":  # people, groups, channels
        sign = "#" if target[0] == "#" else "@"
        return f"<b>{sign}{_escaped((label or target[1:]).lstrip('@#'))}</b>"
    return _escaped(f"<{found['link']}>")


def _escaped(text: str) -> str:
    # A sender has written &, < and > as Slack wants them; these three and no other entity are taken back first.
    for entity, character in (("&lt;", "<"), ("&gt;", ">"), ("&amp;", "&")):
        text = text.replace(entity, character)
    return html.escape(text)
