"""Converters and transforms: what comes out, and which records are refused with which words."""

from __future__ import annotations

from typing import Any

import pytest

from local.connect.faults import ConfigFault, DataFault, Rejected
from local.connect.pipeline import Pipeline
from local.connect.records import Message, Record
from local.connect.transforms import cast

T = "org.apache.kafka.connect.transforms."
DATA = "org.apache.kafka.connect.errors.DataException"


def message(value: bytes | None = b'{"id":1}', **other: Any) -> Message:
    fields = {"topic": "a.b", "partition": 2, "offset": 7, "timestamp": 1000, "timestamp_kind": "CreateTime"}
    return Message(**{**fields, "key": b"k", "value": value, **other})


def run(config: dict[str, str], value: bytes | None = b'{"id":1}', **other: Any) -> Record | Rejected | None:
    return Pipeline(config).record(message(value, **other))


def one(kind: str, **settings: str) -> dict[str, str]:
    return {"transforms": "t", "transforms.t.type": T + kind} | {
        f"transforms.t.{k.replace('_', '.')}": v for k, v in settings.items()
    }


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ("12", "int32", 12),
        ("-3", "int64", -3),
        (3.99, "int32", 3),
        (-3.99, "int64", -3),
        (2**31, "int32", -(2**31)),  # Java's narrowing
        (300, "int8", 44),
        (1e300, "int64", 2**63 - 1),
        (True, "int32", 1),
        (5, "float64", 5.0),
        ("1.5", "float64", 1.5),
        (" 1e3 ", "float64", 1000.0),
        (0.1, "float32", 0.10000000149011612),
        (1e300, "float32", float("inf")),
        ("TRUE", "boolean", True),
        ("yes", "boolean", False),
        (0, "boolean", False),
        (7, "string", "7"),
        (False, "string", "false"),
        (None, "int64", None),
    ],
)
def test_cast(value: Any, kind: str, expected: Any) -> None:
    result = cast(value, kind)
    assert (result, type(result)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("value", "kind", "words"),
    [
        ("free", "float64", r"Value \(free\) was out of range for requested data type"),
        ("1_000", "int64", "out of range"),
        ("", "float64", "out of range"),
        ("128", "int8", "out of range"),
        ("1.0", "int32", "out of range"),
        ({"a": 1}, "string", "does not support casting to/from MAP"),
        ([1], "int64", "does not support casting to/from ARRAY"),
    ],
)
def test_cast_refuses(value: Any, kind: str, words: str) -> None:
    with pytest.raises(DataFault, match=words):
        cast(value, kind)


def test_cast_gives_a_missing_field_as_null_and_leaves_others() -> None:
    made = run(one("Cast$Value", spec="id:float64,gone:int32"), b'{"id":"2","other":[1]}')
    assert isinstance(made, Record)
    assert made.value == {"id": 2.0, "gone": None, "other": [1]}


def test_insert_field_keeps_the_place_in_kafka() -> None:
    config = one("InsertField$Value", topic_field="_t", partition_field="_p", offset_field="_o!", timestamp_field="_ts")
    made = run(config | {"transforms.t.static.field": "s", "transforms.t.static.value": "x"})
    assert isinstance(made, Record)
    assert made.value == {"id": 1, "_t": "a.b", "_p": 2, "_o": 7, "_ts": 1000, "s": "x"}
    assert run(config, None).value is None  # type: ignore[union-attr]


def test_replace_field() -> None:
    made = run(one("ReplaceField$Value", exclude="a", renames="b:c"), b'{"a":1,"b":2,"d":3}')
    assert made.value == {"c": 2, "d": 3}  # type: ignore[union-attr]
    made = run(one("ReplaceField$Value", include="b"), b'{"a":1,"b":2}')
    assert made.value == {"b": 2}  # type: ignore[union-attr]


def test_regex_router_changes_where_it_goes_not_where_it_came_from() -> None:
    made = run(one("RegexRouter", regex=r"(\w+)\.(\w+)", replacement="$2_$1"))
    assert isinstance(made, Record)
    assert (made.topic, made.place) == ("b_a", ("a.b", 2))


