# Two commands for users: `make run` and `make test`. The others are their parts.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv

.PHONY: help run test install lock lint mutants clean
.DEFAULT_GOAL := help

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: install ## Install, then show a whole day on this machine (omnipipe demo)
	@$(BIN)/omnipipe demo

test: install ## Install, then run every test
	@$(BIN)/python -m pytest -n logical --maxprocesses=4 --dist loadscope

install: $(VENV)/.installed ## Make .venv from requirements.lock, and an environment for each function and job

# 1.8 GB, about a minute with a fast line; later calls find it done.
$(VENV)/.installed: requirements.lock pyproject.toml $(wildcard functions/*/requirements.txt jobs/*/requirements.txt)
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("OmniPipe needs Python 3.11 or newer, this is %d.%d. Name another one: make PYTHON=python3.12" % sys.version_info[:2])'
	@echo "Installing into $(VENV): 1.8 GB, a minute or two. 1/4 the installer"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(UV) || { sed -n '/^uv==/,/[^\]$$/p' requirements.lock > $(VENV)/uv.txt && \
		$(BIN)/python -m pip install --quiet --no-deps --require-hashes -r $(VENV)/uv.txt; }
	@echo "2/4 OmniPipe and what it uses"
	@VIRTUAL_ENV=$(VENV) $(UV) pip sync --quiet --compile-bytecode --require-hashes requirements.lock
	@VIRTUAL_ENV=$(VENV) $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	@echo "3/4 the packages of each function and job"
	@$(BIN)/python -m omnipipe.laptop.environments functions/*/requirements.txt jobs/*/requirements.txt
	@echo "4/4 the parser of BigQuery's SQL, compiled for this machine"
	@$(BIN)/python -m omnipipe.laptop.services.bigquery.googlesql
	@touch $@

# pulumi-policy 1.21 says protobuf 5, and grpcio-tools (of bqemulator) 6. It works with 6, as its next release says.
lock: ## Resolve the dependencies again and write the lock files
	@echo "protobuf>=6.31" | $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --custom-compile-command "make lock" pyproject.toml --group dev --override - -o requirements.lock
	@for unit in functions/* jobs/*; do (cd $$unit && $(CURDIR)/$(UV) pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-emit-index-url --custom-compile-command "make lock" requirements.in -o requirements.txt); done

lint: install ## Check style and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright

mutants: install ## Which mistakes in FILE its tests would not see; SERVERS=1: with those that start servers
	@$(BIN)/python -m tests.mutants $(if $(SERVERS),--servers) $(if $(MINUTES),--minutes $(MINUTES)) -- "$(FILE)"

clean: ## Remove the environment and the laptop cloud's state
	rm -rf $(VENV) .omnipipe
