"""Which consumer group a connector reads as."""

from __future__ import annotations

from typing import Any

import pytest

from include.connections import Endpoint
from include.connectors.client import ConnectError
from include.connectors.groups import group, settled


def sinks(groups: Any = None) -> Endpoint:
    return Endpoint(conn_id="connect_sinks", extra={} if groups is None else {"groups": groups})


@pytest.mark.parametrize(
    ("groups", "identity", "read_as"),
    [
        (None, "", "connect-s"),
        (None, "lcc-7w7m2w", "connect-lcc-7w7m2w"),
        ("team.{name}", "", "team.s"),
        ("team.{id}", "lcc-7w7m2w", "team.lcc-7w7m2w"),
        ("team.{id}", "", "team.s"),
        ({"s": "mine"}, "", "mine"),
        ({"s": "mine"}, "lcc-7w7m2w", "mine"),
        ({"other": "mine"}, "lcc-7w7m2w", "connect-lcc-7w7m2w"),
        ('{"s": "mine"}', "", "mine"),  # as a form keeps an object
        ("", "", "connect-s"),
    ],
)
def test_the_connection_has_the_first_word_then_connect_itself(groups: Any, identity: str, read_as: str) -> None:
    assert group("s", identity, sinks(groups)) == read_as


@pytest.mark.parametrize(
    ("groups", "known"),
    [(None, False), ("x-{id}", False), ("x-{name}", True), ({"s": "mine"}, True), ({"other": "mine"}, False)],
)
def test_an_id_need_not_be_asked_for_where_the_connection_says_it_all(groups: Any, known: bool) -> None:
    assert settled(["s"], sinks(groups)) is known
    assert settled(["s", "t"], sinks(groups)) is (groups == "x-{name}")


@pytest.mark.parametrize("groups", [7, ["s"], {"s": 7}, "{nobody}", "all", '{"s": '])
def test_a_setting_that_says_no_group_is_told(groups: Any) -> None:
    with pytest.raises(ConnectError, match="groups in the extra of connection connect_sinks"):
        group("s", "", sinks(groups))
