# Needs make and Python 3.11 or newer; everything else is installed into .venv from the hash-pinned locks.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
JOBS ?= auto
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: serve test test-interop check bench openapi
.DELETE_ON_ERROR:

serve: $(VENV)/.installed
	exec $(RUN) -m app.cli serve

test: $(VENV)/.installed-dev
	$(RUN) -m pytest -n $(JOBS) -m "not interop and not contract" tests

# Each of these fails, and never skips, when a program it needs is missing: .ci/run installs them.
test-interop: $(VENV)/.installed-dev
	$(RUN) -m pytest -n $(JOBS) -m interop tests/interop

check: $(VENV)/.installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) -m pytest -n $(JOBS) -m contract tests

bench: $(VENV)/.installed-dev
	$(RUN) -m benchmarks

openapi: $(VENV)/.installed
	$(RUN) -m app.openapi_document openapi/openapi.json

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Exhibit needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: requirements.lock | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --require-hashes --requirement requirements.lock
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(VENV)/bin/python
	$(RUN) -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	@touch $@
