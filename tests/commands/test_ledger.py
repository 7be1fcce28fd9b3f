import json
from datetime import UTC, datetime, timedelta

import pytest
from typer.testing import CliRunner

from commands import ledger as room
from commands.console import CommandError
from commands.main import build
from include.contracts import domains
from include.ledger.minutes import Cell, Hole, Ledger

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def cell(produced=10, kafka=10, clickhouse=10, snowflake=10, rejected=0, *, partition=0, topic="orders", at=NOON):
    return Cell(
        domain="ecommerce", topic=topic, partition=partition, minute=at, produced=produced, kafka=kafka,
        clickhouse=clickhouse, snowflake=snowflake, rejected=rejected,
    )  # fmt: skip


def hole(missing, warehouse="clickhouse", topic="orders", in_kafka=True):
    return Hole(
        warehouse=warehouse, domain="ecommerce", topic=topic, partition=0, ranges=((1, missing),), missing=missing,
        minute=NOON, produced_at=NOON, in_kafka=in_kafka,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "length"),
    [("15m", timedelta(minutes=15)), ("2h", timedelta(hours=2)), ("1d", timedelta(days=1))],
)
def test_lengths_of_time(text, length):
    assert room.length_of(text) == length


@pytest.mark.parametrize("text", ["", "15", "m", "0m", "-1h", "1.5h", "2 h", "1w", "2H", "1h30m", "9999999d"])
def test_what_is_no_length_of_time_is_told_in_one_sentence(text):
    with pytest.raises(CommandError, match=r"--since .* is no length of time: it looks like 15m, 2h or 1d\.$"):
        room.length_of(text)


def test_partitions_are_added_up_and_differences_are_marked():
    cells = [cell(), cell(5, 5, 3, 5, partition=1), cell(7, 6, None, 7, 1, topic="shipments")]
    orders, shipments = room.rows(cells, partitions=False)
    assert orders == {
        "topic": "orders", "minute (UTC)": "05-01 12:00", "produced": 15, "kafka": 15, "clickhouse": 13,
        "snowflake": 15, "rejected": 0, "": "ClickHouse -2",
    }  # fmt: skip
    assert (shipments["clickhouse"], shipments[""]) == (None, "Kafka -1, 1 rejected")
    assert [(row["partition"], row[""]) for row in room.rows(cells[:2], partitions=True)] == [
        (0, ""),
        (1, "ClickHouse -2"),
    ]


def test_partitions_that_make_up_for_each_other_differ():
    (row,) = room.rows([cell(clickhouse=11), cell(clickhouse=9, partition=1)], partitions=False)
    assert (row["clickhouse"], row[""]) == (20, "partitions differ")


@pytest.mark.parametrize(
    ("ledger", "told"),
    [
        (Ledger(cells=(cell(), cell(1_000))), "Of 1,010 events nothing is missing in ClickHouse and Snowflake."),
        (Ledger(), "Nothing was produced since 2026-05-01 12:00 UTC."),
        (
            Ledger(
                cells=(cell(clickhouse=7, snowflake=5),),
                holes=(hole(2), hole(1, topic="shops"), hole(5, "snowflake", in_kafka=False)),
            ),
            "Of 10 events are missing 3 in ClickHouse (orders 2, shops 1); 5 in Snowflake (orders 5, 5 of them no longer in Kafka).",
        ),
        (
            Ledger(cells=(cell(clickhouse=8, snowflake=8, rejected=2),)),
            "Of 10 events nothing is missing in ClickHouse and Snowflake. 2 records were rejected: `floodgate dead-letters` says why.",
        ),
        (
            Ledger(cells=(cell(clickhouse=None),), blind={"clickhouse": "it does not answer"}),
            "Of 10 events nothing is missing in Snowflake. ClickHouse could not be asked: it does not answer",
        ),
        (
            Ledger(
                cells=(cell(clickhouse=None, snowflake=None),), blind={"clickhouse": "gone", "snowflake": "gone too"}
            ),
            "Of 10 events nothing is missing in Kafka. ClickHouse could not be asked: gone Snowflake could not be asked: gone too",
        ),
        (Ledger(blind={"kafka": "no broker"}), "Nobody knows what was produced. Kafka could not be asked: no broker"),
    ],
)
def test_the_last_line_is_a_sentence(ledger, told):
    assert room.sentence(ledger, NOON) == told


@pytest.fixture
def run(monkeypatch):
    asked = {}

    def read(contracts, since, until):
        asked.update(domains=[one.domain for one in contracts], since=since, until=until)
        return Ledger(cells=(cell(clickhouse=9), cell(partition=1)), holes=(hole(1),))

    monkeypatch.setattr(room, "_read", read)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("commands.pipeline.environed", lambda: None)
    return lambda *arguments: (CliRunner().invoke(build(), ["ledger", *arguments], catch_exceptions=True), asked)


def test_the_command_prints_a_table_and_a_sentence(run):
    result, asked = run("--domain", "ecommerce", "--since", "2h")
    assert result.exit_code == 0, result.output
    assert "ClickHouse -1" in result.output
    assert result.output.splitlines()[-1] == "Of 20 events are missing 1 in ClickHouse (orders 1)."
    assert asked["domains"] == ["ecommerce"]
    assert (asked["since"].second, asked["since"].microsecond) == (0, 0)
    assert timedelta(hours=2) <= asked["until"] - asked["since"] < timedelta(hours=2, minutes=1)


def test_the_command_gives_the_same_to_a_program(run):
    result, asked = run("--json")
    facts = json.loads(result.output)
    assert {"ecommerce", "fashion"} <= set(asked["domains"]) and "floodgate" not in asked["domains"]
    assert [one["differs"] for one in facts["cells"]] == [True, False]
    assert facts["cells"][0]["minute"] == "2026-05-01T12:00:00Z"
    assert facts["holes"][0]["ranges"] == [[1, 1]]
    assert (facts["blind"], facts["since"]) == ({}, asked["since"].isoformat())


def test_a_domain_that_is_none_is_told(run):
    result, _ = run("--domain", "weather")
    assert isinstance(result.exception, CommandError)
    assert f"There is no domain 'weather': {', '.join(domains())}" in str(result.exception)
