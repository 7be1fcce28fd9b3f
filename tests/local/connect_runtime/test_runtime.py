"""Kafka Connect itself: what it is started with, and what is told where it cannot be. It runs for the client's tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from local import connect_runtime
from local.kafka import jars
from local.service import ServiceError
from tests.local import running


def test_a_plugin_is_on_its_own_path_and_not_on_the_class_path(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    service = connect_runtime.service(place)
    service.prepare()
    service.prepare()  # safe to repeat
    folder = place.data("connect_runtime")
    assert [path.name for path in folder.glob("plugins/*/*")] == ["connect-file-4.3.1.jar"]
    arguments = (folder / "java.args").read_text().replace('"', "").splitlines()
    assert {"-Xmx256m", "-XX:+UseSerialGC"} <= set(arguments)
    names = [Path(name).name for name in arguments[-1].split(os.pathsep)]
    assert len(names) == len(jars.locked("connect_runtime")) - 1
    assert "connect-runtime-4.3.1.jar" in names
    assert "connect-file-4.3.1.jar" not in names
    assert service.argv[1:] == (
        f"@{folder / 'java.args'}", "org.apache.kafka.connect.cli.ConnectDistributed", "connect.properties",
    )  # fmt: skip


def test_it_listens_on_loopback_and_keeps_one_copy_on_the_broker_of_its_place(tmp_path: Path) -> None:
    place = running.a_place(tmp_path / "home")
    settings = connect_runtime.settings(place)
    assert settings["listeners"] == f"http://127.0.0.1:{place.ports['connect_runtime']}"
    assert settings["bootstrap.servers"] == f"127.0.0.1:{place.ports['kafka']}"
    assert {value for name, value in settings.items() if name.endswith("replication.factor")} == {1}
    assert settings["plugin.discovery"] == "service_load"
    assert settings["scheduled.rebalance.max.delay.ms"] == 0


def test_without_jars_and_network_one_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "jgo.conf").write_text(f"[repositories]\ncentral = http://127.0.0.1:{running.free_ports(1)[0]}\n")
    monkeypatch.setenv("JGO_CONFIG_FILE", str(tmp_path / "jgo.conf"))
    monkeypatch.setenv("M2_REPO", str(tmp_path / "maven"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.raises(
        ServiceError, match=r"could not be fetched \(ConnectionError.*\): connect to the network, or name"
    ) as told:
        connect_runtime.service(running.a_place(tmp_path / "home")).prepare()
    assert "\n" not in str(told.value)
