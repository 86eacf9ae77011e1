# make reproduce: set-up, then sweep, fits, figures and report.   make test: set-up, then lint, types, tests.
# make docs: the pages of every module, from its docstrings, in build/docs/.
# make test-gpu: checks on an NVIDIA GPU with the PYTHON that it finds (3.11 or later, torch 2.9 or later), without a
#   network; WHEELS=FOLDER for what is missing, REHEARSE=1 to see it on the CPU.
# make test-cluster: faults under a real SLURM of its own (root and slurmctld slurmd slurm-client munge libfaketime), and
#   under a Ray of several nodes where the extra `ray` is installed; what is missing is skipped with the reason.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: reproduce test test-cluster test-gpu lint docs setup

reproduce: setup
	$(BIN)/scaling-harness reproduce --tier $(or $(TIER),quick)

# Each process takes a stretch of the tests in their order: those of one room share fits and fixtures.
test: setup lint
	$(BIN)/python -m pytest -q --numprocesses auto --dist worksteal tests/test_*.py tests/*/

# Most of a fault's time is waiting: three at once, each with a SLURM of its own.
test-cluster: setup
	$(BIN)/python -m pytest -q -rs -m cluster --numprocesses 3 --dist load tests/cluster

test-gpu:
	$(PYTHON) .ci/test_gpu.py $(if $(WHEELS),--wheels $(WHEELS)) $(if $(REHEARSE),--rehearse)

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	$(BIN)/lint-imports

docs: setup
	$(BIN)/python -W error .ci/docs.py build/docs

setup: $(VENV)/installed

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	touch $@
