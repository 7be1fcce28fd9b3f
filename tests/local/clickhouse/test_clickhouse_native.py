"""Native TCP: what clickhouse-driver, and with it Airflow's ClickHouse hook, does."""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import socket
import uuid
from collections.abc import Iterator
from decimal import Decimal

import pytest
from clickhouse_driver import Client
from clickhouse_driver.errors import ServerException

COLUMNS = "(event_id, name, total, at, _offset)"
AT = dt.datetime(2026, 5, 1, 10, tzinfo=dt.UTC)


def rows(count: int, name: str = "a") -> list[tuple]:
    return [(uuid.UUID(int=number), name, Decimal("1.25"), AT, number) for number in range(count)]


@pytest.fixture
def native(server) -> Iterator[Client]:
    client = Client("127.0.0.1", server.native_port, user="floodgate", password="writes-all")
    yield client
    client.disconnect()


@pytest.fixture
def reader(server) -> Iterator[Client]:
    client = Client("127.0.0.1", server.native_port, user="reader", password="reads-all")
    yield client
    client.disconnect()


@pytest.mark.parametrize(("user", "password"), [("floodgate", "wrong"), ("nobody", ""), ("default", "")])
def test_native_wrong_credentials_are_refused(server, user, password):
    with pytest.raises(ServerException, match="Authentication failed") as refused:
        Client("127.0.0.1", server.native_port, user=user, password=password).execute("SELECT 1")
    assert refused.value.code == 516


def test_native_unknown_database_is_refused(server):
    with pytest.raises(ServerException) as refused:
        Client("127.0.0.1", server.native_port, user="reader", password="reads-all", database="nowhere").execute(
            "SELECT 1"
        )
    assert refused.value.code == 81


def test_native_inserts_and_selects(native, table):
    assert native.execute(f"INSERT INTO {table} {COLUMNS} VALUES", rows(70_000)) == 70_000
    assert native.execute(f"SELECT count(), sum(total), max(at) FROM {table}") == [(70_000, Decimal("87500.00"), AT)]


def test_native_constraint_fails_the_insert(native, table):
    with pytest.raises(ServerException) as refused:
        native.execute(f"INSERT INTO {table} {COLUMNS} VALUES", rows(10) + rows(1, ""))
    assert refused.value.code == 469
    with pytest.raises(ServerException) as refused:
        native.execute(f"INSERT INTO {table} (name) VALUES ('')")
    assert refused.value.code == 469
    assert native.execute(f"SELECT count() FROM {table}") == [(0,)]


def test_native_reader_cannot_write(native, reader, table):
    native.execute(f"INSERT INTO {table} {COLUMNS} VALUES", rows(1))
    assert reader.execute(f"SELECT count() FROM {table}", settings={"max_threads": 1}) == [(1,)]
    for statement in (f"DROP TABLE {table}", f"TRUNCATE TABLE {table}", "CREATE DATABASE mine", "SET readonly = 0"):
        with pytest.raises(ServerException) as refused:
            reader.execute(statement)
        assert refused.value.code == 164
    with pytest.raises(ServerException) as refused:
        reader.execute(f"INSERT INTO {table} {COLUMNS} VALUES", rows(2))
    assert refused.value.code == 164
    assert reader.execute(f"SELECT count() FROM {table}") == [(1,)]


def test_native_streams_300_000_rows(native):
    sql = "SELECT number, toString(number) FROM numbers(300000)"
    assert sum(number for number, _ in native.execute_iter(sql)) == 300_000 * 299_999 // 2


def test_native_error_midway_is_raised(native):
    with pytest.raises(ServerException, match="midway"):
        native.execute("SELECT throwIf(number = 3000000, 'midway') FROM numbers(4000000)")
    assert native.execute("SELECT 1") == [(1,)]


def test_native_cancel_leaves_the_connection_usable(native):
    progress = native.execute_iter("SELECT number FROM numbers(100000000)")
    next(progress)
    native.cancel()
    assert native.execute("SELECT 1") == [(1,)]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1 WHERE 0", ([], [("1", "UInt8")])),
        ("SELECT 'a' AS s, NULL AS n", ([("a", None)], [("s", "String"), ("n", "Nullable(Nothing)")])),
        ("SELECT 1 AS a FORMAT JSON", ([(1,)], [("a", "UInt8")])),
        (
            "SELECT toDateTime('2026-05-01 10:00:00', 'Asia/Tokyo') AS t WHERE 0",
            ([], [("t", "DateTime('Asia/Tokyo')")]),
        ),
    ],
)
def test_native_column_types(native, sql, expected):
    assert native.execute(sql, with_column_types=True) == expected


def test_native_zone_of_a_time(native):
    [(found,)] = native.execute("SELECT toDateTime('2026-05-01 10:00:00', 'Asia/Tokyo')")
    assert found.astimezone(dt.UTC) == dt.datetime(2026, 5, 1, 1, tzinfo=dt.UTC)


