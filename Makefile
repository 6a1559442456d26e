# Every target sets up what it needs; the first time this downloads about 1.5 GB into .pulseiq/.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

SCENARIO ?= conversion-drop
SEED ?= 7
PRODUCT ?= shop
ENV ?= local
YES ?=

TOOLS := $(or $(PULSEIQ_TOOLS),.pulseiq)
BIN := $(TOOLS)/envs/pipelines/bin
PYTHON := $(BIN)/python
PULSEIQ := $(BIN)/pulseiq
BOOTSTRAP := @command -v python3 >/dev/null || { echo "setup: there is no python3 | next: sudo apt install python3-venv"; \
  exit 5; }; scripts/bootstrap
# Scripts without an ending, which no tool finds by itself.
SCRIPTS := $(addprefix scripts/,bootstrap check-policies check-terraform compose-test lock reference screenshots)
# Extra arguments of pytest: make test ARGS='-k lease'
ARGS ?=

# Every target is a task, none a file.
.PHONY: $(shell sed -nE 's/^([a-z-]+):.*/\1/p' $(firstword $(MAKEFILE_LIST)))

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

docs: tools ## Build the quality reports of what runs (make demo, make up) and print their path (PRODUCT=name)
	@$(PULSEIQ) quality docs $(PRODUCT)

dashboard: tools ## Show the state, incidents, quality and pipeline in a browser, on 127.0.0.1:8040 (PRODUCT=name)
	@$(PULSEIQ) dashboard $(PRODUCT)

test: ready ## Run every test but the browser's, on real Kafka, LocalStack and Spark
	@$(PYTHON) -m pytest --ignore=tests/browser $(ARGS)

test-unit: tools ## Run the tests that need no JVM and no service
	@$(PYTHON) -m pytest tests/unit $(ARGS)

test-spark: ready ## Run the tests of transformations, on a local Spark
	@$(PYTHON) -m pytest tests/spark $(ARGS)

test-integration: ready ## Run the tests on real services, with the ones that kill them
	@$(PYTHON) -m pytest tests/integration tests/chaos tests/terraform $(ARGS)

test-browser: tools ## Run the tests of pages in a real Chromium (installs Debian's when root)
	@scripts/chromium >/dev/null
	@$(PYTHON) -m pytest tests/browser $(ARGS)

lint: ## Check format, lint, types, package boundaries, contracts, Terraform and its policies
	$(BOOTSTRAP) --quiet --least-memory 0 --with checkov
	@$(BIN)/ruff format --check
	@$(BIN)/ruff check
	@$(BIN)/mypy
	@MYPYPATH=scripts $(BIN)/mypy --strict --scripts-are-modules scripts/setup scripts/pages $(SCRIPTS)
	@$(BIN)/lint-imports
	@$(PYTHON) scripts/check-contracts
	@scripts/check-terraform
	@scripts/check-policies

format: tools ## Format Python and Terraform, and mend what the linter can
	@$(BIN)/ruff check --fix --quiet || true
	@$(BIN)/ruff format
	@scripts/check-terraform --format

screenshots: tools ## Take pictures of the dashboard and the quality report of what runs (PRODUCT=name ARGS=--simulated)
	@scripts/chromium >/dev/null
	@$(PYTHON) scripts/screenshots --product $(PRODUCT) $(ARGS)

reference: tools ## Write what the code knows into the pages of docs/reference
	@$(PYTHON) scripts/reference

lock: tools ## Resolve the requirements and the jars anew, and write their hashes
	@$(PYTHON) scripts/lock

compose-test: ## Build the image and run the demo in containers (needs a Docker engine)
	@PYTHONPATH=scripts python3 scripts/compose-test $(ARGS)

bench: ready ## Measure throughput and latency; each benchmark prints its table
	@$(PYTHON) -m benchmarks

score: tools ## Score detection and explanation where no outside data is needed
	@$(PYTHON) -m benchmarks.sparse; sparse=$$?; $(PYTHON) -m benchmarks.incidents; incidents=$$?; \
	  $(PYTHON) -m benchmarks.calibration && exit $$((sparse || incidents))

score-nab: tools ## Score the record detector on a checkout of numenta/NAB (NAB=path)
	@$(PYTHON) -m benchmarks.nab $(NAB); nab=$$?; $(PYTHON) -m benchmarks.nab_crossfit $(NAB); crossfit=$$?; \
	  $(PYTHON) -m benchmarks.vus $(NAB) && exit $$((nab || crossfit))

score-rca: tools ## Score root causes on a checkout of shaido987/riskloc (RISKLOC=path)
	@$(PYTHON) -m benchmarks.rca $(RISKLOC); rca=$$?; $(PYTHON) -m benchmarks.sparse --real $(RISKLOC) && exit $$rca

plan: ready ## What Terraform would do and what that costs (ENV=local or aws)
	@PULSEIQ_ENV=$(ENV) $(PULSEIQ) env plan

apply: ready ## Make the environment; on aws after its cost and a typed yes (ENV=local or aws, YES=--yes)
	@PULSEIQ_ENV=$(ENV) $(PULSEIQ) env apply $(YES)

rehearse: ready ## AWS's variables on the emulator: apply, jobs through EMR Serverless, destroy (PRODUCT=name)
	@$(PULSEIQ) up && $(PULSEIQ) simulate $(PRODUCT) --days 0.1 --events 5000 --seed $(SEED)
	@PULSEIQ_ENV=aws PULSEIQ_REHEARSAL=1 $(PULSEIQ) env rehearse $(PRODUCT)

package: ready ## Build what jobs on EMR Serverless need, into the artifacts bucket
	@$(PULSEIQ) package

airflow-ready: ready
	@scripts/bootstrap --quiet --with airflow

airflow: airflow-ready ## Start the services and Airflow, on 127.0.0.1:8080 or PULSEIQ_AIRFLOW_PORT
	@$(PULSEIQ) up
	@$(PULSEIQ) airflow up

airflow-down: ## Stop Airflow and everything it started; the other services go on
	@if [ -x $(PULSEIQ) ]; then $(PULSEIQ) airflow down; else echo "nothing is set up, so nothing runs"; fi

airflow-test: airflow-ready ## Run each DAG on the emulator and through the scheduler, and break it (minutes)
	@$(PYTHON) -m pytest $(or $(ARGS),tests/airflow)

test-dags: airflow-ready ## Check the DAGs in Airflow's environment, which has no Spark
	@$(TOOLS)/envs/airflow/bin/python -m pytest -c tests/dags/pytest.ini --confcutdir tests/dags --rootdir tests/dags \
	  tests/dags $(ARGS)

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
