from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from snowflake.connector.errors import ProgrammingError

from tests.local.snowflake.service_process import Running

Sql = Callable[..., list[tuple[Any, ...]]]
COPY = "copy into orders from (select $1:meta, $1:content from @st/{}) file_format = (type = json)"


@pytest.fixture
def landing(sql: Sql, tmp_path: Path) -> Sql:
    sql("create table orders (record_metadata variant, record_content variant)")
    sql("create stage st")
    return sql


def staged(sql: Sql, folder: Path, name: str, count: int, place: str = "@st") -> str:
    file = folder / f"{name}.json.gz"
    with gzip.open(file, "wt") as lines:
        for i in range(count):
            record = {
                "meta": {"offset": i, "CreateTime": 1700000000000 + i},
                "content": {"id": f"{name}-{i}", "note": "it's ü"},
            }
            lines.write(json.dumps(record) + "\n")
    put = sql(f"put file://{file} {place} overwrite = true")
    assert put[0][6] == "UPLOADED"
    return file.name


def test_put_and_copy_and_a_repeat(landing: Sql, tmp_path: Path) -> None:
    name = staged(landing, tmp_path, "orders_0_0", 100)
    assert landing(COPY.format(name))[0][:4] == ("st/orders_0_0.json.gz", "LOADED", 100, 100)
    assert landing(COPY.format(name))[0][1:4] == ("LOAD_SKIPPED", 0, 0)
    query = "select count(*), max(record_content:id::varchar), sum((record_metadata:offset)::number) from orders"
    assert landing(query) == [(100, "orders_0_0-99", 4950)]


def test_create_if_not_exists_forgets_nothing(landing: Sql, tmp_path: Path) -> None:
    name = staged(landing, tmp_path, "a", 3)
    landing(COPY.format(name))
    landing("create table if not exists orders (record_metadata variant, record_content variant)")
    assert landing(COPY.format(name))[0][1] == "LOAD_SKIPPED"
    landing("truncate table orders")
    assert landing(COPY.format(name))[0][1] == "LOADED", "TRUNCATE forgets what was loaded"
    assert landing("select count(*) from orders") == [(3,)]


def test_copy_in_a_transaction_that_is_rolled_back(landing: Sql, tmp_path: Path) -> None:
    name = staged(landing, tmp_path, "a", 3)
    landing("begin")
    landing(COPY.format(name))
    landing("rollback")
    assert landing(COPY.format(name))[0][1] == "LOADED"
    assert landing("select count(*) from orders") == [(3,)]


def test_copy_by_files_with_purge(landing: Sql, tmp_path: Path, schema: str) -> None:
    names = [staged(landing, tmp_path, n, 2, f"@floodgate.{schema}.st/day/1") for n in ("a", "b", "c")]
    files = ", ".join(f"'{name}'" for name in names[:2])
    done = landing(
        f"copy into floodgate.{schema}.orders (record_metadata, record_content) from (select $1:meta, $1:content from "
        f"@floodgate.{schema}.st/day/1) files = ({files}) file_format = (type = 'json') purge = true"
    )
    assert [row[1] for row in done] == ["LOADED", "LOADED"]
    assert [row[0] for row in landing("list @st")] == ["st/day/1/c.json.gz"], "only what was loaded is purged"
    assert landing("select count(*) from orders") == [(4,)]


def test_a_file_that_is_not_json_loads_nothing(landing: Sql, tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text('{"meta": 1}\nnot json\n')
    landing(f"put file://{tmp_path}/bad.json @st")
    with pytest.raises(ProgrammingError, match="JSON"):
        landing(COPY.format("bad.json.gz"))
    assert landing("select count(*) from orders") == [(0,)]
    assert landing("remove @st/bad") == [("st/bad.json.gz", "removed")]
    assert landing("list @st") == []


def test_copy_of_several_files_is_all_or_nothing(landing: Sql, tmp_path: Path) -> None:
    good = staged(landing, tmp_path, "good", 2)
    (tmp_path / "bad.json").write_text("not json\n")
    landing(f"put file://{tmp_path}/bad.json @st")
    copy = COPY.format("") + " files = ('{}')"
    with pytest.raises(ProgrammingError, match="JSON"):
        landing(copy.format(f"{good}', 'bad.json.gz"))
    assert landing("select count(*) from orders") == [(0,)]
    assert landing(copy.format(good))[0][1] == "LOADED"


def test_copy_of_nothing(landing: Sql) -> None:
    assert landing(COPY.format("none.json.gz")) == [("Copy executed with 0 files processed.",)]


def test_upload_needs_the_address_that_put_gave(running: Running, landing: Sql) -> None:
    url = f"https://localhost:{running.place.ports['snowflake']}/upload/FLOODGATE/PUBLIC/X/file"
    client = httpx.Client(verify=str(running.place.ca))
    assert client.put(url, content=b"x").status_code == 403
    assert client.put(url, params={"signature": "0" * 64}, content=b"x").status_code == 403


def test_truncate_if_exists_before_and_after_create(sql: Sql) -> None:
    sql("truncate table if exists t")
    sql("create table t as select 1 as a")
    sql("truncate table if exists t")
    assert sql("select count(*) from t") == [(0,)]
    with pytest.raises(ProgrammingError, match="does not exist"):
        sql("truncate table nowhere")


def test_views_are_in_the_catalog(sql: Sql, schema: str) -> None:
    sql("create table t (id number(38,0), d number(9,2), s varchar(20), v variant, a array)")
    sql("create view w as select id, d from t")
    query = f"select table_name, table_type from information_schema.tables where table_schema = '{schema}' order by 1"
    assert sql(query) == [("T", "BASE TABLE"), ("W", "VIEW")]
    query = f"select column_name, data_type, character_maximum_length from information_schema.columns where table_schema = '{schema}' and table_name = 'T' order by ordinal_position"
    assert sql(query) == [
        ("ID", "NUMBER", None), ("D", "NUMBER", None), ("S", "TEXT", 20), ("V", "VARIANT", None), ("A", "VARIANT", None),
    ]  # fmt: skip
    assert [row[:2] for row in sql("describe table t")][:2] == [("ID", "NUMBER(38,0)"), ("D", "NUMBER(9,2)")]
    assert [row[:2] for row in sql(f"desc view floodgate.{schema}.w")] == [("ID", "NUMBER(38,0)"), ("D", "NUMBER(9,2)")]


def test_databases(sql: Sql, running: Running, schema: str) -> None:
    name = f"D_{schema}"
    sql(f"create database {name}")
    assert sql("select current_database(), current_schema()") == [(name, "PUBLIC")]
    sql("create table t as select 1 as a")
    assert sql(f"create database if not exists {name}")[0][0].startswith(f"{name} already exists")
    with pytest.raises(ProgrammingError) as caught:
        sql(f"create database {name}")
    assert caught.value.errno == 2002
    file = running.place.data("snowflake") / f"{name}.db"
    assert file.exists()
    sql("use floodgate.public")
    assert sql(f"select a from {name}.public.t") == [(1,)]
    sql(f"drop database {name}")
    assert not file.exists(), "it would come back at the next start"
    sql(f"drop database if exists {name}")
