"""`python -m local.slack --port N`: the catcher of the place that FLOODGATE_HOME names."""

from __future__ import annotations

import argparse

import uvicorn

from local.place import here
from local.slack import token
from local.slack.api import application
from local.slack.store import Store


def main() -> None:
    """Serves until it is told to end."""
    parser = argparse.ArgumentParser(prog="python -m local.slack", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    arguments = parser.parse_args()
    place = here()
    store = Store(place.data("slack") / "messages.jsonl")
    app = application(store, token(place), place.secrets["airflow"])
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=arguments.port,
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=3,
    )


if __name__ == "__main__":
    main()
