"""An hour of normal running, and what may go wrong in it, one thing at a time. Minutes are data (an_hour.py)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import NamedTuple

import msgspec

from include.contracts import load
from include.contracts.event import Window
from include.monitors.rows import WAREHOUSES
from tests.include.monitors.an_hour import MINUTE, SECOND, Record, World
from tests.include.monitors.test_sequence import exchange

#: A Saturday, a little before twelve.
START = datetime(2026, 3, 7, 10, 0, tzinfo=UTC)
LOOK_BACK, LATELY = 15 * MINUTE, 3 * MINUTE
#: The first minutes fill the line; then comes the hour.
BEFORE, HOUR = 10, 60
EXCHANGE = msgspec.structs.replace(exchange(), domain="exchange")
EXCHANGE = msgspec.structs.replace(
    EXCHANGE, topics=tuple(msgspec.structs.replace(topic, name="trades", domain="exchange", floor=1) for topic in EXCHANGE.topics)
)  # fmt: skip
CONTRACTS = (load("ecommerce"), load("fashion"), EXCHANGE)

Wrong = Callable[[World], None]


def at(minute: float) -> float:
    """Minutes of the hour as minutes of the world."""
    return minute + BEFORE


def normal(world: World) -> None:
    """All that happens in an hour and is nobody's business."""
    # A DAG is paused on purpose for ten minutes; a window of those is produced by a backfill when it is an hour old.
    for domain in ("fashion", "exchange"):
        world.at(at(-6.2), lambda domain=domain: world.paused.add(domain))
        world.at(at(3.8), lambda domain=domain: world.paused.discard(domain))
    world.at(at(58.5), lambda: world.produce("fashion", Window(START - 4 * MINUTE, START - 2 * MINUTE)))
    # The other one rests in the midst of it.
    world.at(at(12.2), lambda: world.paused.add("ecommerce"))
    world.at(at(22.2), lambda: world.paused.discard("ecommerce"))
    # A connector is paused while bursts come.
    world.at(at(24.3), world.sinks["snowflake-fashion"].pause)
    world.at(at(36.3), world.sinks["snowflake-fashion"].run)
    # Another one goes from worker to worker for a while.
    sink = world.sinks["clickhouse-fashion"]
    world.at(at(40.1), lambda: setattr(sink, "tasks", ("UNASSIGNED",)))
    world.at(at(41.2), sink.run)
    # Bursts are a minute late, one is run again by hand at once, one is of a size that somebody asked for.
    world.delays["ecommerce", START + 26 * MINUTE] = 60 * SECOND
    world.delays["fashion", START + 38 * MINUTE] = 60 * SECOND
    for domain in world.contracts:
        world.at(
            at(44.9), lambda domain=domain: world.produce(domain, Window(START + 42 * MINUTE, START + 44 * MINUTE))
        )
    world.at(
        at(30.4),
        lambda: world.produce("ecommerce", Window(START + 28 * MINUTE, START + 30 * MINUTE), "size-300.0", 300),
    )
    # The weekend's rest: as few rows as the contracts allow.
    world.damped = lambda start: START + 46 * MINUTE <= start < START + 56 * MINUTE


# ------------------------------------------------------------------------------------------- one thing wrong at a time


class Case(NamedTuple):
    """What goes wrong, whose thread it is, by when it must be told, and what is said at its end."""

    wrong: Wrong
    fingerprint: str
    told: tuple[float, float]
    normal: str


def fails(name: str) -> Wrong:
    def wrong(world: World) -> None:
        def fail() -> None:
            world.sinks[name].tasks, world.sinks[name].trace = ("FAILED",), "ConnectException: refused"

        world.at(at(8.5), fail)

    return wrong


def keeps_failing(world: World) -> None:
    """Its first two restarts do not help."""
    sink = world.sinks["clickhouse-ecommerce"]
    for minute in (8.5, 9.5, 11.6):
        world.at(at(minute), lambda: setattr(sink, "tasks", ("FAILED",)))


def is_nobodys(world: World) -> None:
    world.at(at(8.5), lambda: setattr(world.sinks["clickhouse-ecommerce"], "tasks", ("UNASSIGNED",)))


