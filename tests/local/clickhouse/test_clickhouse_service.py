"""The service as the supervisor sees it, and the configuration of a real server."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from local.clickhouse import engine, installed, service
from local.place import PASSWORDS, Place


@pytest.fixture
def place(tmp_path: Path, server) -> Place:
    ports = {"clickhouse_http": server.http_port, "clickhouse_native": server.native_port}
    secrets = dict.fromkeys(PASSWORDS, "another") | {
        "clickhouse_writer": "writes-all",
        "clickhouse_reader": "reads-all",
    }
    return Place(tmp_path, ports, secrets)


@pytest.fixture
def no_binary(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_passwords_are_in_the_environment_alone(place, no_binary):
    made = service(place)
    assert made.name == "clickhouse"
    assert made.cwd == place.data("clickhouse")
    assert not any("-all" in word for word in made.argv)
    assert made.env["CLICKHOUSE_WRITER_PASSWORD"] == "writes-all"
    assert made.env["CLICKHOUSE_READER_PASSWORD"] == "reads-all"


def test_ready_asks_with_the_password(place, no_binary, server):
    assert service(place).ready() is None
    place.secrets["clickhouse_writer"] = "wrong"
    assert "HTTP 403" in (service(place).ready() or "")
    place.ports["clickhouse_http"] = 1
    assert "no answer" in (service(place).ready() or "")


def test_an_installed_server_is_configured_for_the_same_ports_and_users(place, monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: f"/opt/{name}")
    made = service(place)
    made.prepare()
    made.prepare()
    home = place.data("clickhouse")
    assert made.argv == ("/opt/clickhouse", "server", f"--config-file={home / 'server.xml'}")
    config = ElementTree.parse(home / "server.xml")  # noqa: S314
    users = ElementTree.parse(config.findtext(".//users_xml/path"))  # noqa: S314
    assert config.findtext("http_port") == str(place.ports["clickhouse_http"])
    assert config.findtext("listen_host") == "127.0.0.1"
    assert [user.tag for user in users.find("users")] == ["floodgate", "reader"]
    assert users.find(".//reader/password").get("from_env") in made.env
    assert "-all" not in (home / "server.xml").read_text() + (home / "users.xml").read_text()


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(installed.ServiceError, match="cannot be written"):
        installed.prepare(tmp_path / "none", 1, 2)


def test_a_full_disk_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "LEAST_FREE_MB", 10**12)
    with pytest.raises(engine.UnusableError, match="MB are needed: make room and start again"):
        engine._claim(tmp_path)
