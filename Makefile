# Everything a fresh machine with Python 3.11+ needs. PYTHON may name another interpreter.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= auto
ROOMS := corpus crawler dedup demo pipelines tokenize train

.PHONY: setup demo test slow kill thorough types lint format clean .types
.DEFAULT_GOAL := help

help:  ## what there is to make
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/' | expand -t 12

setup: $(BIN)/.installed  ## a virtual environment with everything in it

$(BIN)/.installed: pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

demo: setup  ## the whole way over a little web on this machine, into webtext-demo/
	$(BIN)/webtext demo

test: setup  ## all tests (WEBTEXT_TEST_DATA=FOLDER adds those on real data)
	$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal

slow: setup  ## the slow tests: large inputs, whole commands, benchmarks in small (minutes)
	$(BIN)/python -m pytest -q -m slow -n $(JOBS) --dist worksteal

kill: setup  ## the kill tests: every fault point, then random moments (minutes)
	$(BIN)/python -m pytest -q -m kill -n $(JOBS) --dist worksteal

thorough: setup  ## slow and kill tests in one run, as .ci/run has them
	$(BIN)/python -m pytest -q -m "slow or kill" -n $(JOBS) --dist worksteal

.types:
	@rm -rf .types && mkdir -p .types/webtext
	@for room in $(ROOMS); do ln -s "../../$$room" ".types/webtext/$$room"; done
	@for file in webtext/*.py webtext/commands webtext/py.typed; do ln -s "../../$$file" ".types/webtext/"; done

types: setup .types  ## mypy --strict over all rooms, imports between them followed
	MYPYPATH=.types $(BIN)/mypy --strict --explicit-package-bases -p webtext

lint: setup  ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## ruff mends what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove what make made, not your corpora
	rm -rf $(VENV) .types build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
