# `make help` lists the targets. Nothing here needs more than make, a shell and Python 3.11 or newer.
PROFILE ?= quick
VENV    ?= .venv
export HDSR_REPORTS := $(or $(HDSR_REPORTS),reports)
ifneq ($(HDSR_DATA),)
export HDSR_DATA := $(abspath $(HDSR_DATA))
endif

PYTHON := $(VENV)/bin/python
STAMP  := $(VENV)/.hdsr-installed
REPORT := $(HDSR_REPORTS)/$(PROFILE)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help setup reproduce report publish test refresh lab data verify-paper train bench lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo "  PROFILE=quick (offline, built-in images, the default) or PROFILE=paper (real sets under HDSR_DATA);"
	@echo "  VENV=.venv is the environment that setup makes and everything else uses."

# ---- environment: constraints.txt holds every version -------------------------------------------------
PYTHONS := $(PYTHON) python3.11 python3.12 python3.13 python3.14 python3
NEW_ENOUGH := -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
BASE_PYTHON = $(shell for python in $(PYTHONS); do \
	if $$python $(NEW_ENOUGH); then echo $$python; break; fi; done)
NEED_PYTHON = @test -n "$(BASE_PYTHON)" || \
	{ echo "hdsr: error: none of $(PYTHONS) is Python 3.11 or newer with pip" >&2; exit 2; }

setup: $(STAMP) ## make the environment from the pinned versions

$(STAMP): constraints.txt pyproject.toml
	$(NEED_PYTHON)
	@$(PYTHON) $(NEW_ENOUGH) || $(BASE_PYTHON) -m venv $(VENV)
	@echo "Installing the pinned versions into $(VENV); with CUDA's libraries (Linux) these are 6 GB"
	$(PYTHON) -m pip install --quiet -c constraints.txt setuptools
	$(PYTHON) -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev]'
	@touch $@

# On Linux with PyPI's own torch, so that the CUDA libraries are pinned too. appnope is what macOS adds.
lock: ## resolve the requirements anew and renew constraints.txt (downloads several GB)
	$(NEED_PYTHON)
	rm -rf build/lock && $(BASE_PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet '.[dev]' setuptools appnope
	{ sed -n '/^#/p' constraints.txt; \
	  build/lock/bin/python -m pip freeze --all --exclude pip --exclude hdsr | sed 's/+.*//'; \
	} > constraints.txt.partial && mv constraints.txt.partial constraints.txt
	rm -rf build/lock

# ---- the reports: each notebook is executed, then rendered ----------------------------------------------
NOTEBOOKS := 00_index 01_data 02_benchmarks 03_training 04_figures 05_network 06_runtime 07_complexity 08_scorecard \
	09_explore 10_dynamics

EXECUTED := $(NOTEBOOKS:%=$(REPORT)/notebooks/%.ipynb)
RENDERED := $(NOTEBOOKS:%=$(REPORT)/html/%.html)
REPORTS  := $(PYTHON) -m hdsr.suite
# The quick profile is the same everywhere: it never sees a machine's own data.
EXECUTE  := $(if $(filter quick,$(PROFILE)),env -u HDSR_DATA )$(REPORTS)

# What every notebook may use: all of hdsr but the figures and what only a command line needs.
TRAINING := $(addprefix hdsr/,training/loop.py training/trainables.py training/losses.py training/data.py training/patches.py training/cache.py training/div2k.py \
	training/sources.py training/optimizers.py training/states.py training/config.py report/training.py report/curves.py report/live_run.py measure/training_step.py)
RUNTIME  := $(addprefix hdsr/,measure/runtime.py measure/fresh_process.py upscaling/onnx.py) $(wildcard hdsr/bench/*.py)
COUNTED  := $(addprefix hdsr/,measure/counters.py measure/hand_count.py report/cost_tables.py)
JUDGED   := $(addprefix hdsr/,scorecard/verdict.py scorecard/printed.py scorecard/quality.py scorecard/figures.py scorecard/costs.py \
	scorecard/scorecard.py scorecard/recipes.py)
DRAWN    := $(addprefix hdsr/,study/trace.py study/diagram.py study/mixes.py)
DYNAMICS := $(addprefix hdsr/,study/networks.py study/interventions.py study/mix_entropy.py study/ablation.py study/texture.py study/receptive_field.py)
EXPLORED := $(wildcard hdsr/explore/*.*)
APART := $(addprefix hdsr/,report/figures.py report/figures_2_to_7.py cli.py __main__.py suite/__main__.py suite/commands.py suite/pages.py suite/chapters.py fetch/fetch.py fetch/download.py) \
	$(TRAINING) $(DRAWN) $(EXPLORED) $(RUNTIME) $(COUNTED) $(JUDGED) $(DYNAMICS)
USED  := $(filter-out $(APART),$(wildcard hdsr/*.py hdsr/*/*.py)) constraints.txt notebooks/compared.csv \
	$(wildcard data/paper/*.csv data/manifests/*.csv data/weights/*.safetensors)
ifneq ($(PROFILE),quick)
USED += $(wildcard $(or $(HDSR_DATA),data)/benchmarks/*/HR $(or $(HDSR_DATA),data)/weights)
endif

