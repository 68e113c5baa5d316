# `make demo` and `make test` do all set-up in a fresh clone: they need python3 (3.11 or newer, with venv) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
RIVALS := .venv-competitors

.PHONY: demo test check kernels bench competitors clean

demo: $(STAMP)
	$(BIN)/adasde reproduce compagnoni2025 --quick --out out/demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 2 --dist worksteal

check: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/adasde kernels --check

kernels: $(STAMP)
	$(BIN)/adasde kernels --write

# Other libraries take part where they are installed: `make competitors` puts them into an environment of their own.
bench: $(STAMP)
	$(BIN)/python benchmarks/run.py $(if $(wildcard $(RIVALS)/bin/python),--competitors $(RIVALS)/bin/python)

competitors:
	$(PYTHON) -m venv $(RIVALS)
	$(RIVALS)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/competitors/requirements.txt

clean:
	rm -rf $(VENV) $(RIVALS) out

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	touch $@
