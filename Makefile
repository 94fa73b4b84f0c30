# Needs Python 3.11 to 3.13 and nothing else. All is installed into .venv; nothing outside this folder changes.
#
#   make PYTHON=/opt/python/bin/python3 ...   that interpreter, in place of the first that fits
#   make TENSORFLOW=cpu|gpu ...               that build, in place of what the machine suggests
#
# Both count when .venv is made: `make clean` first to choose again.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test grid soak lint bench clean

PYTHON ?= python3.11 python3.12 python3.13 python3
UV := $(shell uv --version >/dev/null 2>&1 && echo uv)
BIN := .venv/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1

help:  ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-7s %s\n", $$1, $$2}' Makefile

demo: .venv/.installed  ## a small search on drawn images: its best network, a report and an exported model (a few minutes)
	$(BIN)/deeplab-search run studies/demo.toml
	$(BIN)/deeplab-search export results/demo
	@echo "the report: results/demo/report.html"

test: lint  ## lint, then all tests; ARGS="tests/unit -k space" for some
	$(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder --durations=15 $(ARGS)

soak: .venv/.installed-dev  ## all tests in real processes: 30 kills, every state file cut off at 20 places (an hour)
	SOAK_KILLS=30 DAMAGE_CUTS=20 $(BIN)/python -m pytest -s -m "not grid" tests/faults tests/integration $(ARGS)

grid: .venv/.installed-dev  ## what is left out for its size: every encoder at every output stride, benchmarks (an hour or two)
	$(BIN)/python -m pytest -m grid --durations=15 $(ARGS)

lint: .venv/.installed-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.installed  ## run each program of benchmarks/ into results/benchmarks/NAME.json; ARGS="--full" for all
	@mkdir -p results/benchmarks; for program in benchmarks/[!_]*.py; do \
	  name=$$(basename "$$program" .py); echo "$$name" >&2; written=results/benchmarks/$$name.json; \
	  $(BIN)/python -m "benchmarks.$$name" $(ARGS) > "$$written.tmp" && mv "$$written.tmp" "$$written" || exit; \
	done

clean:  ## remove .venv and caches; studies in results/ stay
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -path ./results -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# Candidates are run, not only looked for: a version manager's shim may exist without its interpreter. Debian and Ubuntu
# ship Python without ensurepip, which only uv can do without.
FITS := import sys; assert (3, 11) <= sys.version_info[:2] <= (3, 13)$(if $(UV),,; import ensurepip, venv)

$(BIN)/python:
	@for candidate in $(PYTHON); do \
	  if "$$candidate" -c '$(FITS)' >/dev/null 2>&1; then python="$$candidate"; break; fi; \
	done; \
	if [ -n "$$python" ]; then :; \
	elif [ -n "$(UV)" ]; then python=3.11; \
	else \
	  echo "Python 3.11, 3.12 or 3.13 with venv is needed; tried: $(PYTHON)." >&2; \
	  echo "Install one (on Debian and Ubuntu with its python3-venv package) or name it: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	if [ -n "$(UV)" ]; then uv venv --quiet --clear --python "$$python" .venv; \
	else "$$python" -m venv --clear .venv; fi

# Decided once per .venv, because the two builds of TensorFlow overwrite each other's files (see pyproject.toml).
.venv/.tensorflow: | $(BIN)/python
	@echo "$(or $(TENSORFLOW),$(shell nvidia-smi -L 2>/dev/null | grep -q '^GPU' && echo gpu || echo cpu))" > $@

PIP_INSTALL := $(if $(UV),uv pip install --python $(BIN)/python,$(BIN)/python -m pip install) --quiet -c constraints.txt

# $(call install,EXTRAS): the project in place, with its TensorFlow and the extras given. The warning that is left out is
# setuptools', which gives it for every project whose packages lie at the root.
define install
	@tensorflow=$$(cat .venv/.tensorflow) && \
	case $$tensorflow in gpu) takes="3 GB, several minutes";; *) takes="about 1 minute";; esac && \
	echo "installing into .venv, TensorFlow for $$tensorflow ($$takes) ..." && \
	PYTHONWARNINGS="ignore:Editable installation" $(PIP_INSTALL) -e ".[$$tensorflow$(1)]"
endef

.venv/.installed: pyproject.toml constraints.txt | .venv/.tensorflow
	$(call install,$(comma)report)
	@touch $@

.venv/.installed-dev: pyproject.toml constraints.txt | .venv/.tensorflow
	$(call install,$(comma)dev)
	@touch .venv/.installed $@

comma := ,
