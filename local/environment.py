"""What a program needs to reach this place's stack: Airflow's settings and connections, as environment variables.

The same names that point a real deployment at real services; nothing in the production code asks which it is.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path
from typing import Any

from local import postgres, private, slack
from local.place import PORTS, Place

LOOPBACK = "127.0.0.1"
AIRFLOW_USER = "floodgate"


def environment(place: Place) -> dict[str, str]:
    """Every variable of the place: FLOODGATE_*, AIRFLOW_*, certificates and switches of libraries that phone home."""
    return {**_place(place), **_airflow(place), **_connections(place), **_libraries(place)}


def airflow_home(place: Place) -> Path:
    """AIRFLOW_HOME: logs of tasks, generated configuration."""
    return place.home / "airflow"


def passwords_file(place: Place) -> Path:
    """Where Airflow's simple auth manager reads its users' passwords."""
    return airflow_home(place) / "simple_auth_manager_passwords.json.generated"


def write(place: Place) -> Path:
    """Writes `.floodgate/env` (mode 600) for `set -a; . .floodgate/env`, where it would differ; gives its path."""
    path = place.home / "env"
    lines = [f"{name}={_quoted(value)}" for name, value in sorted(environment(place).items())]
    text = (
        "# Made by `floodgate up`: changes are overwritten. Use: set -a; . .floodgate/env; set +a\n"
        + "\n".join(lines)
        + "\n"
    )
    if not path.exists() or path.read_text() != text:
        private.write(path, text)
    return path


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _place(place: Place) -> dict[str, str]:
    return {
        "FLOODGATE_HOME": str(place.home),
        "FLOODGATE_PORT_OFFSET": str(place.ports["airflow"] - PORTS["airflow"]),
    }


def _airflow(place: Place) -> dict[str, str]:
    root, home = str(place.root), airflow_home(place)
    url = f"http://{LOOPBACK}:{place.ports['airflow']}"
    bundles = [
        {
            "name": "floodgate",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": root, "refresh_interval": 5},
        }
    ]
    settings: dict[str, dict[str, Any]] = {
        "core": {
            "executor": "LocalExecutor",
            "parallelism": 8,
            "load_examples": False,
            "dags_folder": f"{root}/dags",
            "plugins_folder": f"{root}/plugins",
            "dags_are_paused_at_creation": True,
            "default_timezone": "utc",
            "fernet_key": base64.urlsafe_b64encode(_derived(place, "fernet")[:32]).decode(),
            "execution_api_server_url": f"{url}/execution/",
            "hostname_callable": "socket.gethostname",  # a laptop's full name may take a name server's timeout to find
            "auth_manager": "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
            "simple_auth_manager_users": f"{AIRFLOW_USER}:admin",
            "simple_auth_manager_passwords_file": passwords_file(place),
        },
        "database": {
            "sql_alchemy_conn": (
                f"postgresql+psycopg2://{postgres.USER}:{place.secrets['postgres']}"
                f"@{LOOPBACK}:{place.ports['postgres']}/{postgres.DATABASE}"
            ),
        },
        "api": {
            "host": LOOPBACK,
            "port": place.ports["airflow"],
            "base_url": url,
            "workers": 1,
            "secret_key": _derived(place, "api").hex(),
        },
        "api_auth": {"jwt_secret": _derived(place, "jwt").hex()},
        "scheduler": {
            "scheduler_idle_sleep_time": 0.5,
            "task_instance_heartbeat_timeout": 60,  # until a task that died with its scheduler is run again; 5 min else
        },
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(bundles),
            "refresh_interval": 5,
            "bundle_refresh_check_interval": 2,
            "min_file_process_interval": 30,
        },
        "logging": {
            "base_log_folder": home / "logs",
            "worker_log_server_port": place.ports["airflow_logs"],
            "trigger_log_server_port": place.ports["airflow_trigger_logs"],
            "colored_console_log": False,
        },
        "usage_data_collection": {"enabled": False},
        "cosmos": {"enable_telemetry": False},
    }
    named = {
        f"AIRFLOW__{section.upper()}__{key.upper()}": str(value)
        for section, keys in settings.items()
        for key, value in keys.items()
    }
    return {"AIRFLOW_HOME": str(home), "PYTHONPATH": f"{root}{os.pathsep}{root}/config", **named}


def _derived(place: Place, purpose: str) -> bytes:
    """64 bytes for one purpose, the same as long as the place's secrets are: sessions outlive a restart."""
    return hashlib.sha512(f"{purpose}:{place.secrets['jwt']}".encode()).digest()


def _libraries(place: Place) -> dict[str, str]:
    variables = {
        "GX_ANALYTICS_ENABLED": "false",
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
        # A proxy of the user's shell cannot reach this machine's loopback.
        "NO_PROXY": f"{LOOPBACK},localhost",
        "no_proxy": f"{LOOPBACK},localhost",
    }
    if (
        place.ca_bundle.exists()
    ):  # made when the local Snowflake first begins; naming a missing file breaks every client
        variables |= {"REQUESTS_CA_BUNDLE": str(place.ca_bundle), "SSL_CERT_FILE": str(place.ca_bundle)}
    return variables


def _connections(place: Place) -> dict[str, str]:
    """AIRFLOW_CONN_<ID> as JSON; the Snowflake key is left out until the service has made it."""
    ports, secrets = place.ports, place.secrets
    clickhouse: dict[str, Any] = {
        "conn_type": "clickhouse",
        "host": LOOPBACK,
        "port": ports["clickhouse_native"],
        "schema": "default",
    }
    snowflake: dict[str, Any] = {
        "account": "floodgate",
        "host": "localhost",
        "port": ports["snowflake"],
        "database": "FLOODGATE",
        "warehouse": "FLOODGATE",
        "role": "FLOODGATE",
    }
    if place.snowflake_key.exists():
        # Base64 of the PEM: what the provider asks for, and one line.
        snowflake["private_key_content"] = base64.b64encode(place.snowflake_key.read_bytes()).decode()
    connections: dict[str, dict[str, Any]] = {
        "kafka_events": {"conn_type": "kafka", "extra": {"bootstrap.servers": f"{LOOPBACK}:{ports['kafka']}"}},
        "connect_sinks": {
            "conn_type": "http",
            "host": f"http://{LOOPBACK}",
            "port": ports["connect"],
            "extra": {"replication.factor": 1},  # one broker
        },
        "clickhouse_live": {**clickhouse, "login": "floodgate", "password": secrets["clickhouse_writer"]},
        "clickhouse_reader": {**clickhouse, "login": "reader", "password": secrets["clickhouse_reader"]},
        "snowflake_history": {"conn_type": "snowflake", "login": "FLOODGATE", "schema": "LANDING", "extra": snowflake},
        "slack_alerts": {
            "conn_type": "slack",
            "password": slack.token(place),
            "extra": {"base_url": f"http://{LOOPBACK}:{ports['slack']}/api/"},
        },
    }
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(connection) for name, connection in connections.items()}
