"""Serve the local Snowflake: `python -m local.snowflake --dir DIR --port PORT ..`

The password comes in the variable FLOODGATE_SNOWFLAKE_PASSWORD. SIGTERM ends it within five seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import warnings
from pathlib import Path

from local.snowflake import PASSWORD_VARIABLE

os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")  # which gives memory back after a big result


async def serve(options: argparse.Namespace) -> None:
    """Serve until a signal comes. Raises OSError where it cannot start, RuntimeError where it cannot start or go on."""
    # asyncio turns Nagle's delay off only where the protocol is named: 40 ms a statement
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", options.port))  # before the imports, which take seconds

    import uvicorn

    from local.snowflake.catalog import Catalog
    from local.snowflake.server import Server
    from local.snowflake.signin import Doorman

    catalog = Catalog(options.dir)
    doorman = Doorman(options.sign_in_key.read_text(), os.environ.pop(PASSWORD_VARIABLE, ""))
    server = Server(catalog, doorman)
    config = uvicorn.Config(
        server.app(),
        ssl_certfile=options.certificate,
        ssl_keyfile=options.key,
        log_level="warning",
        lifespan="on",
        timeout_graceful_shutdown=1,
        timeout_keep_alive=120,
    )
    http = uvicorn.Server(config)
    # uvicorn ends by sending itself the signal again, which would look like a crash to a supervisor
    http.capture_signals = contextlib.nullcontext  # type: ignore[method-assign, assignment]
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, setattr, http, "should_exit", True)
    serving = asyncio.create_task(http.serve(sockets=[listening]))
    while not serving.done():
        await asyncio.wait([serving], timeout=0.2)
        http.should_exit |= server.fatal is not None
        if http.should_exit:
            for session in list(server.sessions.by_token.values()):
                session.interrupt(None)
    await serving
    if server.fatal:
        raise RuntimeError(f"the database engine stopped and must be started again: {server.fatal}")


def main() -> int:
    """Exit code 0 after a signal, 1 with one sentence on stderr where it could not start or go on."""
    parser = argparse.ArgumentParser(prog="python -m local.snowflake")
    parser.add_argument("--dir", type=Path, required=True, help="the folder of the databases")
    parser.add_argument("--port", type=int, required=True, help="the port on 127.0.0.1")
    parser.add_argument("--certificate", type=Path, required=True, help="PEM of the server's certificate")
    parser.add_argument("--key", type=Path, required=True, help="PEM of the certificate's key")
    parser.add_argument("--sign-in-key", type=Path, required=True, help="PEM of the public key of user FLOODGATE")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")  # fakesnow's way, one copy more
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    # clients keep idle connections open, which is no error when the service ends
    logging.getLogger("uvicorn.error").addFilter(lambda record: "graceful shutdown" not in record.getMessage())

    try:
        asyncio.run(serve(options))
    except RuntimeError as error:  # a CatalogError is one
        print(f"local Snowflake: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        where = f"port {options.port} of 127.0.0.1" if "ddress" in str(error) else (error.filename or options.dir)
        print(f"local Snowflake: cannot use {where}: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
