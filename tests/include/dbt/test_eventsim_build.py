"""The music service's models over generated events: every figure equals one computed in Python over the same events."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from include.contracts import load
from include.generators import Window, events
from tests.include.dbt import eventsim_expected
from tests.include.dbt.landed import Row, at
from tests.include.dbt.test_build import WITHOUT_UNIT_TESTS, Warehouse, _parts, check, warehouse

__all__ = ["warehouse"]  # the fixture

pytestmark = [pytest.mark.stack, pytest.mark.timeout(600)]

OPTIONAL = {topic.name: [one.name for one in topic.fields if not one.required] for topic in load("eventsim").topics}
Topics = dict[str, list[Row]]


def generated(first: datetime, last: datetime) -> Topics:
    """A small service that grows and changes fast, so that each kind of event is there."""
    contract = load("eventsim")
    found: Topics = defaultdict(list)
    for event in events(contract, Window(first, last), seed=1, users=60, growth=3, attrition=1):
        found[event.topic].append(json.loads(event.value or b""))
    return found


def land(warehouse: Warehouse, topics: Topics, offset: int, landed: float) -> None:
    """Records as the sinks leave them, from an offset on; `landed`: minutes after noon."""
    for topic, records in topics.items():
        if warehouse.name == "clickhouse":
            lines = [
                json.dumps(
                    record
                    | {"_topic": topic, "_partition": 0, "_offset": offset + number, "_timestamp": record["ts"]}
                    | {"_landed_at": f"{at(landed):%Y-%m-%d %H:%M:%S}"}
                )
                for number, record in enumerate(records)
            ]
            warehouse.client.command(f"insert into landing.{topic} format JSONEachRow " + "\n".join(lines))
            continue
        rows = [
            {
                "m": {"topic": topic, "partition": 0, "offset": offset + number, "CreateTime": record["ts"]}
                | {"SnowflakeConnectorPushTime": int(at(landed).timestamp() * 1000)},
                # A sink may write null for what is missing; so does every second one here.
                "c": (dict.fromkeys(OPTIONAL[topic]) if number % 2 else {}) | record,
            }
            for number, record in enumerate(records)
        ]
        for first in range(0, len(rows), 500):
            warehouse.client.command(
                f"insert into landing.{topic} select value:m, value:c "
                "from table(flatten(input => parse_json(%(rows)s)))",
                {"rows": json.dumps(rows[first : first + 500])},
            )


def merged(*parts: Topics) -> Topics:
    return {topic: [record for part in parts for record in part.get(topic, [])] for topic in parts[0]}


def expected(warehouse: Warehouse, topics: Topics) -> dict[str, list[Row]]:
    return (eventsim_expected.live if warehouse.name == "clickhouse" else eventsim_expected.history)(topics)


def test_what_users_do_reaches_its_marts(warehouse: Warehouse) -> None:
    whole = generated(datetime(2024, 2, 1, tzinfo=UTC), datetime(2024, 2, 25, tzinfo=UTC))
    assert set(whole) == {topic.name for topic in load("eventsim").topics}
    # The first part ends amid the longest session of the last days.
    pages = [
        one for one in whole["page_view_events"] if one["ts"] > datetime(2024, 2, 20, tzinfo=UTC).timestamp() * 1000
    ]
    [(longest, count)] = Counter(one["sessionId"] for one in pages).most_common(1)
    split = [one["ts"] for one in pages if one["sessionId"] == longest][count // 2]
    before, after = (
        {topic: [one for one in records if (one["ts"] < split) is early] for topic, records in whole.items()}
        for early in (True, False)
    )
    warehouse.prepare("eventsim")
    land(warehouse, before, 0, 0)
    built = warehouse.build("eventsim")
    assert sum(status == "pass" for status in built.values()) > 10
    check(warehouse, "eventsim", expected(warehouse, before))
    check_again(warehouse, before)
    parts = [_parts(warehouse, "eventsim", mart) for mart in ("fct_sessions", "fct_listens")]
    warehouse.build("eventsim", *WITHOUT_UNIT_TESTS)
    check(warehouse, "eventsim", expected(warehouse, before))
    again = [_parts(warehouse, "eventsim", mart) for mart in ("fct_sessions", "fct_listens")]
    assert again == parts, "a run with nothing new wrote rows"

    # Some come twice, in the same batch as what is new; a mart must neither miss nor double anything.
    repeated = {topic: records[-5:] for topic, records in before.items()}
    land(warehouse, merged(after, repeated), 100_000, 10)
    warehouse.build("eventsim", *WITHOUT_UNIT_TESTS)
    check(warehouse, "eventsim", expected(warehouse, whole))


def check_again(warehouse: Warehouse, topics: Topics) -> None:
    """The comparison itself, seen to fail: a song that was never heard."""
    false: dict[str, Any] = {"fct_listens": eventsim_expected.listens(topics["listen_events"][1:])}
    with pytest.raises(AssertionError, match="fct_listens"):
        check(warehouse, "eventsim", false)
