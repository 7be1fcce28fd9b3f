"""One record in, one record out: what it must tell, and what is none."""

import json
import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from include.contracts import load
from include.contracts.json_schema import json_schema
from include.enrichment import Malformed, clickstream, enrich
from include.generators import Window, events

CONTRACT = load("clickstream")
START = datetime(2026, 1, 5, 10, tzinfo=UTC)
MADE = list(events(CONTRACT, Window(START, START + timedelta(hours=2)), seed=3))
PHONE = "Mozilla/5.0 (Linux; Android 14; SM-S918B) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0.0.0 Mobile Safari/537.36"
GOOD = {
    "event_id": "1614684f-9e51-4b10-b17f-52a327670b3c",
    "ip": "84.130.1.2",
    "user_id": 7,
    "user_agent": PHONE,
    "session_id": "a" * 64,
    "event_time": "31/12/2025 23:59:59.120999",
    "event_name": "Search",
    "channel": "Direct",
    "metadata": {"query": "pixel 8 \u00fc"},
}


def enriched(**other):
    return json.loads(enrich(json.dumps(GOOD | other).encode()))


def test_what_a_record_tells():
    assert enriched() == {
        "event_id": clickstream.enriched_id(GOOD["event_id"]),
        "source_event_id": GOOD["event_id"],
        "session_id": "a" * 64,
        "user_id": 7,
        "event_time": "2025-12-31T23:59:59.120Z",
        "event_name": "Search",
        "channel": "Direct",
        "country": "DE",
        "browser": "Chrome Mobile",
        "os": "Android",
        "family": "Samsung SM-S918B",
        "brand": "Samsung",
        "model": "SM-S918B",
        "query": "pixel 8 \u00fc",
        "metadata": {"query": "pixel 8 \u00fc"},
    }


def test_what_nobody_knows_is_said_so_and_is_no_fault():
    found = enriched(ip="10.0.0.1", user_agent="", metadata={})
    assert (found["country"], found["brand"], found["model"], found["query"]) == (None, None, None, None)
    assert (found["browser"], found["os"], found["family"]) == ("Other", "Other", "Other")
    assert enriched(ip="not an address")["country"] is None


def test_ids_follow_from_the_sources_and_from_nothing_else():
    """Written down once: others would make other events of all that was ever enriched."""
    assert clickstream.enriched_id(GOOD["event_id"]) == "4272d4bb-c8c3-556b-b69c-475e66791e58"
    for given in [GOOD["event_id"], *(json.loads(event.value)["event_id"] for event in MADE[:500]), "\u00fc"]:
        assert clickstream.enriched_id(given) == str(uuid.uuid5(clickstream.EVENTS, given))
    assert enriched(channel="Other")["event_id"] == enriched()["event_id"]
    assert enriched(event_id="e")["event_id"] != enriched()["event_id"]


def test_numbers_as_text_are_numbers_as_for_the_sinks():
    assert enriched(user_id="7")["user_id"] == 7


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"event_time": "2025-12-31 23:59:59.000001"}, "event_time"),
        ({"event_time": "31/02/2025 23:59:59.000001"}, "day is out of range"),
        ({"event_time": "12/31/2025 23:59:59.000001"}, "month must be in"),
        ({"event_time": None}, "event_time"),
        ({"user_id": "somebody"}, "user_id"),
        ({"user_id": -1}, "user_id"),
        ({"session_id": ""}, "session_id"),
        ({"event_id": "e" * 65}, "event_id"),
        ({"user_agent": "x" * 1001}, "user_agent"),
        ({"metadata": []}, "Expected `object`"),
        ({"metadata": {"query": 7}}, "query"),
        ({"metadata": None}, "Expected `object`"),
    ],
    ids=str,
)
def test_a_malformed_record_is_told_with_its_reason(change, reason):
    with pytest.raises(Malformed, match=reason):
        enriched(**change)


@pytest.mark.parametrize("value", [b"", b"{", b"[]", b"null", b'{"event_id": "\xff"}', b"\x00\x01"])
def test_bytes_that_are_no_record(value):
    with pytest.raises(Malformed):
        enrich(value)


@pytest.mark.parametrize("name", sorted(GOOD))
def test_no_field_may_be_missing(name):
    with pytest.raises(Malformed, match=name):
        enrich(json.dumps({one: value for one, value in GOOD.items() if one != name}).encode())


def test_everything_generated_is_enriched_and_keeps_the_contract():
    validator = jsonschema.Draft202012Validator(
        json_schema(CONTRACT.topic(clickstream.TARGET)), format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER
    )
    found = [json.loads(enrich(event.value)) for event in MADE]
    assert [error.message for one in found for error in validator.iter_errors(one)] == []
    assert len({one["event_id"] for one in found}) == len(MADE)
    for one, event in zip(found, MADE, strict=True):
        given = json.loads(event.value)
        assert (one["source_event_id"], one["session_id"].encode()) == (given["event_id"], event.key)
        moment = datetime.strptime(given["event_time"] + "+0000", "%d/%m/%Y %H:%M:%S.%f%z")
        assert datetime.fromisoformat(one["event_time"]) == moment - timedelta(microseconds=moment.microsecond % 1000)
        assert one["query"] == given["metadata"].get("query")
        assert one["metadata"] == given["metadata"]
    brands = Counter(one["brand"] for one in found)
    assert {"Samsung", "Apple", "Google", "Huawei"} <= set(brands)
    assert len({one["country"] for one in found}) > 10


def test_a_record_that_breaks_the_contract_would_be_seen():
    validator = jsonschema.Draft202012Validator(json_schema(CONTRACT.topic(clickstream.TARGET)))
    assert list(validator.iter_errors(enriched() | {"country": "Germany"}))
    assert list(validator.iter_errors(enriched() | {"event_time": GOOD["event_time"]}))


def test_the_native_parser_is_there():
    """The pure one is some thirty times slower, and would be taken without a word."""
    import ua_parser
    from ua_parser.regex import Resolver

    ua_parser.parse(PHONE)
    inner = ua_parser.parser.resolver
    assert isinstance(getattr(inner, "resolver", getattr(inner, "parser", inner)), Resolver)
