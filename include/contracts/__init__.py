"""Contracts: one file a domain. `load(domain)`, `all_contracts()`; every mistake is told with its file and field."""

from include.contracts.contract import Burst, Contract, Field, Topic, table_name
from include.contracts.loader import ContractError, all_contracts, domains, load

__all__ = [
    "Burst",
    "Contract",
    "ContractError",
    "Field",
    "Topic",
    "all_contracts",
    "domains",
    "load",
    "table_name",
]
