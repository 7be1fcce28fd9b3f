"""Which domains the demo lets flow."""

from __future__ import annotations

import re

import pytest

from commands.console import CommandError
from commands.demo import DOMAINS, OWN, _chosen
from commands.pipeline import begun
from include.contracts import all_contracts

KNOWN = [contract.domain for contract in all_contracts() if contract.burst is not None]


def test_two_of_them_at_first_and_all_when_asked() -> None:
    assert _chosen(",".join(DOMAINS)) == list(DOMAINS)
    assert _chosen("all") == KNOWN
    assert _chosen(" fashion, coinbase ") == ["coinbase", "fashion"]
    assert {dag.removeprefix("burst_") for dag in OWN} <= set(KNOWN)


def test_marts_of_a_domain_that_waits_are_not_shown_and_one_that_is_missing_is() -> None:
    rows = {("ecommerce", "orders"): 3, ("ecommerce", "gone"): None, ("coinbase", "trades"): None}
    marts = [{"domain": d, "warehouse": "clickhouse", "model": m, "rows": n} for (d, m), n in rows.items()]
    assert [mart["model"] for mart in begun(marts)] == ["orders", "gone"]
    assert begun(marts[2:]) == []


@pytest.mark.parametrize(
    ("names", "words"),
    [("shoes", "There is no domain 'shoes': all, or some of"), (" , ", "The demo needs a domain: all, or some of")],
)
def test_others_are_a_sentence(names: str, words: str) -> None:
    with pytest.raises(CommandError, match=re.escape(f"{words} {', '.join(KNOWN)}.")):
        _chosen(names)
