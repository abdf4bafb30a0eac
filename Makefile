# make bench   measure this machine, save the run, print the lab's answers
# make bench-gpu   measure the GPU, in slices that can be resumed
# make test    the unit and analytic tests that need no process of their own
# make test-integration   the others: they start processes or train, for seconds
# make check   formatting, types, import direction
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: bench bench-gpu test test-integration check clean

bench: $(READY)
	$(BIN)/pytest tests/perf -m "not gpu and not slow" --benchmark-save=bench --benchmark-quiet

bench-gpu: $(READY)
	PYTHON=$(BIN)/python tools/gpu.sh suite

# A process for each core. Threads that wait do not spin: they would take the other process's core.
SIDE_BY_SIDE := OMP_WAIT_POLICY=passive $(BIN)/pytest -n auto --dist worksteal

test: $(READY)
	$(SIDE_BY_SIDE)

test-integration: $(READY)
	$(SIDE_BY_SIDE) tests/unit tests/analytic -m "integration and not slow"

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Made again when a pinned version or a dependency changes; otherwise nothing is fetched.
$(READY): constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "hpml_lab needs Python 3.11 or later; got: $$($(PYTHON) --version). Set PYTHON=" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV)
