# make run, make test: each works on a fresh clone with nothing but Python ≥ 3.11.
# pip's own settings apply (PIP_FIND_LINKS, PIP_EXTRA_INDEX_URL, ...), for instance to take a CPU build of torch.

PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed

.PHONY: run test test-all check performance baseline clean

run: $(STAMP)
	$(BIN)/cai-eval run --suite alignment-tax

test: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q -n 2 -m "not slow"

test-all: $(STAMP)
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -q

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

performance: $(STAMP)
	for program in tests/performance/[a-z]*.py; do echo "== $$program"; HF_HUB_OFFLINE=1 $(BIN)/python $$program || exit 1; done

# what .ci/run checks against, after the shipped models or a benchmark in tests/gate/suite.yaml have changed
baseline: $(STAMP)
	rm -rf build/gate
	CAI_EVAL_CACHE=build/gate/cache $(BIN)/cai-eval run --suite tests/gate/suite.yaml --out build/gate/run
	$(BIN)/cai-eval baseline save build/gate/run -o tests/gate/baseline.json.zst

clean:
	rm -rf .venv build dist *.egg-info

$(STAMP): pyproject.toml setup.py constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "cai-eval needs Python 3.11 or newer: make PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	@echo "installing (torch and friends: a minute or some)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable ".[dev]"
	touch $(STAMP)
