# `make demo` and `make test` need Python (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV := .venv
OLDEST := .venv-oldest
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile
# Of these every access to an array is checked once more: in compiled code one beyond the end reads or writes what is there.
CHECKED := $(addprefix tests/test_,adwin.py decoding.py dirty_streams.py experts.py forms.py kept_events.py mixing.py \
	partition_twin.py ranks.py tree_kernel.py window.py)

.PHONY: demo demo-kafka test test-oldest lint clean

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

# With the oldest packages that pyproject.toml allows, beside those of $(VENV).
test-oldest:
	$(PYTHON) -m venv $(OLDEST)
	$(OLDEST)/bin/python -m pip install --quiet --disable-pip-version-check uv
	$(OLDEST)/bin/uv pip install --quiet --python $(OLDEST)/bin/python --resolution lowest-direct --editable '.[test,bench,parquet]'
	$(OLDEST)/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile

clean:
	rm -rf $(VENV) $(OLDEST) .numba_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
