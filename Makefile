PYTHON ?= python3
RUN := .venv/bin/python -m
LOCAL := local/.venv/bin/python -m

help:       ## what there is
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12
setup:      ## both environments, from their locks
	@$(PYTHON) -m local.install
demo: setup ## the whole line: stack, bursts, landing, gates, marts
	@$(RUN) commands demo
up: setup   ## the local stack
	@$(RUN) commands up
down: setup ## ends it
	@$(RUN) commands down
status: setup ## services, streams, connectors, gates, marts
	@$(RUN) commands status
test: setup ## every test
	@$(RUN) tests
unit: setup ## unit and house tests only
	@$(RUN) tests unit
check: setup ## lint, types, contracts, generated files
	@$(RUN) tests check
bench: setup ## budgets, measured, as JSON
	@$(RUN) benchmarks
docs: setup ## what is derived from the contracts
	@$(RUN) include.contracts
fmt: setup  ## format
	@$(RUN) ruff format . && $(RUN) ruff check --fix .
lock: setup ## locks anew, from pyproject.toml and local/pyproject.toml
	@$(RUN) local.lock
.PHONY: help setup demo up down status test unit check bench docs fmt lock
