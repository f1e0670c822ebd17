# Two environments: .venv holds what a user gets, .venv-dev what the checks need, and test-slow adds its peers.
PYTHON ?= python3
# Bytecode is written where it is used, not for all of the 30,000 modules that are installed: two minutes.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-compile -c constraints.txt
export PYTHONDONTWRITEBYTECODE :=

.PHONY: demo test test-slow lint docs clean

demo: .venv/installed
	.venv/bin/crossent demo

test: lint
	.venv-dev/bin/python -m pytest -q -n 2

docs: .venv-dev/installed
	.venv-dev/bin/mkdocs build --strict

test-slow: .venv-dev/installed-slow
	.venv-dev/bin/python -m pytest -q -m slow

lint: .venv-dev/installed
	.venv-dev/bin/ruff check .
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/mypy

.venv/installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory check-python
	$(PYTHON) -m venv .venv
	.venv/bin/python $(INSTALL) -e .
	@touch $@

.venv-dev/installed: pyproject.toml constraints.txt
	@$(MAKE) --no-print-directory check-python
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python $(INSTALL) -e '.[dev]'
	@touch $@

.venv-dev/installed-slow: .venv-dev/installed
	.venv-dev/bin/python $(INSTALL) -e '.[slow]'
	@touch $@

.PHONY: check-python
check-python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	  || { echo "crossent needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null \
	  || { echo "this Python cannot make environments: install its venv package (python3-venv)"; exit 1; }

clean:
	rm -rf .venv .venv-dev .mypy_cache .ruff_cache .pytest_cache