def stalls(world: World) -> None:
    world.at(at(5.2), lambda: setattr(world.sinks["snowflake-ecommerce"], "hangs", True))


def is_deleted(world: World) -> None:
    world.at(at(8.5), lambda: setattr(world.sinks["clickhouse-fashion"], "state", None))


def loses(warehouse: str, domain: str) -> Wrong:
    return lambda world: world.at(at(9.4), partial(world.lose, warehouse, domain))


def silent(*domains: str) -> Wrong:
    def wrong(world: World) -> None:
        world.at(at(4.5), lambda: world.stuck.update(domains))
        world.at(at(10.5), lambda: world.stuck.difference_update(domains))

    return wrong


def leaves(place: str, minutes: float = 8) -> Wrong:
    def wrong(world: World) -> None:
        world.at(at(4.5), partial(world.leave, place))
        world.at(at(4.5 + minutes), partial(world.come_back, place))

    return wrong


def fails_of(place: str, *sinks: str) -> Wrong:
    """A place is away, and sinks give up over it; that it is back does not wake them."""

    def wrong(world: World) -> None:
        leaves(place)(world)
        for name in sinks:
            world.at(at(6.2), partial(setattr, world.sinks[name], "tasks", ("FAILED",)))

    return wrong


def poisons(world: World) -> None:
    bad = [Record(f"bad-{n}", START, START, bad=True) for n in range(4)]
    world.at(at(7.4), partial(world.send, "orders", *bad))


def poisons_while_nobody_reads(world: World) -> None:
    """The records are minutes old when they are rejected, and keep their own time."""
    poisons(world)
    for warehouse in WAREHOUSES:
        world.at(at(6), world.sinks[f"{warehouse}-ecommerce"].pause)
        world.at(at(13), world.sinks[f"{warehouse}-ecommerce"].run)


def poisons_trades(world: World) -> None:
    """A number is missing in ClickHouse, but not at its source."""
    world.spoiled = lambda number: number % 1000 == 124


def loses_offsets(world: World) -> None:
    """The group begins anew, and reads on slowly."""
    sink = world.sinks["clickhouse-ecommerce"]

    def lose() -> None:
        sink.committed.clear()
        sink.speed = 2

    world.at(at(9) + 1 / 60, lose)
    world.at(at(12.5), lambda: setattr(sink, "speed", 500))


def repeats(world: World) -> None:
    world.at(at(9.4), partial(world.again, "ecommerce", 40))


def doubles(world: World) -> None:
    """A producer that sends each burst twice, for a quarter of an hour."""
    for minute in range(7, 22, 2):
        world.at(at(minute + 0.6), partial(world.again, "fashion", 1))


def comes_late(world: World) -> None:
    window = Window(START - 182 * MINUTE, START - 180 * MINUTE)
    world.at(at(7.4), partial(world.produce, "ecommerce", window, "late", 200))


def skips_numbers(world: World) -> None:
    """The exchange sends them, and nobody hears."""
    world.deaf = lambda number: number % 1000 in (123, 124, 125)


def fails_a_run(world: World) -> None:
    def fail() -> None:
        world.runs["burst_ecommerce"][0] += 1

    world.at(at(9.2), fail)


def falls_silent(name: str) -> Wrong:
    def wrong(world: World) -> None:
        world.at(at(5.5), lambda: world.silent.add(name))
        world.at(at(12.5), lambda: world.silent.discard(name))

    return wrong


def backfills_unseen(world: World) -> None:
    """Old numbers come while nobody looks."""
    falls_silent("watch_ingestion")(world)
    world.at(at(8.1), partial(world.produce, "exchange", Window(START - 4 * MINUTE, START - 2 * MINUTE)))


