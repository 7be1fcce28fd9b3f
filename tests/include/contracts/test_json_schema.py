import jsonschema
import pytest

from include.contracts import all_contracts, load
from include.contracts.json_schema import json_schema

ORDER = {
    "event_id": "1614684f-9e51-4b10-b17f-52a327670b3c",
    "id": "e505795c-ba93-4bd2-a776-8a72f20dcb96",
    "product_id": 5,
    "customer_id": 27,
    "quantity": 7,
    "total_price": 843.43,
    "created_at": "2024-05-01T12:00:12.949Z",
}


@pytest.mark.parametrize("contract", all_contracts(), ids=lambda contract: contract.domain)
def test_every_topic_has_a_valid_schema(contract):
    for topic in contract.topics:
        jsonschema.Draft202012Validator.check_schema(json_schema(topic))


def complaints(record, topic=("ecommerce", "orders")):
    schema = json_schema(load(topic[0]).topic(topic[1]))
    validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
    return [error.message for error in validator.iter_errors(record)]


def test_a_good_record_and_one_with_more_fields_pass():
    assert complaints(ORDER) == []
    assert complaints(ORDER | {"coupon": "x"}) == []


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"quantity": 11}, "greater than the maximum"),
        ({"quantity": 0}, "less than the minimum"),
        ({"quantity": "7"}, "not of type 'integer'"),
        ({"quantity": None}, "not of type 'integer'"),
        ({"total_price": 10_000_000_000}, "greater than or equal to"),
        ({"event_id": "7"}, "not a 'uuid'"),
        ({"created_at": "yesterday"}, "does not match"),
        ({"created_at": 1714564812949}, "not of type 'string'"),
    ],
)
def test_each_rule_of_a_field_is_kept(change, text):
    assert any(text in message for message in complaints(ORDER | change))


def test_a_required_field_may_not_be_missing_and_another_may_be_null():
    without = {name: value for name, value in ORDER.items() if name != "created_at"}
    assert complaints(without) == ["'created_at' is a required property"]
    change = {"op": "d", "ts_ms": 1, "source": {"lsn": 1, "ts_ms": 1}, "after": None, "before": None}
    clicks = ("fashion", "streaming.public.clicks")
    assert complaints(change, clicks) == []
    assert "'session_id' is a required property" in complaints(change | {"before": {"id": 1}}, clicks)
    assert complaints(change | {"op": "x"}, clicks) == ["'x' does not match '^[cudr]$'"]
