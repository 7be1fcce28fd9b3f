"""The supervisor with tiny real servers: order, restarts, and that nothing is left behind by any kind of end."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from local import control, logfile, place, preflight, processes, supervisor
from local.place import PlaceError

FAKE_STACK = Path(__file__).with_name("fake_stack.py")


def eventually(holds: Callable[[], object], within_s: float = 10) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "did not come true in time"
        time.sleep(0.05)


class Stand:
    """A place of the test's own, with a stack of fakes."""

    def __init__(self, home: Path) -> None:
        self.home = home
        while True:
            offset = random.randrange(10000, 13000)  # below the ports that the system hands to clients
            if all(preflight.port_free(port + offset) for port in place.PORTS.values()):
                break
        self.variables = {"FLOODGATE_HOME": str(home), "FLOODGATE_PORT_OFFSET": str(offset)}
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            self.place = place.here()

    def up(self, *names: str) -> bool:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            return control.start(self.place, command=[sys.executable, str(FAKE_STACK), "up", *names])

    def service(self, name: str) -> dict:
        return next(service for service in control.status(self.place)["services"] if service["name"] == name)

    def until(self, name: str, state: str, restarts: int = 0) -> dict:
        eventually(lambda: self.service(name)["state"] == state and self.service(name)["restarts"] >= restarts)
        return self.service(name)

    def processes(self) -> list[psutil.Process]:
        return processes.marked(self.home)


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    monkeypatch.setattr(supervisor, "ORPHANS_WITHIN_S", 0.5)
    made = Stand(tmp_path / "home")
    yield made
    assert control.stop(made.place) == []


def test_a_service_starts_when_what_it_needs_is_ready(stand: Stand) -> None:
    assert stand.up("two", "one")
    stand.until("two", "ready")
    lines = list(dict.fromkeys((stand.home / "journal").read_text().splitlines()))
    assert lines == ["one started", "one ready", "two started", "two ready"]


