# `make demo` and `make test` need Python (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile
# Of these every access to an array is checked once more: in compiled code one beyond the end reads or writes what is there.
CHECKED := $(addprefix tests/test_,adwin.py decoding.py dirty_streams.py experts.py forms.py kept_events.py mixing.py \
	partition_twin.py ranks.py tree_kernel.py window.py)

.PHONY: demo demo-kafka test lint clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,bench,parquet]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/ihomer evaluate

# Needs Java 17 and Maven as well.
demo-kafka: $(VENV)/.installed
	$(BIN)/python -m benchmarks.demo_kafka

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

test: lint
	$(PYTEST) --durations=20
	NUMBA_BOUNDSCHECK=1 NUMBA_CACHE_DIR=$(CURDIR)/.numba_cache/checked $(PYTEST) --quiet $(CHECKED)

clean:
	rm -rf $(VENV) .numba_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
