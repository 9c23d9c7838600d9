# `make lab` to learn, `make test` to know that all of it works. Each sets up what it needs, in .venv.
.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help lab site hub test check chromium postgresql network

PYTHON ?= python3
# Tests run in as many processes, each of which may take 2 GB.
WORKERS ?= $(shell n=$$(getconf _NPROCESSORS_ONLN); echo $$((n < 8 ? n : 8)))
PROXY := 5.3.0
AXE := 4.14.1
ENTER := . .venv/bin/activate &&
NPM := npm install --global --prefix .venv --no-fund --no-audit --loglevel=error
INSTALL := .venv/bin/python -m pip install --disable-pip-version-check -c constraints.txt

help:
	@echo "make lab     open JupyterLab on the lessons and labs   (PORT=8899 WORKSPACE=folder; CHECK=1 starts, asks, stops)"
	@echo "make site    the course as web pages, in build/site   (OUT=folder; OPEN=1 shows them)"
	@echo "make hub     a class of three on JupyterHub, to look at   (CLASS=class.csv PORT=8000 FOLDER=folder)"
	@echo "make check   style, types, layers, and whether assignments/ is as built"
	@echo "make test    check, then everything that can be run"

lab: .venv/lab.stamp
	$(ENTER) medcourse lab $(if $(CHECK),--check) $(if $(PORT),--port "$(PORT)") $(if $(WORKSPACE),"$(WORKSPACE)")

site: .venv/site.stamp
	$(ENTER) medcourse site $(if $(OUT),--out "$(OUT)") $(if $(OPEN),--open)

hub: .venv/hub.stamp
	$(ENTER) medcourse hub --demo $(if $(PORT),--port "$(PORT)") $(if $(FOLDER),--folder "$(FOLDER)") $(if $(CLASS),"$(CLASS)")

check: .venv/test.stamp
	$(ENTER) ruff check
	$(ENTER) ruff format --check
	$(ENTER) mypy
	$(ENTER) lint-imports
	$(ENTER) medcourse build --check

test: check chromium postgresql network .venv/proxy.stamp .venv/axe.stamp
	$(ENTER) medcourse lab --check
	$(ENTER) python -m medcourse.site.assets
	$(ENTER) pytest -n $(WORKERS) --dist loadscope --no-loadscope-reorder

.venv/lab.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e .
	touch $@

.venv/site.stamp: pyproject.toml constraints.txt | .venv/bin/python
	$(INSTALL) -e ".[site]"
	touch $@ .venv/lab.stamp

.venv/test.stamp: pyproject.toml constraints.txt | solutions .venv/bin/python
	$(INSTALL) -e ".[test,itk,hub,postgresql,site]"
	touch $@ .venv/lab.stamp .venv/site.stamp

solutions:
	@echo "expected solutions/, which only an instructor's folder has, found none: there is nothing to test; see make lab" >&2; exit 1

.venv/hub.stamp: pyproject.toml constraints.txt .venv/proxy.stamp | .venv/bin/python
	$(INSTALL) -e ".[hub]"
	touch $@ .venv/lab.stamp

# JupyterHub's proxy is a program of node's, which lies beside Python's.
.venv/proxy.stamp: | npm .venv/bin/python
	$(NPM) configurable-http-proxy@$(PROXY)
	touch $@

# What the tests look at pages with.
.venv/axe.stamp: | npm .venv/bin/python
	$(NPM) axe-core@$(AXE)
	touch $@

.PHONY: npm
npm:
	@command -v npm >/dev/null || { \
		test "$$(id -u)" = 0 && apt-get update && apt-get install -y --no-install-recommends npm; \
	} || { echo "expected npm on PATH, found none: install it (Debian: sudo apt-get install npm)" >&2; exit 1; }

.venv/bin/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(v < (3, 11) and "expected Python 3.11 or newer, got %d.%d: name one, as in make PYTHON=python3.12" % v or 0)'
	@# Where Debian's python3-venv is missing, half an environment is left behind: none is better.
	$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }

# The tests open the notebooks in a browser.
chromium:
	@command -v chromium >/dev/null || { \
		test "$$(id -u)" = 0 && apt-get update && apt-get install -y --no-install-recommends chromium; \
	} || { echo "expected chromium on PATH, found none: install it (Debian: sudo apt-get install chromium)" >&2; exit 1; }

# The tests start a server of their own.
postgresql:
	@ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || { \
		test "$$(id -u)" = 0 && apt-get update && apt-get install -y --no-install-recommends postgresql; \
	} || { echo "expected PostgreSQL below /usr/lib/postgresql, found none: install it (Debian: sudo apt-get install postgresql)" >&2; exit 1; }

# Root's tests make hosts of network namespaces, and certificates; others skip the first and need the second.
network:
	@command -v ip >/dev/null && command -v openssl >/dev/null || { \
		test "$$(id -u)" = 0 && apt-get update && apt-get install -y --no-install-recommends iproute2 openssl; \
	} || { echo "expected ip and openssl on PATH, found not both: install them (Debian: sudo apt-get install iproute2 openssl)" >&2; exit 1; }
