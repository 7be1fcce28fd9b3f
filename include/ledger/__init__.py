"""The ledger: what was produced, and how much of it is where."""
