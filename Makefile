# Every target does its own set-up; nothing needs to be installed by hand but make and Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PYTEST_ARGS ?=
# One more than there are processors: many tests wait, for processes and for clocks.
TEST_PROCESSES ?= $(shell $(PYTHON) -c "import os; print((os.cpu_count() or 1) + 1)")
LOAD_CLIENTS ?= 10000
BENCH_ARGS ?=
BENCH_CLIENT_ARGS ?=
SOAK_ARGS ?=
RUN_ARGS ?=
FUZZ_ARGS ?=
SANITIZE_ARGS ?=
OTP_ARGS ?=
MEMORY_ARGS ?=

BENCH := .bench
BENCH_STAMP := $(BENCH)/venv/.installed

SYSTEM_PYTHON ?= /usr/bin/python3
SYSTEM := .system
SYSTEM_STAMP := $(SYSTEM)/venv/.installed

WHEEL_STAMP := .wheel/venv/.installed

FUZZ := .fuzz
FUZZ_STAMP := $(FUZZ)/venv/.installed

# Commands that the tests drive the server with, and the Debian packages they come from.
TEST_COMMANDS := swaks curl openssl postfix smtp-source haproxy systemd-analyze erl epmd ip exim4 \
    nullmailer-smtp nginx dovecot proxsmtpd gsasl msmtp esmtp rabbitmq-server gcc \
    logrotate fail2ban-regex promtool prometheus java ecj
TEST_PACKAGES := swaks libnet-ssleay-perl libio-socket-inet6-perl curl openssl postfix haproxy systemd ca-certificates \
    erlang-base erlang-ssl iproute2 libgnutls-dane0 libidn12 libnsl2 libpcre2-8-0 \
    nginx libnginx-mod-mail dovecot-submissiond dovecot-lmtpd proxsmtp gsasl msmtp esmtp rabbitmq-server gcc libc6-dev \
    logrotate python3 default-jre-headless ecj libjakarta-mail-java

# What the tests drive the server with from npm, at the versions of the lock file there.
TEST_NODE := tests/real_clients/node

# Debian lets only one mail server be installed, and some packages start a service. These are unpacked beside Postfix,
# and nothing of them is started.
UNPACKED_PACKAGES := exim4-daemon-light nullmailer fail2ban prometheus
UNPACKED := /opt

# Debian keeps Postfix's commands, and a user's PATH may lack them, in /usr/sbin.
export PATH := $(PATH):/usr/sbin:/sbin:/usr/local/sbin

.DEFAULT_GOAL := help
.PHONY: help setup run test test-system-python load bench bench-client memory soak fuzz sanitize otp lint format test-commands clean

help: ## Say what can be made
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

setup: $(STAMP) ## Make the virtual environment .venv and install the project into it

