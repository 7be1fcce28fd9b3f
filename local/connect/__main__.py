"""`python -m local.connect --home DIR --port N --bootstrap HOST:PORT`: the worker as a process of its own.

CONNECT_USER and CONNECT_PASSWORD, where both are set, turn basic authentication on.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path

import uvicorn

from local.connect.broker import Broker
from local.connect.rest import application
from local.connect.store import Store
from local.connect.worker import Worker


def main() -> int:
    """Serve until SIGTERM; 1 where the remembered connectors cannot be read."""
    parser = argparse.ArgumentParser(prog="local.connect", description="Kafka Connect's REST interface and its sinks")
    parser.add_argument("--home", type=Path, required=True, help="folder of the connectors' configurations")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1")
    parser.add_argument("--bootstrap", required=True, help="Kafka's bootstrap.servers")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    logging.getLogger("httpx").setLevel(logging.WARNING)
    logging.getLogger("snowflake").setLevel(logging.CRITICAL)  # what it has to say, it raises
    store = Store(options.home)
    try:
        store.load()
    except ValueError as error:
        print(f"connect: {error}", file=sys.stderr)
        return 1
    worker = Worker(store, Broker(options.bootstrap), f"127.0.0.1:{options.port}")
    app = application(worker, os.environ.get("CONNECT_USER", ""), os.environ.get("CONNECT_PASSWORD", ""))
    uvicorn.run(app, host="127.0.0.1", port=options.port, log_level="warning", access_log=False,
                timeout_graceful_shutdown=3, lifespan="on")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
