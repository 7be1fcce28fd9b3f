"""The local Snowflake as a supervisor runs it, and clients of it, for the tests of this folder."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import snowflake.connector
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from snowflake.connector import SnowflakeConnection

from local import snowflake as local_snowflake
from local.place import ROOT, Place

_BUNDLE = Path(tempfile.mkdtemp(prefix="floodgate-test-")) / "authorities.pem"


def _trust(authority: Path) -> None:
    """Clients read one bundle for all services of a test run: their places come and go."""
    with _BUNDLE.open("a") as bundle:
        bundle.write(authority.read_text())
    os.environ["REQUESTS_CA_BUNDLE"] = str(_BUNDLE)


class Running:
    """The service as a supervisor runs it, and clients of it."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.service = local_snowflake.service(place)
        self.key: Any = None
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> subprocess.Popen[bytes]:
        """Start the process without waiting."""
        self.service.prepare()
        _trust(self.place.ca)
        with self.place.log("snowflake").open("ab") as log:
            self.process = subprocess.Popen(
                self.service.argv,
                env={**os.environ, **self.service.env},
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return self.process

    def start(self) -> Running:
        """Start and wait until it answers."""
        process, until = self.spawn(), time.monotonic() + 40
        while waiting := self.service.ready():
            assert process.poll() is None and time.monotonic() < until, f"{waiting}\n{self.log()}"
            time.sleep(0.1)
        return self

    def stop(self, how: int = signal.SIGTERM) -> float:
        """End it; the seconds that took."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(how)
        self.process.wait(15)
        return time.monotonic() - began

    def log(self) -> str:
        """What the process wrote."""
        return self.place.log("snowflake").read_text()

    def connect(self, **options: Any) -> SnowflakeConnection:
        """A client signed in with the key pair, unless `options` say otherwise."""
        if not {"password", "private_key_file"} & set(options):
            # checked once here: the client checks an RSA key twice at each sign-in, which takes longer than all the rest
            self.key = self.key or load_pem_private_key(self.place.snowflake_key.read_bytes(), None)
            options["private_key"] = self.key
        return snowflake.connector.connect(
            **{
                "account": "floodgate",
                "user": "FLOODGATE",
                "host": "localhost",
                "port": self.place.ports["snowflake"],
                "database": "FLOODGATE",
                "schema": "PUBLIC",
                "warehouse": "FLOODGATE",
                "role": "FLOODGATE",
                "login_timeout": 5,
                "platform_detection_timeout_seconds": 0,
            }
            | options
        )
