"""The local ClickHouse: the real server where it is installed, else a server of our own over the same engine."""

from __future__ import annotations

import base64
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from local.service import Service

if TYPE_CHECKING:
    from local.place import Place


def service(place: Place) -> Service:
    """The service "clickhouse": HTTP and native TCP on the place's ports, users `floodgate` and `reader`."""
    http_port, native_port = place.ports["clickhouse_http"], place.ports["clickhouse_native"]
    writer, reader = place.secrets["clickhouse_writer"], place.secrets["clickhouse_reader"]
    home = place.data("clickhouse")
    prepare: Callable[[], None] = _nothing
    env = {"CLICKHOUSE_WRITER_PASSWORD": writer, "CLICKHOUSE_READER_PASSWORD": reader, "TZ": "UTC"}
    if binary := shutil.which("clickhouse"):
        from local.clickhouse import installed

        argv = installed.argv(binary, home)
        prepare = partial(installed.prepare, home, http_port, native_port)
    else:
        argv = (str(place.emulators_python), "-P", "-m", "local.clickhouse", "--home", str(home))
        argv += ("--http-port", str(http_port), "--native-port", str(native_port))
        env["PYTHONPATH"] = str(place.root)
    ready = partial(_waiting_for, http_port, writer)
    ports = (http_port, native_port)
    return Service("clickhouse", argv, ready, ports, env=env, cwd=home, prepare=prepare)


def _nothing() -> None:
    return None


def _waiting_for(port: int, password: str) -> str | None:
    address = f"http://127.0.0.1:{port}"
    credentials = base64.b64encode(f"floodgate:{password}".encode()).decode()
    question = urllib.request.Request(  # noqa: S310
        f"{address}/?query=SELECT%201", headers={"Authorization": f"Basic {credentials}"}
    )
    try:
        with urllib.request.urlopen(f"{address}/ping", timeout=0.4):  # noqa: S310
            pass
        with urllib.request.urlopen(question, timeout=0.5) as response:  # noqa: S310
            found = response.read().strip()
    except urllib.error.HTTPError as error:
        return f"HTTP {error.code} from {address}: {error.read(200).decode('utf-8', 'replace').strip()}"
    except OSError as error:
        return f"no answer from {address} ({error})"
    return None if found == b"1" else f"SELECT 1 on {address} gave {found[:50]!r}"
