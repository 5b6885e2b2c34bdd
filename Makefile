# Two commands on a fresh machine: `make demo` and `make test`.
VENV   ?= .venv
PYTHON ?= python3
BIN    := $(VENV)/bin
# Kernels compile once into a cache that every test process shares.
export UNDERBRUSH_TEST_DATA ?= ../shared/data

.PHONY: setup demo test check check-js chromium bench soak docs pictures clean

setup: $(VENV)/.installed
$(VENV)/.installed: pyproject.toml
	@echo "Setting up $(VENV): about 155 MB are fetched the first time, which takes a minute or so"
	@test -x $(BIN)/python || $(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11))" || \
	{ echo "Underbrush needs Python 3.11 or newer. Where it has another name: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	{ rm -rf $(VENV); echo "No environment could be made. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: setup
	@$(BIN)/underbrush demo $(DEMO)

# Types of the viewer's modules, where node is there. Nothing of node_modules is shipped or needed to run.
node_modules/.installed: package.json
	@npm install --loglevel=error --no-audit --no-fund --no-package-lock && touch $@

check-js:
	@if command -v npm >/dev/null; then $(MAKE) -s --no-print-directory node_modules/.installed && node node_modules/typescript/bin/tsc --noEmit; \
	else echo "npm is not installed: the viewer's types are not checked"; fi

check: $(VENV)/.test-installed check-js
	@$(BIN)/ruff check --quiet src tests benchmarks examples
	@$(BIN)/ruff format --quiet --check src tests benchmarks examples
	@$(BIN)/mypy --no-error-summary

# The app is tried in a real browser; where there is none and none can be installed, those tests skip and say so.
chromium:
	@command -v chromium >/dev/null || (apt-get update -qq && apt-get install -qq -y chromium) >/dev/null 2>&1 \
	|| echo "Chromium is not there and could not be installed: the tests in a browser are skipped"

# A file is one worker's: tests of one window go on where the last one ended.
test: check chromium
	@$(BIN)/python tests/run_all.py

soak: $(VENV)/.test-installed
	@$(BIN)/pytest -m soak --timeout 3600

bench: $(VENV)/.test-installed
	@/usr/bin/python3 -c "import vigra, h5py" 2>/dev/null || apt-get install -qq -y python3-vigra python3-h5py >/dev/null 2>&1 || true
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[bench]'
	@$(BIN)/python -m benchmarks

# The site of the documents, in site/; pages of options and keys come from the code.
docs: $(VENV)/.installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	@$(BIN)/python docs/make_reference.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict
	@echo "The documents are in site/index.html (with search: $(BIN)/python -m http.server -d site)"

# Pictures of the documents are made by following the tutorial in Chromium.
pictures: $(VENV)/.test-installed chromium
	@$(BIN)/python docs/make_pictures.py

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache build dist site
