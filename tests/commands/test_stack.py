"""The commands of the stack on a place of the test's own, run as a user runs them."""

from __future__ import annotations

import ast
import json
import os
import random
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from commands import console, main
from commands.doctor import Finding, examine
from local.place import PORTS, here
from local.preflight import port_free


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FLOODGATE_HOME", str(tmp_path / "home"))
    while True:  # below the ports that the system hands to clients
        monkeypatch.setenv("FLOODGATE_PORT_OFFSET", str(random.randrange(10000, 13000)))
        if all(port_free(port) for port in here().ports.values()):
            return here().home


def floodgate(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "commands.main", *words], capture_output=True, text=True, check=False, timeout=60
    )


def finding(findings: list[Finding], what: str) -> Finding:
    return next(one for one in findings if one.what == what)


def test_help_lists_the_commands_in_a_moment_and_imports_no_airflow() -> None:
    script = (
        "import sys; sys.argv = ['floodgate', '--help']\n"
        "from commands.main import main\n"
        "try: main()\n"
        "except SystemExit: print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    for command in ("up", "down", "reset", "doctor", "logs"):
        assert f" {command} " in done.stdout
    heavy = {
        "airflow",
        "cosmos",
        "dbt",
        "great_expectations",
        "pandas",
        "numpy",
        "confluent_kafka",
        "psutil",
    }
    assert not heavy & set(ast.literal_eval(done.stdout.splitlines()[-1]))


def test_every_module_with_commands_is_listed() -> None:
    folder = Path(main.__file__).parent
    found = (path for path in folder.rglob("*.py") if "\napp = typer.Typer(" in path.read_text())
    rooms = {path.parent.name if path.name == "__init__.py" else path.stem for path in found}
    assert rooms == set(main.ROOMS)


def test_a_wrong_setting_is_one_sentence(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLOODGATE_PORT_OFFSET", "many")
    done = floodgate("up")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.strip().startswith("FLOODGATE_PORT_OFFSET is 'many'")
    assert "Traceback" not in done.stderr
    as_json = floodgate("down", "--json")
    assert json.loads(as_json.stdout)["error"].startswith("FLOODGATE_PORT_OFFSET is 'many'")


def test_up_with_a_port_in_use_names_its_owner_and_starts_nothing(home: Path) -> None:
    port = here().ports["kafka"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        done = floodgate("up", "--only", "kafka")
    assert done.returncode == 1
    assert f"Port {port} for kafka is in use by pid {os.getpid()} (" in done.stderr
    assert "FLOODGATE_PORT_OFFSET" in done.stderr
    assert not (home / "run" / "status.json").exists()


def test_up_of_an_unknown_service_lists_those_that_are(home: Path) -> None:
    done = floodgate("up", "--only", "redis")
    assert done.returncode == 1
    assert "There is no service 'redis': choose among airflow, airflow-api" in done.stderr


def test_down_where_nothing_runs_is_a_success(home: Path) -> None:
    done = floodgate("down", "--json")
    assert done.returncode == 0
    facts = json.loads(done.stdout)
    assert (facts["was_running"], facts["left"]) == (False, [])


def test_down_forgets_the_faults_that_ended_with_the_stack(home: Path) -> None:
    (home / "faults").mkdir(parents=True)
    for name in ("broker-down", "generator-silent"):
        (home / "faults" / f"{name}.json").write_text('{"target": {}, "slots": 4}')
    done = floodgate("down")
    assert done.returncode == 0, done.stderr
    assert [file.name for file in (home / "faults").iterdir()] == ["generator-silent.json"]
    assert (
        "Still broken when it is up again: generator-silent (`floodgate break generator-silent --undo`)." in done.stdout
    )


def test_reset_asks_first(home: Path) -> None:
    (home / "data").mkdir()
    refused = floodgate("reset")
    assert refused.returncode == 1
    assert "say --yes" in refused.stderr
    assert (home / "data").exists()
    assert floodgate("reset", "--yes").returncode == 0
    assert [entry.name for entry in home.iterdir()] == ["secrets.json"]


def test_logs_shows_the_end_of_a_log_and_what_logs_there_are(home: Path) -> None:
    log = here().log("kafka")
    log.write_text("".join(f"line {number}\n" for number in range(500)))
    assert floodgate("logs", "kafka", "-n", "2").stdout == "line 498\nline 499\n"
    unknown = floodgate("logs", "kafak")
    assert unknown.returncode == 1
    assert "There is no log of 'kafak'" in unknown.stderr
    assert "there is: kafka" in unknown.stderr


def test_logs_follow_through_a_rotation(home: Path) -> None:
    log = here().log("kafka")
    log.write_text("old\n")
    command = [sys.executable, "-m", "commands.main", "logs", "kafka", "-f"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as following:
        try:
            assert following.stdout.readline() == "old\n"
            time.sleep(0.3)
            with log.open("a") as file:
                file.write("last of the first\n")
            log.replace(f"{log}.1")
            log.write_text("first of the second\n")
            assert following.stdout.readline() == "last of the first\n"
            assert following.stdout.readline() == "first of the second\n"
        finally:
            following.kill()


def test_doctor_tells_a_problem_and_its_cure(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = here()
    assert finding(examine(place), "passwords").ok
    (home / "secrets.json").chmod(0o644)
    loose = finding(examine(place), "passwords")
    assert not loose.ok
    assert loose.cure == f"chmod 600 {home / 'secrets.json'}"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", place.ports["connect"]))
        taken.listen()
        port = finding(examine(place), "port")
        assert not port.ok
        assert f"Port {place.ports['connect']} for connect is in use by pid {os.getpid()}" in port.found
        assert "FLOODGATE_PORT_OFFSET" in port.cure
    monkeypatch.setattr("local.preflight.LEAST_FREE_BYTES", 10**18)
    assert not finding(examine(place), "disk").ok


def test_doctor_exits_with_1_where_something_is_wrong(home: Path) -> None:
    (home / "secrets.json").chmod(0o644)
    done = floodgate("doctor", "--json")
    assert done.returncode == 1
    wrong = [one for one in json.loads(done.stdout) if not one["ok"]]
    assert "passwords" in [one["what"] for one in wrong]


def test_expected_errors_are_sentences_others_keep_their_traceback(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def complaining() -> None:
        raise console.CommandError("It cannot: do this.")

    monkeypatch.setattr(main, "build", lambda: complaining)
    with pytest.raises(SystemExit) as ended:
        main.main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == "It cannot: do this.\n"

    def broken() -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(main, "build", lambda: broken)
    with pytest.raises(ZeroDivisionError):
        main.main()


@pytest.mark.stack
def test_up_and_down_of_a_real_service(home: Path) -> None:
    try:
        up = floodgate("up", "--only", "postgres", "--json")
        assert up.returncode == 0, up.stderr
        (service,) = json.loads(up.stdout)["services"]
        assert (service["name"], service["state"], service["restarts"]) == ("postgres", "ready", 0)
        again = floodgate("up", "--only", "postgres")
        assert again.returncode == 0
        assert "is running already" in again.stdout
        assert finding(examine(here()), "service postgres").ok
    finally:
        down = floodgate("down")
    assert down.returncode == 0, down.stderr
    assert "no process and no port is left" in down.stdout
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", PORTS["postgres"] + int(os.environ["FLOODGATE_PORT_OFFSET"]))) != 0
