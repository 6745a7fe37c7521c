# One command for each thing that is done here; `make help` lists them. Needs Python >= 3.11, make and bash.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-builtin-rules

VENV := .venv
VENV_313 := .venv-3.13
VENV_SAM := .venv-sam
BIN := $(VENV)/bin
# Only what requirements/*.txt names, and only files with the hash it names.
INSTALL := -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes
INSTALL_CHECKOUT := -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index --editable .
# One process a core; a file's tests stay together, since the slow ones share a started stack.
PYTEST := -m pytest --numprocesses auto --dist loadfile

# What each function used its role for in a whole run of the tests, to be compared with what the role allows.
PERMISSIONS := $(CURDIR)/.pytest_cache/permissions

# Shell words, expanded only in the recipes that need them: the first Python that is new enough, and a 3.13 if any.
NEW_ENOUGH := import sys; sys.exit(sys.version_info < (3, 11))
FIND_PYTHON = python=""; for candidate in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	if "$$candidate" -c '$(NEW_ENOUGH)' >/dev/null 2>&1; then python="$$candidate"; break; fi; done; \
	if [ -z "$$python" ]; then echo "Mailbearer needs Python 3.11 or newer, and found none on PATH (make PYTHON=/path/to/python3)." >&2; exit 1; fi; \
	if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
	echo "$$python lacks the venv module. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; fi
IS_313 := import sys, venv, ensurepip; sys.exit(sys.version_info[:2] != (3, 13))
FIND_313 = python313=""; for candidate in python3.13 "$${PYENV_ROOT:-$$HOME/.pyenv}"/versions/3.13*/bin/python3.13; do \
	if "$$candidate" -c '$(IS_313)' >/dev/null 2>&1; then python313="$$candidate"; break; fi; done

.PHONY: help run stop test test-here test-long test-313 lint scan fuzz format build bench crash simulate soak lock clean

help:  ## Show this list
	@grep -hE '^[a-z0-9-]+:.*  ## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*  ## /\1\t/' | while IFS=$$'\t' read -r goal text; do printf '  make %-9s %s\n' "$$goal" "$$text"; done

run: $(VENV)/run.stamp  ## Start the whole stack locally and show the main job (ONCE=1 ends by itself, DEMO=0 only starts)
	@exec $(BIN)/python -m sandbox run $(if $(filter 1,$(ONCE)),--once) $(if $(filter 0,$(DEMO)),--no-demo)

stop:  ## Stop the local stack that runs in this checkout
	@if [ -e .mailbearer/local.json ] || [ -e .mailbearer/run.lock ]; then $(BIN)/python -m sandbox stop; else echo "Nothing runs in this checkout."; fi

test: lint $(if $(FAST),,scan) test-here  ## Run every check and test but the long ones (FAST=1: under 60 s)

test-here: $(VENV)/test.stamp
	@echo "== tests, $$($(BIN)/python -V)"
	@rm -rf $(PERMISSIONS)
	@$(if $(FAST),,PERMISSION_RECORDS=$(PERMISSIONS)) $(BIN)/python $(PYTEST) -m "not slow" $(if $(FAST),,--cov --cov-report=term)
	@$(if $(FAST),,PERMISSION_RECORDS=$(PERMISSIONS) $(BIN)/python $(PYTEST) -m "slow and not long")
	@$(if $(FAST),,echo "== permissions that no test used"; PERMISSION_RECORDS=$(PERMISSIONS) $(BIN)/python -m tests.permissions)

test-long: $(VENV)/test.stamp  ## Run the tests that take minutes: processes killed at every call, and the soak
	@echo "== long tests, $$($(BIN)/python -V)"
	@$(BIN)/python $(PYTEST) -m long

