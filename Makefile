# make audit     the demo, from nothing to a report     make test       the tests, in minutes
# make setup     only the environment                   make test-all   the slow tests too
# make check     lint and types                         make coverage   all, and what they cover
# make bench     every measured number                  make clean      remove what was built
# make quick     a few fast tests, in seconds         make fuzz       hostile inputs, FUZZ_SECONDS each
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEV := $(VENV)/.dev
BENCH := $(VENV)/.bench
# Processes that test at once; tests that share what is slow to make stay in one of them.
JOBS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

QUICK := tests/test_layers.py tests/test_geometry.py tests/score tests/vision tests/run \
	tests/data/test_classes.py tests/cues/test_strips.py

.PHONY: audit test test-all coverage quick fuzz setup check bench clean

audit: $(READY)
	$(BIN)/python -m xai_audit dataset=flowers method=gradcam

setup: $(DEV)

test: $(DEV)
	$(PYTEST) $(ARGS)

test-all: $(DEV)
	$(PYTEST) -m '' $(ARGS)

coverage: $(DEV)
	$(PYTEST) -m '' --cov --cov-report=term:skip-covered $(ARGS)

quick: $(DEV)
	$(BIN)/python -m pytest -q $(QUICK) $(ARGS)

# Everything that reads what is a stranger's; make fuzz ARGS="coco voc --seed 7" some of it.
FUZZ_SECONDS ?= 60
fuzz: $(DEV)
	$(BIN)/python -m tests.fuzz --seconds $(FUZZ_SECONDS) $(ARGS)

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
	$(BIN)/python -m pip install --quiet --editable '.[timm,transformers,onnx,coco,slurm,ray,huggingface,heif,dicom]' --group dev
	touch $@

$(BENCH): $(DEV)
	$(BIN)/python -m pip install --quiet --group bench
	touch $@

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
