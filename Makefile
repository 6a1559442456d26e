# Every target sets up what it needs; the first time this downloads about 1.5 GB into .pulseiq/.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

SCENARIO ?= conversion-drop
SEED ?= 7

TOOLS := $(or $(PULSEIQ_TOOLS),.pulseiq)
BIN := $(TOOLS)/envs/pipelines/bin
PYTHON := $(BIN)/python
PULSEIQ := $(BIN)/pulseiq
BOOTSTRAP := @command -v python3 >/dev/null || { echo "setup: there is no python3 | next: sudo apt install python3-venv"; \
  exit 5; }; scripts/bootstrap
# Extra arguments of pytest: make test ARGS='-k lease'
ARGS ?=

.PHONY: help setup tools ready demo test test-unit test-spark test-integration lint format lock bench score score-nab score-rca up down status doctor \
  console clean

help: ## List every target
	@echo "make TARGET, where TARGET is one of:"
	@sed -nE 's/^([a-z-]+):.*## (.*)/  \1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r target text; do \
	  printf '  %-18s %s\n' "$$target" "$$text"; done

setup: ## Bring environments, jars, and Java and Terraform where the machine has none
	$(BOOTSTRAP)

# As setup, for targets that start neither Kafka nor Spark and so need no free memory.
tools:
	$(BOOTSTRAP) --quiet --least-memory 0

ready:
	$(BOOTSTRAP) --quiet

demo: ready ## The whole path once: services, traffic with an incident, its report (SCENARIO=name SEED=n)
	@$(PULSEIQ) demo --scenario $(SCENARIO) --seed $(SEED)

test: ready ## Run every test, on real Kafka, LocalStack and Spark
	@$(PYTHON) -m pytest $(ARGS)

test-unit: tools ## Run the tests that need no JVM and no service
	@$(PYTHON) -m pytest tests/unit $(ARGS)

test-spark: ready ## Run the tests of transformations, on a local Spark
	@$(PYTHON) -m pytest tests/spark $(ARGS)

test-integration: ready ## Run the tests on real services, with the ones that kill them
	@$(PYTHON) -m pytest tests/integration tests/chaos tests/terraform $(ARGS)

lint: tools ## Check format, lint, types, package boundaries and Terraform
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@MYPYPATH=scripts $(BIN)/mypy --strict --scripts-are-modules scripts/setup scripts/bootstrap scripts/check-terraform scripts/lock
	@$(BIN)/lint-imports
	@scripts/check-terraform

format: tools ## Format Python and Terraform, and mend what the linter can
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format
	@scripts/check-terraform --format

lock: tools ## Resolve the requirements and the jars anew, and write their hashes
	@$(PYTHON) scripts/lock

bench: ready ## Measure throughput and latency; each benchmark prints its table
	@$(PYTHON) -m benchmarks

score: tools ## Score detection and explanation where no outside data is needed
	@$(PYTHON) -m benchmarks.sparse

score-nab: tools ## Score the record detector on a checkout of numenta/NAB (NAB=path)
	@$(PYTHON) -m benchmarks.nab $(NAB); nab=$$?; $(PYTHON) -m benchmarks.nab_crossfit $(NAB); crossfit=$$?; \
	  $(PYTHON) -m benchmarks.vus $(NAB) && exit $$((nab || crossfit))

score-rca: tools ## Score root causes on a checkout of shaido987/riskloc (RISKLOC=path)
	@$(PYTHON) -m benchmarks.rca $(RISKLOC); rca=$$?; $(PYTHON) -m benchmarks.sparse --real $(RISKLOC) && exit $$rca

up: ready ## Start Kafka and LocalStack, and apply Terraform
	@$(PULSEIQ) up

down: ## Stop Kafka, LocalStack and everything they started
	@if [ -x $(PULSEIQ) ]; then $(PULSEIQ) down; else echo "nothing is set up, so nothing runs"; fi

status: tools ## Say what runs, where, since when
	@$(PULSEIQ) status

doctor: tools ## Print each tool's version and where each client points
	@$(PULSEIQ) doctor

console: ready ## A Python prompt with the settings loaded
	@$(PYTHON) -i -c "from pipelines.platform.settings import load; settings = load(); print(settings)"

clean: down ## Stop everything and remove all that was brought and written here
	@rm -rf -- $(TOOLS) $(if $(PULSEIQ_HOME),$(addprefix $(PULSEIQ_HOME)/,run log data))
	@rm -rf -- .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis spark-warehouse metastore_db
	@find . \( -name __pycache__ -o -name .terraform \) -prune -exec rm -rf -- {} +
	@echo "removed $(TOOLS) and the caches"
