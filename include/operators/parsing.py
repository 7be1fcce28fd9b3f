"""Which DAGs and tasks a parse of a file has to make.

A task's process parses the file again, with the DAG and the task it wants in its environment; making only those is
what keeps a light task light.
"""

from __future__ import annotations

from collections.abc import Iterator

from airflow.sdk import get_parsing_context

from include.contracts import Contract, domains, load


def contracts(prefix: str) -> Iterator[Contract]:
    """The contracts of domains that have bursts, whose DAG `<prefix>_<domain>` is wanted by this parse."""
    for domain in domains():
        if get_parsing_context().dag_id in (None, f"{prefix}_{domain}"):
            contract = load(domain)
            if contract.burst is not None:
                yield contract


def wanted_task() -> str | None:
    """The task whose process this is; None in the DAG processor, which wants them all."""
    return get_parsing_context().task_id
