# `make` or `make help` lists what can be done. Python 3.11 or newer: another one than python3 with `make PYTHON=python3.12`.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := uv==0.13.9

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo venv dev check lint unit test test-pythons test-platforms real-parts bench bench-peers bench-table bench-compare quality rivals wheels image release lock clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/.runs ## see it work in two minutes (DEMO="--duration 60 --port 8080" passes options on)
	@$(BIN)/python -m monitor demo $(DEMO)

# Half of the time is waiting for brokers and processes, so more workers than cores. A file stays with one worker, as the
# Kafka, browser and image that its tests share; the slow ones (tests/integration) come first.
WORKERS ?= 4
PARALLEL := -n $(WORKERS) --dist loadfile --no-loadscope-reorder

test: lint real-parts ## every test, on a real Kafka; first gets what is missing (WORKERS=4)
	$(BIN)/pytest $(PARALLEL)

check: lint unit ## the quick part: style, types, and the tests that need no real parts

unit: dev
	$(BIN)/pytest -m "not kafka" $(PARALLEL)

PYTHONS ?= 3.11 3.12 3.13

test-pythons: dev ## the quick part on each Python that is here (PYTHONS="3.11 3.12 3.13"), the others are named
	@$(BIN)/python -m tests.pythons $(PYTHONS) $(PARALLEL)

# all of them where it is empty
PLATFORMS ?=

test-platforms: dev ## what the platforms' own packages write, against the captures here (PLATFORMS="mlflow kserve")
	$(BIN)/python -m tests.platforms.run $(PLATFORMS)
	$(BIN)/python -m tests.platforms.read $(FORMS)

lint: dev ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

real-parts: dev ## Java, Kafka, Prometheus, Alertmanager, Chromium and podman, where they are missing
	@$(BIN)/python -m tests.real_parts.install
	@$(BIN)/python -m tests.real_parts.class_archive

bench: dev real-parts ## how fast it is beside others, on a real Kafka: over an hour (BENCH="--minutes 25": as many rounds as fit)
	$(BIN)/python -m tests.benchmarks bench $(BENCH)

bench-peers: dev ## the stream processors that bench compares with, in .peers: once, a few minutes
	$(BIN)/python -m tests.benchmarks bench-peers

bench-table: dev ## docs/performance.md from the newest run of bench (FILE=.bench/….json)
	$(BIN)/python -m tests.benchmarks bench-table $(FILE)

bench-compare: dev real-parts ## a revision and this tree in turn (REV=main ROUNDS=7 COMPARE="features" or "judging --only plain")
	$(BIN)/python -m tests.benchmarks bench-compare $(if $(ROUNDS),--rounds $(ROUNDS)) $(REV) $(COMPARE)

quality: dev ## false pages by kind of traffic, and how soon changes page (QUALITY="--months 1 --kinds AR,Zipf")
	$(BIN)/python -m tests.benchmarks quality $(QUALITY)

rivals: dev ## what other drift monitors do on the same streams (RIVALS="--seeds 1 --without-install")
	$(BIN)/python -m tests.benchmarks rivals $(RIVALS)

# The image: its wheels are for its own Python and this machine's kind, whatever Python runs here.
IMAGE ?= driftd
IMAGE_PYTHON ?= 3.12
ENGINE ?= docker
MACHINE := $(subst arm64,aarch64,$(shell uname -m))
WHEEL_TAGS := manylinux_2_28 manylinux_2_27 manylinux_2_24 manylinux_2_17 manylinux2014
WHEELS := dist/wheels/$(IMAGE_PYTHON)
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check

wheels: $(WHEELS)/.driftd ## what the image is made of, hashes checked (IMAGE_PYTHON=3.12)

