# Every target bootstraps what it needs, is idempotent, and is quick the second time.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
UV = $(shell tools/uv)
RUN = .venv/bin
STAMP = .venv/.synced
PYTEST_ARGS ?=
# Much of a test is waiting, for servers and for time-outs: four at once also on two cores.
WORKERS ?= $(shell cores=$$(nproc 2>/dev/null || echo 4); echo $$((cores < 4 ? 4 : cores)))
CHAOS_MINUTES ?= 5
CHAOS_SEED ?=

.PHONY: help up test chaos lint fmt bench demo clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*##/\t/' | expand -t 10

$(STAMP): pyproject.toml uv.lock tools/uv
	@$(UV) sync --quiet --frozen --compile-bytecode
	@touch $@

up: $(STAMP) ## set everything up and run Strata on embedded stores (Ctrl-C stops it)
	@exec $(RUN)/strata up

test: $(STAMP) ## set everything up and pass the tests
	@$(RUN)/python -m pytest -n $(WORKERS) --dist loadgroup $(PYTEST_ARGS)

chaos: $(STAMP) ## fault tests in their long form: CHAOS_MINUTES=5, CHAOS_SEED=n repeats a schedule
	@STRATA_TEST_CHAOS_MINUTES=$(CHAOS_MINUTES) STRATA_TEST_CHAOS_SEED=$(CHAOS_SEED) STRATA_TEST_CHAOS_FROM=$(CHAOS_FROM) \
		$(RUN)/python -m pytest tests/chaos -s $(PYTEST_ARGS)

lint: $(STAMP) ## ruff, mypy strict, import contracts, project rules
	@$(RUN)/ruff check --quiet .
	@$(RUN)/ruff format --quiet --check .
	@$(RUN)/mypy
	@$(RUN)/lint-imports --no-cache >.cache-lint-imports 2>&1 || { cat .cache-lint-imports; rm -f .cache-lint-imports; exit 1; }
	@rm -f .cache-lint-imports
	@$(RUN)/python tools/project_rules.py
	@$(RUN)/python tools/openapi.py --check

fmt: $(STAMP) ## format and apply safe fixes
	@$(RUN)/ruff check --quiet --fix-only .
	@$(RUN)/ruff format --quiet .

bench: $(STAMP) ## ratio benchmarks, printed as a table
	@$(RUN)/python bench/run.py

demo: $(STAMP) ## fill an organization of a running Strata with believable data and keep feeding it
	@$(RUN)/strata demo

clean: ## remove what these targets made in the tree (no data of a running Strata)
	@rm -rf .venv .uv .cache .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis dist build bench/results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
