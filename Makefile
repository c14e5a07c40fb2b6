# The commands of this checkout. Each works on a fresh machine: what is missing is set up first.
.DEFAULT_GOAL := help
.PHONY: help setup run stop test check chaos fuzz bench bench-raster bench-forecast bench-pages pictures clean

CM_PORT ?= 7071
# local: weather that is made up on this machine, in place of the internet.
DEMO_SOURCES ?= real
# Two cores, but tests mostly wait.
WORKERS ?= 4
TESTS ?= tests
EXAMPLES ?= 200

PYTHON := .venv/bin/python
LOCAL := $(PYTHON) -m triggers.local

help: ## list these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

setup: ## install what is missing: PostgreSQL, Python packages, Node packages
	@deploy/local/setup.sh

run: setup ## start everything, run a sample job, leave the system up (CM_PORT=7071, DEMO_SOURCES=local)
	@$(LOCAL) up --port $(CM_PORT) --sources $(DEMO_SOURCES)

stop: ## stop exactly what 'make run' started
	@test ! -x $(PYTHON) || $(LOCAL) down

test: setup ## run the tests (TESTS=tests/unit WORKERS=0 to narrow down)
	@tests/run.sh $(WORKERS) $(TESTS)

check: setup ## formatting, lint, types, layers
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 .venv/bin/pyright
	@.venv/bin/lint-imports

chaos: setup ## five minutes of crashes and lost messages, then the invariants
	@$(PYTHON) -m benchmarks.chaos --seconds 300

fuzz: setup ## ask the API and try every rule with whatever comes to mind, 200 times each (EXAMPLES=200)
	@FUZZ_EXAMPLES=$(EXAMPLES) $(PYTHON) -m pytest -n $(WORKERS) -m hypothesis tests

bench: setup ## every number of docs/explanation/performance.md, from one run
	@$(PYTHON) -m benchmarks

bench-raster: setup ## rasters, giants and the catalog, measured beside GDAL and rio-cogeo in one run
	@$(PYTHON) -m benchmarks.raster

bench-forecast: setup ## weather patches beside Herbie and cfgrib, the spread of fire beside FlamMap, a forecast from click to map
	@$(PYTHON) -m benchmarks.patch && $(PYTHON) -m benchmarks.spread && $(PYTHON) -m benchmarks.forecast

bench-pages: setup ## how long the server works on each page, with 10,000 jobs and 1,000,000 events
	@$(PYTHON) -m benchmarks.pages

pictures: setup ## take the pictures of docs/pictures anew
	@$(PYTHON) -m tests.pages.pictures

clean: ## stop, and delete everything that setup, run and test made
	@test ! -x $(PYTHON) || $(LOCAL) down --delete-data
	@rm -rf .local .venv node_modules .pytest_cache .ruff_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
