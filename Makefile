# Needs make and Python 3.11 or newer; everything else is installed into .venv from the hash-pinned locks.

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
PEERS := .venv-peers
# One test process more than processors: some tests wait, for a process to start or for a limit of time.
JOBS ?= $(shell $(PYTHON) -c 'import os; print((os.cpu_count() or 1) + 1)')
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Each of our processes would compile the application anew: a sixth of what a start costs.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: serve test test-interop check fuzz bench bench-ingest bench-search bench-features bench-matching bench-growth corpus openapi
.DELETE_ON_ERROR:

serve: $(VENV)/.installed
	exec $(RUN) -m app.cli serve

# All but the slowest tenth of the tests, which `make check` runs; in the order of tests/conftest.py, which begins
# with the slowest files.
test: $(VENV)/.installed-dev
	$(RUN) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "not interop and not contract and not thorough" --ignore=tests/interop tests

# Each of these fails, and never skips, when a program it needs is missing: .ci/run installs them.
test-interop: $(VENV)/.installed-interop
	$(RUN) -m pytest -n $(JOBS) tests/interop

check: $(VENV)/.installed-dev
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	EXHIBIT_HYPOTHESIS_PROFILE=thorough $(RUN) -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder -m "(contract or thorough or scaled or hypothesis) and not interop" --ignore=tests/interop tests

# The same tests with new examples in each run, where `make test` and `make check` take the same ones (`make test` a third
# of them); FUZZ names files or folders.
FUZZ ?= tests
fuzz: $(VENV)/.installed-dev
	EXHIBIT_HYPOTHESIS_PROFILE=fuzz $(RUN) -m pytest -n $(JOBS) -m "not interop" --ignore=tests/interop $(FUZZ)

bench: $(VENV)/.installed-dev
	$(RUN) -m benchmarks

bench-ingest: $(VENV)/.installed-dev
	$(RUN) -m benchmarks ingest_pictures ingest_videos jail ingest

# Ten million hashes take 3 GB of memory and 5 GB of the temporary directory, and a few minutes.
bench-search: $(VENV)/.installed-bench
	$(RUN) -m benchmarks.search --rows 1000000
	$(RUN) -m benchmarks.search --rows 10000000

# Local features of 20,000 photographs: 2 GB of memory, 1 GB of the temporary directory; of the corpus where there is one.
bench-features: $(VENV)/.installed-dev
	$(RUN) -m benchmarks.features

# Recall and wrong pairs through the HTTP API on sources that nothing was tuned on, beside what others find on the same
# files: SPLIT=tune while tuning. The whole of it takes hours on two cores; the module's options take a part.
SPLIT ?= test
bench-matching: $(VENV)/.installed-dev $(PEERS)/.installed .corpus/manifest.json
	$(RUN) -m benchmarks.matching --split $(SPLIT) --peers $(PEERS)/bin/python

.corpus/manifest.json:
	$(MAKE) corpus

# How the costs of searching grow, drawn into docs/: some minutes, 4 GB of memory and 8 of the temporary directory.
bench-growth: $(VENV)/.installed-bench
	$(RUN) -m benchmarks.growth

# Real photographs and videos by package name (Debian's tools fetch some), with known edits, into .corpus.
corpus: $(VENV)/.installed-dev
	$(RUN) -m benchmarks.corpus

openapi: $(VENV)/.installed
	$(RUN) -m app.openapi_document openapi/openapi.json

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Exhibit needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

# The editable install, built with the pinned setuptools, gives the command .venv/bin/exhibit. Compiled here, the
# application is not compiled by each of the processes that begin at once.
$(VENV)/.installed: requirements.lock | $(VENV)/bin/python
	@echo "Installing the locked packages into $(VENV): this takes a minute or two, once."
	$(RUN) -m pip install --quiet --require-hashes --requirement requirements.lock
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(RUN) -m compileall -q -j 0 app migrations
	@touch $@

$(VENV)/.installed-dev: requirements-dev.lock | $(VENV)/bin/python
	@echo "Installing the locked packages into $(VENV): this takes a minute or two, once."
	$(RUN) -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	$(RUN) -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(RUN) -m compileall -q -j 0 app migrations
	@touch $@

# Two steps: pdqhash and bagit come as source, and are built with the pinned tools rather than with what pip would fetch.
$(VENV)/.installed-interop: requirements-interop.lock $(VENV)/.installed-dev
	@command -v c++ >/dev/null || { echo "The interop tests need a C++ compiler: apt-get install g++" >&2; exit 1; }
	grep -A1 -E '^(cython|wheel|setuptools-scm|vcs-versioning)==' requirements-interop.lock | grep -v '^--$$' > $(VENV)/build-tools.lock
	$(RUN) -m pip install --quiet --require-hashes --no-deps --requirement $(VENV)/build-tools.lock
	$(RUN) -m pip install --quiet --require-hashes --no-deps --no-build-isolation --requirement requirements-interop.lock
	@touch $@

# What benchmarks alone compare with.
$(VENV)/.installed-bench: requirements-bench.lock $(VENV)/.installed-dev
	$(RUN) -m pip install --quiet --require-hashes --no-deps --requirement requirements-bench.lock
	@touch $@

# Apart from ours, whose OpenCV and Pillow are others. pdqhash exists as source only (see above), and asks for numpy to be built.
$(PEERS)/.installed: requirements-peers.lock | $(VENV)/bin/python
	$(PYTHON) -m venv $(PEERS)
	awk '/^(cython|numpy|setuptools|wheel)==/ { take = 1 } take; !/\\$$/ { take = 0 }' requirements-peers.lock > $(PEERS)/build-tools.lock
	$(PEERS)/bin/python -m pip install --quiet --require-hashes --no-deps --requirement $(PEERS)/build-tools.lock
	$(PEERS)/bin/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation --requirement requirements-peers.lock
	@touch $@
