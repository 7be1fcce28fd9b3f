"""The budgets, measured: `make bench`. A module a budget; nothing here is a test, and nothing fails for being slow."""