@pytest.mark.parametrize(
    ("predicate", "settings", "value", "dropped"),
    [
        ("RecordIsTombstone", {}, None, True),
        ("RecordIsTombstone", {}, b"null", True),
        ("RecordIsTombstone", {}, b"{}", False),
        ("TopicNameMatches", {"pattern": r"a\..*"}, b"{}", True),
        ("TopicNameMatches", {"pattern": "a"}, b"{}", False),
        ("HasHeaderKey", {"name": "h"}, b"{}", True),
        ("HasHeaderKey", {"name": "g"}, b"{}", False),
    ],
)
@pytest.mark.parametrize("negate", [False, True])
def test_filter(predicate: str, settings: dict[str, str], value: bytes | None, dropped: bool, negate: bool) -> None:
    config = one("Filter", predicate="p", negate=str(negate).lower())
    config |= {"predicates": "p", "predicates.p.type": f"{T}predicates.{predicate}"}
    config |= {f"predicates.p.{key}": text for key, text in settings.items()}
    assert (run(config, value, headers=(("h", b""),)) is None) == (dropped != negate)


@pytest.mark.parametrize("value", [b"not json", b"", b'{"a":', b'{"a":1} tail', b"\xff", b'{"a":NaN}'])
def test_what_is_not_json_is_rejected_by_the_converter(value: bytes) -> None:
    made = run({}, value)
    assert isinstance(made, Rejected)
    assert (made.stage, made.java_class) == ("VALUE_CONVERTER", "org.apache.kafka.connect.json.JsonConverter")
    assert made.fault.java == DATA
    assert str(made.fault) == "Converting byte[] to Kafka Connect data failed due to serialization error: "
    assert made.message.value == value


def test_numbers_keep_their_value_or_are_rejected() -> None:
    made = run({}, b'{"a":9223372036854775807,"b":1.10,"c":[-1]}')
    assert made.value == {"a": 2**63 - 1, "b": 1.1, "c": [-1]}  # type: ignore[union-attr]
    assert isinstance(run({}, b'{"a":{"b":[9223372036854775808]}}'), Rejected)


def test_a_transform_that_needs_fields_rejects_others() -> None:
    made = run(one("Cast$Value", spec="id:int32"), b'"text"')
    assert isinstance(made, Rejected)
    assert (made.stage, made.java_class) == ("TRANSFORMATION", T + "Cast$Value")
    assert (
        str(made.fault) == "Only Map objects supported in absence of schema for [cast types], found: java.lang.String"
    )


def test_json_with_schema() -> None:
    config = {"value.converter": "org.apache.kafka.connect.json.JsonConverter"}  # schemas.enable is true by default
    made = run(config, b'{"schema":{"type":"struct"},"payload":{"id":1}}')
    assert made.value == {"id": 1}  # type: ignore[union-attr]
    refused = run(config, b'{"id":1}')
    assert isinstance(refused, Rejected)
    assert "schemas.enable=false" in str(refused.fault)


def test_strings_and_bytes() -> None:
    text = {"value.converter": "StringConverter"}
    assert run(text, b"\xffx").value == "\ufffdx"  # type: ignore[union-attr]
    raw = {"value.converter": "org.apache.kafka.connect.converters.ByteArrayConverter"}
    assert run(raw, b"\xff").value == b"\xff"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (one("NoSuch"), "NoSuch could not be found"),
        (one("Cast$Value"), "at least one field"),
        (one("Cast$Value", spec="a:decimal"), "Invalid type found in casting spec: decimal"),
        (one("InsertField$Value"), "No field insertion configured"),
        (one("RegexRouter", regex="("), "RegexRouter"),
        (one("Filter", predicate="p"), "'p' is not declared"),
        ({"value.converter": "Avro"}, "value.converter: Avro"),
    ],
)
def test_wrong_settings(config: dict[str, str], words: str) -> None:
    with pytest.raises(ConfigFault, match=words):
        Pipeline(config)
