"""HTTP: who may do what, that no bad row is accepted in silence, and that results come whole."""

from __future__ import annotations

import concurrent.futures
import gzip
import json
import socket
import uuid
from base64 import b64encode
from http.client import HTTPConnection
from urllib.parse import urlencode

import clickhouse_connect
import httpx
import lz4.frame
import pytest
from clickhouse_connect.driver.exceptions import DatabaseError


def event(number: int, name: str = "a", **more: object) -> bytes:
    """One line of JSONEachRow."""
    fields = {"event_id": str(uuid.UUID(int=number)), "name": name, "total": 1.25, "at": "2026-05-01 10:00:00.123"}
    return json.dumps(fields | {"_offset": number} | more).encode() + b"\n"


def code(response: httpx.Response) -> int:
    return int(response.headers.get("X-ClickHouse-Exception-Code", 0))


def test_ping_needs_no_password(server):
    assert httpx.get(f"http://127.0.0.1:{server.http_port}/ping").text == "Ok.\n"


@pytest.mark.parametrize(
    ("user", "password"), [("floodgate", "wrong"), ("nobody", ""), ("default", ""), ("reader", "")]
)
def test_wrong_credentials_are_refused(server, user, password):
    response = server.ask("SELECT 1", user=user, password=password)
    assert (response.status_code, code(response)) == (403, 516)
    assert response.text.startswith(f"Code: 516. DB::Exception: {user}: Authentication failed")


def test_credentials_by_basic_authorization_and_by_parameters(server):
    basic = "Basic " + b64encode(b"reader:reads-all").decode()
    address = f"http://127.0.0.1:{server.http_port}/"
    assert httpx.get(address, params={"query": "SELECT 2"}, headers={"Authorization": basic}).text == "2\n"
    parameters = {"query": "SELECT 2", "user": "reader", "password": "reads-all"}
    assert httpx.get(address, params=parameters).text == "2\n"
    assert httpx.get(address, params=parameters, headers={"Authorization": "Basic 8J+Y"}).status_code == 403


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO {table} (name) VALUES ('a')",
        "INSERT INTO {table} (name) SELECT 'a'",
        "CREATE TABLE landing.mine (a Int8) ENGINE = Memory",
        "DROP TABLE {table}",
        "TRUNCATE TABLE {table}",
        "ALTER TABLE {table} DELETE WHERE 1",
        "OPTIMIZE TABLE {table}",
        "EXCHANGE TABLES {table} AND {table}",
        "CREATE DATABASE mine",
        "SET readonly = 0",
        "KILL QUERY WHERE 1",
        "SYSTEM STOP MERGES",
    ],
)
def test_a_reader_cannot_write(server, table, sql):
    response = server.ask(sql.format(table=table), user="reader")
    assert code(response) == 164, response.text
    assert server.text(f"SELECT count() FROM {table}") == "0"


def test_a_reader_reads_with_settings_of_its_own(server, table):
    server.ask(f"INSERT INTO {table} FORMAT JSONEachRow", event(1))
    assert server.text(f"SELECT count() FROM {table}", user="reader", max_threads="1") == "1"
    assert code(server.ask("SELECT 1", user="reader", readonly="0")) == 164


@pytest.mark.parametrize(("given", "kept"), [("mine-1", True), ("a\r\nX-Evil: 1", False), ("\u20ac", False)])
def test_a_query_id_comes_back_where_a_header_can_hold_it(server, given, kept):
    response = server.ask("SELECT 1", query_id=given)
    assert response.text == "1\n"
    assert (response.headers["X-ClickHouse-Query-Id"] == given) is kept
    assert "X-Evil" not in response.headers


def test_get_does_not_write(server, table):
    answer = httpx.get(
        f"http://127.0.0.1:{server.http_port}/",
        params={"query": f"DROP TABLE {table}"},
        headers={"X-ClickHouse-User": "floodgate", "X-ClickHouse-Key": "writes-all"},
    )
    assert code(answer) == 164


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT * FROM file('/etc/hostname', 'LineAsString')", 481),
        ("SELECT * FROM `file`/* */('/etc/hostname', 'LineAsString')", 481),
        ("CREATE TEMPORARY TABLE t (a String) ENGINE = File('LineAsString', '/etc/hostname')", 481),
        ("SELECT 1 INTO OUTFILE '/tmp/x'", 358),
        ("INSERT INTO t FROM INFILE '/etc/hostname' FORMAT LineAsString", 78),
        ("INSERT INTO t SELECT * FROM input('a String') FORMAT CSV\nx", 48),
    ],
)
def test_the_machine_s_own_files_are_out_of_reach(server, sql, expected):
    assert code(server.ask(sql)) == expected
    assert server.text("SELECT 'file(' AS file, file") == "file(\tfile("


