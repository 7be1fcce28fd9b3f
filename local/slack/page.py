"""The page that shows the channels and their threads. One file: no script, nothing loaded from anywhere."""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from local.slack.mrkdwn import plain_to_html, to_html
from local.slack.store import Message, Store

REFRESH_S = 10
THREADS_SHOWN = 100
COLORS = {"good": "#2eb886", "warning": "#daa038", "danger": "#a30200"}

STYLE = """
:root{color-scheme:light dark;--line:#8884;--dim:#777}
body{font:15px/1.45 system-ui,sans-serif;margin:0;display:flex;min-height:100vh}
nav{flex:0 0 13em;padding:1em;border-right:1px solid var(--line)}
nav a{display:block;padding:.2em .5em;text-decoration:none;color:inherit;border-radius:4px}
nav a.here{background:#1264a3;color:#fff}
main{flex:1;min-width:0;padding:1em 1.5em;max-width:56em}
article{border-top:1px solid var(--line);padding:.8em 0}
.replies{margin:.5em 0 0 1em;padding-left:1em;border-left:2px solid var(--line)}
.replies article{padding:.5em 0}
.by{color:var(--dim);font-size:.85em}
.by a{color:inherit}
.bar{border-left:4px solid var(--line);padding-left:.8em;margin:.4em 0}
.fields{display:grid;grid-template-columns:1fr 1fr;gap:.3em 1.5em;margin:.4em 0}
.context,.dim{color:var(--dim);font-size:.88em}
.button{display:inline-block;border:1px solid var(--line);border-radius:4px;padding:.1em .6em;margin:.2em .4em .2em 0}
h1{font-size:1.2em;margin:0 0 .8em}h2{font-size:1.1em;margin:.2em 0}p{margin:.3em 0}
pre{overflow:auto;background:#8881;border:1px solid var(--line);padding:.5em;margin:.3em 0}code{background:#8882}
"""


def render(store: Store, channel: str | None) -> str:
    """The page of one channel (name or id), or of the one that was written to last; newest thread first."""
    everything = store.messages()
    counts: dict[str, int] = {}
    for message in everything:
        counts[message.channel] = counts.get(message.channel, 0) + 1
    last = max(everything, key=lambda message: message.touched).channel if everything else None
    chosen = store.name_of(channel) if channel else last
    title = f"#{_text(chosen)}" if chosen else "No message yet"
    links = "".join(_link(name, count, name == chosen) for name, count in sorted(counts.items()))
    shown = _threads([message for message in everything if message.channel == chosen])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title} · Floodgate Slack</title>'
        f'<meta http-equiv="refresh" content="{REFRESH_S}"><meta name="viewport" content="width=device-width">'
        f"<style>{STYLE}</style></head><body><nav><h1>Floodgate</h1>{links}</nav><main><h1>{title}</h1>"
        f'{shown or "<p>Nothing was sent here.</p>"}<p class="dim">Caught on this machine; nothing reached Slack. '
        f"Read {datetime.now(UTC):%H:%M:%S} UTC, again every {REFRESH_S} s. "
        f'<a href="/messages.json?{urlencode({"channel": chosen or ""})}">The same as JSON</a></p></main></body></html>'
    )


def _link(name: str, count: int, here: bool) -> str:
    mark = ' class="here"' if here else ""
    return f'<a href="/?{html.escape(urlencode({"channel": name}))}"{mark}># {_text(name)} ({count})</a>'


def _threads(messages: list[Message]) -> str:
    known = {message.ts for message in messages}
    replies: dict[str, list[Message]] = {}
    parents = []
    for message in messages:
        parent = message.thread_ts
        if parent is None or parent == message.ts or parent not in known:
            parents.append(message)  # also a reply to what was never sent here, which would vanish otherwise
        else:
            replies.setdefault(parent, []).append(message)
    shown = [_thread(parent, replies.get(parent.ts, [])) for parent in reversed(parents[-THREADS_SHOWN:])]
    if len(parents) > THREADS_SHOWN:
        shown.append(f'<p class="dim">{len(parents) - THREADS_SHOWN} older threads are in the JSON.</p>')
    return "".join(shown)