def test_the_status_tells_who_runs_since_when_and_for_what_the_others_wait(stand: Stand) -> None:
    stand.up("one", "two")
    eventually(lambda: stand.service("two")["waiting_for"] == "one to be ready")
    assert stand.service("two")["pid"] is None
    last = list(control.watch(stand.place, every_s=0.05))[-1]
    assert {service["name"]: service["state"] for service in last["services"]} == {"one": "ready", "two": "ready"}
    one = stand.service("one")
    assert psutil.Process(one["pid"]).cmdline()[2:4] == ["serve", "one"]
    assert one["ports"] == [stand.place.ports["postgres"]]
    assert one["since"].endswith("+00:00")
    assert stat.S_IMODE((stand.home / "run" / "status.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((stand.home / "env").stat().st_mode) == 0o600
    assert stand.up("one", "two") is False  # it runs already


def test_a_killed_service_comes_back_without_what_the_old_one_left(stand: Stand) -> None:
    stand.up("one", "two")
    before = stand.until("two", "ready")
    (deaf,) = [one for one in stand.processes() if "SIG_IGN" in " ".join(one.cmdline())]
    os.kill(before["pid"], signal.SIGKILL)
    after = stand.until("two", "ready", restarts=1)
    assert after["pid"] != before["pid"]
    assert not deaf.is_running()
    assert stand.service("one")["restarts"] == 0
    assert "was ended by SIGKILL" in control.last_words(stand.place, "two")


def test_a_held_service_stays_down_until_it_is_released(stand: Stand) -> None:
    stand.up("one", "two")
    before = stand.until("two", "ready")
    control.hold(stand.place, "two")
    assert not psutil.pid_exists(before["pid"])
    assert len(stand.processes()) == 2  # supervisor, one: what two had started is gone as well
    time.sleep(0.5)  # longer than every pause before a restart
    held = stand.service("two")
    assert (held["state"], held["pid"], held["waiting_for"]) == ("stopped", None, "held by floodgate break")
    assert held["restarts"] == 0
    last = list(control.watch(stand.place, every_s=0.05))[-1]  # whoever waits for the stack does not wait for it
    assert [service["state"] for service in last["services"]] == ["ready", "stopped"]
    control.release(stand.place, "two")
    after = stand.service("two")
    assert (after["state"], after["restarts"]) == ("ready", 0)
    assert after["pid"] != before["pid"]


def test_a_service_is_held_while_it_waits_for_another_and_while_it_dies(stand: Stand) -> None:
    stand.up("one", "two", "dying")
    control.hold(stand.place, "one")
    control.hold(stand.place, "two")  # waits for one, which is held
    assert stand.service("two")["waiting_for"] == "held by floodgate break"
    stand.until("dying", "failed")
    control.hold(stand.place, "dying")
    assert stand.service("dying")["state"] == "stopped"
    control.release(stand.place, "one")
    assert stand.service("two")["state"] == "stopped"


def test_what_cannot_be_held_or_does_not_come_back_is_a_sentence(stand: Stand) -> None:
    with pytest.raises(PlaceError, match="No stack runs at"):
        control.hold(stand.place, "one")
    stand.up("one", "silent")
    with pytest.raises(PlaceError, match="has no service 'three'"):
        control.hold(stand.place, "three")
    with pytest.raises(PlaceError, match="silent is not ready after 0 s: see `floodgate logs silent`"):
        control.release(stand.place, "silent", within_s=0.2)


def test_nothing_is_held_after_down_nor_after_a_new_up(stand: Stand) -> None:
    stand.up("one")
    stand.until("one", "ready")
    control.hold(stand.place, "one")
    assert control.stop(stand.place) == []
    assert list((stand.home / "run" / "held").iterdir()) == []
    (stand.home / "run" / "held" / "one").touch()  # as a supervisor that was killed leaves it
    stand.up("one")
    stand.until("one", "ready")


def test_a_frozen_service_hangs_until_it_is_thawed_or_restarted(stand: Stand) -> None:
    stand.up("one", "two", "impatient")
    before = stand.until("two", "ready")
    stand.until("impatient", "ready")
    assert control.freeze(stand.place, "two") == 2  # and what it started
    eventually(lambda: stand.service("two")["state"] == "starting")
    assert psutil.Process(before["pid"]).status() == psutil.STATUS_STOPPED
    assert control.thaw(stand.place, "two") == 2
    assert stand.until("two", "ready")["pid"] == before["pid"]
    control.freeze(stand.place, "impatient")
    stand.until("impatient", "ready", restarts=1)  # the supervisor loses patience, and a frozen one can be ended


def test_down_leaves_no_process_and_no_port(stand: Stand) -> None:
    stand.up("one", "two")
    stand.until("two", "ready")
    assert len(stand.processes()) == 4  # supervisor, two services, a grandchild deaf to SIGTERM in its own session
    assert control.stop(stand.place) == []
    assert stand.processes() == []
    assert all(preflight.port_free(stand.place.ports[role]) for role in ("postgres", "kafka"))
    assert {service["state"] for service in control.status(stand.place)["services"]} == {"stopped"}
    assert control.stop(stand.place) == []  # again: nothing to do


def test_a_killed_supervisor_leaves_nothing_that_down_does_not_find(stand: Stand) -> None:
    stand.up("one", "two")
    stand.until("two", "ready")
    os.kill(control.status(stand.place)["supervisor"], signal.SIGKILL)
    eventually(lambda: not control.running(stand.place))
    assert stand.processes()  # at least the deaf grandchild
    assert control.stop(stand.place) == []
    assert stand.processes() == []


def test_after_a_killed_supervisor_up_ends_the_old_and_begins_anew(stand: Stand) -> None:
    stand.up("one", "two")
    old = stand.until("two", "ready")["pid"]
    killed = control.status(stand.place)["supervisor"]
    # Stopped services cannot follow the supervisor into its end: the port stays taken until someone ends them.
    os.kill(old, signal.SIGSTOP)
    os.kill(killed, signal.SIGKILL)
    eventually(lambda: not control.running(stand.place))
    assert stand.up("one", "two")
    assert stand.until("two", "ready")["pid"] != old
    assert not psutil.pid_exists(old)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux'")
def test_services_follow_a_killed_supervisor(stand: Stand) -> None:
    stand.up("one")
    pid = stand.until("one", "ready")["pid"]
    os.kill(control.status(stand.place)["supervisor"], signal.SIGKILL)
    eventually(lambda: not psutil.pid_exists(pid))


def test_a_recycled_pid_is_never_hit(stand: Stand) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]) as innocent:
        run = stand.home / "run"
        run.mkdir()
        entry = {"pid": innocent.pid, "born": "another boot:1"}
        (run / "one.json").write_text(json.dumps({"service": "one", "group": innocent.pid, "processes": [entry]}))
        (run / "supervisor.json").write_text(json.dumps(entry))
        assert control.stop(stand.place) == []
        assert innocent.poll() is None
        # The same record with its true birth is what the sweep is for.
        entry = {"pid": innocent.pid, "born": processes.birth(innocent.pid)}
        (run / "one.json").write_text(json.dumps({"service": "one", "group": innocent.pid, "processes": [entry]}))
        assert control.stop(stand.place) == []
        assert innocent.wait(5) is not None


