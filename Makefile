# Every target makes what it needs in .venv; the second time it finds it there. `make` alone prints what there is.

PYTHON ?= python3
PORT ?= 8000
EXAMPLES ?= 300
VENV := .venv
RUN := $(VENV)/bin/python
SANDBOX := $(RUN) sandbox/manage.py
# One process for each core, four at the most; ARGS='-n 0' is one for everything. What shares a server stays together:
# each begins at another place, and who is done first takes over what another has left.
SUITE := $(RUN) -m pytest -n auto --maxprocesses 4 --dist worksteal

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-lowest test-latest lint mutants rows hosts autobahn certify bench bench-testing screenshots coverage clean always

help:
	@echo 'make demo      serve the sandbox on http://127.0.0.1:8000/ (PORT=8001: on another port)'
	@echo 'make test      run the whole suite, on all cores (ARGS="-k feed": a part of it; ARGS="-n 0": on one)'
	@echo 'make test-lowest   the suite on the lowest versions that setup.py allows, in a .venv-lowest of its own'
	@echo 'make test-latest   the suite on the newest versions that there are, in a .venv-latest of its own'
	@echo 'make lint      ruff, mypy --strict over everything, and mypy and basedpyright over tests/typing'
	@echo 'make mutants   turn on old faults and new ones, one by one: each has to be found by its test, by a case of the contract,'
	@echo '               or by one of the cases of the browser client'
	@echo 'make rows      list what existing projects rely on, row by row, each with its tests: pytest says which there are'
	@echo 'make hosts     start every WSGI server and print a table: which case passes on which (make .venv/installed-uwsgi for uWSGI,'
	@echo '               make .venv/installed-apache for mod_wsgi)'
	@echo 'make autobahn  RFC 6455: run the cases of Autobahn|Testsuite and print them by group (needs a Python 2.7: AUTOBAHN_PYTHON)'
	@echo 'make certify   hold the test kit against a redis-server: the contract on every way, and a long comparison with a model'
	@echo 'make bench     measure delivery, speed and memory, on both forms of the loop (needs redis-server and cc)'
	@echo 'make bench-testing  time a test, beside Channels, and the pytest plugin (needs the network once, for .venv-bench)'
	@echo 'make screenshots  take the pictures in docs/images of the sandbox anew (needs chromium)'
	@echo 'make coverage  run the suite and show which branches it does not take'
	@echo 'make clean     remove what these targets have made'
	@echo
	@echo 'PYTHON=python3.12 takes another interpreter than python3, from 3.11 on; make clean comes first then.'
	@echo 'Neither Redis nor a browser is needed. Tests that need a Redis server are skipped unless redis-server is on PATH, those of'
	@echo 'the browser client unless node is (18.15 or later), those in a browser unless chromium is; with'
	@echo 'WS4REDIS_REQUIRE=redis,node,chromium they fail instead.'

demo: $(VENV)/installed-demo
	@echo '== The database and its users'
	@$(SANDBOX) migrate --verbosity 0
	@$(SANDBOX) load_users
	@echo '== The sandbox: open http://127.0.0.1:$(PORT)/ in two windows; Ctrl-C ends it'
	@$(SANDBOX) runserver 127.0.0.1:$(PORT) || { echo 'make: it has ended; PORT=8001 make demo takes another port.' >&2; exit 1; }

test: $(VENV)/installed-test
	@echo '== The suite'
	@$(SUITE) $(ARGS)

# Each in a virtual environment of its own, made anew for another interpreter.
test-lowest test-latest: test-%:
	@[ ! -e .venv-$* ] || [ "$$(.venv-$*/bin/python -V)" = "$$('$(PYTHON)' -V)" ] || rm -rf .venv-$*
	@$(MAKE) --no-print-directory VENV=.venv-$* suite-$*

suite-%: $(VENV)/installed-%
	@echo "== The suite, on the $* versions: $$($(RUN) -V), Django $$($(RUN) -m django --version)"
	@$(SUITE) $(ARGS)

lint: $(VENV)/installed-test
	@echo '== ruff'
	@$(RUN) -m ruff format --check .
	@$(RUN) -m ruff check .
	@echo '== mypy --strict'
	@$(RUN) -m mypy --strict
	@echo '== The types at the door, by mypy and by basedpyright'
	@$(RUN) -m tests.tools.checkers

mutants: $(VENV)/installed-test
	@echo '== Faults, one by one'
	@$(RUN) -m tests.tools.mutants

