# Everything runs in .venv, made on first need and brought up to date when pyproject.toml changes. No root.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORKERS ?= 4
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check --no-input

.PHONY: help demo test lint bench lock clean compiled
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: compiled ## two datacenters on this machine, end to end, in half a minute
	@$(BIN)/dnsctl demo

test: lint ## style, types, layers, then every test (WORKERS=4 at a time)
	@$(BIN)/pytest -n $(WORKERS) --dist worksteal

lint: $(VENV)/.test ## style, types and layers only
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo

bench: compiled $(VENV)/.bench ## short form of the benchmarks, peers side by side where installed; under 5 minutes
	@$(BIN)/python bench/serve.py --short
	@$(BIN)/python bench/sign.py --names 5000

lock: $(VENV)/.lock ## pin what hosts run, with hashes, in requirements.lock: the newest that pyproject.toml allows
	@UV_CUSTOM_COMPILE_COMMAND='make lock' $(BIN)/uv --quiet pip compile pyproject.toml --universal --upgrade \
	  --python-version 3.11 --generate-hashes --output-file requirements.lock >/dev/null

clean: ## remove what make and the tests left
	@rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	@find dnsctl tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "dnsctl needs Python 3.11 or later; $(PYTHON) is $$($(PYTHON) --version 2>&1 || echo missing)." \
	       "Install it, or name another: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) >/dev/null || { rm -rf $(VENV); \
	  echo "$(PYTHON) cannot make a virtual environment; on Debian: apt-get install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/.run: pyproject.toml | $(VENV)/.python
	@echo "Setting up $(VENV) ..." >&2
	@$(PIP) install -e .
	@touch $@

# Else a Python that is told to write no bytecode (PYTHONDONTWRITEBYTECODE) compiles at every start.
compiled: $(VENV)/.run
	@$(BIN)/python -m compileall -q dnsctl

$(VENV)/.test: pyproject.toml | $(VENV)/.run
	@$(PIP) install -e '.[test]'
	@touch $@

$(VENV)/.bench: pyproject.toml | $(VENV)/.run
	@$(PIP) install -e '.[bench]'
	@touch $@

$(VENV)/.lock: | $(VENV)/.python
	@$(PIP) install 'uv>=0.9'
	@touch $@
