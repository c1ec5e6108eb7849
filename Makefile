# make audit   the demo, from nothing to a report      make test    the tests
# make setup   only the environment                    make check   lint and types
# make bench   every measured number                   make clean   remove what was built
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench

.PHONY: audit test setup check bench clean

audit: $(READY)
	$(BIN)/python -m xai_audit dataset=flowers method=gradcam

setup: $(DEV)

test: $(DEV)
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered $(ARGS)

check: $(DEV)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(BENCH)
	$(BIN)/python -m tests.bench $(ARGS)

# A stamp file: pip runs again only when the dependencies change.
$(READY): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

# pip knows dependency groups from 25.1 on.
$(DEV): $(READY)
	$(BIN)/python -m pip install --quiet 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable '.[timm,coco]' --group dev
	touch $@

$(BENCH): $(DEV)
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