def test_two_places_do_not_touch_each_other(stand: Stand, tmp_path: Path) -> None:
    other = Stand(tmp_path / "home2")  # a name that begins with the other's
    try:
        stand.up("one", "two")
        other.up("one", "two")
        stand.until("two", "ready")
        before = other.until("two", "ready")
        assert control.stop(stand.place) == []
        assert other.until("two", "ready") == before
        assert len(other.processes()) == 4
    finally:
        assert control.stop(other.place) == []


def test_a_port_in_use_names_its_owner(stand: Stand) -> None:
    port = stand.place.ports["postgres"]
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        with pytest.raises(PlaceError) as caught:
            stand.up("one", "two")
    text = str(caught.value)
    assert f"Port {port} for one" in text
    assert f"pid {os.getpid()} (" in text
    assert "FLOODGATE_PORT_OFFSET" in text
    assert not control.running(stand.place)
    assert stand.processes() == []


def test_a_port_that_a_client_got_names_it_too(stand: Stand) -> None:
    port = stand.place.ports["kafka"]
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket() as client:
        client.bind(("127.0.0.1", port))
        client.connect(server.getsockname())
        (sentence,) = preflight.ports_in_use({port: "kafka"})
        assert f"pid {os.getpid()} (" in sentence


def test_a_service_that_cannot_live_fails_with_the_way_to_its_log(stand: Stand) -> None:
    stand.up("dying", "one")
    failed = stand.until("dying", "failed")
    assert failed["restarts"] == 2
    assert failed["waiting_for"] == "ended with exit code 1: it cannot work; see `floodgate logs dying`"
    assert "it cannot work" in control.last_words(stand.place, "dying")
    stand.until("one", "ready")  # the others do not suffer


def test_a_service_that_cannot_be_prepared_fails_at_once_with_its_sentence(stand: Stand) -> None:
    stand.up("refusing")
    failed = stand.until("refusing", "failed")
    assert failed["waiting_for"] == "There is no Java: install one, version 17 or newer."
    assert failed["restarts"] == 0
    assert list(control.watch(stand.place))[-1]["services"][0]["state"] == "failed"


def test_a_silent_service_is_restarted(stand: Stand) -> None:
    stand.up("silent")
    stand.until("silent", "starting", restarts=1)
    assert "did not answer for 0 s" in control.last_words(stand.place, "silent").replace("0.5", "0")


def test_little_room_on_the_disk_is_one_sentence(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "LEAST_FREE_BYTES", 10**18)
    with pytest.raises(PlaceError, match=r"^Only \d+ MB are free at .*`floodgate reset`"):
        stand.up("one")


def test_reset_forgets_the_data_and_keeps_the_passwords(stand: Stand) -> None:
    stand.up("one")
    stand.until("one", "ready")
    (stand.place.data("one") / "table").write_text("rows")
    assert control.reset(stand.place) == []
    assert [entry.name for entry in stand.home.iterdir()] == ["secrets.json"]
    (stand.home / "secrets.json").unlink()
    with pytest.raises(PlaceError, match="nothing was removed"):
        control.reset(stand.place)


def test_output_is_kept_within_bounds(tmp_path: Path) -> None:
    log = logfile.LogFile(tmp_path / "a.log", size=1000, kept=2)
    for number in range(210):
        log.write(f"line {number:04} of the service\n".encode())
    log.close()
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.log", "a.log.1", "a.log.2"]
    assert all(file.stat().st_size < 1100 for file in tmp_path.iterdir())
    assert logfile.tail(tmp_path / "a.log", 50).splitlines() == [f"line {n:04} of the service" for n in range(160, 210)]


def test_output_of_a_service_is_captured_whole(stand: Stand) -> None:
    stand.up("chatty")
    stand.until("chatty", "ready")
    said = [line for line in stand.place.log("chatty").read_text().splitlines() if line.startswith("line")]
    assert said == [f"line {n} of chatty" for n in range(300)]
