"""`python -m include.contracts [--check]`: checks every contract and writes what is derived, or with --check says
what is stale.
"""

import sys

from include.contracts import ContractError, all_contracts
from include.contracts.dbt import stale, write


def main() -> int:
    """Prints what was written; 1 where a contract has mistakes, or with --check a derived file is stale."""
    try:
        contracts = all_contracts()
    except ContractError as error:
        print(error, file=sys.stderr)
        return 1
    if "--check" in sys.argv[1:] and (old := stale()):
        print(f"stale: {', '.join(str(path) for path in old)}; write them with `make docs`", file=sys.stderr)
        return 1
    for path in write():
        print(f"written: {path}")
    print(f"{len(contracts)} contracts, {sum(len(c.topics) for c in contracts)} topics: fine")
    return 0


sys.exit(main())