@pytest.mark.parametrize(
    ("bad", "expected"),
    [
        (event(2, ""), 469),
        (event(2, "far longer than twenty signs"), 469),
        (b'{"event_id": "not a uuid", "name": "a"}\n', None),
        (event(2)[:-20], None),
        (b"not json\n", None),
        (event(2, total="much"), None),
        (event(2, surprise=1), 117),
    ],
)
def test_a_bad_row_fails_the_whole_insert(server, table, bad, expected):
    sql, strict = f"INSERT INTO {table} FORMAT JSONEachRow", {"input_format_skip_unknown_fields": "0"}
    response = server.ask(sql, event(1) + bad, **strict)
    assert response.status_code in (400, 500), response.text
    assert code(response) == expected if expected else code(response) > 0
    assert server.home.name not in response.text
    assert server.text(f"SELECT count() FROM {table}") == "0"


def test_a_failing_view_fails_the_insert(server, table):
    view = table + "_view"
    server.text(f"DROP TABLE IF EXISTS {view}")
    server.text(
        f"CREATE MATERIALIZED VIEW {view} ENGINE = MergeTree ORDER BY n AS SELECT toUInt8(name) AS n FROM {table}"
    )
    assert server.ask(f"INSERT INTO {table} FORMAT JSONEachRow", event(1, "7")).status_code == 200
    assert code(server.ask(f"INSERT INTO {table} FORMAT JSONEachRow", event(2, "x"))) == 6
    assert server.text(f"SELECT * FROM {view}") == "7"


def test_values_with_parameters_keep_to_the_constraints(server, table):
    sql = f"INSERT INTO {table} (event_id, name) VALUES (generateUUIDv4(), {{name:String}})"
    assert server.ask(sql, param_name="a").status_code == 200
    assert code(server.ask(sql, param_name="")) == 469
    assert code(server.ask(f"INSERT INTO {table} (name) VALUES ('')")) == 469


def test_settings_of_an_insert_are_used(server, table):
    sql = f"INSERT INTO {table} FORMAT JSONEachRow"
    assert server.ask(sql, event(1, surprise=1), input_format_skip_unknown_fields="1").status_code == 200
    assert server.ask(f"INSERT INTO {table} SETTINGS input_format_skip_unknown_fields = 1 FORMAT JSONEachRow",
                      event(2, surprise=1)).status_code == 200  # fmt: skip
    assert code(server.ask(sql, event(3), no_such_setting="1")) == 115
    assert server.text(f"SELECT count(), min(total), min(at) FROM {table}") == "2\t1.25\t2026-05-01 10:00:00.123"


def test_the_same_token_inserts_once(server, table):
    for token in ("one", "one", "two"):
        sql = f"INSERT INTO {table} FORMAT JSONEachRow"
        assert server.ask(sql, event(1), insert_deduplication_token=token, insert_deduplicate="1").status_code == 200
    assert server.text(f"SELECT count() FROM {table}") == "2"


def test_final_keeps_the_last_of_a_key(server, table):
    for offset, name in ((5, "new"), (3, "old")):
        server.ask(f"INSERT INTO {table} FORMAT JSONEachRow", event(1, name, _offset=offset))
    assert server.text(f"SELECT count() FROM {table}") == "2"
    assert server.text(f"SELECT name FROM {table} FINAL") == "new"


@pytest.mark.parametrize("encoding", ["identity", "gzip", "lz4"])
def test_compressed_bodies(server, table, encoding):
    pack = {"identity": bytes, "gzip": gzip.compress, "lz4": lz4.frame.compress}[encoding]
    rows = b"".join(event(number) for number in range(1000))
    sql = f"INSERT INTO {table} FORMAT JSONEachRow"
    assert server.ask(sql, pack(rows), headers={"Content-Encoding": encoding}).status_code == 200
    assert server.text(f"SELECT count() FROM {table}") == "1000"
    if encoding != "identity":
        damaged = server.ask(sql, pack(rows)[:-40], headers={"Content-Encoding": encoding})
        assert damaged.status_code >= 400
        assert server.text(f"SELECT count() FROM {table}") == "1000"


def _raw(server, table: str, head: str, body: bytes) -> bytes:
    """Sends a request as it is and hangs up; gives what came back."""
    with socket.create_connection(("127.0.0.1", server.http_port), 5) as client:
        query = f"INSERT%20INTO%20{table}%20FORMAT%20JSONEachRow"
        line = f"POST /?query={query}&user=floodgate&password=writes-all HTTP/1.1\r\nHost: x\r\n{head}\r\n\r\n"
        client.sendall(line.encode() + body)
        client.shutdown(socket.SHUT_WR)
        return client.makefile("rb").read()