rows: $(VENV)/installed-test
	@echo '== What existing projects rely on (U, O, C) and what was wrong in release 0.6.0 (F), and the tests of each'
	@$(RUN) -m tests.tools.rows

hosts: $(VENV)/installed-test
	@echo '== Every WSGI server, the same cases on each'
	@WS4REDIS_REQUIRE=$(or $(WS4REDIS_REQUIRE),redis) $(RUN) -m tests.tools.table

autobahn: $(VENV)/installed-test
	@echo '== Autobahn|Testsuite, against both forms of the loop; installing it takes a minute the first time'
	@$(RUN) -m tests.tools.autobahn $(ARGS)

certify: $(VENV)/installed-test
	@echo '== The contract, in memory and over TCP, on fakeredis and on a redis-server of its own'
	@$(RUN) -m ws4redis.testing certify server
	@echo '== Whatever order things happen in, against a model of what must come of it ($(EXAMPLES) orders)'
	@WS4REDIS_REQUIRE=redis WS4REDIS_EXAMPLES=$(EXAMPLES) $(RUN) -m pytest -q tests/testing/test_model.py --hypothesis-show-statistics

bench: $(VENV)/installed-test
	@echo '== Delivery, speed and memory, in the main hub and in a thread'
	@for program in sequence speed memory; do \
		for form in gevent gthread; do $(RUN) -m benchmarks.$$program --form $$form || exit 1; done; \
	done

bench-testing: $(VENV)/installed-test
	@echo '== A test of two websockets, beside Channels; and the plugin, beside an empty one'
	@$(RUN) -m benchmarks.testing $(ARGS)

screenshots: $(VENV)/installed-test
	@echo '== The sandbox, taken by chromium'
	@$(RUN) docs/make_screenshots.py

coverage: $(VENV)/installed-test
	@echo '== The suite, and the branches that it does not take'
	@$(RUN) -m coverage run -m pytest $(ARGS)
	@$(RUN) -m coverage report

clean:
	rm -rf .venv .venv-lowest .venv-latest .venv-autobahn .venv-bench build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage sandbox/db.sqlite3*

$(VENV)/installed-demo: EXTRAS := sandbox
$(VENV)/installed-test: EXTRAS := testing,gunicorn,dev
$(VENV)/installed-uwsgi: EXTRAS := uwsgi
$(VENV)/installed-apache: EXTRAS := apache
$(VENV)/installed-lowest: EXTRAS := testing,gunicorn,dev
$(VENV)/installed-lowest: VERSIONS := --constraint $(VENV)/lowest.txt
$(VENV)/installed-lowest: $(VENV)/lowest.txt
$(VENV)/installed-latest: EXTRAS := testing,gunicorn,dev
$(VENV)/installed-latest: VERSIONS := --upgrade --upgrade-strategy eager
# What is newest is asked each time.
$(VENV)/installed-latest: always

# A file stands for each set of extras: it is made anew when setup.py, which declares them, has changed.
$(VENV)/installed-%: setup.py pyproject.toml | $(VENV)/bin/pip
	@echo '== Installing the project with [$(EXTRAS)] in $(VENV); this takes a minute the first time'
	@$(RUN) -m pip install --quiet --disable-pip-version-check $(VERSIONS) --editable '.[$(EXTRAS)]' \
		|| { echo 'make: pip could not install what setup.py names; without a network it needs an index of its own.' >&2; exit 1; }
	@touch $@

$(VENV)/lowest.txt: setup.py tests/tools/lowest.py | $(VENV)/bin/pip
	@$(RUN) -m tests.tools.lowest >$@

$(VENV)/bin/pip:
	@command -v '$(PYTHON)' >/dev/null \
		|| { echo 'make: there is no $(PYTHON): install Python 3.11 or later, or say PYTHON=/path/to/python.' >&2; exit 1; }
	@'$(PYTHON)' -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "make: $(PYTHON) is $$('$(PYTHON)' -V 2>&1), too old: 3.11 or later is needed, say PYTHON=/path/to/python." >&2; exit 1; }
	@'$(PYTHON)' -c 'import venv, ensurepip' 2>/dev/null \
		|| { echo 'make: $(PYTHON) lacks the modules venv and ensurepip (Debian: apt-get install python3-venv).' >&2; exit 1; }
	@echo '== Making a virtual environment in $(VENV)'
	@'$(PYTHON)' -m venv $(VENV)
