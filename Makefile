# `make help` lists the targets. Nothing here needs more than make, a shell and Python 3.11 or newer.
PROFILE ?= quick
VENV    ?= .venv
export HDSR_REPORTS := $(or $(HDSR_REPORTS),reports)
export PYTHONPATH := $(CURDIR)$(addprefix :,$(PYTHONPATH))
# Even where the shell says not to: else each of some hundred processes compiles what it imports.
export PYTHONDONTWRITEBYTECODE :=
ifneq ($(HDSR_DATA),)
export HDSR_DATA := $(abspath $(HDSR_DATA))
endif

PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.hdsr-installed
REPORT := $(HDSR_REPORTS)/$(PROFILE)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help setup reproduce report publish test refresh lab data verify-paper train bench faults lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PROFILE=quick (offline, built-in images, the default) or PROFILE=paper (real sets under HDSR_DATA);"
	@echo "  -j2 executes notebooks side by side; those that measure times have the machine for themselves;"
	@echo "  VENV=.venv is the environment that setup makes and everything else uses."

# ---- environment: constraints.txt holds every version -------------------------------------------------
PYTHONS := $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3
NEW_ENOUGH := -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
BASE_PYTHON = $(shell for python in $(PYTHONS); do \
	if $$python $(NEW_ENOUGH); then echo $$python; break; fi; done)
NEED_PYTHON = @test -n "$(BASE_PYTHON)" || \
	{ echo "hdsr: error: none of $(PYTHONS) is Python 3.11 or newer with pip" >&2; exit 2; }

# Of 7 GB of packages a small part is ever imported: Python compiles that by itself.
PIP = $(PYTHON) -m pip install --quiet --no-compile -c constraints.txt
# uv takes a quarter of pip's time. It looks where pip is set to look, and chooses among indexes as pip does.
LOOK = $(PYTHON) -m pip config list | awk -F "='" \
	'{ sub(/.*\./, "", $$1); sub(/\047$$/, "", $$2); gsub(/\\n/, " ", $$2) } seen[$$1]++ { next } \
	$$1 == "no-index" && $$2 ~ /^(1|true|yes|on)$$/ { print "--no-index" } \
	$$1 ~ /^((extra-)?index-url|find-links|trusted-host)$$/ { \
		count = split($$2, places, " "); for (i = 1; i <= count; i++) print "--" $$1, places[i] }'
UV = $(PYTHON) -m uv pip install --quiet --python $(PYTHON) -c constraints.txt \
	--index-strategy unsafe-best-match $$($(LOOK))

setup: $(STAMP) ## make the environment from the pinned versions

$(STAMP): constraints.txt pyproject.toml
	$(NEED_PYTHON)
	@$(PYTHON) $(NEW_ENOUGH) || $(BASE_PYTHON) -m venv $(VENV)
	@echo "Installing the pinned versions into $(VENV); with CUDA's libraries (Linux) these are 6 GB"
	@$(PIP) setuptools uv || $(PIP) setuptools
	@$(UV) --no-build-isolation -e '.[dev]' || $(PIP) --no-build-isolation -e '.[dev]'
	@touch $@

