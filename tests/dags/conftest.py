"""The DAGs as Airflow loads them, without a database, a connection or a network."""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], Any]]:
    """A function from a file or folder of DAGs to a DagBag; whatever asks for a connection or a socket fails."""
    patch = pytest.MonkeyPatch()
    patch.setenv("AIRFLOW_HOME", str(tmp_path_factory.mktemp("airflow")))
    for name in [name for name in os.environ if name.startswith("AIRFLOW_CONN_")]:
        patch.delenv(name)
    from airflow.dag_processing.dagbag import DagBag
    from airflow.sdk import BaseHook

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("a DAG file must ask for no connection and no network")

    def loaded(path: Path) -> Any:
        # Only while the file is read: the session has other tests, which do need a network.
        with pytest.MonkeyPatch.context() as meanwhile:
            meanwhile.setattr(socket.socket, "connect", refuse)
            meanwhile.setattr(BaseHook, "get_connection", refuse)
            logging.disable(logging.INFO)
            try:
                return DagBag(path)
            finally:
                logging.disable(logging.NOTSET)

    yield loaded
    patch.undo()


@pytest.fixture(scope="session")
def bags(load: Callable[[Path], Any]) -> dict[str, tuple[Any, float]]:
    """DAG file -> its DagBag and the seconds of its parse: the second one, as imports count once a process."""
    found = {}
    for path in sorted((ROOT / "dags").glob("*.py")):
        load(path)
        begun = time.perf_counter()
        found[path.name] = (load(path), time.perf_counter() - begun)
    return found
