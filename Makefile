# Two commands: `make run` starts the daemon, `make test` runs every test.
# Both set up what they need first: .ci/setup the machine, the rest .venv and node_modules.

BIN = .venv/bin
# The compatible mode puts this folder itself on the path, where twistd looks for plugins.
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check \
	--config-settings editable_mode=compat --editable

# What the console draws its charts with.
CHARTS = aerostack/web/console/node_modules/ready
# What the document example edits with.
EDITOR = aerostack/web/examples/document/node_modules
# Where a package has the pages of the documentation.
MANUAL = aerostack/web/manual
NPM = npm ci --ignore-scripts --no-audit --no-fund --loglevel=error

# Another Python than the first that is new enough: make PYTHON=python3.12 run
export PYTHON
# Node.js is there where the machine has none.
export PATH := $(CURDIR)/.venv/bin:$(PATH)

SAY = @echo "aerostack-rt: $(1)"

# Two installations at the same time would wait for each other.
.NOTPARALLEL:

.PHONY: help run test fuzz lint docs wheel check clean machine machine-test charts editor optional-editor

# The first target: what `make` alone does.
help:
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' Makefile | expand -t 14

run: .venv/ready charts optional-editor ## start the daemon on its own SQLite database
	$(call SAY,Starting the daemon; Ctrl-C stops it)
	@exec $(BIN)/twistd --nodaemon --pidfile= aerostack-rt --config etc/rt.toml

# make test TESTS=tests.hub
TESTS ?= tests
test: machine-test .venv/ready-dev tests/web/node_modules/ready $(CHARTS) $(EDITOR)/bundle.js ## run all tests, or those of TESTS=...
	$(BIN)/trial $(TESTS)

# Random runs against models with new seeds, each fuzzer for FUZZ_SECONDS.
FUZZ_SECONDS ?= 60
fuzz: .venv/ready-dev tests/web/node_modules/ready ## run each fuzzer with new seeds for FUZZ_SECONDS (60)
	FUZZ_SECONDS=$(FUZZ_SECONDS) $(BIN)/trial tests.fuzz

lint: .venv/ready-dev ## run the linter and the type checker
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Every page, into build/docs; what is wrong with one is an error.
docs: .venv/ready-dev ## build the documentation into build/docs
	$(BIN)/sphinx-build --builder html --nitpicky --fail-on-warning --fresh-env --quiet \
		docs build/docs

# The packages that are published.  The daemon's has the pages of the documentation, which the
# daemon then serves.
wheel: docs $(CHARTS) ## build the packages of the daemon and of the client into dist
	rm -rf $(MANUAL)
	cp -r build/docs $(MANUAL)
	rm -rf $(MANUAL)/_sources $(MANUAL)/.doctrees $(MANUAL)/.buildinfo
	$(BIN)/python -m release.distributions; status=$$?; rm -rf $(MANUAL); exit $$status

check: lint docs test ## run all that a change must pass

# The calls of make below set MACHINE: the machine is ready then.
machine:
	@[ -n "$(MACHINE)" ] || .ci/setup run

machine-test:
	@.ci/setup test

.venv/bin/python: | machine
	@.ci/setup venv

.venv/ready: .venv/bin/python setup.cfg pyproject.toml | machine
	$(call SAY,Installing the daemon and its dependencies into .venv)
	@$(INSTALL) .
	@touch $@

.venv/ready-dev: .venv/ready
	$(call SAY,Installing what the tests import into .venv)
	@$(INSTALL) '.[dev]'
	@touch $@

.venv/ready-node: .venv/bin/python
	@.ci/setup node
	@touch $@

# What the tests of the browser client need; nothing of it is shipped.
tests/web/node_modules/ready: tests/web/package.json tests/web/package-lock.json | .venv/ready-node
	$(call SAY,Fetching what the tests of the browser client use)
	@cd tests/web && $(NPM)
	@touch $@

$(CHARTS): aerostack/web/console/package.json aerostack/web/console/package-lock.json | .venv/ready-node
	$(call SAY,Fetching the console's charts)
	@cd aerostack/web/console && $(NPM)
	@touch $@

# The daemon runs without them, and does not wait long for them.
charts:
	@$(MAKE) --silent MACHINE=ready NPM="$(NPM) --fetch-retries=0 --fetch-timeout=10000" $(CHARTS) 2>/dev/null \
		|| echo "aerostack-rt: The console has no charts: npm did not fetch their library."

editor: $(EDITOR)/bundle.js

$(EDITOR)/ready: aerostack/web/examples/document/package.json \
		aerostack/web/examples/document/package-lock.json | .venv/ready-node
	$(call SAY,Fetching the editor of the document example)
	@cd aerostack/web/examples/document && $(NPM)
	@touch $@

# One file for browsers, of the packages and of the provider.
$(EDITOR)/bundle.js: $(EDITOR)/ready aerostack/web/examples/document/libraries.js \
		$(wildcard aerostack/web/client/*.js)
	@cd aerostack/web/examples/document && NODE_PATH=node_modules node_modules/.bin/esbuild \
		libraries.js --bundle --format=esm --minify --target=es2022 --log-level=warning \
		--outfile=node_modules/bundle.js

# The daemon runs without it, and does not wait long for it.
optional-editor:
	@$(MAKE) --silent MACHINE=ready NPM="$(NPM) --fetch-retries=0 --fetch-timeout=10000" editor 2>/dev/null \
		|| echo "aerostack-rt: The document example has no editor: npm did not fetch it."

clean: ## remove what the other commands set up
	rm -rf tests/web/node_modules aerostack/web/console/node_modules $(EDITOR) $(MANUAL) .venv build dist *.egg-info _trial_temp*
