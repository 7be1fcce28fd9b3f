"""What a person reads when Kafka cannot be used. No broker is needed for these, but one test says otherwise."""

import logging
import socket
import time
from datetime import UTC, datetime, timedelta

import pytest
from confluent_kafka import KafkaError as Cause

from include.connections import KAFKA, Endpoint
from include.contracts import load
from include.contracts.event import BurstId, Window
from include.kafka import KafkaError, burst, client, dead_letters, offsets, receipts, redrives, topics
from include.kafka.errors import Trouble, topic_missing

START = datetime(2024, 5, 1, tzinfo=UTC)
BURST = BurstId("ecommerce", Window(START, START + timedelta(minutes=2)))


def endpoint(**extra):
    return Endpoint(conn_id=KAFKA, extra={name.replace("_", "."): value for name, value in extra.items()})


@pytest.fixture
def nobody():
    """The address of a port that nobody listens at."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        yield endpoint(bootstrap_servers=f"127.0.0.1:{one.getsockname()[1]}")


CALLS = {
    "ensure": lambda at: topics.ensure(at, [load("ecommerce")]),
    "produce": lambda at: burst.produce(at, load("ecommerce"), BURST, iter(())),
    "receipts": receipts.read,
    "lag": lambda at: offsets.lag(at, "connect-x", ["orders"]),
    "watermarks": lambda at: offsets.watermarks(at, ["orders"]),
    "dead letters": lambda at: dead_letters.count(at, load("ecommerce")),
    "redrives": redrives.read,
    "redrive": lambda at: redrives.produce(at, lambda done: (), now=START),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_broker_that_is_away_is_told_with_its_address(call, nobody, monkeypatch, capfd):
    for module in (client, offsets):
        monkeypatch.setattr(module, "CALL_S", 0.6)
    begun = time.monotonic()
    with pytest.raises(KafkaError, match=r"no broker answers at 127\.0\.0\.1:\d+ .*connection kafka_events names it"):
        call(nobody)
    assert time.monotonic() - begun < 10
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_connection_without_a_broker_is_told(call):
    with pytest.raises(KafkaError, match="connection kafka_events names no broker: put bootstrap.servers into its"):
        call(endpoint())


@pytest.mark.parametrize("extra", [{"no_such_thing": "1"}, {"security_protocol": "MAGIC"}])
def test_a_wrong_setting_is_told(extra):
    with pytest.raises(KafkaError, match="a setting is wrong .*correct it in the extra of connection kafka_events"):
        receipts.read(endpoint(bootstrap_servers="127.0.0.1:1", **extra))


def test_the_clearest_error_is_told_and_not_the_last():
    trouble = Trouble(endpoint(bootstrap_servers="broker:9092"))
    for code in (Cause._TRANSPORT, Cause._AUTHENTICATION, Cause._ALL_BROKERS_DOWN):
        trouble(Cause(code, f"code {code}"))
    told = str(trouble.explain("reading receipts", Cause(Cause._TIMED_OUT, "timed out")))
    assert told.startswith("reading receipts: broker:9092 refused the login (code -169): correct sasl.username")
    # What is clear by itself needs no other word.
    assert "topic is missing" in str(trouble.explain("x", Cause(Cause.UNKNOWN_TOPIC_OR_PART, "?")))


@pytest.mark.parametrize(
    ("code", "away"),
    [
        (Cause._TRANSPORT, True),
        (Cause._TIMED_OUT, True),
        (Cause._RESOLVE, True),
        (Cause.REQUEST_TIMED_OUT, True),
        (Cause._AUTHENTICATION, False),
        (Cause._SSL, False),
        (Cause.TOPIC_AUTHORIZATION_FAILED, False),
        (Cause.UNKNOWN_TOPIC_OR_PART, False),
        (Cause._INVALID_ARG, False),
    ],
)
def test_a_broker_that_refuses_is_not_away(code, away):
    assert Trouble(endpoint(bootstrap_servers="b:1")).explain("x", Cause(code, "?")).away is away


def test_a_missing_topic_and_a_wrong_setting_are_no_absence():
    assert not topic_missing("orders").away
    with pytest.raises(KafkaError) as told:
        receipts.read(endpoint())
    assert not told.value.away


def test_secrets_are_in_no_error():
    at = endpoint(bootstrap_servers="b:1", sasl_password="hunter2", sasl_username="u", sasl_mechanism="X")
    with pytest.raises(KafkaError) as told:
        client.producer(at, {"no.such.setting": "1"})
    assert "hunter2" not in str(told.value)


@pytest.mark.stack
def test_a_refused_login_is_told_as_one(broker, monkeypatch, caplog):
    monkeypatch.setattr(client, "CALL_S", 3.0)
    caplog.set_level(logging.DEBUG)
    login = {"security_protocol": "SASL_PLAINTEXT", "sasl_mechanism": "PLAIN", "sasl_username": "u"}
    at = endpoint(bootstrap_servers=broker.servers, sasl_password="hunter2", **login)
    for call in (CALLS["ensure"], CALLS["produce"], CALLS["receipts"]):
        with pytest.raises(KafkaError, match="refused the login"):
            call(at)
    assert "hunter2" not in caplog.text
