"""The environment of a place: what it renders, that a shell reads it back unchanged, that two places share nothing."""

from __future__ import annotations

import base64
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from local import airflow, connect, environment, snowflake
from local.place import PORTS, Place, PlaceError, here


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.setenv("FLOODGATE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FLOODGATE_PORT_OFFSET", "4000")
    return here()


def connection(place: Place, name: str) -> dict:
    return json.loads(environment.environment(place)[f"AIRFLOW_CONN_{name.upper()}"])


def test_secrets_are_made_once_and_for_the_user_alone(place: Place) -> None:
    assert stat.S_IMODE((place.home / "secrets.json").stat().st_mode) == 0o600
    assert stat.S_IMODE(place.home.stat().st_mode) == 0o700
    assert here().secrets == place.secrets
    assert place.secrets["postgres"] not in repr(place)


@pytest.mark.parametrize("text", ["a thousand", "-1", "99999", "1.5"])
def test_an_offset_that_is_none_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_PORT_OFFSET", text)
    with pytest.raises(PlaceError, match="set it to a whole number from 0 to 40000"):
        here()


def test_a_shell_reads_the_file_back_unchanged(place: Place) -> None:
    place.secrets["clickhouse_writer"] = 'it\'s $HOME `date` "\\n" 100%'
    path = environment.write(place)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    names = list(environment.environment(place))
    script = f"set -a; . {path}; env -0"
    seen = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, check=True).stdout
    variables = dict(entry.split("=", 1) for entry in seen.decode().split("\0") if entry)
    assert {name: variables[name] for name in names} == environment.environment(place)


def test_the_file_is_left_alone_where_nothing_changed(place: Place) -> None:
    path = environment.write(place)
    before = path.stat().st_ino
    environment.write(place)
    assert path.stat().st_ino == before


def test_connections_name_the_ports_and_passwords_of_the_place(place: Place) -> None:
    assert connection(place, "kafka_events") == {
        "conn_type": "kafka",
        "extra": {"bootstrap.servers": f"127.0.0.1:{PORTS['kafka'] + 4000}"},
    }
    assert connection(place, "clickhouse_live") == {
        "conn_type": "clickhouse",
        "host": "127.0.0.1",
        "port": PORTS["clickhouse_native"] + 4000,
        "schema": "default",
        "login": "floodgate",
        "password": place.secrets["clickhouse_writer"],
    }
    reader = connection(place, "clickhouse_reader")
    assert (reader["login"], reader["password"]) == ("reader", place.secrets["clickhouse_reader"])
    assert connection(place, "connect_sinks")["port"] == PORTS["connect"] + 4000
    assert connection(place, "slack_alerts")["password"].startswith("xoxb-")
    assert connection(place, "slack_alerts")["extra"]["base_url"].endswith(f":{PORTS['slack'] + 4000}/api/")


def test_keys_and_certificates_appear_when_they_are_made(place: Place) -> None:
    assert "private_key_content" not in connection(place, "snowflake_history")["extra"]
    assert "SSL_CERT_FILE" not in environment.environment(place)
    place.snowflake_key.write_text("-----BEGIN PRIVATE KEY-----\nabc\n-----END PRIVATE KEY-----\n")
    place.ca_bundle.write_text("certificates")
    content = connection(place, "snowflake_history")["extra"]["private_key_content"]
    assert base64.b64decode(content).decode() == place.snowflake_key.read_text()
    assert environment.environment(place)["SSL_CERT_FILE"] == str(place.ca_bundle)
    assert environment.environment(place)["REQUESTS_CA_BUNDLE"] == str(place.ca_bundle)


def test_airflow_stays_on_loopback_and_keeps_its_keys(place: Place) -> None:
    variables = environment.environment(place)
    assert variables["AIRFLOW__API__HOST"] == "127.0.0.1"
    assert variables["AIRFLOW__API__PORT"] == str(PORTS["airflow"] + 4000)
    assert (
        variables["AIRFLOW__CORE__EXECUTION_API_SERVER_URL"] == f"http://127.0.0.1:{PORTS['airflow'] + 4000}/execution/"
    )
    assert len(base64.urlsafe_b64decode(variables["AIRFLOW__CORE__FERNET_KEY"])) == 32
    assert len(variables["AIRFLOW__API_AUTH__JWT_SECRET"]) == 128
    assert variables["AIRFLOW__API_AUTH__JWT_SECRET"] != variables["AIRFLOW__API__SECRET_KEY"]
    assert environment.environment(here())["AIRFLOW__CORE__FERNET_KEY"] == variables["AIRFLOW__CORE__FERNET_KEY"]
    (bundle,) = json.loads(variables["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"])
    assert bundle["kwargs"]["path"] == str(place.root)
    # The log servers of Airflow have no setting for their address: they listen everywhere, so they are not started.
    by_name = {service.name: service.argv for service in airflow.services(place)}
    assert list(by_name) == ["airflow-api", "airflow-scheduler", "airflow-dag-processor", "airflow-triggerer"]
    assert "--skip-serve-logs" in airflow.PROGRAMS["scheduler"]
    assert "--skip-serve-logs" in airflow.PROGRAMS["triggerer"]


def test_two_places_share_no_port_and_no_secret(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("FLOODGATE_PORT_OFFSET", "0")
    other = here()
    assert not set(other.ports.values()) & set(place.ports.values())
    assert not set(other.secrets.values()) & set(place.secrets.values())


@pytest.mark.parametrize("module", [connect, snowflake], ids=["connect", "snowflake"])
def test_what_a_service_writes_for_a_while_is_in_the_place_and_gone_at_its_next_start(
    place: Place, module: Any
) -> None:
    service = module.service(place)
    folder = Path(service.env["TMPDIR"])
    assert folder.is_relative_to(place.home)
    service.prepare()
    (folder / "of a run that was killed").mkdir()
    service.prepare()
    assert list(folder.iterdir()) == []
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_modules_that_both_environments_import_need_the_standard_library_alone() -> None:
    script = "import local.place, local.service, local.environment, local.airflow, local.tether"
    done = subprocess.run(
        [shutil.which("python3") or "python3", "-S", "-c", script],
        env={"PYTHONPATH": str(Path(__file__).parents[2]), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
