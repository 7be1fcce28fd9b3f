"""What `floodgate dead-letters` and `floodgate redrive` print and ask for."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from commands import airflow_api, main, pipeline
from commands.redrive import rows
from include.connections import KAFKA
from include.healing import redrive as healing
from include.healing.redrive import Line, Order, RedriveError, Told
from include.kafka import dead_letters
from include.kafka.dead_letters import DeadLetter

#: 2026-03-01T12:00:00Z
AT_MS = 1_772_366_400_000


def letter(offset: int, minutes: int = 0, **other: Any) -> DeadLetter:
    given: dict[str, Any] = {
        "topic": "orders",
        "partition": 1,
        "offset": offset,
        "connector": "clickhouse-ecommerce",
        "stage": "TASK_PUT",
        "exception": "E",
        "reason": f"Value (a{offset}) at row {offset}",
        "key": b"k",
        "value": b"v",
        "at_ms": AT_MS + minutes * 60_000,
    }
    return DeadLetter(**(given | other))


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function from arguments to what the command prints; Kafka has two rejected records, and one is parked."""
    monkeypatch.setattr(pipeline, "environed", lambda: SimpleNamespace())
    monkeypatch.setenv(f"AIRFLOW_CONN_{KAFKA.upper()}", '{"conn_type": "kafka"}')
    some = {"ecommerce": [letter(1), letter(2, 5), letter(2, 5, connector="snowflake-ecommerce")]}
    parked = {"fashion": [letter(9, topic="clicks", connector="", headers=(("floodgate.redrive.count", b"3"),))]}
    monkeypatch.setattr(dead_letters, "rejected", lambda kafka, contract: iter(some.get(contract.domain, [])))
    monkeypatch.setattr(dead_letters, "parked", lambda kafka, contract: iter(parked.get(contract.domain, [])))

    def look(kafka: Any, order: Order) -> Told:
        line = Line(does="leave", first="orders/1/1", topic="orders", reason="too long", why="no fix", records=2)
        mine = order.domain == "ecommerce"
        return Told(domain=order.domain, send=0, leave=2 * mine, lines=[line] if mine else [])

    monkeypatch.setattr(healing, "look", look)

    def invoked(*arguments: str) -> Any:
        return CliRunner().invoke(main.build(), list(arguments), catch_exceptions=False)

    return invoked


class Airflow:
    """Airflow that runs the DAG at once; what it was asked for is in `asked`."""

    state = "success"

    def __init__(self) -> None:
        self.asked: list[Any] = []

    def __enter__(self) -> Airflow:
        return self

    def __exit__(self, *_: object) -> None: ...

    def ready(self, dag: str, *, unpause: bool) -> None:
        self.asked.append((dag, unpause))

    def trigger(self, dag: str, conf: dict[str, Any]) -> str:
        self.asked.append(conf)
        return "r1"

    def wait(self, dag: str, run_id: str) -> str:
        return self.state

    def link(self, dag: str, run_id: str) -> str:
        return f"http://airflow/{dag}/{run_id}"

    def tasks(self, dag: str, run_id: str) -> list[dict[str, Any]]:
        return [{"task_id": "redrive", "state": "failed"}]

    def result(self, dag: str, run_id: str, task: str) -> list[dict[str, Any]]:
        return [{"domain": "ecommerce", "send": 2, "park": 1, "leave": 0, "lines": []}]


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> Airflow:
    one = Airflow()
    monkeypatch.setattr(airflow_api, "connect", lambda place: one)
    return one


def test_letters_of_a_kind_are_a_row_and_records_are_distinct() -> None:
    some = [letter(2, 5), letter(1), letter(2, 5, connector="snowflake-ecommerce"), letter(3, reason="other")]
    assert rows(some) == [
        {
            "topic": "orders",
            "reason": "Value (…) at row …",
            "connectors": ["clickhouse-ecommerce", "snowflake-ecommerce"],
            "records": 2,
            "sent_again": 0,
            "first": "2026-03-01T12:00:00Z",
            "last": "2026-03-01T12:05:00Z",
        },
        {
            "topic": "orders",
            "reason": "other",
            "connectors": ["clickhouse-ecommerce"],
            "records": 1,
            "sent_again": 0,
            "first": "2026-03-01T12:00:00Z",
            "last": "2026-03-01T12:00:00Z",
        },
    ]


def test_dead_letters_for_people(invoke: Any) -> None:
    assert invoke("dead-letters").output == (
        "2 of orders rejected, 2026-03-01 12:00 to 2026-03-01 12:05 UTC, by clickhouse-ecommerce and "
        "snowflake-ecommerce\n    Value (…) at row …\n"
        "1 of clicks parked, 2026-03-01 12:00 UTC, sent again 3 times\n    Value (…) at row …\n"
    )
    assert invoke("dead-letters", "fashion").output.endswith("No dead letter waits.\n")


def test_dead_letters_for_a_program(invoke: Any) -> None:
    found = json.loads(invoke("dead-letters", "--json").output)
    assert [row["records"] for row in found["rejected"]] == [2]
    assert [row["sent_again"] for row in found["parked"]] == [3]


def test_without_yes_it_is_only_said(invoke: Any, airflow: Airflow) -> None:
    assert invoke("redrive").output == (
        "leave 2 of orders: no fix\n    too long\nWould send 0 again, park 0, leave 2.\n"
    )
    assert invoke("redrive", "fashion").output == "No dead letter waits that fits.\n"
    assert airflow.asked == []


def test_with_yes_the_dag_does_it(invoke: Any, airflow: Airflow) -> None:
    found = invoke("redrive", "ecommerce", "--since", "1h", "--reason", "long", "--at-most", "1", "--yes")
    assert found.output == "Sent again 2, parked 1, left 0. http://airflow/redrive/r1\n"
    ready, conf = airflow.asked
    assert ready == ("redrive", True)
    assert {name: value for name, value in conf.items() if value is not None} == {
        "domain": "ecommerce",
        "since": "1h",
        "reason": "long",
        "at_most": 1,
        "dry_run": False,
    }
    found = json.loads(invoke("redrive", "--yes", "--json").output)
    assert (found["done"], found["send"], found["park"], found["leave"]) == (True, 2, 1, 0)


def test_a_run_that_fails_is_told(invoke: Any, airflow: Airflow) -> None:
    airflow.state = "failed"
    with pytest.raises(Exception, match="redrive failed at redrive: see http://airflow/redrive/r1"):
        invoke("redrive", "--yes")


def test_what_cannot_be_asked_reaches_no_airflow(invoke: Any, airflow: Airflow) -> None:
    with pytest.raises(RedriveError, match="there is no fix 'magic'"):
        invoke("redrive", "--fix", "magic", "--yes")
    assert airflow.asked == []