def _thread(parent: Message, replies: list[Message]) -> str:
    below = "".join(f"<article>{_message(reply)}</article>" for reply in replies)
    return f"<article>{_message(parent)}{f'<div class=replies>{below}</div>' if below else ''}</article>"


def _message(message: Message) -> str:
    sent = datetime.fromtimestamp(float(message.ts), UTC)
    notes = f" · edited {datetime.fromtimestamp(float(message.edited['ts']), UTC):%H:%M:%S}" if message.edited else ""
    if message.metadata:
        notes += f" · {_text(message.metadata['event_type'])}"
    head = f'<div class="by" id="{message.ts}"><a href="#{message.ts}">{sent:%Y-%m-%d %H:%M:%S}</a> UTC{notes}</div>'
    # With blocks the text is only what a notification shows.
    body = "".join(map(_block, message.blocks)) or (f"<p>{to_html(message.text)}</p>" if message.text else "")
    return head + body + "".join(map(_attachment, message.attachments))


def _attachment(attachment: dict[str, Any]) -> str:
    color = str(attachment.get("color") or "")
    color = COLORS.get(color, "#" + color.removeprefix("#"))
    style = f' style="border-color:{color}"' if re.fullmatch(r"#[0-9a-fA-F]{6}", color) else ""
    parts = [f"<p>{to_html(str(attachment['pretext']))}</p>" if attachment.get("pretext") else ""]
    parts.append(f"<h2>{plain_to_html(str(attachment['title']))}</h2>" if attachment.get("title") else "")
    blocks = "".join(map(_block, _list(attachment.get("blocks"))))
    words = str(attachment.get("text") or ("" if blocks else attachment.get("fallback") or ""))
    parts.append(f"<p>{to_html(words)}</p>" if words else "")
    fields = [field for field in _list(attachment.get("fields")) if isinstance(field, dict)]
    cells = [f"<div><b>{_text(f.get('title', ''))}</b><br>{to_html(str(f.get('value', '')))}</div>" for f in fields]
    parts.append(f'<div class="fields">{"".join(cells)}</div>' if cells else "")
    parts.append(f'<p class="dim">{to_html(str(attachment["footer"]))}</p>' if attachment.get("footer") else "")
    return f'<div class="bar"{style}>{"".join(parts)}{blocks}</div>'


def _block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "header":
        return f"<h2>{_object(block['text'])}</h2>"
    if kind == "section":
        words = f"<p>{_object(block['text'])}</p>" if "text" in block else ""
        cells = "".join(f"<div>{_object(field)}</div>" for field in block.get("fields", []))
        accessory = _element(block["accessory"]) if isinstance(block.get("accessory"), dict) else ""
        return words + (f'<div class="fields">{cells}</div>' if cells else "") + accessory
    if kind == "context":
        return f'<p class="context">{" &nbsp; ".join(map(_element, block["elements"]))}</p>'
    if kind == "actions":
        return f"<p>{''.join(map(_element, block['elements']))}</p>"
    if kind == "divider":
        return "<hr>"
    if kind == "image":
        return f"<p>{_element(block)}</p>"
    if kind == "markdown":
        return f"<p>{plain_to_html(block['text'])}</p>"
    return f'<p class="dim">[a block of type {_text(kind)}; its content is in the JSON]</p>'


def _element(element: dict[str, Any]) -> str:
    kind = element.get("type")
    if kind == "image":  # named, not loaded
        return f"[image: {_text(element.get('alt_text', ''))}]"
    if kind == "button":
        words, address = _object(element.get("text")), str(element.get("url") or "")
        if address.startswith(("http://", "https://")):
            return (
                f'<a class="button" href="{html.escape(address)}" rel="noreferrer noopener" target="_blank">{words}</a>'
            )
        return f'<span class="button">{words}</span>'
    if kind in ("mrkdwn", "plain_text"):
        return _object(element)
    return f'<span class="dim">[{_text(kind)}]</span>'


def _object(text: Any) -> str:
    """A text object as HTML."""
    if not isinstance(text, dict):
        return ""
    words = str(text.get("text", ""))
    return to_html(words) if text.get("type") == "mrkdwn" else plain_to_html(words)


def _list(items: Any) -> list[Any]:
    return items if isinstance(items, list) else []


def _text(words: Any) -> str:
    return html.escape(str(words))
