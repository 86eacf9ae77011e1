# make reproduce: set-up, then sweep, fits, figures and report.   make test: set-up, then lint, types, tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: reproduce test lint setup

reproduce: setup
	$(BIN)/scaling-harness reproduce --tier $(or $(TIER),quick)

test: setup lint
	$(BIN)/python -m pytest -q --numprocesses auto --dist loadscope

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@
