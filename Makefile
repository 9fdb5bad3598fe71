.DEFAULT_GOAL := help
.PHONY: help setup prepare up down logs demo migrate psql fmt lint types imports test test-unit \
  test-integration test-e2e chaos check bench bench-smoke plots image clean
MAKEFLAGS += --no-print-directory
PY := .venv/bin/python
PYTEST = timeout --foreground --kill-after=30 $(TEST_SECONDS) $(PY) -m pytest
TEST_SECONDS ?= 900
# Two processes, each with servers of its own; a file stays together. The stack runs alone.
SIDE_BY_SIDE = -n 2 --dist loadfile
export DETACH REPLICAS

help: ## show this list
	@awk -f deploy/bin/help.awk $(firstword $(MAKEFILE_LIST))

##@ Run
setup: ## make .venv from requirements.lock (PYTHON=python3.12 chooses the interpreter)
	@PYTHON="$(PYTHON)" deploy/bin/setup
up: setup ## the whole stack until Ctrl-C (DETACH=1 leaves it running, REPLICAS=2 workers of each kind)
	@$(PY) -m deploy.local up
down: setup ## end the stack that DETACH=1 left running
	@$(PY) -m deploy.local down
logs: ## follow the logs of the stack
	@tail -n 20 -F .amcflow/logs/*.log
demo: setup ## everything on this machine: 40 executions on the simulator, then the result
	@$(PY) -m deploy.local demo

##@ Data
migrate: setup ## bring the database of the running stack to the newest schema
	@$(PY) -m deploy.local migrate
psql: setup ## a SQL prompt on the database of the running stack
	@$(PY) -m deploy.local psql

##@ Code
fmt: setup ## format and sort imports
	@$(PY) -m ruff check --fix --select I . && $(PY) -m ruff format .
lint: setup ## ruff: rules and format
	@$(PY) -m ruff check . && $(PY) -m ruff format --check .
types: setup ## mypy --strict
	@$(PY) -m mypy
imports: setup ## who may import whom
	@.venv/bin/lint-imports

##@ Tests
test: prepare ## all tests (T=tests/unit/domain narrows)
ifdef T
	@$(PYTEST) $(T)
else
	@$(PYTEST) $(SIDE_BY_SIDE) --ignore tests/e2e --ignore tests/chaos/test_seeds.py tests
	@$(PYTEST) tests/e2e
	@$(PYTEST) tests/chaos/test_seeds.py
endif
test-unit: setup ## without any server
	@$(PYTEST) tests/unit
prepare: setup
	@$(PY) -m deploy.local prepare
test-integration: prepare ## with a real Postgres and RabbitMQ
	@$(PYTEST) $(SIDE_BY_SIDE) tests/integration
test-e2e: prepare ## all services as processes
	@$(PYTEST) tests/e2e
chaos: prepare ## breaks everything on purpose and judges (SEED=n ROUNDS=n replays)
	@$(PY) -m tests.chaos $(if $(SEED),,--stop-points --every-fault) --seed $(or $(SEED),0) --rounds $(or $(ROUNDS),$(if $(SEED),1,31))
check: setup ## what CI runs
	@deploy/bin/check-lock && $(MAKE) lint types imports test bench-smoke

##@ Speed
bench: prepare ## ours against its peers, one table (QUICK=1 smaller, ONLY=submit one of them)
	@deploy/bin/setup-bench
	@$(PY) -m benchmarks $(if $(QUICK),--quick) $(if $(ONLY),--only $(ONLY))
bench-smoke: prepare ## two benchmarks at their smallest, for breakage; no figure is judged
	@deploy/bin/setup-bench
	@timeout --foreground --kill-after=30 $(TEST_SECONDS) $(PY) -m benchmarks --tiny
plots: ## write the last figures into docs/performance.md, and draw them
	@deploy/bin/setup-bench
	@$(PY) -m benchmarks.page
	@.venv-bench/bin/python -m benchmarks.plots

##@ Other
image: ## build the container image
	@docker build -f deploy/Dockerfile -t amcflow .
clean: ## remove the data, logs and caches in .amcflow (refuses while the stack runs)
	@deploy/bin/clean
