# Two commands: `make run` starts the daemon, `make test` runs every test.
# Both set up what they need in .venv first.

PYTHON ?= python3
BIN = .venv/bin
# The compatible mode puts this folder itself on the path, where twistd looks for plugins.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--config-settings editable_mode=compat --editable

# What the console draws its charts with.
CHARTS = aerostack/web/console/node_modules/ready
NPM = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

.PHONY: run test fuzz lint docs check clean charts

run: .venv/ready charts
	$(BIN)/twistd --nodaemon --pidfile= aerostack-rt --config etc/rt.toml

test: .venv/ready-dev tests/web/node_modules/ready $(CHARTS)
	$(BIN)/trial tests

# Random runs against models with new seeds, each fuzzer for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
fuzz: .venv/ready-dev tests/web/node_modules/ready
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/trial tests.fuzz

lint: .venv/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every page, into build/docs; what is wrong with one is an error.
docs: .venv/ready-dev
	$(BIN)/sphinx-build --builder html --nitpicky --fail-on-warning --fresh-env --quiet \
		docs build/docs

check: lint docs test

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "aerostack-rt needs Python 3.11 or later; try: make PYTHON=python3.11 run"; exit 1; }
	@$(PYTHON) -m venv .venv \
		|| { echo "Could not make a virtual environment; on Debian: apt install python3-venv"; exit 1; }

.venv/ready: .venv/bin/python setup.cfg pyproject.toml
	$(INSTALL) .
	@touch $@

.venv/ready-dev: .venv/ready
	$(INSTALL) '.[dev]'
	@touch $@

# What the tests of the browser client need; nothing of it is shipped.
tests/web/node_modules/ready: tests/web/package.json tests/web/package-lock.json
	@command -v npm >/dev/null \
		|| { echo "The tests need Node.js 20 and npm; on Debian: apt install nodejs npm"; exit 1; }
	cd tests/web && $(NPM)
	@touch $@

$(CHARTS): aerostack/web/console/package.json aerostack/web/console/package-lock.json
	cd aerostack/web/console && $(NPM)
	@touch $@

# The daemon runs without them, and does not wait long for them.
charts:
	@$(MAKE) --silent NPM="$(NPM) --fetch-retries=0 --fetch-timeout=10000" $(CHARTS) 2>/dev/null \
		|| echo "The console shows its numbers without charts: npm did not fetch their library."

clean:
	rm -rf tests/web/node_modules aerostack/web/console/node_modules .venv build dist *.egg-info _trial_temp*
