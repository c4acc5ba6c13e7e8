# `make book` makes the book, `make test` checks everything. Both make their own environment, .venv, once: all they need
# is Python 3.11 with pip. `make PYTHON=/path/to/python3.11 book` picks another interpreter.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book test notebooks format clean

PYTHON ?= $(firstword $(foreach name,python3.11 python3,$(shell $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)) python3)
VENV := .venv
BIN := $(VENV)/bin
# pip says what fails and nothing else; a wheel folder or an index of your own stays in force through pip's own variables
PIP := $(BIN)/python -m pip --quiet --quiet --disable-pip-version-check --no-input

help:
	@echo "make book       make the environment, run every notebook for real, build the book"
	@echo "make test       make the environment, then lint, unit tests, notebooks and the book's own checks"
	@echo "make notebooks  execute the committed notebooks again, in place"
	@echo "make format     format and tidy the code"
	@echo "make clean      remove the built book and all that was made for it (not the environment, not the cache)"

$(VENV)/.made: pyproject.toml environment.yml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "lrar needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 | tail -n 1)." \
	       "Install it, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PYTHON)' cannot make environments. On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@echo "Making the environment in $(VENV) (PyTorch is large: the first time takes minutes) ..."
	@rm -f $@
	@$(PYTHON) -m venv $(VENV)
	@sed -n 's/^ *- *\([A-Za-z0-9_.-]*==[^ ]*\).*$$/\1/p' environment.yml > $(VENV)/constraints.txt
	@$(PIP) install --constraint $(VENV)/constraints.txt --editable '.[test]'
	@touch $@

book: $(VENV)/.made
	@$(BIN)/lrar book

# One pytest for the unit tests, the notebooks (nbval, strict) and the book, so that the last line counts all of them: one of
# its two processes builds the book, which takes longest, the other goes through the rest meanwhile.
# Progress bars are switched off: nbval would take them for output.
test: $(VENV)/.made
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@TQDM_DISABLE=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval --nbval-current-env --nbval-sanitize-with tests/nbval_sanitize.cfg tests notebooks

notebooks: $(VENV)/.made
	@$(BIN)/python -c 'from lrar.book import refresh_notebooks; refresh_notebooks()'

format: $(VENV)/.made
	@$(BIN)/ruff check --quiet --fix .
	@$(BIN)/ruff format --quiet .

clean:
	rm -rf book/_build book/chapters book/generated
