# `make` alone lists all targets. Only the images and the cluster need more than Python 3.11 with its venv module.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:

# Modules are compiled once, not again in each of the hundreds of processes that tests start.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-strip-extras --custom-compile-command "make lock"
# Many tests wait for processes and sockets: one worker more than there are cores keeps all cores busy. Each begins with
# a share of its own, so that tests that wait run next to others that compute.
WORKERS := $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 4 ? n + 1 : 4)))
# No test needs the system's authorities, which take 40 ms to read, again for the context of each connection.
# Rendering by Helm's engine in Go takes a third less time when it collects its garbage less often.
PARALLEL := GOGC=400 SSL_CERT_FILE=/dev/null $(BIN)/python -m pytest --quiet --numprocesses=$(WORKERS) --dist=worksteal
PAGES := README.md CONTRIBUTING.md CHANGELOG.md docs

##@ Try it
.PHONY: demo run
demo: $(VENV)/.demo ## watch events arrive from a recorded engine, or a real one in Docker (ENGINE=camunda/camunda:8.10.9, ARGS=--keep)
	@$(BIN)/python -m devkit.demo $(if $(ENGINE),--engine "$(ENGINE)") $(ARGS)

run: $(VENV)/.dev ## run the exporter itself with the APP_INTEGRATIONS_* variables of this shell
	@$(BIN)/python -m exporter run

##@ Test it
.PHONY: test check lint format unit service integration chart-test fault-test bench
test: lint $(VENV)/.dev ## everything that needs no Docker: unit, service and chart tests, faults, all scenarios on a recorded engine
	@echo "==> unit, service and chart tests, faults on purpose, the recorded engine, all scenarios on it"
	@$(PARALLEL) --timeout=240 tests/integration tests/faults tests/service tests/unit tests/devkit tests/chart

check: lint $(VENV)/.dev ## the fast checks: style, types, unit and service tests that aren't slow, with coverage
	@echo "==> unit and service tests"
	@$(PARALLEL) -m "not slow" --cov --cov-report=term tests/unit tests/service

lint: $(VENV)/.dev ## style and types only
	@echo "==> ruff, mypy, import-linter, mdformat, shellcheck"
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check . || { echo "make format repairs this" >&2; exit 1; }
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports >/dev/null || { $(BIN)/lint-imports; exit 1; }
	@$(BIN)/mdformat --check $(PAGES) || { echo "make format repairs this" >&2; exit 1; }
	@$(BIN)/shellcheck .ci/run scripts/find-python docker/*.sh docker/standin/start

format: $(VENV)/.dev ## put code and docs into their form
	@$(BIN)/ruff format .
	@$(BIN)/mdformat $(PAGES)
	@$(BIN)/ruff check --fix .

unit service: $(VENV)/.dev ## one kind of test alone
	@$(BIN)/python -m pytest tests/$@

integration: $(VENV)/.dev ## all scenarios on a recorded engine (ARGS=)
	@$(PARALLEL) --timeout=240 tests/integration $(ARGS)

chart-test: $(VENV)/.dev ## render the Helm chart, and check it against the schemas of Kubernetes (HELM=, CAMUNDA_CHART=)
	@echo "==> tests of the chart"
	@$(PARALLEL) tests/chart

fault-test: $(VENV)/.dev ## check with faults and kills that nothing is lost (LONG=1: three quarters of an hour; ARGS=--help)
	@echo "==> faults on purpose"
	@$(BIN)/python -m $(if $(LONG),tests.faults $(ARGS),pytest --quiet --timeout=120 tests/faults)

bench: $(VENV)/.dev ## measure replies, rates, memory, and latency on a recorded engine, or a real one in Docker (ENGINE=image)
	@$(BIN)/python -m tests.benchmarks

##@ Build the images (docs/image.md)
.PHONY: image base-images image-test integration-test
image: ## Camunda with the exporter inside, and the exporter alone (CAMUNDA_IMAGE=, BASE_IMAGE=, IMAGE=, PLATFORMS=)
	@docker/build.sh

base-images: ## stand-ins for Debian's image and for Camunda's, for tests where no registry can be reached
	@docker/daemon.sh
	@docker/base-images.sh

image-test: $(VENV)/.dev ## build the images, and check their content (CAMUNDA_IMAGE=)
	@BUILT="$$(docker/build.sh)"; export BUILT; echo "==> tests of the images"; \
		$(BIN)/python -m pytest --quiet tests/image

integration-test: $(VENV)/.dev ## all scenarios with a real engine in containers, by default the newest (ENGINE=image, ARGS=)
	@export CAMUNDA_IMAGE="$(or $(ENGINE),$(CAMUNDA_IMAGE))"; BUILT="$$(docker/build.sh)"; export BUILT; \
		echo "==> tests of the images, and all scenarios in containers"; \
		$(BIN)/python -m pytest --quiet --containers --timeout=240 --durations=0 --durations-min=10 \
		tests/image tests/integration $(ARGS)

##@ In a cluster
.PHONY: kube-test
kube-test: $(VENV)/.dev ## the Helm chart with an engine in the cluster of KUBECONFIG (ENGINE=image, LOAD=, CAMUNDA_CHART=, ARGS=)
	@echo "==> the Helm chart in a cluster"
	@CAMUNDA_IMAGE="$(or $(ENGINE),$(CAMUNDA_IMAGE))" $(BIN)/python -m pytest --quiet --timeout=300 --durations=0 --durations-min=1 tests/kube $(ARGS)

##@ Maintain it
.PHONY: docs lock chart-package clean help
docs: $(VENV)/.dev ## write the generated parts of docs/ and of the chart
	@$(BIN)/python -m scripts.docs

lock: $(BIN)/python ## resolve the dependencies again, with hashes, into requirements/
	@$(PIP) install uv
	@$(LOCK) --upgrade pyproject.toml --extra demo --group dev --output-file requirements/dev.lock
	@$(LOCK) pyproject.toml --extra demo --constraint requirements/dev.lock --output-file requirements/demo.lock
	@$(LOCK) pyproject.toml --constraint requirements/dev.lock --output-file requirements/runtime.lock
	@$(LOCK) --upgrade --group freeze --constraint requirements/dev.lock --output-file requirements/freeze.lock

chart-package: $(VENV)/.dev ## put the Helm chart into an archive in dist/ (CHART_HOME=)
	@mkdir -p dist
	@$(BIN)/python -m scripts.helm charts/app-integrations-exporter dist

clean: ## remove what the targets above made
	@rm -rf $(VENV) build dist .coverage* .hypothesis .mypy_cache .pytest_cache .ruff_cache

help: ## this list
	@awk 'BEGIN { FS = ": .*## " } /^##@/ { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z][a-z -]*:.*## / { sub(/:.*## /, ": ## "); printf "  make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment: made once, and installed again only when a lock file has changed. A link to a Python that is gone counts
# as missing, so an upgraded system heals itself.
$(BIN)/python:
	@python=$$(scripts/find-python); echo "==> virtual environment with $$python"; \
		"$$python" -m venv --clear $(VENV)

$(VENV)/.dev: requirements/dev.lock | $(BIN)/python
	@echo "==> development dependencies (requirements/dev.lock)"
	@$(PIP) install --require-hashes --requirement requirements/dev.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $(VENV)/.demo $@  # the one lock contains the other

$(VENV)/.demo: requirements/demo.lock | $(BIN)/python
	@echo "==> dependencies of the demo (requirements/demo.lock)"
	@$(PIP) install --no-deps --no-compile --require-hashes --requirement requirements/demo.lock  # of which few modules run
	@touch $@
