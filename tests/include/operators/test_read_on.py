"""Which groups sinks read as, by what Connect says, by what was seen last, and by what the connection says."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from include.connections import ConnectionMissing, Endpoint
from include.connectors.client import ConnectClient, ConnectError, Status
from include.operators import read_on


def status(identity: str = "") -> Status:
    return msgspec.convert({"name": "s", "connector": {"state": "RUNNING"}, "identity": identity}, Status)


@pytest.fixture
def sinks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The extra of the connection; None under `gone` where there is no connection."""
    extra: dict[str, Any] = {}

    def endpoint(conn_id: str) -> Endpoint:
        if extra.get("gone"):
            raise ConnectionMissing(f"no connection {conn_id}")
        return Endpoint(conn_id=conn_id, host="http://x", extra=extra)

    monkeypatch.setattr(read_on, "endpoint", endpoint)
    return extra


def test_a_group_is_what_connect_says_now_else_what_was_seen_last_else_the_name(sinks: dict[str, Any]) -> None:
    names = ["a", "b", "c"]
    found = {"a": status("lcc-2"), "b": status()}
    known = {"a": "connect-lcc-1", "b": "old", "c": "connect-lcc-3"}
    assert read_on.groups(names, found, known) == {"a": "connect-lcc-2", "b": "connect-b", "c": "connect-lcc-3"}
    assert read_on.groups(names, None, known) == known
    assert read_on.groups(names, None) == {"a": "connect-a", "b": "connect-b", "c": "connect-c"}
    sinks["groups"] = {"a": "mine"}
    assert read_on.groups(["a"], found) == {"a": "mine"}


@pytest.mark.parametrize("extra", [{"gone": True}, {"groups": "all"}])
def test_a_connection_that_is_missing_or_wrong_stops_no_watch(sinks: dict[str, Any], extra: dict[str, Any]) -> None:
    sinks |= extra
    assert read_on.groups(["a"], None, {}) == {"a": "connect-a"}


def test_ids_are_asked_for_where_they_are_of_use_and_a_wrong_setting_is_told(
    sinks: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []

    async def statuses(_: Any, *, identities: bool = False) -> dict[str, Status]:
        asked.append(identities)
        return {"a": status("lcc-1")}

    monkeypatch.setattr(ConnectClient, "statuses", statuses)
    read_on.statuses(["a"])
    sinks["groups"] = "x-{name}"
    read_on.statuses(["a"])
    assert asked == [True, False]
    sinks["groups"] = "all"
    with pytest.raises(ConnectError, match="groups in the extra of connection connect_sinks"):
        read_on.statuses(["a"])