CASES = {
    "a task fails": Case(fails("clickhouse-ecommerce"), "connector_failed:clickhouse-ecommerce", (8.5, 9.5), "It runs"),
    "it fails again and again": Case(keeps_failing, "connector_failed:clickhouse-ecommerce", (8.5, 9.5), "It runs"),
    "a task is no worker's": Case(is_nobodys, "connector_failed:clickhouse-ecommerce", (10, 11.5), "It runs"),
    "a connector stalls": Case(stalls, "connector_stalled:snowflake-ecommerce", (6, 9), "It gets on"),
    "a connector is deleted": Case(is_deleted, "connector_missing:clickhouse-fashion", (8.5, 9.5), "is there again"),
    "rows are lost in ClickHouse": Case(
        loses("clickhouse", "ecommerce"), "rows_missing:ecommerce@clickhouse", (9.4, 11.5), "is in ClickHouse, once"
    ),
    "rows are lost in Snowflake": Case(
        loses("snowflake", "fashion"), "rows_missing:fashion@snowflake", (9.4, 11.5), "is in Snowflake, once"
    ),
    "rows with numbers are lost": Case(
        loses("clickhouse", "exchange"), "rows_missing:exchange@clickhouse", (9.4, 11.5), "is in ClickHouse, once"
    ),
    "a generator is silent": Case(silent("ecommerce"), "generator_silent:ecommerce", (7, 9), "Every burst"),
    "one with numbers is silent": Case(silent("exchange"), "generator_silent:exchange", (7, 9), "Every burst"),
    "all generators are silent": Case(
        silent("ecommerce", "fashion", "exchange"), "generator_silent:bursts", (7, 9), "Every burst"
    ),
    "Kafka is away": Case(leaves("kafka"), "place_away:kafka", (4.5, 6), "Kafka answers again"),
    "ClickHouse is away": Case(leaves("clickhouse"), "place_away:clickhouse", (4.5, 6), "ClickHouse answers again"),
    "Snowflake is away": Case(leaves("snowflake"), "place_away:snowflake", (4.5, 6), "Snowflake answers again"),
    "Connect is away": Case(leaves("connect"), "place_away:connect", (4.5, 6), "Kafka Connect answers again"),
    "sinks fail while ClickHouse is away": Case(
        fails_of("clickhouse", *(f"clickhouse-{contract.domain}" for contract in CONTRACTS)),
        "place_away:clickhouse",
        (4.5, 6),
        "ClickHouse answers again",
    ),
    "sinks fail while Kafka is away": Case(
        fails_of("kafka", *(f"{name}-{contract.domain}" for contract in CONTRACTS for name in WAREHOUSES)),
        "place_away:kafka",
        (4.5, 6),
        "Kafka answers again",
    ),
    "ClickHouse is away for half an hour": Case(
        leaves("clickhouse", 31), "place_away:clickhouse", (4.5, 6), "ClickHouse answers again"
    ),
    "records are bad": Case(poisons, "rows_rejected:ecommerce", (7.4, 9.5), "No further record"),
    "old records are bad": Case(poisons_while_nobody_reads, "rows_rejected:ecommerce", (13, 14.5), "No further record"),
    "a record with a number is bad": Case(poisons_trades, "rows_rejected:exchange", (16, 18), "No further record"),
    "a group forgets": Case(loses_offsets, "offsets_lost:clickhouse-ecommerce", (9, 9.5), "read up to the end"),
    "events come again and again": Case(repeats, "rows_twice:ecommerce@snowflake", (9.4, 10.5), "once again"),
    "each burst comes twice": Case(doubles, "rows_twice:fashion@snowflake", (9, 14), "once again"),
    "old events come": Case(comes_late, "rows_late:ecommerce@clickhouse", (7.4, 8.5), "about now again"),
    "numbers never come": Case(skips_numbers, "sequence_hole:trades", (16, 19), "have no hole"),
    "a run fails": Case(fails_a_run, "run_failed:burst_ecommerce", (9.2, 10.5), "A run went well"),
    "the trigger is dead": Case(falls_silent("trigger"), "watch_silent:trigger", (6, 8.5), "signs of life"),
    "a watch is dead": Case(
        falls_silent("watch_connectors"), "watch_silent:watch_connectors", (6, 10), "signs of life"
    ),
    "it is dead while a backfill comes": Case(
        backfills_unseen, "watch_silent:watch_ingestion", (6, 10), "signs of life"
    ),
    "the other watch is dead": Case(
        falls_silent("watch_ingestion"), "watch_silent:watch_ingestion", (6, 10), "signs of life"
    ),
}
