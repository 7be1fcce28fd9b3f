"""Runs the local ClickHouse server: python -m local.clickhouse --home FOLDER --http-port N --native-port N.

The passwords come by CLICKHOUSE_WRITER_PASSWORD and CLICKHOUSE_READER_PASSWORD.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path

from local.clickhouse import http, native
from local.clickhouse.connection import User
from local.clickhouse.engine import Engine, UnusableError
from local.clickhouse.errors import EngineError


def _users() -> list[User]:
    passwords = {name: os.environ.get(f"CLICKHOUSE_{name}_PASSWORD") for name in ("WRITER", "READER")}
    writer, reader = passwords.values()
    if not (writer and reader):
        missing = " and ".join(f"CLICKHOUSE_{name}_PASSWORD" for name, password in passwords.items() if not password)
        raise UnusableError(f"no password in {missing}: set it in the environment")
    return [User("floodgate", writer), User("reader", reader, readonly=True)]


def _servers(engine: Engine, http_port: int, native_port: int) -> list[http.Server | native.Server]:
    started: list[http.Server | native.Server] = []
    for server, port in ((http.Server, http_port), (native.Server, native_port)):
        try:
            started.append(server(engine, port))
        except OSError as error:
            reason = f"port {port} of 127.0.0.1 cannot be used ({error.strerror}): free it, or take another"
            raise UnusableError(reason) from None
    return started


def serve(home: Path, http_port: int, native_port: int) -> None:
    """Serves until SIGTERM or SIGINT; raises UnusableError where it cannot start."""
    users = _users()
    try:
        engine = Engine(home, users)
    except (EngineError, RuntimeError, OSError) as error:
        raise UnusableError(f"the engine does not start on {home}: {' '.join(str(error).split())[:500]}") from None
    servers = _servers(engine, http_port, native_port)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    for server in servers:
        threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    ended.wait()
    for server in servers:
        server.shutdown()
        server.server_close()
    engine.close()


def main() -> None:
    """The command; its exit code is 1, with one sentence on stderr, where the server cannot start."""
    parser = argparse.ArgumentParser(prog="local.clickhouse", description="ClickHouse on this machine, for one stack.")
    parser.add_argument("--home", type=Path, required=True, help="the data folder")
    parser.add_argument("--http-port", type=int, required=True)
    parser.add_argument("--native-port", type=int, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s %(message)s", datefmt="%Y-%m-%dT%H:%M:%SZ")
    logging.Formatter.converter = time.gmtime
    try:
        serve(arguments.home, arguments.http_port, arguments.native_port)
    except UnusableError as error:
        print(f"clickhouse: {error}", file=sys.stderr, flush=True)
        os._exit(1)
    # Threads of idle clients would keep the interpreter: everything that had to be written is.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