$(WHEELS)/.libraries: deploy/image_requirements.py requirements.txt pyproject.toml | .venv/.installed
	rm -rf $(WHEELS) && mkdir -p $(WHEELS)
	$(BIN)/python deploy/image_requirements.py $(IMAGE_PYTHON) >$(WHEELS)/requirements.txt
	$(PIP) download --no-deps --require-hashes --only-binary :all: --python-version $(IMAGE_PYTHON) \
	  $(WHEEL_TAGS:%=--platform %_$(MACHINE)) --dest $(WHEELS) -r $(WHEELS)/requirements.txt
	@touch $@

$(WHEELS)/.driftd: $(WHEELS)/.libraries README.md LICENSE $(shell find monitor -type f -not -name '*.pyc')
	rm -f $(WHEELS)/driftd-*.whl
	$(PIP) wheel --no-deps --no-build-isolation --wheel-dir $(WHEELS) .
	@touch $@

image: wheels ## the container image (ENGINE=docker or podman, IMAGE=driftd, BASE=an image with Python IMAGE_PYTHON)
	$(ENGINE) build -f deploy/Dockerfile -t $(IMAGE) --build-arg PYTHON=$(IMAGE_PYTHON) $(if $(BASE),--build-arg BASE=$(BASE)) \
	  --build-arg VERSION=$$($(BIN)/python -c 'import monitor; print(monitor.__version__)') \
	  --build-arg REVISION=$$(git rev-parse HEAD 2>/dev/null || echo unknown) .

release: dev ## checks, builds, tries and tags a release; pushes nothing (VERSION=1.2.3; DRY=1: without the tag)
	$(BIN)/python deploy/release.py check "$(VERSION)"
	$(BIN)/python deploy/release.py build "$(VERSION)"
	@if command -v "$(ENGINE)" >/dev/null; then $(MAKE) image IMAGE="$(IMAGE):$(VERSION)"; \
	else echo 'release: no image, as there is no $(ENGINE); ENGINE=podman or docker names another one'; fi
	$(if $(DRY),@echo 'release: no tag is made with DRY',$(BIN)/python deploy/release.py tag "$(VERSION)")

venv: .venv/.runs ## .venv with what runs, hashes checked, and the command driftd

dev: .venv/.installed ## .venv with what tests and builds, too

# Both are made anew only when the locks or the project's own description change. What runs needs nothing that builds:
# the command is a script, and the checkout is on the path of this .venv.
.venv/.runs: requirements.txt pyproject.toml | .venv/bin/python
	@echo 'Getting the locked libraries into .venv: once, and then no more.'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@echo '$(CURDIR)' >$$(echo .venv/lib/python*/site-packages)/driftd.pth
	@printf '%s\n' '#!/bin/sh' 'exec "$$(dirname "$$(readlink -f "$$0")")/python" -P -m monitor "$$@"' >.venv/bin/driftd
	@chmod +x .venv/bin/driftd
	@touch $@

.venv/.installed: requirements-dev.txt pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@ .venv/.runs

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'Python 3.11 or newer with venv is needed:  sudo apt-get install -y python3 python3-venv' >&2; exit 1; }
	@$(PYTHON) -m venv .venv

# One version of everything for all Pythons, hashes of all platforms, and no address of any index.
COMPILE = .venv/lock/bin/uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

PEERS := tests/benchmarks/peers/requirements

lock: dev ## writes requirements*.txt anew from pyproject.toml (UPGRADE=1: with the newest versions)
	@test -x .venv/lock/bin/uv || { $(PYTHON) -m venv .venv/lock && .venv/lock/bin/pip install --quiet '$(UV)'; }
	$(COMPILE) pyproject.toml $(if $(UPGRADE),--upgrade) --extra demo --extra registry --extra confluent --extra dev --output-file requirements-dev.txt
	$(COMPILE) pyproject.toml $(if $(UPGRADE),--upgrade) --extra demo --extra registry --extra confluent --constraints requirements-dev.txt --output-file requirements.txt
	$(COMPILE) $(PEERS).in $(if $(UPGRADE),--upgrade) --output-file $(PEERS).txt

clean: ## removes what make has made
	rm -rf .venv .real-parts .rivals .peers .bench dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