# On Linux with PyPI's own torch, so that the CUDA libraries are pinned too. appnope is what macOS adds.
# soupsieve 4 wants Python 3.11.5, and Debian 12 has 3.11.2. Since jsonschema 4.25, whatever reads notebooks
# works out a grammar of addresses first, which takes a second of each of some fifty processes.
lock: ## resolve the requirements anew and renew constraints.txt (downloads several GB)
	$(NEED_PYTHON)
	rm -rf build/lock && $(BASE_PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet '.[dev]' 'soupsieve<4' 'jsonschema<4.25' setuptools uv appnope
	{ sed -n '/^#/p' constraints.txt; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude hdsr | sed 's/+.*//'; \
	} > constraints.txt.partial && mv constraints.txt.partial constraints.txt
	rm -rf build/lock

# ---- the reports: each notebook is executed, then rendered ----------------------------------------------
NOTEBOOKS := $(basename $(notdir $(wildcard notebooks/[0-9]*.ipynb)))
EXECUTED  := $(NOTEBOOKS:%=$(REPORT)/notebooks/%.ipynb)
RENDERED  := $(NOTEBOOKS:%=$(REPORT)/html/%.html)
REPORTS   := $(PYTHON) -m hdsr.suite
# The quick profile is the same everywhere: it never sees a machine's own data.
EXECUTE   := $(if $(filter quick,$(PROFILE)),env -u HDSR_DATA -u HDSR_GOLDEN )$(REPORTS)
ifneq ($(PROFILE),quick)
MEASURED  := $(wildcard $(or $(HDSR_DATA),data)/benchmarks/*/HR $(or $(HDSR_DATA),data)/weights)
endif

# What a notebook depends on is read off its imports and metadata each time that something is to be reproduced.
DEPENDS := build/depends.mk
ifneq ($(filter-out help setup report publish test refresh lab data verify-paper train bench faults lock clean,$(MAKECMDGOALS)),)
ifneq ($(shell $(BASE_PYTHON) -m hdsr.suite.depends $(DEPENDS) && echo read),read)
$(error hdsr: error: what the notebooks depend on could not be read)
endif
include $(DEPENDS)
endif

reproduce: $(REPORT)/index.html ## execute the notebooks of PROFILE and render them as web pages

$(EXECUTED): $(REPORT)/notebooks/%.ipynb: notebooks/%.ipynb notebooks/params/$(PROFILE).yaml constraints.txt \
		$(MEASURED) | $(STAMP)
	$(EXECUTE) run $* --profile $(PROFILE)

$(RENDERED): $(REPORT)/html/%.html: $(REPORT)/notebooks/%.ipynb $(PAGES) | $(STAMP)
	$(REPORTS) render $* --profile $(PROFILE)

$(REPORT)/index.html: $(RENDERED) $(PAGES) | $(STAMP)
	$(REPORTS) index --profile $(PROFILE)

report: $(STAMP) ## render what has been executed, without executing anything
	$(REPORTS) report --profile $(PROFILE)

publish: $(STAMP) ## copy a complete run to reports/published/, which is committed
	$(REPORTS) publish --profile $(PROFILE)
ifneq ($(PROFILE),quick)
	$(REPORTS) readmes
endif

refresh: $(STAMP) ## execute the notebooks in place, renewing the outputs stored in them
	env -u HDSR_DATA -u HDSR_GOLDEN $(PYTHON) -m hdsr.suite refresh

# ---- daily work -----------------------------------------------------------------------------------------
test: $(STAMP) ## check style, run the tests, and compare every notebook with its stored outputs
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pytest -n 2 --durations 10

lab: $(STAMP) ## open the notebooks in JupyterLab
	$(PYTHON) -m jupyterlab notebooks

data: $(STAMP) ## fetch benchmarks and published weights, or WHAT="Set5 DIV2K", perhaps from MIRROR=url
	$(PYTHON) -m hdsr data fetch $(WHAT) $(if $(MIRROR),--mirror $(MIRROR))

verify-paper: $(STAMP) ## fetch benchmarks and published weights, measure, and print a verdict on every claim
	$(PYTHON) -m hdsr data fetch $(if $(MIRROR),--mirror $(MIRROR))
	@$(MAKE) --no-print-directory PROFILE=paper $(HDSR_REPORTS)/paper/notebooks/08_scorecard.ipynb
	@$(REPORTS) verdicts --profile paper

RUN = runs/$(basename $(notdir $(CONFIG)))
train: $(STAMP) ## train by CONFIG=file.yaml into RUN=folder, going on where it was stopped
	@test -n "$(CONFIG)" || \
		{ echo "hdsr: error: make train needs CONFIG=, one of $(wildcard hdsr/configs/*.yaml) or another" >&2; exit 2; }
	$(PYTHON) -m hdsr train $(CONFIG) --out $(RUN) $(if $(wildcard $(RUN)),--resume)

bench: $(STAMP) ## measure speed and memory as ratios into reports/bench.csv; PARTS="inference training ..." picks
	$(PYTHON) -m hdsr bench $(PARTS:%=--part %)

faults: $(STAMP) ## try damaged, odd and hostile input and killed processes (docs/faults.md); KINDS="bombs ..." picks
	PYTHONPATH=tests:$(PYTHONPATH) $(PYTHON) tests/faults/campaign.py $(KINDS)

clean: ## delete caches and the remains of killed steps; never runs, downloads or the environment
	rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
	find hdsr tests notebooks $(HDSR_REPORTS) -name __pycache__ -o -name .ipynb_checkpoints -o -name '.*.partial*' \
		2>/dev/null | xargs rm -rf