test-313: $(VENV)/test.stamp  ## Run what may differ under Python 3.13, where there is one
	@if $(BIN)/python -c '$(IS_313)'; then exit 0; fi; $(FIND_313); \
	if [ -z "$$python313" ]; then echo "== no Python 3.13 here: the suite ran under $$($(BIN)/python -V) only"; exit 0; fi; \
	$(MAKE) --no-print-directory $(VENV_313)/test.stamp PYTHON="$$python313"; \
	echo "== tests, $$($(VENV_313)/bin/python -V)"; $(VENV_313)/bin/python $(PYTEST) -m "not once"

lint: $(VENV)/test.stamp  ## Run the linters, the type checker, the import contracts and cfn-lint
	@echo "== ruff, mypy, import contracts, cfn-lint"
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/cfn-lint template.yaml

# By the formats of secrets alone: entropy and names of variables would find every example of a document. Left out are
# the keys and the token of the examples, which nobody was ever given.
SECRET_SCAN := $(BIN)/detect-secrets-hook --plugin .ci/secret_formats.py --exclude-secrets '^mb_key_01JD0{21}|^1//0e-a-refresh-token' \
	$(foreach plugin,KeywordDetector Base64HighEntropyString HexHighEntropyString,--disable-plugin $(plugin))

scan: $(VENV)/test.stamp  ## Look for weaknesses in the sources and for secrets in all that git tracks
	@echo "== bandit, detect-secrets"
	@$(BIN)/bandit --quiet --configfile pyproject.toml --recursive layers/core/mailbearer functions cli sandbox
	@git ls-files -z | xargs -0 --no-run-if-empty $(SECRET_SCAN)

format: $(VENV)/test.stamp  ## Format the sources and mend what the linter can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

build: $(VENV)/run.stamp $(VENV_SAM)/build.stamp  ## Build the artefacts for AWS (arm64, Python 3.13) and check them
	@PATH="$(CURDIR)/$(VENV_SAM)/bin:$$PATH" SAM_CLI_TELEMETRY=0 $(VENV_SAM)/bin/sam build
	@$(FIND_313); $(BIN)/python -m sandbox.artefacts .aws-sam/build $${python313:+--with-bytecode}

bench: $(VENV)/bench.stamp  ## Measure what docs/performance.md quotes (JSON=file: where the figures go)
	@$(BIN)/python -m benchmarks $(if $(JSON),--output "$(JSON)")

crash: $(VENV)/run.stamp  ## Kill refreshes and messages at every call and play every fault; show what came of it (JSON=file, PAGE=1: docs too)
	@$(BIN)/python -m proofs $(if $(JSON),--output "$(JSON)") $(if $(filter 1,$(PAGE)),--page docs/explanation/crash-points.md)

simulate: $(VENV)/run.stamp  ## Simulate 10,000 mailboxes in one hour, seven days of mixed providers, and quiet mailboxes beside a flood
	@$(BIN)/python -m simulations

soak: $(VENV)/run.stamp  ## Send 10,000 messages through the local stack, kill its processes meanwhile, print the balance (COUNT=, SEED=, JSON=file)
	@exec $(BIN)/python -m soak $(if $(COUNT),--count $(COUNT)) $(if $(SEED),--seed $(SEED)) $(if $(JSON),--output "$(JSON)")

fuzz: $(VENV)/test.stamp  ## Fuzz the API from its own description for longer than the tests do (EXAMPLES= an operation and kind of data)
	@FUZZ_EXAMPLES=$(or $(EXAMPLES),300) $(BIN)/python -m pytest --timeout 3600 -q tests/functions/test_fuzz.py

COMPILE := $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-annotate --custom-compile-command "make lock"
lock: $(VENV)/test.stamp  ## Pin the newest versions that requirements/*.in allow, with hashes
	@$(COMPILE) requirements/layer.in --output-file layers/core/requirements.txt
	@$(COMPILE) requirements/run.in --constraint layers/core/requirements.txt --output-file requirements/run.txt
	@$(COMPILE) requirements/test.in --constraint requirements/run.txt --output-file requirements/test.txt
	@$(COMPILE) requirements/bench.in --constraint requirements/test.txt --output-file requirements/bench.txt
	@$(COMPILE) requirements/build.in --output-file requirements/build.txt

