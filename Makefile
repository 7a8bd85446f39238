# Everything that needs set-up does its own: each target can be the first one on a fresh machine.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
WORKSPACE ?= workspace
UV := $(shell command -v uv 2>/dev/null)

.PHONY: demo test lint ui docs bench lock clean

demo: $(VENV)/installed
	$(BIN)/meterhouse demo

test: $(VENV)/installed
	$(BIN)/python -m pytest -n 2 --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/sqlfluff lint --processes 2 dbt_project/models dbt_project/tests

ui: $(VENV)/installed
	$(BIN)/meterhouse -w $(WORKSPACE) ui

docs: $(VENV)/installed
	$(BIN)/meterhouse -w $(WORKSPACE) docs

# The lock is complete, so nothing is resolved here: pip, asked to resolve with hashes, refuses extras.
# Compiled to bytecode here, as pip does: where Python is told not to write bytecode, each command
# would compile some 2,000 modules anew.
$(VENV)/installed: requirements.lock pyproject.toml
ifdef UV
	uv venv --quiet --allow-existing --python 3.11 $(VENV)
	uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.lock
	uv pip install --quiet --python $(BIN)/python --no-deps -e .
else
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
endif
	touch $@

# ARGS="--only landing --rows 1000000", for a part of it: see docs/reference/benchmarks.md.
bench: $(VENV)/peers
	$(BIN)/python -m benchmarks $(ARGS)

# The peers are none of ours, and not in the lock; what is installed already stays as it is.
$(VENV)/peers: $(VENV)/installed
ifdef UV
	uv pip install --quiet --compile-bytecode --python $(BIN)/python -e '.[bench]'
else
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
endif
	touch $@

# Versions for every platform, without index addresses.
lock:
	uv pip compile --quiet --universal --python-version 3.11 --no-emit-index-url --generate-hashes \
		--group dev pyproject.toml -o requirements.lock

clean:
	rm -rf $(VENV)
