"""Slack's rules for Block Kit, as far as a message that breaks them is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

MOST_BLOCKS = 50
SECTION, FIELD, HEADER, MARKDOWN = 3000, 2000, 150, 12_000
BUTTON, URL, ALT, BLOCK_ID = 75, 3000, 2000, 255

# Of these only the type is known here.
UNCHECKED = {"input", "rich_text", "video", "file", "table"}


def problems(blocks: Any, at: str = "/blocks") -> list[str]:
    """What is wrong, each with its place as Slack says it; empty for blocks that Slack takes."""
    if not isinstance(blocks, list):
        return [f"must provide a list [json-pointer:{at}]"]
    found = [] if len(blocks) <= MOST_BLOCKS else [f"no more than {MOST_BLOCKS} items allowed [json-pointer:{at}]"]
    seen: set[str] = set()
    for number, block in enumerate(blocks):
        place = f"{at}/{number}"
        found += _block(block, place)
        name = block.get("block_id") if isinstance(block, dict) else None
        if isinstance(name, str):
            if name in seen:
                found.append(f"block_id already exists: {name} [json-pointer:{place}/block_id]")
            seen.add(name)
    return found


def _block(block: Any, at: str) -> list[str]:
    kind = block.get("type") if isinstance(block, dict) else None
    if kind in UNCHECKED or kind == "divider":
        return []
    if not isinstance(kind, str) or kind not in KINDS:
        return [f"unsupported type: {kind} [json-pointer:{at}/type]"]
    found = list(KINDS[kind](block, at))
    if len(str(block.get("block_id", ""))) > BLOCK_ID:
        found.append(_longer(BLOCK_ID, f"{at}/block_id"))
    return found


def _section(block: dict[str, Any], at: str) -> Iterator[str]:
    if "text" not in block and "fields" not in block:
        yield f"missing required field: text or fields [json-pointer:{at}]"
    if "text" in block:
        yield from _text(block["text"], f"{at}/text", SECTION)
    if "fields" in block:
        yield from _each(block["fields"], f"{at}/fields", 10, lambda field, place: _text(field, place, FIELD))


def _header(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _text(block.get("text"), f"{at}/text", HEADER, plain=True)


def _context(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _each(block.get("elements"), f"{at}/elements", 10, _context_element)


def _context_element(element: Any, at: str) -> Iterator[str]:
    if isinstance(element, dict) and element.get("type") == "image":
        yield from _image(element, at)
    else:
        yield from _text(element, at, SECTION)


def _image(block: dict[str, Any], at: str) -> Iterator[str]:
    if "slack_file" not in block:
        yield from _words(block.get("image_url"), f"{at}/image_url", URL)
    yield from _words(block.get("alt_text"), f"{at}/alt_text", ALT)


def _actions(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _each(block.get("elements"), f"{at}/elements", 25, _element)


def _element(element: Any, at: str) -> Iterator[str]:
    if not isinstance(element, dict) or not isinstance(element.get("type"), str):
        yield f"missing required field: type [json-pointer:{at}]"
    elif element["type"] == "button":
        yield from _text(element.get("text"), f"{at}/text", BUTTON, plain=True)
        if "url" in element:
            yield from _words(element["url"], f"{at}/url", URL)


def _markdown(block: dict[str, Any], at: str) -> Iterator[str]:
    yield from _words(block.get("text"), f"{at}/text", MARKDOWN)


KINDS: dict[str, Callable[[dict[str, Any], str], Iterator[str]]] = {
    "section": _section,
    "header": _header,
    "context": _context,
    "image": _image,
    "actions": _actions,
    "markdown": _markdown,
}


def _each(items: Any, at: str, most: int, check: Callable[[Any, str], Iterator[str]]) -> Iterator[str]:
    if not isinstance(items, list) or not items:
        yield f"must provide a list of at least one item [json-pointer:{at}]"
        return
    if len(items) > most:
        yield f"no more than {most} items allowed [json-pointer:{at}]"
    for number, item in enumerate(items):
        yield from check(item, f"{at}/{number}")


def _text(item: Any, at: str, most: int, plain: bool = False) -> Iterator[str]:
    kinds = ("plain_text",) if plain else ("plain_text", "mrkdwn")
    if not isinstance(item, dict):
        yield f"must provide an object [json-pointer:{at}]"
    elif item.get("type") not in kinds:
        yield f"must be one of {', '.join(kinds)} [json-pointer:{at}/type]"
    else:
        yield from _words(item.get("text"), f"{at}/text", most)


def _words(text: Any, at: str, most: int) -> Iterator[str]:
    if not isinstance(text, str) or not text:
        yield f"must be a text of at least one character [json-pointer:{at}]"
    elif len(text) > most:
        yield _longer(most, at)


def _longer(most: int, at: str) -> str:
    return f"must be less than {most + 1} characters [json-pointer:{at}]"
