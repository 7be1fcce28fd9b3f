import msgspec
import pytest
from confluent_kafka.admin import NewTopic

from include.contracts import Topic, all_contracts, load
from include.kafka import KafkaError, client, topics


def test_every_domain_has_its_topics_and_dead_letters_and_all_have_the_receipts():
    wanted = {topic.name: topic for topic in topics.wanted([load("ecommerce")])}
    assert wanted.keys() == {topic.name for topic in load("ecommerce").topics} | {
        "ecommerce.dlq",
        "ecommerce.parked",
        "floodgate.bursts",
        "floodgate.redrives",
        "floodgate.dlq",
    }
    assert wanted["orders"].partitions == 3
    assert wanted["orders"].config == {
        "cleanup.policy": "delete",
        "max.message.bytes": "2097164",
        "retention.ms": str(7 * 86400 * 1000),
    }
    assert wanted["floodgate.bursts"].config["cleanup.policy"] == "compact"
    # Else what was sent again would come back to the list when it is old.
    assert wanted["floodgate.redrives"].config["cleanup.policy"] == "compact"
    # A dead letter is the whole record and headers that tell why.
    assert int(wanted["ecommerce.dlq"].config["max.message.bytes"]) > 2097164
    assert wanted["ecommerce.parked"].config == wanted["ecommerce.dlq"].config


@pytest.mark.stack
def test_topics_are_made_once(broker):
    topics.ensure(broker.endpoint, all_contracts())
    assert topics.ensure(broker.endpoint, all_contracts()) == []


@pytest.mark.stack
def test_a_topic_that_differs_is_told_and_left_alone(broker):
    admin = client.admin(broker.endpoint)
    made = NewTopic("drifted", 1, -1, config={"retention.ms": "1000"})
    admin.create_topics([made])["drifted"].result()
    contract = with_topic(load("ecommerce").topic("orders"), "drifted")
    told = [line for line in topics.ensure(broker.endpoint, [contract]) if "drifted" in line]
    assert [line.split(":")[0] for line in told] == ["drift", "drift"]
    assert told[0].startswith("drift: drifted has 1 partitions, the contract says 3")
    assert any("retention.ms=1000, the contract says 604800000" in line for line in told)
    assert topics.ensure(broker.endpoint, [contract]) == told
    assert len(admin.list_topics("drifted", timeout=10).topics["drifted"].partitions) == 1


@pytest.mark.stack
def test_a_topic_that_cannot_be_made_is_named(broker):
    contract = with_topic(load("ecommerce").topic("orders"), "im/possible")
    with pytest.raises(KafkaError, match="making topic im/possible"):
        topics.ensure(broker.endpoint, [contract])


def with_topic(like: Topic, name: str):
    topic = msgspec.structs.replace(like, name=name)
    return msgspec.structs.replace(load("ecommerce"), domain=f"of-{len(name)}", topics=(topic,))
