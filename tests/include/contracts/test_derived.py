"""What is derived from contracts: paths, dbt's sources."""

from include.contracts import dbt, domains, load, paths

CLICKS = load("fashion").topic("streaming.public.clicks")
DELETED = {"op": "d", "before": {"id": 7}, "after": None, "source": {"lsn": 9}}


def test_dbt_sources_are_current() -> None:
    assert dbt.stale() == [], "run `make docs`"


def test_a_stale_file_is_seen_and_written(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(dbt, "DBT", tmp_path)
    assert len(dbt.write()) == 2 * len(domains()) + 1
    assert dbt.write() == []
    (tmp_path / "clickhouse/models/sources/fashion.yml").write_text("old")
    assert [path.name for path in dbt.write()] == ["fashion.yml"]


def test_an_alternative_counts_where_the_first_is_null() -> None:
    assert paths.value(DELETED, "after.id|before.id") == 7
    assert paths.value(DELETED, "source.lsn") == 9
    assert paths.value(DELETED, "after.id") is None


def test_columns_of_nested_paths() -> None:
    assert [paths.column(path) for path in CLICKS.event_id] == ["row_id", "lsn"]
    assert paths.column("event_id") == "event_id"


def test_paths_in_snowflakes_sql() -> None:
    """A cast that can fail would fail for every record because of one."""
    assert paths.snowflake(CLICKS, "source.lsn") == "try_cast(record_content:source:lsn::varchar as number(38, 0))"
    assert paths.snowflake(CLICKS, "after.id|before.id") == (
        "coalesce(try_cast(record_content:after:id::varchar as number(38, 0)), "
        "try_cast(record_content:before:id::varchar as number(38, 0)))"
    )


def test_a_record_conforms_with_its_required_fields_and_lengths() -> None:
    sql = paths.snowflake_conforms(load("ecommerce").topic("customers"))
    assert "record_content:event_id is not null" in sql
    assert "try_cast(record_content:created_at::varchar as timestamp_ntz) is not null" in sql
    assert "coalesce(length(record_content:address::varchar), 0) <= 300" in sql


def test_a_time_with_the_day_first_is_turned_round_before_snowflake_reads_it() -> None:
    sql = paths.snowflake_conforms(load("clickstream").topic("clickstream"))
    given = "record_content:event_time::varchar"
    turned = f"substr({given}, 7, 4) || '-' || substr({given}, 4, 2) || '-' || substr({given}, 1, 2)"
    assert f"try_cast({turned} || substr({given}, 11) as timestamp_ntz) is not null" in sql


def test_a_record_conforms_where_its_numbers_fit_their_columns() -> None:
    sql = paths.snowflake_conforms(load("ecommerce").topic("orders"))
    assert "try_cast(record_content:quantity::varchar as number(38, 0)) is not null" in sql
    assert "try_cast(record_content:total_price::varchar as number(12, 2)) is not null" in sql
