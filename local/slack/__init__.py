"""The local Slack: catches what is sent to its API or a webhook, keeps it, and shows it on a page."""

from __future__ import annotations

import http.client
import json

from local.place import Place
from local.service import Service

TOKEN_PREFIX = "xoxb-"  # noqa: S105


def token(place: Place) -> str:
    """The bot token that this Slack accepts."""
    return TOKEN_PREFIX + place.secrets["slack_token"]


def service(place: Place) -> Service:
    """The catcher as the supervisor runs it."""
    port = place.ports["slack"]
    return Service(
        name="slack",
        argv=(str(place.emulators_python), "-m", "local.slack", "--port", str(port)),
        env={"PYTHONPATH": str(place.root), "FLOODGATE_HOME": str(place.home)},
        cwd=place.root,
        ports=(port,),
        ready=lambda: ready(port, token(place)),
        stop_within_s=10.0,
        start_within_s=30.0,
    )


def ready(port: int, bot_token: str) -> str | None:
    """None when the API on 127.0.0.1:`port` knows the bot's token, else what is missing."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("POST", "/api/auth.test", headers={"Authorization": f"Bearer {bot_token}"})
        answer = json.loads(connection.getresponse().read())
    except (OSError, http.client.HTTPException, ValueError) as problem:
        return f"Slack does not answer on 127.0.0.1:{port} yet ({getattr(problem, 'strerror', None) or problem})"
    finally:
        connection.close()
    return None if answer.get("ok") else f"Slack on 127.0.0.1:{port} answers {answer.get('error')}"
