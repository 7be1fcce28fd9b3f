"""Which domains the demo lets flow."""

from __future__ import annotations

import re

import pytest

from commands.console import CommandError
from commands.demo import DOMAINS, OWN, _chosen
from include.contracts import all_contracts

KNOWN = [contract.domain for contract in all_contracts() if contract.burst is not None]


def test_two_of_them_at_first_and_all_when_asked() -> None:
    assert _chosen(",".join(DOMAINS)) == list(DOMAINS)
    assert _chosen("all") == KNOWN
    assert _chosen(" fashion, coinbase ") == ["coinbase", "fashion"]
    assert {dag.removeprefix("burst_") for dag in OWN} <= set(KNOWN)


@pytest.mark.parametrize(
    ("names", "words"),
    [("shoes", "There is no domain 'shoes': all, or some of"), (" , ", "The demo needs a domain: all, or some of")],
)
def test_others_are_a_sentence(names: str, words: str) -> None:
    with pytest.raises(CommandError, match=re.escape(f"{words} {', '.join(KNOWN)}.")):
        _chosen(names)
