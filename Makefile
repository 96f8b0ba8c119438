SHELL := /bin/bash
.DEFAULT_GOAL := help

touchline := .venv/bin/touchline
pytest := .venv/bin/python -m pytest
PROJECT ?= football
# Two workers are the size the tests are made for; more cores: make test WORKERS=8
WORKERS ?= 2
# The order of tests and what they draw are those of this number: another run of other draws is make test SEED=2
SEED ?= 1
SAMPLES := football leads
# Not in the locks: which build is right depends on the machine, such as make test-scale TORCH=torch==2.13.0+cpu
TORCH ?= torch==2.13.0

# Every file runs, also after one that failed; the target fails when one did.
define run_each
status=0; for file in $(1); do echo "== $$file"; .venv/bin/python "$$file" || status=1; done; exit $$status
endef

# The Compose stack, with whichever engine the machine has
compose := $(shell command -v docker > /dev/null && echo docker compose || echo docker-compose)

.PHONY: help setup setup-dev setup-all start stop logs up down ps images image-check train mlflow feature-stats web test check check-deploy docs audit coverage model-check retrain publish deploy notify bench prove test-scale lock

help: ## List every target with what it does
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: ## Make the environment (.venv) with what the samples need
	@tools/environment start

start: setup ## Load real data, train, promote and serve both samples; API on 8000, MLflow on 5000
	@$(touchline) up $(SAMPLES)

stop: ## End the processes that start left running
	@if [ -x $(touchline) ]; then $(touchline) stop; else echo "nothing runs: there is no environment yet"; fi

up: setup-dev ## Build the images and start the Compose stack (copy .env.example to .env first)
	@$(compose) config --quiet && tools/images wheel && $(compose) up --build --detach --wait

down: ## End the Compose stack; its volumes stay
	@$(compose) down

ps: ## List the containers of the Compose stack, or the processes that start left running
	@if [ -n "$$($(compose) ps --quiet 2> /dev/null)" ]; then $(compose) ps; else $(touchline) doctor; fi

logs: ## Follow the logs of the Compose stack where it runs, else of the processes that start left running
	@if [ -n "$$($(compose) ps --quiet 2> /dev/null)" ]; then $(compose) logs --follow; else $(touchline) logs --follow; fi

images: setup-dev ## Build the images of serving and of the control plane
	@tools/images build

image-check: setup-dev ## Build the serving image with buildah, look into it, run it (PYTHON_TAR=a root file system)
	@tools/images check

train: setup ## Train and compare candidates (PROJECT=football)
	@$(touchline) train --project $(PROJECT)

mlflow: setup ## Run MLflow's UI alone, over the runs so far
	@$(touchline) mlflow

feature-stats: setup ## Show feature views: rows, freshness, coverage (PROJECT=football)
	@$(touchline) features stats --project $(PROJECT)

web: setup ## Run the dashboard in development: port 5173, over the API on 8000
	@tools/web dev

setup-dev:
	@tools/environment dev

setup-all:
	@tools/environment all

test: setup-dev ## Set up and run every test, with real servers that the tests start themselves
	@tools/web test
	@$(pytest) -q -n $(WORKERS) --dist worksteal --randomly-seed=$(SEED)

check: setup-dev ## Format, lint, types, layers, sizes, imports, names, security, licences and deployment files
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-cache
	.venv/bin/python tools/check_shape.py
	.venv/bin/python tools/check_imports.py
	.venv/bin/python tools/check_words.py
	.venv/bin/python tools/draw_rooms.py --check
	tools/web check
	.venv/bin/python tools/check_security.py
	.venv/bin/python tools/check_deploy.py

audit: setup-dev ## Look every pinned package up among known vulnerabilities; one that is skipped is a failure
	@.venv/bin/python tools/check_security.py audit npm-audit

check-deploy: setup-dev ## Check rules, dashboards, manifests and workflows; a tool that is missing is a failure
	.venv/bin/python tools/check_deploy.py --strict

docs: setup-dev ## Build the documentation with a reference from the code (build/docs-site); a warning is a failure
	@.venv/bin/python tools/build_docs.py

coverage: setup-dev ## Run every test with coverage: 90 % of all lines, every line of joins, gates, routing and journal
	@tools/web test
	@$(pytest) -q -n $(WORKERS) --dist worksteal -p pytest_cov --cov=touchline --cov-report=json:build/coverage.json
	@.venv/bin/python tools/check_coverage.py build/coverage.json

model-check: setup ## Plan, train and gate a declaration in a scratch home (PROJECT=football)
	@tools/pipeline model-check $(PROJECT)

retrain: setup ## Train if drift or the schedule says so (PROJECT=football, FORCE=yes: in any case)
	@tools/pipeline retrain $(PROJECT) $(FORCE)

publish: ## Push, sign and describe the images (REGISTRY, VERSION)
	@tools/pipeline publish $(REGISTRY) $(VERSION)

deploy: ## Apply an overlay to the cluster of kubectl (OVERLAY, REGISTRY, VERSION; DRY_RUN=yes prints it)
	@tools/pipeline deploy $(OVERLAY) $(REGISTRY) $(VERSION)

notify: ## Post a message to NOTIFY_URL (MESSAGE)
	@tools/pipeline notify "$(MESSAGE)"

bench: setup-dev ## Measure, beside the peers, and print ratios
	@$(call run_each,$(filter-out benchmarks/prove_%,$(wildcard benchmarks/*.py)))

prove: setup-dev ## Run the full simulations and kill runs
	@$(call run_each,$(wildcard benchmarks/prove_*.py))

test-scale: setup-all ## Run the tests that need Ray, Spark, torch, FLAML, Evidently or boto3, or let a season pass
	@.venv/bin/python -m pip install --quiet --disable-pip-version-check '$(TORCH)'
	@$(pytest) -q -m scale

lock: setup-dev ## Resolve pyproject.toml into requirements/*.lock again
	@tools/lock