PARTS_IN_C := $(wildcard */*/*.c */*/*/*.c)

$(STAMP): pyproject.toml setup.py $(PARTS_IN_C)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; say which: make PYTHON=python3.12")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=python3-venv
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $@

run: setup ## Serve the example and send it a mail (RUN_ARGS="--port 2626" for another port than 2525)
	$(BIN)/python examples/quickstart.py $(RUN_ARGS)

test: setup test-commands ## Run all tests (PYTEST_ARGS="-k options" for some, TEST_PROCESSES=0 for a debugger)
	$(BIN)/python -m pytest --numprocesses=$(TEST_PROCESSES) --maxprocesses=4 $(PYTEST_ARGS)

# Another Python may have another `re`: Debian 12's 3.11.2 takes halves of groups that are repeated possessively.
test-system-python: ## Run the protocol's tests on the system's Python, where it is another (SYSTEM_PYTHON=/usr/bin/python3)
	@if [ "$$($(SYSTEM_PYTHON) -V 2>/dev/null)" = "$$($(BIN)/python -V)" ] || [ ! -x "$(SYSTEM_PYTHON)" ]; then \
	    echo "$(SYSTEM_PYTHON) is no other Python than the one in use"; \
	else \
	    $(MAKE) --no-print-directory $(SYSTEM_STAMP) && \
	    $(SYSTEM)/venv/bin/python -m pytest --numprocesses=2 tests/gen_smtp/protocol tests/house/test_patterns.py; \
	fi

$(SYSTEM_STAMP): $(STAMP)
	@$(SYSTEM_PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=python3-venv
	$(SYSTEM_PYTHON) -m venv $(SYSTEM)/venv
	$(SYSTEM)/venv/bin/python -m pip install --quiet --editable '.[dev]'
	@touch $@

load: setup ## Serve 10,000 clients at once and look for what they leave (LOAD_CLIENTS=2000 for fewer)
	LOAD_CLIENTS=$(LOAD_CLIENTS) $(BIN)/python -m pytest tests/faults/test_big_crowd.py -s

bench: $(BENCH_STAMP) ## Measure against other servers (BENCH_ARGS=--quick takes under two minutes)
	@command -v smtp-source >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=postfix || true
	@command -v npm >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=npm || true
	@command -v rabbitmq-server >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=rabbitmq-server || true
	$(BENCH)/venv/bin/python -m benchmarks $(BENCH_ARGS)
	$(BENCH)/venv/bin/python -m benchmarks.queue speed

bench-client: $(BENCH_STAMP) ## Measure the client beside smtplib and aiosmtplib (BENCH_CLIENT_ARGS="--slices 10")
	@command -v smtp-sink >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=postfix
	$(BENCH)/venv/bin/python -m pip install --quiet aiosmtplib
	$(BENCH)/venv/bin/python -m benchmarks.outgoing $(BENCH_CLIENT_ARGS)

memory: setup ## Measure the memory that a message of 1 GiB takes (MEMORY_ARGS="--mib 64" for a smaller one)
	$(BIN)/python -m benchmarks.big_message $(MEMORY_ARGS)

soak: $(BENCH_STAMP) ## Load the server with faults, check every message (SOAK_ARGS="--minutes 30")
	@command -v rabbitmq-server >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=rabbitmq-server || true
	$(BENCH)/venv/bin/python -m benchmarks.soak $(SOAK_ARGS)
	$(BENCH)/venv/bin/python -m benchmarks.queue kills

$(BENCH_STAMP): $(STAMP)
	$(PYTHON) -m venv $(BENCH)/venv
	$(BENCH)/venv/bin/python -m pip install --quiet --editable '.[amqp,dns]' matplotlib
	@touch $@

fuzz: $(FUZZ_STAMP) ## Fuzz the protocol and whole sessions (FUZZ_ARGS="--minutes 60" for longer than 10)
	$(FUZZ)/venv/bin/python -m tests.fuzz $(FUZZ_ARGS)

.PHONY: wheel
wheel: $(WHEEL_STAMP) ## Build an sdist, a wheel with the parts in C and one without, and try each
	.wheel/venv/bin/python -m tests.wheels

$(WHEEL_STAMP):
	$(PYTHON) -m venv .wheel/venv
	.wheel/venv/bin/python -m pip install --quiet build twine
	@touch $@

sanitize: setup ## Run the parts in C under sanitizers, on random input (SANITIZE_ARGS="--minutes 10")
	@command -v gcc >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES='gcc libc6-dev'
	$(BIN)/python -m tests.fuzz.sanitized $(SANITIZE_ARGS)

otp: setup ## Compare actors with a real BEAM (OTP_ARGS="--count 20000" for more than 1000 scenarios)
	@command -v erl >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=erlang-base
	$(BIN)/python -m tests.otp $(OTP_ARGS)

# There are wheels of atheris for Linux on x86-64 alone; elsewhere it is built, with clang.
$(FUZZ_STAMP): $(STAMP)
	$(PYTHON) -m venv $(FUZZ)/venv
	$(FUZZ)/venv/bin/python -m pip install --quiet --editable . 'atheris>=3' cryptography
	@touch $@

lint: setup ## Check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy actors beam gen_smtp benchmarks examples

format: setup ## Lay out the code and mend what ruff can mend
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Tests whose command is missing are skipped, except in CI.
test-commands: ## Install the mail clients and servers that the tests drive (on Debian, as root)
	@missing=; for command in $(TEST_COMMANDS); do command -v $$command >/dev/null || missing="$$missing $$command"; done; \
	if [ -n "$$missing" ]; then \
	    if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
	        $(MAKE) --no-print-directory install-debian PACKAGES='$(TEST_PACKAGES)' && \
	        $(MAKE) --no-print-directory unpack-debian; \
	    else \
	        echo "not installed:$$missing; the tests that need them are skipped (Debian: apt-get install $(TEST_PACKAGES))"; \
	    fi; \
	fi
	@[ -d $(TEST_NODE)/node_modules ] || $(MAKE) --no-print-directory test-node || \
	    echo "no packages from npm: the tests that need them are skipped"

# Node.js comes with npm where it is not Debian's, which excludes Debian's npm.
.PHONY: test-node
test-node:
	@command -v npm >/dev/null || $(MAKE) --no-print-directory install-debian PACKAGES=npm
	npm ci --silent --no-audit --no-fund --prefix $(TEST_NODE)

# Postfix and HAProxy are to ask nothing and to start nothing: the tests run their own, as they need them.
.PHONY: install-debian
install-debian:
	@command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ] || { echo "please install: $(PACKAGES)"; exit 1; }
	@case "$(PACKAGES)" in *postfix*) \
	    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections;; esac
	apt-get update -qq </dev/null
	RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(PACKAGES) </dev/null

.PHONY: unpack-debian
unpack-debian:
	@set -e; folder=$$(mktemp -d); trap 'rm -rf "$$folder"' EXIT; cd "$$folder"; \
	apt-get download -q $(UNPACKED_PACKAGES) >/dev/null 2>&1; \
	for package in $(UNPACKED_PACKAGES); do dpkg-deb -x $${package}_*.deb $(UNPACKED)/$$package; done
	ln -sf $(UNPACKED)/exim4-daemon-light/usr/sbin/exim4 /usr/local/sbin/exim4
	ln -sf $(UNPACKED)/nullmailer/usr/lib/nullmailer/smtp /usr/local/sbin/nullmailer-smtp
	ln -sf $(UNPACKED)/prometheus/usr/bin/promtool $(UNPACKED)/prometheus/usr/bin/prometheus /usr/local/bin/
	printf '#!/bin/sh\nexec env PYTHONPATH=%s/lib/python3/dist-packages /usr/bin/python3 %s/bin/fail2ban-regex "$$@"\n' \
	    $(UNPACKED)/fail2ban/usr $(UNPACKED)/fail2ban/usr >/usr/local/bin/fail2ban-regex
	chmod +x /usr/local/bin/fail2ban-regex
	@getent passwd Debian-exim >/dev/null || \
	    useradd --system --no-create-home --home-dir /nonexistent --user-group --shell /usr/sbin/nologin Debian-exim

clean: ## Remove everything that was made
	rm -rf $(TEST_NODE)/node_modules $(VENV) $(BENCH) $(FUZZ) $(SYSTEM) .wheel build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis \
	    $(PARTS_IN_C:.c=.*.so)
