# Every target sets up what it needs: a virtual environment in .venv, Debian packages through apt when root.
# The two stamp files are keyed on pyproject.toml, so a second call is quick.

# The first interpreter that is new enough; `make PYTHON=/path/to/python` chooses another. Debian's own comes first: it is
# built with profile-guided optimization, which one built at home mostly is not, and serves a request a fifth cheaper.
PYTHON ?= $(shell for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do \
	$$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)

BIN     := .venv/bin
PIP     := $(BIN)/python -m pip --disable-pip-version-check --quiet install
SOURCES := gateway tests $(wildcard bench deploy scripts)
CONFIG  ?= config/gateway.yaml

# Debian keeps nginx and haproxy where an ordinary user's PATH does not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

.DEFAULT_GOAL := help
.PHONY: help demo run test check fmt bench screenshots vendor clean debian-tests debian-bench

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))

demo: .venv/.installed  ## two demo backends, a gateway, a minute of load, and a summary
	@$(BIN)/crossfade demo $(ARGS)

run: .venv/.installed  ## the gateway, with CONFIG=FILE (config/gateway.yaml)
	@$(BIN)/crossfade run -c $(CONFIG)

# Three at a time: many tests wait for processes that they started. ARGS="-n 0" runs them one after the other.
test: .venv/.installed-dev debian-tests check  ## everything that must pass before a change lands
	$(BIN)/python -m pytest -n 3 --dist loadfile $(ARGS)

check: .venv/.installed-dev  ## format, lint, types, layers, generated files
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python -m gateway.settings.reference --check
	$(BIN)/python -m gateway.telemetry.reference --check
	$(BIN)/python -m gateway.control.reference --check
	$(BIN)/python deploy/grafana/build.py --check

fmt: .venv/.installed-dev  ## formats the code, mends what ruff can, writes the generated files
	$(BIN)/ruff check --fix-only $(SOURCES)
	$(BIN)/ruff format $(SOURCES)
	$(BIN)/python -m gateway.settings.reference --write
	$(BIN)/python -m gateway.telemetry.reference --write
	$(BIN)/python -m gateway.control.reference --write
	$(BIN)/python deploy/grafana/build.py --write

bench: .venv/.installed-dev debian-bench  ## CPU, latency and memory beside nginx, HAProxy and aiohttp
	$(BIN)/python -m bench $(ARGS)

screenshots: .venv/.installed-dev debian-tests  ## the README's picture of the dashboard, made anew
	$(BIN)/python -m scripts.screenshots $(ARGS)

vendor: .venv/.installed-dev  ## fetches the dashboard's libraries, at the versions that scripts/vendor.py names
	$(BIN)/python scripts/vendor.py

clean:  ## removes the virtual environment and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist

# ------------------------------------------------------------------------------------------------------------ setup

# $(call need,COMMAND:PACKAGE ...) installs the Debian package of each command that is missing, or says what to install.
define need
	@missing=""; \
	for pair in $(1); do command -v "$${pair%%:*}" >/dev/null || missing="$$missing $${pair#*:}"; done; \
	test -z "$$missing" || { $(call install,$$missing); }
endef

# The package lists are fetched only when they are needed: a fresh machine has none.
define install
if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	echo "installing Debian packages:$(1)" >&2; \
	export DEBIAN_FRONTEND=noninteractive; \
	apt-get install -qq -y --no-install-recommends $(1) >/dev/null 2>&1 \
		|| { apt-get update -qq && apt-get install -qq -y --no-install-recommends $(1) >/dev/null; }; \
else \
	echo "missing Debian packages:$(1)" >&2; \
	echo "install them with: sudo apt-get install --no-install-recommends$(1)" >&2; \
	exit 1; \
fi
endef

debian-tests:
	$(call need,nginx:nginx-light curl:curl wrk:wrk node:nodejs openssl:openssl ps:procps promtool:prometheus chromium:chromium \
		redis-server:redis-server systemd-analyze:systemd ip:iproute2)

debian-bench:
	$(call need,nginx:nginx-light haproxy:haproxy wrk:wrk openssl:openssl)

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "no Python 3.11 or newer found: make PYTHON=/path/to/python" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { \
		version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
		$(call install, python$$version-venv); }
	@$(PYTHON) -m venv .venv

.venv/.installed: pyproject.toml | .venv/bin/python
	@echo "setting up .venv" >&2
	@$(PIP) --editable .
	@touch $@

.venv/.installed-dev: pyproject.toml | .venv/bin/python
	@echo "setting up .venv for development" >&2
	@$(PIP) --editable '.[dev]'
	@touch .venv/.installed $@
