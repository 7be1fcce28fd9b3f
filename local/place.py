"""Where one local stack lives: its folder, its ports, its secrets. Two checkouts are two places.

Everything a service needs to know about the others comes from here, so that no service reads another's files.
Plain standard library: the command line imports it before any environment is complete.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

# Chosen away from the defaults of the real services, so that a laptop's own Postgres or Kafka is no conflict.
PORTS = {
    "postgres": 15432,
    "kafka": 19092,
    "kafka_controller": 19093,
    "connect": 18083,
    "connect_runtime": 18084,
    "clickhouse_http": 18123,
    "clickhouse_native": 19000,
    "snowflake": 18443,
    "slack": 18065,
    "airflow": 18080,
    "supervisor": 18079,
    "airflow_logs": 18793,
    "airflow_trigger_logs": 18794,
}

PASSWORDS = (
    "postgres",
    "clickhouse_writer",
    "clickhouse_reader",
    "snowflake",
    "slack_token",
    "airflow",
    "jwt",
)


class PlaceError(Exception):
    """A wrong setting of the local stack; the text says what to do."""


def port_offset() -> int:
    """FLOODGATE_PORT_OFFSET as a number; raises PlaceError where it is not one from 0 to 40000."""
    text = os.environ.get("FLOODGATE_PORT_OFFSET", "0") or "0"
    try:
        offset = int(text)
    except ValueError:
        offset = -1
    if not 0 <= offset <= 40000:
        raise PlaceError(f"FLOODGATE_PORT_OFFSET is {text!r}: set it to a whole number from 0 to 40000 or leave it out")
    return offset


@dataclass(frozen=True)
class Place:
    """One stack: `home` (its .floodgate folder), `ports` (role -> port on 127.0.0.1), `secrets` (name -> text)."""

    home: Path
    ports: dict[str, int]
    secrets: dict[str, str] = field(repr=False)

    @property
    def root(self) -> Path:
        """The checkout (bundle root) this stack runs."""
        return ROOT

    def data(self, service: str) -> Path:
        """The folder of a service's own state, made if missing."""
        path = self.home / "data" / service
        path.mkdir(parents=True, exist_ok=True)
        return path

    def scratch(self, service: str) -> Path:
        """The folder for what a service keeps only while it runs, which is emptied before each start."""
        return self.home / "scratch" / service

    def empty_scratch(self, service: str) -> None:
        """Takes away what a run that was killed has left there; raises OSError for a folder that cannot be made."""
        shutil.rmtree(self.scratch(service), ignore_errors=True)
        self.scratch(service).mkdir(mode=0o700, parents=True, exist_ok=True)

    def log(self, service: str) -> Path:
        """The file a service's output goes to."""
        path = self.home / "log" / f"{service}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    @property
    def snowflake_key(self) -> Path:
        """PEM of the RSA private key that clients of the local Snowflake sign in with (public half beside it, .pub)."""
        return self.home / "snowflake_key.pem"

    @property
    def ca(self) -> Path:
        """PEM of the local certificate authority that signed the Snowflake service's certificate."""
        return self.home / "ca.pem"

    @property
    def ca_bundle(self) -> Path:
        """The public authorities and the local one, for clients that take one file (REQUESTS_CA_BUNDLE)."""
        return self.home / "ca_bundle.pem"

    @property
    def python(self) -> Path:
        """The runtime's Python (Airflow, dbt, the command line)."""
        return ROOT / ".venv" / "bin" / "python"

    @property
    def emulators_python(self) -> Path:
        """The Python of the emulators' own environment."""
        return ROOT / "local" / ".venv" / "bin" / "python"


def here() -> Place:
    """This checkout's place; makes the folder and the secrets (mode 600) at the first call."""
    home = Path(os.environ.get("FLOODGATE_HOME") or ROOT / ".floodgate").resolve()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    offset = port_offset()
    return Place(home, {role: port + offset for role, port in PORTS.items()}, _secrets(home / "secrets.json"))


def _secrets(path: Path) -> dict[str, str]:
    known = json.loads(path.read_text()) if path.exists() else {}
    missing = [name for name in PASSWORDS if name not in known]
    if missing:
        known |= {name: secrets.token_urlsafe(18) for name in missing}
        temporary = path.with_suffix(".new")
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(known, file)
        temporary.replace(path)
    return known
