"""When a transform has something to do: what it compares, and what it does about marts that are held."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSkipException

from include.contracts import load
from include.operators import watermark
from include.operators.gate import HELD
from include.operators.watermark import Landed

ROW = {"name": "orders", "topic": "orders", "partition": 0, "last_offset": 7, "landed_ms": 1000}


class Client:
    """A warehouse that has these rows of offsets."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.asked = ""

    def query(self, sql: str) -> list[dict[str, Any]]:
        self.asked = sql
        return self.rows

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def landed(monkeypatch: pytest.MonkeyPatch, memory: dict[str, Any], *rows: dict[str, Any], force: bool = False) -> Any:
    monkeypatch.setattr(watermark, "connect", lambda *_: Client(list(rows)))
    monkeypatch.setattr(watermark, "stamp", lambda _: memory.get("stamp", "p"))
    stores = type("Stores", (), {"__getitem__": lambda self, asset: memory})()
    task = Landed(task_id="landed", warehouse="clickhouse", domain="ecommerce")
    return task.execute({"run_id": "r", "params": {"force": force}, "asset_state_store": stores})


def published(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    return {"watermark": landed(monkeypatch, {}, ROW)}


def test_what_was_published_is_no_news(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = published(monkeypatch)
    with pytest.raises(AirflowSkipException, match="since it was published"):
        landed(monkeypatch, memory, ROW)
    assert landed(monkeypatch, memory, ROW, force=True) == memory["watermark"]


def test_nothing_at_all_is_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(AirflowSkipException, match="ever landed"):
        landed(monkeypatch, {})


@pytest.mark.parametrize(
    "news",
    [{"last_offset": 8, "landed_ms": 1000}, {"last_offset": 7, "landed_ms": 2000}],
    ids=["later offsets in the same millisecond", "a gap that is filled: below the last offset"],
)
def test_news_is_looked_at(monkeypatch: pytest.MonkeyPatch, news: dict[str, int]) -> None:
    memory = published(monkeypatch)
    assert landed(monkeypatch, memory, ROW | news) != memory["watermark"]


def test_another_project_is_news(monkeypatch: pytest.MonkeyPatch) -> None:
    assert landed(monkeypatch, published(monkeypatch) | {"stamp": "q"}, ROW)["project"] == "q"


def test_held_marts_are_asked_about_again_when_bad_rows_were_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Removing them leaves what was published before: without another look the hold would never end."""
    assert landed(monkeypatch, published(monkeypatch) | {HELD: {"since": "2026-03-01T12:00:00+00:00"}}, ROW)


def test_every_landing_table_is_asked() -> None:
    for warehouse in ("clickhouse", "snowflake"):
        client, contract = Client([ROW]), load("ecommerce")
        assert watermark.offsets(client, warehouse, contract) == {"orders/orders/0": [7, 1000]}
        assert all(table in client.asked for table in contract.tables)
