"""The local Snowflake: fakesnow over DuckDB files, closed where a real client or dbt would notice, served over TLS.

Clients sign in with the key pair of the place (user FLOODGATE) or its password, and trust it through `ca_bundle`.
Plain standard library, because both environments import it; what runs in the service is in the modules beside it.
"""

from __future__ import annotations

import http.client
import json
import ssl
from typing import TYPE_CHECKING

from local.service import Service, ServiceError

if TYPE_CHECKING:
    from local.place import Place

USER = "FLOODGATE"
DATABASE = "FLOODGATE"
PASSWORD_VARIABLE = "FLOODGATE_SNOWFLAKE_PASSWORD"  # noqa: S105 - the name of a variable, not a password


def service(place: Place) -> Service:
    """The Snowflake of this place as a service for the supervisor."""
    port = place.ports["snowflake"]
    folder = place.data("snowflake")
    tls = folder / "tls"
    return Service(
        name="snowflake",
        argv=(
            str(place.emulators_python),
            *("-m", "local.snowflake"),
            *("--dir", str(folder)),
            *("--port", str(port)),
            *("--certificate", str(tls / "server.pem")),
            *("--key", str(tls / "server_key.pem")),
            *("--sign-in-key", str(place.snowflake_key.with_suffix(".pub"))),
        ),
        env={
            "PYTHONPATH": str(place.root),
            "TMPDIR": str(place.scratch("snowflake")),  # its files of a stage
            # in the environment and not among the arguments, which every user of the machine can read
            PASSWORD_VARIABLE: place.secrets["snowflake"],
        },
        cwd=place.root,
        ports=(port,),
        prepare=lambda: _prepare(place),
        ready=lambda: _ready(place),
        stop_within_s=10.0,
        start_within_s=60.0,
    )


def _prepare(place: Place) -> None:
    from local.snowflake import certificate  # needs cryptography, which a bare Python lacks

    try:
        place.empty_scratch("snowflake")
        certificate.prepare(place)
    except OSError as error:
        raise ServiceError(
            f"cannot write the files of the local Snowflake under {place.home}: {error}; free space or fix the owner"
        ) from error


def _ready(place: Place) -> str | None:
    port = place.ports["snowflake"]
    if not place.ca.exists():
        return f"waiting for {place.ca}, which is made when the service is prepared"
    connection = http.client.HTTPSConnection(
        "localhost", port, timeout=1, context=ssl.create_default_context(cafile=str(place.ca))
    )
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        state = json.loads(answer.read())
    except ssl.SSLCertVerificationError as error:
        return f"127.0.0.1:{port} shows a certificate of another authority than {place.ca}: {error.verify_message}"
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f"no answer from 127.0.0.1:{port} over TLS: {error}"
    finally:
        connection.close()
    return None if state.get("ready") else str(state)
