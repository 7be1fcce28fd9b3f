"""`python -m include.contracts`: checks every contract and writes what is derived from them."""

import sys

from include.contracts import ContractError, all_contracts
from include.contracts.dbt import write


def main() -> int:
    """Prints what was written; 1 where a contract has mistakes."""
    try:
        contracts = all_contracts()
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    for path in write():
        print(f"written: {path}")
    print(f"{len(contracts)} contracts, {sum(len(c.topics) for c in contracts)} topics: fine")
    return 0


sys.exit(main())
