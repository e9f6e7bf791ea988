# `make run` and `make test` are all it takes on a machine with Python 3.11 or newer: each first installs
# what it needs itself, into .venv and .cache.

# The first Python that is new enough; PYTHON=... says which one to take.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PY := .venv/bin/python
PORT ?= 8000
WORLD ?=
ARGS ?=
BENCH ?= $(sort $(wildcard bench/*.py))
export WORLD
LOCK_OPTIONS := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --quiet

.PHONY: help setup run demo test lab accuracy lint bench lock wheel clean
.DEFAULT_GOAL := help

help: ## say what there is
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

setup: .venv/.runtime ## prepare .venv with what Tailrace needs to run
	@echo "ready: make run, or .venv/bin/tailrace"

run: .venv/.runtime ## start the dashboard (WORLD=directory or URL, PORT=8000, ARGS=more options)
	$(PY) manage.py serve $(if $(WORLD),"$$WORLD") --port $(PORT) $(ARGS)

demo: .venv/.runtime ## start the dashboard on a recorded run, played in real time
	$(PY) manage.py demo --port $(PORT) $(ARGS)

test: .venv/.dev ## install what the tests need, then run them all (ARGS=... for pytest)
	$(PY) scripts/test_needs.py
	$(PY) -m pytest $(ARGS)

lab: .venv/.dev ## apps of four SDK versions in eight worlds, with the probe and without, against the truth (ARGS=...)
	$(PY) -m tests.lab.matrix $(ARGS)

accuracy: .venv/.dev ## what the detectors find against the truth of recordings (RECORDINGS=folder, ARGS=--write)
	$(PY) -m tests.accuracy $(ARGS)

lint: .venv/.dev ## style, types and the direction of imports
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports --no-cache

bench: .venv/.dev ## measure the numbers that docs promise (BENCH=bench/store.py for one, ARGS=... for it)
	@for script in $(BENCH); do echo "== $$script"; $(PY) $$script $(ARGS) || exit 1; done

wheel: .venv/.dev ## build the wheel into dist/, and try it in an empty directory
	$(PY) scripts/wheel_check.py

lock: .venv/.dev ## resolve both lock files anew
	$(PY) -m uv pip compile pyproject.toml $(LOCK_OPTIONS) $(ARGS) --output-file requirements.lock
	$(PY) -m uv pip compile pyproject.toml --group dev --constraint requirements.lock $(LOCK_OPTIONS) $(ARGS) \
		--output-file requirements-dev.lock

clean: ## remove all that make has made, but no data
	rm -rf .venv .cache dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

# A later stamp holds all that an earlier one does, so `make run` after `make test` has nothing to do.
.venv/.runtime: requirements.lock pyproject.toml scripts/setup_venv.py
	@$(call prepare,requirements.lock)
	@touch $@

.venv/.dev: requirements-dev.lock requirements.lock pyproject.toml scripts/setup_venv.py
	@$(call prepare,requirements-dev.lock)
	@touch .venv/.runtime $@

define prepare
if [ -z "$(PYTHON)" ]; then \
	echo "Tailrace needs Python 3.11 or newer, and none was found (on Debian and Ubuntu: apt-get install python3 python3-venv). PYTHON=/path/to/python says where it is." >&2; \
	exit 1; \
fi; \
$(PYTHON) scripts/setup_venv.py $(1)
endef
