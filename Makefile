# The targets that a person or a machine calls; `make` alone lists them.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# pip compiles bytecode even where PYTHONDONTWRITEBYTECODE or PIP_NO_COMPILE is set: without it every start
# of the command compiles its imports again.
PIP    := env -u PYTHONDONTWRITEBYTECODE -u PIP_NO_COMPILE $(BIN)/python -m pip --disable-pip-version-check
PYTEST := $(BIN)/python -m pytest -q
MODEL  := llamacpp/qwen2.5-coder-1.5b

.DEFAULT_GOAL := help
.PHONY: help venv demo demo-long test test-slow test-live lint format bench lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

venv: $(VENV)/.installed  ## .venv with the locked packages and the project, editable

# Two stamps, so that a change of pyproject.toml alone does not walk the lock again.
$(VENV)/.locked: requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Python 3.11 or newer is needed, this is " + sys.version)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-deps --requirement requirements.lock
	@touch $@

$(VENV)/.installed: $(VENV)/.locked pyproject.toml
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

demo: venv  ## fetch the small model (1.1 GB, once) and let an agent practise with it: about half an hour on 2 cores
	$(BIN)/practice model pull $(MODEL)
	$(BIN)/practice run practice.yaml

demo-long: venv  ## the same with a holdout of 240 tasks: an hour and a half; stop it and call it again to go on
	$(BIN)/practice model pull $(MODEL)
	$(BIN)/practice run benchmarks/long.yaml

# A file's tests stay in one process: they share its servers.
test: venv  ## the fast tests, in two processes
	$(PYTEST) -m "not live and not slow" -n 2 --dist loadfile

test-slow: venv  ## the large simulations and the build of the wheel
	$(PYTEST) -m "slow and not live" --timeout 7200

test-live: venv  ## tests on a real small model, fetched where it is missing
	$(PYTEST) -m live --timeout 3600

lint: venv  ## ruff and pyright
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/pyright

format: venv  ## let ruff rewrite what it can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: venv  ## what the machine itself costs: start-up and CPU time a rollout on an endpoint that answers at once
	$(BIN)/python benchmarks/overhead.py

lock:  ## resolve the packages anew into requirements.lock and constraints.txt (uv must be on the PATH)
	uv pip compile --quiet --universal --python-version 3.11 --extra local --group dev --upgrade --generate-hashes \
	  --no-header --no-annotate --no-emit-index-url --no-emit-find-links pyproject.toml --output-file requirements.lock
	sed -n 's/^\([A-Za-z0-9].*[^ ]\) \\$$/\1/p' requirements.lock > constraints.txt

clean:  ## remove .venv and what tools left behind
	rm -rf $(VENV) dist build .pytest_cache .ruff_cache .hypothesis
	find practice tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
