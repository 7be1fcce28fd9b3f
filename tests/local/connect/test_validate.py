"""Which configurations are refused, in the runtime's words, and the shape of the validate endpoint."""

from __future__ import annotations

import pytest

from local.connect.faults import Refused
from local.connect.plugins import PLUGINS, plugin
from local.connect.validate import check, report

FILE = {"name": "f", "connector.class": "FileStreamSink", "topics": "a"}
CLICKHOUSE = {"name": "c", "connector.class": "ClickHouseSink", "topics": "a", "hostname": "h", "password": "p"}
FILTER = {"transforms": "t", "transforms.t.type": "org.apache.kafka.connect.transforms.Filter"}


@pytest.mark.parametrize(
    "name", ["org.apache.kafka.connect.file.FileStreamSinkConnector", "FileStreamSinkConnector", "FileStreamSink"]
)
def test_a_class_has_three_names(name: str) -> None:
    assert plugin(name) is PLUGINS[2]


def test_a_package_with_the_short_name_is_no_class() -> None:
    with pytest.raises(Refused, match=r"which name matches com\.clickhouse\.kafka\.connect\.ClickHouseSink, available"):
        plugin("com.clickhouse.kafka.connect.ClickHouseSink")


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (FILE | {"tasks.max": "0"}, "Invalid value 0 for configuration tasks.max: Value must be at least 1"),
        (FILE | {"tasks.max": "x"}, "Invalid value x for configuration tasks.max: Not a number of type INT"),
        (FILE | {"topics": ""}, "Must configure one of topics or topics.regex"),
        (FILE | {"topics.regex": "b"}, "mutually exclusive"),
        (FILE | {"errors.tolerance": "some"}, "must be one of: none, all"),
        (FILE | {"errors.log.enable": "maybe"}, "Expected value to be either true or false"),
        (FILE | {"errors.deadletterqueue.topic.name": "a"}, "DLQ topic 'a' may not be included in the list of topics"),
        (FILE | {"value.converter": "no.Such"}, "Class no.Such could not be found"),
        (
            FILE | FILTER | {"transforms.t.type": "no.Such"},
            "configuration transforms.t.type: Class no.Such could not be found",
        ),
        (FILE | FILTER | {"transforms.t.predicate": "p"}, "Predicate alias 'p' is not declared"),
        (FILE | {"transforms": "t"}, 'Missing required configuration "transforms.t.type"'),
        ({**CLICKHOUSE, "hostname": None}, 'Missing required configuration "hostname"'),
        (CLICKHOUSE | {"port": "http"}, "configuration port: Not a number of type INT"),
    ],
)
def test_refused(config: dict[str, str], words: str) -> None:
    given = {key: value for key, value in config.items() if value is not None}
    with pytest.raises(Refused, match=words) as refused:
        check(given)
    assert refused.value.status == 400
    assert "error(s):\n" in refused.value.message


def test_accepted() -> None:
    assert check(FILE | FILTER).task_class.endswith("FileStreamSinkTask")
    assert check(CLICKHOUSE).version


def test_validate_reports_as_the_runtime() -> None:
    body = report("FileStreamSinkConnector", {"connector.class": "FileStreamSinkConnector", "tasks.max": "zero"})
    assert (body["name"], body["error_count"]) == ("FileStreamSinkConnector", 5)  # as recorded
    assert body["groups"][:4] == ["Common", "Transforms", "Predicates", "Error Handling"]
    first = body["configs"][0]
    assert first["value"] == {
        "name": "name", "value": None, "recommended_values": [], "visible": True,
        "errors": ['Missing required configuration "name" which has no default value.'],
    }  # fmt: skip
    assert set(first["definition"]) == {
        "name", "type", "required", "default_value", "importance", "documentation", "group", "order_in_group", "width",
        "display_name", "dependents",
    }  # fmt: skip