def test_native_types_there_and_back(native):
    types = {
        "Array(Nullable(String))": [["a", None], []],
        "Map(String, Array(UInt8))": [{"a": [1, 2]}, {}],
        "LowCardinality(Nullable(String))": ["x", None],
        "Tuple(a Int8, b String)": [(1, "x"), (2, "y" * 300)],
        "Decimal(38, 5)": [Decimal("1.5"), Decimal("-2")],
        "Enum8('a' = 1, 'b, (' = 2)": ["a", "b, ("],
        "FixedString(4)": ["abcd", "efgh"],
        "IPv4": ["127.0.0.1", "10.0.0.1"],
        "Nullable(Date)": [dt.date(2026, 5, 1), None],
    }
    native.execute("DROP TABLE IF EXISTS all_types")
    native.execute(f"CREATE TABLE all_types ({', '.join(f'c{n} {t}' for n, t in enumerate(types))}) ENGINE = Memory")
    given = list(zip(*types.values(), strict=True))
    native.execute("INSERT INTO all_types VALUES", given)
    assert [tuple(map(str, row)) for row in native.execute("SELECT * FROM all_types")] == [
        tuple(map(str, row)) for row in given
    ]


def test_native_parameters_and_tables_sent_along(reader):
    assert reader.execute("SELECT %(n)s + 1, %(s)s", {"n": 41, "s": "it's"}) == [(42, "it's")]
    tables = [{"name": "given", "structure": [("n", "UInt32")], "data": [{"n": 1}, {"n": 2}]}]
    assert reader.execute("SELECT sum(n) FROM given", external_tables=tables) == [(3,)]
    with pytest.raises(ServerException):
        reader.execute("SELECT * FROM given")


def test_native_server_side_parameters(server):
    client = Client("127.0.0.1", server.native_port, user="reader", password="reads-all",
                    settings={"server_side_params": True})  # fmt: skip
    assert client.execute("SELECT {s:String}, {n:UInt8}", {"s": "it's \\", "n": 3}) == [("it's \\", 3)]


def test_native_settings_do_not_outlive_their_query(native):
    sql = "SELECT getSetting('max_block_size')"
    before = native.execute(sql)
    assert native.execute(sql, settings={"max_block_size": 77}) == [(77,)]
    assert native.execute(sql) == before
    assert native.execute(sql, settings={"unknown_setting": 1}) == before


def test_native_several_statements_are_refused(native):
    with pytest.raises(ServerException, match="Multi-statements"):
        native.execute("SELECT 1; SELECT 2")


def test_native_tables_and_answers_of_ddl(native):
    native.execute("CREATE DATABASE IF NOT EXISTS staging")
    assert native.execute("CREATE OR REPLACE VIEW staging.one AS SELECT 1 AS a") == []
    assert native.execute("SHOW TABLES FROM staging") == [("one",)]
    assert native.execute("SHOW TABLES FROM staging LIKE 'none'", with_column_types=True) == ([], [("name", "String")])


def test_native_compression_is_refused_in_words(server):
    hello = b"\x00\x06client\x01\x01\xc0\xa9\x03\x00\x06reader\x09reads-all" + b"\x00"
    query = b"\x01\x00\x00" + b"\x00" + b"\x00" + b"\x02\x01\x08SELECT 1" + b"\x00"
    with socket.create_connection(("127.0.0.1", server.native_port), 5) as client:
        client.sendall(hello + query)
        assert b"connect without it" in client.makefile("rb").read()


def test_native_an_http_request_is_told_where_to_go(server):
    with socket.create_connection(("127.0.0.1", server.native_port), 5) as client:
        client.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert b"use the HTTP port" in client.makefile("rb").read()


def test_native_client_that_leaves_midway_inserts_nothing(native, table, server):
    leaver = Client("127.0.0.1", server.native_port, user="floodgate", password="writes-all")

    def some() -> Iterator[tuple]:
        yield from rows(100)
        raise KeyError("the client has changed its mind")

    with pytest.raises(KeyError):
        leaver.execute(f"INSERT INTO {table} {COLUMNS} VALUES", some(), settings={"insert_block_size": 10})
    leaver.disconnect()
    assert native.execute(f"SELECT count() FROM {table}") == [(0,)]


def test_native_clients_in_threads(server, native, table):
    def work(worker: int) -> None:
        client = Client("127.0.0.1", server.native_port, user="floodgate", password="writes-all")
        for batch in range(5):
            ids = range(worker * 10_000 + batch * 100, worker * 10_000 + batch * 100 + 100)
            client.execute(f"INSERT INTO {table} {COLUMNS} VALUES", [(uuid.UUID(int=n), "a", 1, AT, n) for n in ids])
        client.disconnect()

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert native.execute(f"SELECT count(), uniqExact(event_id) FROM {table}") == [(3000, 3000)]
