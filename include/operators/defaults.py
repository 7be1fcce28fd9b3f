"""What every DAG has: owner, tags, retries, documentation. That a run failed is told by the DAG watch_ingestion."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from include.contracts import Contract
from include.operators.deadlines import deadline

FAMILIES = ("burst", "enrich", "prepare", "transform", "watch", "heal")
TIERS = (1, 2, 3)
#: Nothing is made for times before it; fixed, so that a parse asks no clock.
START = datetime(2024, 1, 1, tzinfo=UTC)

#: A watch that hangs makes way for the next one.
WATCH_TIMEOUT = timedelta(minutes=5)


def tags(contract: Contract, family: str) -> list[str]:
    """A DAG's tags, from the closed list: its tier, its domain, its family. Raises ValueError."""
    if family not in FAMILIES:
        raise ValueError(f"family {family!r} is none of {', '.join(FAMILIES)}")
    if contract.tier not in TIERS:
        raise ValueError(f"contract {contract.domain}: tier {contract.tier} is none of {TIERS}")
    return [f"tier:{contract.tier}", f"domain:{contract.domain}", f"family:{family}"]


def defaults(contract: Contract, family: str, doc: str | None) -> dict[str, Any]:
    """Arguments of a DAG that belongs to a contract; `doc` is the DAG file's docstring, shown in the UI."""
    return {
        "doc_md": page(doc or "", contract),
        "tags": tags(contract, family),
        "start_date": START,
        "catchup": False,
        "max_active_runs": 1,
        "deadline": deadline(family),
        **({"dagrun_timeout": WATCH_TIMEOUT} if family == "watch" else {}),
        "default_args": {
            "owner": contract.owner,
            "retries": 2,
            "retry_delay": timedelta(seconds=10),
            "retry_exponential_backoff": True,
            "max_retry_delay": timedelta(minutes=2),
            "execution_timeout": timedelta(minutes=15),
        },
    }


def watch_task() -> dict[str, Any]:
    """Of a watch's task: it is ahead of all others, and what fails is looked at again a minute later anyway."""
    return {
        "retries": 1,
        "retry_delay": timedelta(seconds=5),
        "priority_weight": 100,
        "weight_rule": "absolute",
        "execution_timeout": timedelta(minutes=3),
    }


def page(doc: str, contract: Contract) -> str:
    """The DAG's page: the docstring of its file, then who owns the domain and where it is talked about."""
    return (
        f"{doc.strip()}\n\n**{contract.title}** (domain `{contract.domain}`, tier {contract.tier}, contract "
        f"{contract.version}). {contract.purpose}\n\nOwner: {contract.owner}, {contract.channel}\n"
    )
