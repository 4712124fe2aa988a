# The two commands of the README are `make demo` and `make test`; `make help` lists the rest.
# .venv is made when needed and only when pyproject.toml or constraints.txt changed: a second run installs nothing.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
LOGS := $(VENV)/test-logs
# A Python 3.11 or 3.12 by name or path; empty = the first of these that answers.
PYTHON ?=
# Extra pip arguments for torch alone, for machines whose package index holds only the GPU build.
TORCH_PIP_ARGS ?=
PIP_INSTALL := $(BIN)/python -m pip install -qq --no-input --disable-pip-version-check -c constraints.txt
# One thread per worker everywhere: two thread pools on two cores slow each other down tenfold.
export OMP_NUM_THREADS ?= 1

.PHONY: help venv demo test lint format bench clean distclean

help: ## This list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 18

venv: $(STAMP) ## The virtual environment with everything the other targets need
	@echo "== $(VENV) is up to date with pyproject.toml and constraints.txt"

$(STAMP): pyproject.toml constraints.txt
	@if [ ! -x $(BIN)/python ]; then \
	  python="$(PYTHON)"; \
	  for candidate in $${python:-python3.11 python3.12 python3}; do \
	    $$candidate -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null && { python=$$candidate; break; }; \
	    python=; \
	  done; \
	  [ -n "$$python" ] || { echo "error: Python 3.11 or 3.12 expected; name one with PYTHON=/path/to/python" >&2; exit 2; }; \
	  echo "== [1/3] making $(VENV) with $$($$python --version)"; \
	  $$python -m venv $(VENV); \
	else \
	  echo "== [1/3] $(VENV) exists, kept"; \
	fi
	@torch="$$(grep -E '^torch==' constraints.txt)"; \
	echo "== [2/3] installing $$torch, before anything else could choose another build"; \
	$(PIP_INSTALL) $(TORCH_PIP_ARGS) "$$torch"
	@echo "== [3/3] installing quantum-trader (editable) with extras dev, peers and models, versions from constraints.txt"
	@$(PIP_INSTALL) -e '.[dev,peers,models]'
	@touch $@

demo: venv ## A short backtest on a simulated market; needs no data
	@echo "== $(BIN)/qt demo"
	@$(BIN)/qt demo

test: venv ## The suite compiled, its interpreted subset, and one step with bounds checks
	@mkdir -p $(LOGS)
	@echo "== [1/3] compiled suite, 2 workers"
	@$(BIN)/python -m pytest -q -n 2 --dist loadfile --durations=10 2>&1 | tee $(LOGS)/compiled
	@echo "== [2/3] the tests marked interpreted, without numba's compiler"
	@NUMBA_DISABLE_JIT=1 $(BIN)/python -m pytest -q -m interpreted 2>&1 | tee $(LOGS)/interpreted
	@echo "== [3/3] the tests marked boundscheck, with every array index checked"
	@NUMBA_BOUNDSCHECK=1 $(BIN)/python -m pytest -q -m boundscheck 2>&1 | tee $(LOGS)/boundscheck
	@for step in boundscheck interpreted compiled; do echo "$$step: $$(tail -n 1 $(LOGS)/$$step)"; done

lint: venv ## Import contracts, ruff, formatting, mypy
	@echo "== import contracts" && $(BIN)/lint-imports
	@echo "== ruff" && $(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "== mypy" && $(BIN)/mypy

format: venv ## Rewrite the sources in the house format
	@$(BIN)/ruff check --fix . ; $(BIN)/ruff format .

bench: venv ## The benchmark table (minutes; close other programs)
	@$(BIN)/qt bench

clean: ## Remove caches, reports and build products; keep .venv and data
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis $(LOGS)
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## clean, and .venv too
	rm -rf $(VENV)
