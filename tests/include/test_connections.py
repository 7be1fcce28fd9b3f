import pytest

from include.connections import ConnectionMissing, Endpoint, from_env
from include.warehouses.clickhouse import http_port


def test_json_with_extra_as_object_or_text() -> None:
    for extra in ('{"a": 1}', '"{\\"a\\": 1}"'):
        text = f'{{"conn_type": "kafka", "host": "h", "port": "9", "extra": {extra}}}'
        endpoint = from_env("kafka_events", {"AIRFLOW_CONN_KAFKA_EVENTS": text})
        assert (endpoint.conn_type, endpoint.host, endpoint.port, endpoint.extra) == ("kafka", "h", 9, {"a": 1})


def test_uri() -> None:
    endpoint = from_env("c", {"AIRFLOW_CONN_C": "clickhouse://u%40x:p%2Fw@h:9440/db?secure=true"})
    assert endpoint == Endpoint(
        conn_id="c",
        conn_type="clickhouse",
        host="h",
        port=9440,
        login="u@x",
        password="p/w",
        schema="db",
        extra={"secure": "true"},
    )


def test_missing_says_how_to_give_it() -> None:
    with pytest.raises(ConnectionMissing, match="set AIRFLOW_CONN_KAFKA_EVENTS, or start the local stack"):
        from_env("kafka_events", {})


def test_unreadable_does_not_show_the_secret() -> None:
    with pytest.raises(ConnectionMissing) as told:
        from_env("c", {"AIRFLOW_CONN_C": '{"password": "hunter2"'})
    assert "hunter2" not in str(told.value)


def test_an_endpoint_in_a_log_shows_no_secret() -> None:
    shown = repr(Endpoint(conn_id="c", login="u", password="hunter2", extra={"private_key_content": "hunter3"}))
    assert "hunter" not in shown


@pytest.mark.parametrize(
    ("port", "extra", "http"), [(9000, {}, 8123), (None, {}, 8123), (9440, {"secure": True}, 8443), (19000, {}, 18123)]
)
def test_http_port_keeps_clickhouses_own_distance(port: int | None, extra: dict[str, object], http: int) -> None:
    assert http_port(Endpoint(conn_id="c", port=port, extra=extra)) == http


def test_http_port_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_CLICKHOUSE_HTTP_PORT", "80")
    assert http_port(Endpoint(conn_id="c", port=9000)) == 80
