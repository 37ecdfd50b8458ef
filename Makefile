# Everything a newcomer needs: make demo, make test. `make help` lists the rest.
# Needs Python 3.11 or newer; Java and Maven for what touches a real Apache Kafka.

PYTHON ?= python3
KAFKA ?= embedded
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
BENCH_READY := $(VENV)/.bench-ready
LOCKS := .ci/requirements
LOCK_VENV := build/lock-venv
UV_VERSION := 0.13.9

# Quiet, but for warnings and errors, which go to standard error like all chatter here:
# standard output belongs to the program that a target runs.
PIP := $(BIN)/python -m pip -q --disable-pip-version-check
COMPILE := $(LOCK_VENV)/bin/uv pip compile -q --universal --generate-hashes \
	--python-version 3.11 --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help setup lock lint test tools demo bench kafka kafka-stop docs clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r name text; do printf '%-20s %s\n' "$$name" "$$text"; done
	@echo '  ARGS="..." goes to pytest, bouncemon demo or the benchmark'

setup: $(READY) ## .venv with everything pinned
	@:

$(READY): pyproject.toml $(LOCKS)/dev.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "$(PYTHON) is not Python 3.11 or newer: make PYTHON=python3.12 ..." >&2; \
		exit 1; }
	@echo "setting up $(VENV) (once)" >&2
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || \
		$(PYTHON) -m venv --clear $(VENV) >&2
	@$(PIP) install --require-hashes -r $(LOCKS)/dev.lock >&2
	@$(PIP) install --no-deps --no-build-isolation -e . >&2
	@touch $@

$(BENCH_READY): $(READY) $(LOCKS)/bench.lock
	@$(PIP) install --require-hashes -r $(LOCKS)/bench.lock >&2
	@touch $@

lock: ## renew the pins from pyproject.toml (ARGS=--upgrade: to the newest)
	@test -x $(LOCK_VENV)/bin/uv || { $(PYTHON) -m venv $(LOCK_VENV) && \
		$(LOCK_VENV)/bin/python -m pip -q install uv==$(UV_VERSION); } >&2
	@mkdir -p $(LOCKS)
	@$(COMPILE) $(ARGS) --extra dev pyproject.toml -o $(LOCKS)/dev.lock >&2
	@$(COMPILE) -c $(LOCKS)/dev.lock pyproject.toml -o $(LOCKS)/runtime.lock >&2
	@$(COMPILE) -c $(LOCKS)/dev.lock --extra bench pyproject.toml \
		-o $(LOCKS)/bench.lock >&2

lint: setup ## ruff, mypy --strict, import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

tools: setup ## fetch Apache Kafka, Prometheus and Alertmanager into the user's cache
	@$(BIN)/python -m tests.kafka fetch
	@$(BIN)/python -m tests.tools.prometheus_tools

test: lint tools ## lint, then all tests (ARGS="-k kill": some)
	@$(BIN)/python -m tests $(ARGS)

ifeq ($(KAFKA),embedded)
demo: setup ## 90 seconds of the whole product (KAFKA=apache: on the real one)
	@$(BIN)/bouncemon demo $(ARGS)
else ifeq ($(KAFKA),apache)
demo: setup
	@$(BIN)/python -m tests.kafka run -- $(BIN)/bouncemon demo --broker {broker} $(ARGS)
else
demo:
	@echo "KAFKA=$(KAFKA): must be embedded or apache" >&2; exit 2
endif

bench: $(BENCH_READY) ## events per CPU-second beside the plainest programs that could
	@$(BIN)/python -m tests.kafka run -- \
		$(BIN)/python -m tests.bench --broker {broker} $(ARGS)

kafka: setup ## start a local Apache Kafka in the background, print its address
	@$(BIN)/python -m tests.kafka start

kafka-stop: setup ## stop it and delete its data
	@$(BIN)/python -m tests.kafka stop

docs: setup ## renew the tables that are made from code
	@$(BIN)/python -m tests.docs_tables

clean: ## remove what was built or cached here (.venv stays)
	@rm -rf build dist .hypothesis .import_linter_cache .mypy_cache .ruff_cache
	@find monitor tests -type d -name __pycache__ -prune -exec rm -rf {} +