clean:  ## Remove what was built, cached and installed here
	@if [ -e .mailbearer/local.json ]; then echo "A stack runs here: make stop first." >&2; exit 1; fi
	@rm -rf .aws-sam .mailbearer .coverage* .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache $(VENV_313) $(VENV_SAM) $(VENV)
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ------------------------------------------------------------------------------- environments, each with a stamp
$(VENV)/bin/python:
	@$(FIND_PYTHON); echo "Making $(VENV) with $$("$$python" -V)."; "$$python" -m venv $(VENV)

$(VENV)/run.stamp: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing what requirements/run.txt pins."
	@$(BIN)/python $(INSTALL) --requirement requirements/run.txt
	@$(BIN)/python $(INSTALL_CHECKOUT)
	@touch $@

$(VENV)/test.stamp: requirements/test.txt $(VENV)/run.stamp
	@echo "Installing what requirements/test.txt pins."
	@$(BIN)/python $(INSTALL) --requirement requirements/test.txt
	@touch $@

$(VENV)/bench.stamp: requirements/bench.txt $(VENV)/run.stamp
	@echo "Installing what requirements/bench.txt pins."
	@$(BIN)/python $(INSTALL) --requirement requirements/bench.txt
	@touch $@

$(VENV_313)/test.stamp: requirements/test.txt pyproject.toml
	@echo "Making $(VENV_313) with $$($(PYTHON) -V)."
	@$(PYTHON) -m venv $(VENV_313)
	@$(VENV_313)/bin/python $(INSTALL) --requirement requirements/test.txt
	@$(VENV_313)/bin/python $(INSTALL_CHECKOUT)
	@touch $@

$(VENV_SAM)/build.stamp: requirements/build.txt
	@$(FIND_PYTHON); echo "Making $(VENV_SAM) for the SAM CLI."; "$$python" -m venv $(VENV_SAM)
	@$(VENV_SAM)/bin/python $(INSTALL) --requirement requirements/build.txt
	@touch $@

# ------------------------------------------------------------------------- what `sam build` calls, once an artefact
# SAM's own Python builder wants the Lambda's Python on PATH. pip can fetch that Python's wheels for arm64 from any Python,
# so these need none; where there is a 3.13, bytecode is shipped, which more than halves a cold start. SAM copies the source
# folder to a scratch directory, runs the recipe there and names the result ARTIFACTS_DIR.
LAMBDA_WHEELS := --platform manylinux2014_aarch64 --platform manylinux_2_28_aarch64 --implementation cp --python-version 3.13 \
	--abi cp313 --abi abi3 --abi none --only-binary=:all:
# Unchecked, since a package's archive loses the dates by which bytecode is checked otherwise; paths as they are in Lambda.
COMPILE_BYTECODE = $(FIND_313); if [ -n "$$python313" ]; then "$$python313" -m compileall -q --invalidation-mode unchecked-hash

.PHONY: build-CoreLayer
build-CoreLayer:
	@python3 $(INSTALL) --no-compile $(LAMBDA_WHEELS) --target "$(ARTIFACTS_DIR)/python" --requirement requirements.txt
	@cp -R mailbearer "$(ARTIFACTS_DIR)/python/"
	@find "$(ARTIFACTS_DIR)" -name __pycache__ -type d -prune -exec rm -rf {} +
	@rm -rf "$(ARTIFACTS_DIR)/python/bin"
	@$(COMPILE_BYTECODE) -s "$(ARTIFACTS_DIR)" -p /opt "$(ARTIFACTS_DIR)/python"; fi

build-%Function:
	@cp app.py "$(ARTIFACTS_DIR)/"
	@$(COMPILE_BYTECODE) -s "$(ARTIFACTS_DIR)" -p /var/task "$(ARTIFACTS_DIR)"; fi
