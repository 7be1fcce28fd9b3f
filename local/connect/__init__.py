"""The local Kafka Connect: a worker with Connect's REST interface that runs ClickHouse, Snowflake and file sinks.

It takes the same JSON configurations as the real connectors, and keeps offsets in the same consumer groups.
"""

from __future__ import annotations

import urllib.error
import urllib.request

from local.place import Place
from local.service import Service, ServiceError


def service(place: Place) -> Service:
    """The connect service of a place."""
    port = place.ports["connect"]
    argv: tuple[str, ...] = (str(place.emulators_python), "-m", "local.connect", "--home", str(place.data("connect")))
    argv += ("--port", str(port), "--bootstrap", f"127.0.0.1:{place.ports['kafka']}")
    env = {
        "PYTHONPATH": str(place.root),
        "TMPDIR": str(place.scratch("connect")),  # files on their way to a stage
        "REQUESTS_CA_BUNDLE": str(place.ca_bundle),
        # Some 40 threads, each of which would otherwise keep memory of its own after a burst.
        "MALLOC_ARENA_MAX": "2",
    }
    return Service(
        name="connect",
        argv=argv,
        prepare=lambda: _prepare(place),
        ready=lambda: waiting_for(port),
        ports=(port,),
        needs=("kafka", "clickhouse", "snowflake"),
        env=env,
        cwd=place.root,
    )


def _prepare(place: Place) -> None:
    try:
        place.empty_scratch("connect")
    except OSError as error:
        raise ServiceError(f"cannot make {place.scratch('connect')}: {error}; free space or fix the owner") from error


def waiting_for(port: int) -> str | None:
    """None when the worker on 127.0.0.1:`port` says that it is healthy, else what is missing."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2) as answer:
            return None if answer.status == 200 else f"HTTP {answer.status} from /health"
    except urllib.error.HTTPError as error:
        return None if error.code == 401 else f"HTTP {error.code} from /health"
    except OSError as error:
        return f"no answer from /health yet ({error})"
