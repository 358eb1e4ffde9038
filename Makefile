# make demo: simulated sites, a health sweep and a merged call.   make test: every test.   make help: the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export UV_PYTHON_DOWNLOADS := never
# Where nothing can be written at home, the cache of packages lies beside them.
ifeq ($(shell test -w "$${UV_CACHE_DIR:-$${XDG_CACHE_HOME:-$$HOME}}" && echo yes),)
export UV_CACHE_DIR := $(CURDIR)/$(VENV)/uv-cache
endif
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test lint pages docs bench soak conformance pythons wheels lock clean

help:
	@echo "make demo          25 simulated sites, some of them ill; a health sweep and one merged call"
	@echo "make test          every test"
	@echo "make lint          format, lint, strict typing, import rules, platform rules"
	@echo "make pages         what of the docs is made from the code: help texts, the Python API"
	@echo "make docs          the pages as a site, in build/docs"
	@echo "make bench         fleet beside a bare aiohttp script"
	@echo "make soak          what takes long: hundreds of interrupts, 10,000 sites, thousands of examples of each law"
	@echo "make conformance   clients of others against the simulator"
	@echo "make pythons       tests without processes, on every other Python that is found here"
	@echo "make wheels        whether all that is needed comes as wheels for each Python and platform"
	@echo "make lock          resolve the dependencies anew"
	@echo "make clean         remove the virtual environment and caches"

$(BIN)/uv:
	@command -v $(PYTHON) > /dev/null || { echo "Python is missing: apt-get install python3 python3-venv"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "fleet needs Python 3.11 or later"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv

$(VENV)/.ready: $(BIN)/uv requirements/dev.lock pyproject.toml
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --compile-bytecode -r requirements/dev.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@$(BIN)/python -m compileall -q fleet
	@touch $@

demo: $(VENV)/.ready
	@$(BIN)/python tools/demo.py

test: $(VENV)/.ready
	@$(BIN)/python -m pytest -n 2

lint: $(VENV)/.ready
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/mypy --platform win32
	@$(BIN)/mypy --platform darwin
	@$(BIN)/lint-imports
	@$(BIN)/python tools/platform_lint.py
	@$(BIN)/deptry .
	@$(BIN)/codespell fleet docs tests tools README.md CHANGELOG.md

pages: $(VENV)/.ready
	@$(BIN)/python -m tools.command_pages
	@$(BIN)/python -m tools.api_page
	@$(BIN)/python -m tools.step_page
	@$(BIN)/python -m tools.directory_data

.venv-docs/.ready: $(BIN)/uv requirements/docs.lock
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-docs
	@$(BIN)/uv pip install --quiet --python .venv-docs/bin/python --require-hashes --compile-bytecode -r requirements/docs.lock
	@touch $@

# A warning is a failure, and nothing on the site is loaded from elsewhere.
docs: .venv-docs/.ready
	@.venv-docs/bin/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs
	@! grep -rnE '<(script|img|link)[^>]*(src|href)="https?://' build/docs --include='*.html'

bench: $(VENV)/.ready
	@$(BIN)/python benchmarks/fleet_beside_bare.py
	@$(BIN)/python benchmarks/services_report.py
	@$(BIN)/python benchmarks/merged_logs.py
	@$(BIN)/python benchmarks/snapshot_sites.py

soak: $(VENV)/.ready
	@$(BIN)/python -m pytest -n 2 -m soak
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest -n 2 --timeout 1800 tests/properties

conformance: $(VENV)/.ready
	@$(BIN)/python tools/conformance.py

pythons: $(VENV)/.ready
	@$(BIN)/python -m tools.other_pythons --fast

wheels: $(BIN)/uv
	@$(BIN)/python tools/wheels.py

lock: $(BIN)/uv
	@$(BIN)/uv pip compile pyproject.toml --extra keyring --extra crypto --extra speed --extra sql --extra postgres --extra pytest --group dev --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		--python-version 3.11 --quiet --upgrade -o requirements/dev.lock
	@$(BIN)/uv pip compile requirements/conformance.in --excludes requirements/conformance-without.txt --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		--python-version 3.11 --quiet --upgrade -o requirements/conformance.lock
	@$(BIN)/uv pip compile --group docs --universal \
		--generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header \
		--python-version 3.11 --quiet --upgrade -o requirements/docs.lock

clean:
	rm -rf $(VENV) .venv-conformance .venv-docs .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build
