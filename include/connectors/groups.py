"""Which consumer group a connector reads as: `connect-<name>`, or `connect-<id>` where Connect gives it an id.

So a managed connector of Confluent Cloud reads as `connect-lcc-...`. The extra `groups` of the connection overrides it:
an object, name -> group, or a pattern of `{name}` and `{id}`, which is the name where there is no id.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from include.connections import Endpoint
from include.connectors.client import ConnectError

PATTERN = "connect-{id}"


def group(name: str, identity: str, connect: Endpoint) -> str:
    """The group of a connector; `identity` is the id that Connect gives it, empty where it gives none. Raises
    ConnectError where the connection's extra says no group."""
    said = _said(connect)
    if isinstance(said, dict) and name in said:
        return said[name]
    pattern = said if isinstance(said, str) else PATTERN
    return pattern.replace("{name}", name).replace("{id}", identity or name)


def settled(names: Iterable[str], connect: Endpoint) -> bool:
    """Whether the connection alone says every group, so that Connect need not be asked for ids. Raises ConnectError."""
    said = _said(connect)
    return set(names) <= said.keys() if isinstance(said, dict) else "{id}" not in (said or PATTERN)


def _said(connect: Endpoint) -> dict[str, str] | str | None:
    given: Any = connect.extra.get("groups") or None
    try:
        if isinstance(given, str) and given.lstrip().startswith('{"'):
            given = msgspec.json.decode(given)  # a form keeps an object as text
        said = msgspec.convert(given, dict[str, str] | str | None)
    except msgspec.DecodeError as error:
        said, problem = "", str(error)
    else:
        problem = "" if said is None or isinstance(said, dict) or "{name}" in said or "{id}" in said else "no {name}"
    if problem:
        raise ConnectError(
            f"groups in the extra of connection {connect.conn_id} is neither an object, name -> group, nor a pattern "
            f"with {{name}} or {{id}} ({problem})"
        )
    return said
