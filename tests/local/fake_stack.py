"""A stack of tiny servers for the supervisor's tests: `fake_stack.py up NAME...` supervises, `serve` is one of them."""

from __future__ import annotations

import argparse
import http.server
import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from local.keeper import Pace
from local.place import Place, here
from local.service import Service, ServiceError
from local.supervisor import Supervisor

HASTE = Pace(
    (0, 0.1, 0.1), failed_pause_s=30, fast_s=5, look_s=0.1, look_while_starting_s=0.05, tick_s=0.02, leftovers_s=0.3
)


def fake(place: Place, name: str, port: int, *words: str, needs: tuple[str, ...] = (), **settings) -> Service:
    """A server on `port` which writes what happens to it in the place's journal."""

    def ready() -> str | None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=1).close()
        except OSError as problem:
            return str(problem)
        journal(place, f"{name} ready")
        return None

    return Service(
        name=name,
        argv=(sys.executable, __file__, "serve", name, str(port), *words),
        env={"PYTHONPATH": str(place.root), "JOURNAL": str(place.home / "journal")},
        ports=(port,),
        needs=needs,
        ready=ready,
        **{"stop_within_s": 2.0, "start_within_s": 20.0} | settings,
    )


def stack(place: Place) -> dict[str, Service]:
    """Every service a test may name; ports are the place's own."""
    ports = place.ports

    def refuse() -> None:
        raise ServiceError("There is no Java: install one, version 17 or newer.")

    made = [
        fake(place, "one", ports["postgres"], "--after", "0.4"),
        fake(place, "two", ports["kafka"], "--stubborn-grandchild", needs=("one",)),
        fake(place, "dying", ports["slack"], "--exit"),
        fake(place, "refusing", ports["slack"], prepare=refuse),
        fake(place, "silent", ports["slack"], "--after", "60", start_within_s=0.5),
        fake(place, "impatient", ports["slack"], start_within_s=2, stop_within_s=0.2),
        fake(place, "chatty", ports["connect"], "--lines", "300"),
    ]
    return {service.name: service for service in made}


def journal(place: Place, line: str) -> None:
    with (place.home / "journal").open("a") as file:
        file.write(line + "\n")


def serve() -> None:
    """One tiny server, well or badly behaved."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("port", type=int)
    parser.add_argument("--after", type=float, default=0)
    parser.add_argument("--lines", type=int, default=0)
    parser.add_argument("--exit", action="store_true")
    parser.add_argument("--stubborn-grandchild", action="store_true")
    arguments = parser.parse_args(sys.argv[2:])
    with Path(os.environ["JOURNAL"]).open("a") as file:
        file.write(f"{arguments.name} started\n")
    for number in range(arguments.lines):
        print(f"line {number} of {arguments.name}", flush=True)
    if arguments.exit:
        sys.exit("it cannot work")
    if arguments.stubborn_grandchild:
        # A child of a child that has ended, deaf to SIGTERM, in a session of its own: Airflow's tasks are of this kind.
        deaf = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(300)"
        middle = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {deaf!r}], start_new_session=True)"
        subprocess.run([sys.executable, "-c", middle], start_new_session=True, check=True)
    time.sleep(arguments.after)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_) -> None:
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", arguments.port), Answer).serve_forever()


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        the_place = here()
        known = stack(the_place)
        sys.exit(Supervisor(the_place, [known[name] for name in sys.argv[2:]], HASTE).run())
