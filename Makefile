# Everything one does in a checkout. `make setup` runs by itself where it is needed, and costs nothing when done.

BIN := .venv/bin
ROOT := $(if $(filter 0,$(shell id -u)),,sudo)
DEMO_ARGS ?=
MILTER_PORT ?= 8891
TEST_ARGS ?= -q -n auto
SOAK_ARGS ?= --minutes 30
BENCH ?= compare
BENCH_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help setup demo test fuzz soak bench bench-quick run lint format types check audit docs deb deb-test image-test clean

help: ## what one can make
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/make \1\t\2/p' Makefile | expand -t 16

setup: ## .venv with policyd, and the servers the tests need
	@.ci/setup test

demo: ## a private Postfix asks policyd about sample messages; DEMO_ARGS=--once ends after them
	@.ci/setup
	@$(ROOT) env PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m demo $(DEMO_ARGS)

test: setup ## the whole suite; TEST_ARGS for pytest
	$(BIN)/pytest $(TEST_ARGS)

fuzz: setup ## everything that reads octets of strangers, for a minute
	@PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m fuzz

soak: setup ## half an hour of mixed traffic and faults, counted on both sides; SOAK_ARGS="--minutes 3 --period 15 --fault 5"
	@$(ROOT) env PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m soak $(SOAK_ARGS)

bench: setup ## policyd beside other filters; BENCH=cold_dns, connect_limit, cost, hosts, memory or scale: other tables
	@.ci/setup bench
	@$(ROOT) env PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m benchmark.$(BENCH) $(BENCH_ARGS)

bench-quick: setup ## policyd beside a filter that does nothing, in a minute
	@$(ROOT) env PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m benchmark.quick $(BENCH_ARGS)

run: ## the daemon in the foreground, with this checkout's conf.d; MILTER_PORT if 8891 is taken
	@.ci/setup
	@rm -rf .demo/conf.d && mkdir -p .demo/conf.d .demo/state
	@ln -s $(CURDIR)/conf.d/*.conf .demo/conf.d
	@echo 'MILTER_SOCKET = inet:$(MILTER_PORT)@127.0.0.1' >.demo/conf.d/00-checkout.conf
	@echo 'STATE_DIRECTORY = $(CURDIR)/.demo/state' >>.demo/conf.d/00-checkout.conf
	@echo 'These lines in main.cf attach a Postfix of this host:'
	@echo
	@echo '    smtpd_milters = inet:127.0.0.1:$(MILTER_PORT)'
	@echo '    non_smtpd_milters = $$smtpd_milters'
	@echo '    milter_default_action = tempfail'
	@echo
	@exec $(BIN)/policyd serve -c .demo/conf.d

lint: setup ## ruff
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup ## ruff, mending what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: setup ## mypy --strict
	$(BIN)/mypy

check: lint types test ## all three

audit: setup ## known weaknesses in the packages that policyd is made of
	@.ci/audit

docs: setup ## the pages that are made from the program
	@mkdir -p docs/reference docs/monitoring
	$(BIN)/policyd words --markdown >docs/reference/words.md
	$(BIN)/policyd words --options >docs/reference/options.md
	$(BIN)/policyd metrics --markdown >docs/reference/metrics.md
	$(BIN)/policyd metrics --dashboard >docs/monitoring/dashboard.json

deb: ## a Debian package for the release that this runs on, in dist/
	@.ci/deb

deb-test: ## the package built, installed, used and removed in clean trees of Debian 12 and 13; root
	@$(ROOT) env PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 python3 -m packages $(DEB_ARGS)

image-test: setup ## the image of Containerfile built on a clean Debian, and its daemon asked; root, debootstrap, buildah
	@$(ROOT) env PYTHONPATH=tests PYTHONDONTWRITEBYTECODE=1 $(BIN)/python -m packages.container

clean: ## remove everything that was made here
	rm -rf .venv .demo build dist .mypy_cache .ruff_cache .hypothesis policyd.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
