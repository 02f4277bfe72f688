# Two commands for users: `make run` and `make test`. The others are their parts.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV := $(BIN)/uv

.PHONY: help run test install lock lint golden models comment pull-request workflows audit mutants clean
.DEFAULT_GOAL := help

help: ## List these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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

# What a change is compared with: where this branch left it.
BASE ?= origin/main

golden: install ## Compare the golden files with the program
	@$(BIN)/python -m tests.components.golden --check

models: install ## Parse dbt, and build on the emulator the models that changed since BASE, and those below them
	@$(BIN)/python -m tests.dbt.changed "$(BASE)"

comment: install ## What the change since BASE does, as the comment of its pull request
	@$(BIN)/omnipipe comment --base "$(BASE)"

pull-request: install ## What a pull request is checked for besides the tests, and its comment; BASE=origin/main
	@began=$$(date +%s); done=0; $(MAKE) --no-print-directory --keep-going lint golden models comment || done=$$?; \
		echo "The checks of a pull request, without the tests, took $$(($$(date +%s) - began)) s."; exit $$done

# actionlint does not know GitHub's $$/ yet (https://github.com/rhysd/actionlint/issues/711), so it reads a copy without.
workflows: ## Check GitHub's workflows; needs Go, which fetches the checker
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && cp -R .github "$$folder" && cd "$$folder" && \
		find .github -name '*.yml' -exec perl -pi -e 's{uses: \K\$$/}{./}' {} + && git init --quiet && \
		go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12 -color

audit: install ## Known holes in what the lock files name; asks the index
	@for file in requirements.lock functions/*/requirements.txt jobs/*/requirements.txt; do echo "$$file" && \
		$(BIN)/pip-audit --require-hashes --disable-pip --progress-spinner off -r "$$file" || failed=1; done; exit $${failed:-0}

mutants: install ## Which mistakes in FILE its tests would not see; SERVERS=1: with those that start servers
	@$(BIN)/python -m tests.mutants $(if $(SERVERS),--servers) $(if $(MINUTES),--minutes $(MINUTES)) -- "$(FILE)"

clean: ## Remove the environment and the laptop cloud's state
	rm -rf $(VENV) .omnipipe
