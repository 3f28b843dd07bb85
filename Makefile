# make demo   the main job: read and run a small project, and report what is wrong with it
# make test   the whole test suite
# make bench  what reading and running cost, and who notices silent bugs, as tables
# make versions  the demo and the fixtures with the oldest and the newest Lightning; 20 minutes
# make clean  remove the virtual environment
#
# Each makes the virtual environment itself. PYTHON names the interpreter for it (3.10 or newer),
# VENV another folder, TESTFLAGS what pytest gets on top.

PYTHON ?= python3
VENV ?= .venv
# Three workers for two cores: some tests only wait for what hangs. A file stays with one of them,
# because its tests share runs, and some are about all that the others of their file have seen.
TESTFLAGS ?= -n 3 --dist loadfile --no-loadscope-reorder

ifneq ($(words $(VENV)),1)
$(error VENV is '$(VENV)'; it must be one path without spaces)
endif
BIN := $(VENV)/bin
# Before anything in that folder is deleted: that it is ours to delete.
NOTHING_ELSE = test ! -e "$(VENV)" || test -e "$(VENV)/pyvenv.cfg" || { \
  echo "'$(VENV)' exists and is no virtual environment; name another: make VENV=.venv ..." >&2; \
  exit 1; }
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

# The tools that are compared with pl-lint have an environment of their own, which sees all that is
# in the other one: pytest-torch is a plugin, and would load torch into every worker of our tests.
BENCH := $(VENV)/bench
SEEN = import sys; print(*(path for path in sys.path if path.endswith("site-packages")), sep="\n")
SITE = import sysconfig; print(sysconfig.get_path("purelib"))

.PHONY: help demo test bench versions clean
# Both commands install into one environment: never at the same time.
.NOTPARALLEL:

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile

demo: $(VENV)/.check-installed
	@$(BIN)/python fixtures/run_demo.py

test: $(VENV)/.dev-installed
	$(BIN)/python -m pytest $(TESTFLAGS)

bench: $(VENV)/.dev-installed $(VENV)/.bench-installed
	@$(BIN)/python benchmarks/reading.py
	@$(BIN)/python benchmarks/running.py
	@$(BIN)/python benchmarks/threads.py --tools $(BENCH)/bin/python
	@$(BENCH)/bin/python -m pytest -q -p no:cacheprovider tests/facts/test_scikit_learn.py

versions:
	@.ci/versions "$(PYTHON)"

clean:
	@$(NOTHING_ELSE)
	rm -rf "$(VENV)"

# A stamp file says that an installation is complete and newer than what it was made from.
$(VENV)/.check-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing pl-lint with the runner into $(VENV) (once; torch takes a few minutes)"
	@$(INSTALL) -e ".[check]"
	@touch $@

$(VENV)/.dev-installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing pl-lint for its own tests into $(VENV) (once; torch takes a few minutes)"
	@$(INSTALL) -e ".[dev]"
	@touch $(VENV)/.check-installed $@

$(VENV)/.bench-installed: pyproject.toml constraints.txt | $(VENV)/.dev-installed
	@echo "installing what pl-lint is compared with into $(BENCH) (once)"
	@$(BIN)/python -m venv --clear $(BENCH)
	@$(BIN)/python -c '$(SEEN)' > "$$($(BENCH)/bin/python -c '$(SITE)')/seen.pth"
	@$(subst $(BIN)/,$(BENCH)/bin/,$(INSTALL)) -e ".[bench]" && touch $@ || \
	  echo "That failed; the benchmark goes on without those tools." >&2

$(BIN)/python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "There is no '$(PYTHON)' here. Name a Python 3.10 or newer: make PYTHON=python3.12 ..." >&2; \
	  exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "pl-lint needs Python 3.10 or newer; '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make virtual environments: its venv or ensurepip is missing." >&2; \
	  echo "On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(NOTHING_ELSE)
	@"$(PYTHON)" -m venv --clear "$(VENV)"
