"""The client's part of Airflow's REST API for assets, against an API of a few routes."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from commands import airflow_api
from commands.airflow_api import Airflow, NotThere


class Api:
    """Airflow with one asset; `events` by DAG, the latest first."""

    def __init__(self) -> None:
        self.store: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.pages = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, asked = request.url.path, request.url.params
        if path == "/auth/token":
            return httpx.Response(201, json={"access_token": "t"})
        assert request.headers["Authorization"] == "Bearer t"
        if path == "/api/v2/assets":
            return httpx.Response(200, json={"assets": [{"name": "silences", "id": 7}, {"name": "silencesX", "id": 8}]})
        if path == "/api/v2/assets/events":
            self.pages += 1
            start, size = int(asked["offset"]), int(asked["limit"])
            assert (asked["source_dag_id"], asked["order_by"], size <= 100) == ("watch", "-timestamp", True)
            page = self.events[start : start + size]
            if self.pages == 1:
                self.events.insert(0, {"id": 999})  # one that is told while the pages are read
            return httpx.Response(200, json={"asset_events": page})
        key = path.removeprefix("/api/v2/assets/7/state-store/")
        if request.method == "PUT":
            body = json.loads(request.content)
            assert list(body) == ["value"]
            self.store[key] = body["value"]
            return httpx.Response(204)
        return httpx.Response(200, json={"value": self.store[key]}) if key in self.store else httpx.Response(404)


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Api:
    one = Api()
    monkeypatch.setattr(
        airflow_api.httpx, "Client", functools.partial(httpx.Client, transport=httpx.MockTransport(one))
    )
    return one


@pytest.fixture
def airflow(api: Api) -> Iterator[Airflow]:
    with Airflow("http://airflow", "u", "p") as client:
        yield client


def test_a_value_is_kept_under_its_key(airflow: Airflow) -> None:
    assert airflow.asset_value("silences", "silences") is None
    airflow.set_asset_value("silences", "silences", [{"match": "x:*"}])
    assert airflow.asset_value("silences", "silences") == [{"match": "x:*"}]
    airflow.set_asset_value("silences", "silences", [])
    assert airflow.asset_value("silences", "silences") == []


def test_an_asset_that_no_dag_has_yet_takes_nothing(airflow: Airflow) -> None:
    assert airflow.asset_value("gaps", "x") is None
    with pytest.raises(NotThere, match="does not know the asset gaps yet"):
        airflow.set_asset_value("gaps", "x", 1)


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 250])
def test_events_are_read_page_by_page_each_once(airflow: Airflow, api: Api, count: int) -> None:
    api.events = [{"id": number} for number in range(count)]
    assert [event["id"] for event in airflow.asset_events("watch")] == list(range(count))