def test_a_body_cut_short_is_not_executed(server, table):
    whole = event(1) + event(2)
    assert b" 200 OK" in _raw(server, table, f"Content-Length: {len(whole)}\r\nConnection: close", whole)
    assert b" 400 Bad Request" in _raw(server, table, f"Content-Length: {len(whole)}", event(3))
    chunk = b"%x\r\n%b\r\n" % (len(whole), whole)
    assert b" 200 OK" in _raw(server, table, "Transfer-Encoding: chunked\r\nConnection: close", chunk + b"0\r\n\r\n")
    assert b" 400 Bad Request" in _raw(server, table, "Transfer-Encoding: chunked", chunk)
    assert b" 400 Bad Request" in _raw(server, table, "Transfer-Encoding: chunked", chunk[:-20])
    assert b" 400 Bad Request" in _raw(server, table, "Transfer-Encoding: chunked", b"zz\r\n")
    assert server.text(f"SELECT count() FROM {table}") == "4"


def test_several_statements_at_once_are_refused(server, table):
    response = server.ask(f"SELECT 1; DROP TABLE {table}")
    assert (response.status_code, code(response)) == (400, 62)
    assert "Multi-statements are not allowed" in response.text
    assert server.text("SELECT ';' -- ;\n;") == ";"
    assert code(server.ask(f"INSERT INTO {table} (name) VALUES ('a'); SELECT 1")) == 62
    assert server.text(f"SELECT count() FROM {table}") == "0"
    assert server.text(f"EXISTS TABLE {table}") == "1"


@pytest.mark.parametrize(
    ("sql", "expected"), [("SELEC 1", 62), ("SELECT * FROM nowhere", 60), ("SELECT no_such_function()", 46)]
)
def test_errors_have_the_server_s_code_and_name_once(server, sql, expected):
    response = server.ask(sql)
    assert code(response) == expected
    assert response.text.count("DB::Exception") == response.text.count("(version") == 1


def test_parameters_of_a_statement(server):
    sql = "SELECT {n:UInt32} + 1, {s:String}, {a:Array(String)}"
    assert server.text(sql, param_n="41", param_s="it's", param_a="['x','y']") == "42\tit\\'s\t['x','y']"


def test_a_format_clause_or_a_column_called_format(server):
    assert json.loads(server.text("SELECT 1 AS a FORMAT JSONEachRow")) == {"a": 1}
    assert server.text("SELECT 1 AS format ORDER BY format DESC", default_format="CSV") == "1"
    assert server.ask("SELECT 1 FORMAT JSON").headers["X-ClickHouse-Format"] == "JSON"


def test_a_session_keeps_its_tables_and_settings(server):
    session = {"session_id": str(uuid.uuid4())}
    server.text("CREATE TEMPORARY TABLE mine (a Int8)", **session)
    server.text("SET max_threads = 1", **session)
    assert server.ask("INSERT INTO mine FORMAT CSV", b"1\n2\n", **session).status_code == 200
    assert server.text("SELECT sum(a), getSetting('max_threads') FROM mine", **session) == "3\t1"
    assert server.text("SELECT currentDatabase()", database="system", **session) == "system"
    assert server.text("SELECT currentDatabase()", **session) == "default"
    assert code(server.ask("SELECT * FROM mine")) == 60
    assert code(server.ask("SELECT * FROM mine", user="reader", **session)) == 60
    assert code(server.ask("SELECT 1", session_id="never seen", session_check="1")) == 372


def test_a_session_serves_one_request_at_a_time(server):
    session = {"session_id": str(uuid.uuid4())}
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(server.ask, "SELECT sleep(3)", **session)
        while code(server.ask("SELECT 1", **session)) != 373:
            assert not slow.done()
        assert slow.result().status_code == 200


@pytest.mark.parametrize("rows", [1, 70_000])
def test_a_session_is_free_when_its_answer_has_come(server, rows):
    parameters = {"session_id": str(uuid.uuid4()), "max_threads": "1", "database": "system", "user": "reader"}
    address, secret = "/?" + urlencode(parameters), {"X-ClickHouse-Key": "reads-all"}
    one, other = (HTTPConnection("127.0.0.1", server.http_port) for _ in range(2))
    answers = []
    for client in (one, other) * (100 if rows == 1 else 20):
        client.request("POST", address, f"SELECT number FROM numbers({rows})", secret)
        answers.append(client.getresponse().read())
    one.close()
    other.close()
    assert {(answer.count(b"\n"), answer[:2]) for answer in answers} == {(rows, b"0\n")}


