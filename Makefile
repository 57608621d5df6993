# `make demo` and `make test` need Python (3.11 or newer) and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

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
	$(BIN)/python -m pytest --durations=20

clean:
	rm -rf $(VENV) .numba_cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