reproduce: $(REPORT)/index.html ## execute the notebooks of PROFILE and render them as web pages

$(EXECUTED): $(REPORT)/notebooks/%.ipynb: notebooks/%.ipynb notebooks/params/$(PROFILE).yaml $(USED) | $(STAMP)
	$(EXECUTE) run $* --profile $(PROFILE)

$(REPORT)/notebooks/01_data.ipynb: hdsr/report/figures.py
$(REPORT)/notebooks/03_training.ipynb: hdsr/report/figures.py $(TRAINING) $(wildcard hdsr/configs/*.yaml) data/trials.csv \
	$(wildcard data/weights/logs/*.csv) $(REPORT)/notebooks/02_benchmarks.ipynb
$(REPORT)/notebooks/04_figures.ipynb: hdsr/report/figures.py hdsr/report/figures_2_to_7.py $(REPORT)/notebooks/02_benchmarks.ipynb
$(REPORT)/notebooks/06_runtime.ipynb: hdsr/report/figures.py hdsr/measure/runtime.py hdsr/bench/rows.py hdsr/bench/report.py \
	$(wildcard reports/bench.csv)
$(REPORT)/notebooks/05_network.ipynb: hdsr/report/figures.py $(DRAWN) hdsr/measure/counters.py hdsr/measure/hand_count.py
$(REPORT)/notebooks/07_complexity.ipynb: $(COUNTED)
$(REPORT)/notebooks/08_scorecard.ipynb: $(JUDGED) $(COUNTED) hdsr/report/figures.py hdsr/study/mixes.py hdsr/training/config.py \
	$(wildcard hdsr/configs/paper_*.yaml) \
	$(filter %/02_benchmarks.ipynb %/04_figures.ipynb %/05_network.ipynb %/06_runtime.ipynb %/07_complexity.ipynb,$(EXECUTED))
$(REPORT)/notebooks/09_explore.ipynb: hdsr/report/figures.py hdsr/measure/counters.py hdsr/measure/hand_count.py $(DRAWN) $(EXPLORED)
$(REPORT)/notebooks/10_dynamics.ipynb: $(DYNAMICS) hdsr/report/figures.py hdsr/study/trace.py hdsr/study/mixes.py \
	hdsr/measure/counters.py hdsr/measure/hand_count.py $(REPORT)/notebooks/02_benchmarks.ipynb
# The index says what the others have left behind.
$(REPORT)/notebooks/00_index.ipynb: $(filter-out %/00_index.ipynb,$(EXECUTED))

PAGES := $(addprefix hdsr/suite/,commands.py pages.py chapters.py) $(wildcard hdsr/suite/templates/*.* hdsr/suite/templates/notebook/*)

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
	env -u HDSR_DATA $(PYTHON) -m hdsr.suite refresh

# ---- daily work -----------------------------------------------------------------------------------------
test: $(STAMP) ## check style, run the tests, and compare every notebook with its stored outputs
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m pytest
	$(PYTHON) -m pytest --nbval notebooks

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

clean: ## delete caches and the remains of killed steps; never runs, downloads or the environment
	rm -rf build .pytest_cache .ruff_cache .hypothesis *.egg-info
	find hdsr tests notebooks $(HDSR_REPORTS) -name __pycache__ -o -name .ipynb_checkpoints -o -name '.*.partial*' \
		2>/dev/null | xargs rm -rf