def test_a_table_sent_along_with_a_query(server):
    response = httpx.post(
        f"http://127.0.0.1:{server.http_port}/",
        params={"query": "SELECT sum(n) FROM given", "given_structure": "n UInt32", "given_format": "CSV"},
        files={"given": ("given.csv", b"1\n2\n")},
        headers={"X-ClickHouse-User": "reader", "X-ClickHouse-Key": "reads-all"},
    )
    assert response.text == "3\n"


def test_tables_are_exchanged(server):
    for name, value in (("a", 1), ("b", 2)):
        server.text(f"CREATE OR REPLACE TABLE landing_{name} ENGINE = MergeTree ORDER BY n AS SELECT {value} AS n")
    server.text("EXCHANGE TABLES landing_a AND landing_b")
    assert server.text("SELECT n FROM landing_a") == "2"


def test_a_large_answer_is_streamed_whole(server):
    address, read, chunks = f"http://127.0.0.1:{server.http_port}/", 0, 0
    parameters = {"query": "SELECT number, toString(number) FROM numbers(300000)", "user": "reader"}
    with httpx.stream("GET", address, params=parameters | {"password": "reads-all"}) as response:
        for chunk in response.iter_raw():
            read, chunks = read + chunk.count(b"\n"), chunks + 1
    assert response.headers["Transfer-Encoding"] == "chunked"
    assert (read, chunks > 1) == (300_000, True)


def test_an_error_in_the_midst_of_a_stream_is_told(server):
    response = server.ask("SELECT throwIf(number = 3000000, 'midway') FROM numbers(4000000)")
    tag = response.headers["X-ClickHouse-Exception-Tag"]
    assert response.status_code == 200
    assert f"__exception__\r\n{tag}\r\nCode: 395. DB::Exception: midway" in response.text
    assert code(server.ask("SELECT throwIf(number = 200000) FROM numbers(300000)", wait_end_of_query="1")) == 395


def test_a_client_that_leaves_midway_harms_nobody(server):
    for _ in range(3):
        with httpx.stream("POST", f"http://127.0.0.1:{server.http_port}/?user=reader&password=reads-all",
                          content="SELECT number FROM numbers(50000000)") as response:  # fmt: skip
            next(response.iter_raw())
    assert server.text("SELECT 1") == "1"


@pytest.fixture
def client(server):
    with clickhouse_connect.get_client(
        host="127.0.0.1", port=server.http_port, username="floodgate", password="writes-all"
    ) as client:
        yield client


def test_clickhouse_connect_reads_and_writes(client, table):
    rows = [[uuid.UUID(int=number), f"n{number}", number] for number in range(20_000)]
    client.insert(table, rows, column_names=["event_id", "name", "_offset"])
    assert client.query(f"SELECT count(), max(_offset) FROM {table}").result_rows == [(20_000, 19_999)]
    with pytest.raises(DatabaseError, match="469"):
        client.insert(table, [[uuid.UUID(int=1), "", 1]], column_names=["event_id", "name", "_offset"])
    assert client.query(f"SELECT name FROM {table} WHERE event_id = {{id:UUID}}", parameters={"id": uuid.UUID(int=3)}
                        ).result_rows == [("n3",)]  # fmt: skip


def test_clickhouse_connect_streams_300_000_rows(client):
    with client.query_row_block_stream("SELECT number, toString(number) FROM numbers(300000)") as stream:
        assert sum(number for block in stream for number, _ in block) == 300_000 * 299_999 // 2


def test_zones_of_times_arrive(client):
    sql = "SELECT toDateTime('2026-05-01 10:00:00', 'Asia/Tokyo'), toDateTime64('2026-05-01 10:00:00', 3, 'UTC')"
    first, second = client.query(sql).result_rows[0]
    assert (first.hour, str(first.tzinfo)) == (10, "Asia/Tokyo")
    assert second.hour == 10


def test_clients_in_threads(server, client, table):
    sql = f"INSERT INTO {table} FORMAT JSONEachRow"

    def work(worker: int) -> None:
        for batch in range(5):
            rows = b"".join(event(worker * 10_000 + batch * 100 + row) for row in range(100))
            assert server.ask(sql, rows).status_code == 200
            server.text(f"SELECT count() FROM {table}")

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert server.text(f"SELECT count(), uniqExact(event_id) FROM {table}") == "4000\t4000"


def test_the_query_log_and_the_memory_limit(server):
    server.text("SELECT 'a query to be found'")
    server.text("SYSTEM FLUSH LOGS")
    logged = server.text("SELECT query FROM system.query_log WHERE type = 'QueryFinish'", default_format="TSVRaw")
    assert "SELECT 'a query to be found'" in logged.splitlines()
    hungry = server.ask("SELECT length(groupArray(repeat('x', 1000) || toString(number))) FROM numbers(3000000)")
    assert code(hungry) == 241
    assert server.text("SELECT 1") == "1"
