#!/usr/bin/env bash
# Packages: pytest-timeout 2.4.0 (its default method, "signal") with pytest 9.2.0 and gevent 26.9.0.
#
# Behaviour: when the time limit strikes, the failure is raised in whichever greenlet happens to run at
# that moment, not in the test. If that is a greenlet which the test only waits for with `join()`, that
# greenlet dies of the failure and the test carries on. Its wait is over, so it passes, and the run is green.
#
# What one would expect: a test that runs into its limit is reported as failed, whatever it was waiting for.
# So it is when the greenlet waited for is itself waiting (the handler then runs in the test's own
# stack), which makes it look as if gevent and the plug-in got on well.
#
# Seen, with a limit of 1 second on both tests and 3 seconds of work in each:
#   test_waits_for_a_waiting_greenlet  FAILED  (Timeout (>1.0s) from pytest-timeout)
#   test_waits_for_a_busy_greenlet     PASSED  after 1 second, its work not done: "work finished: False"
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check \
    'pytest==9.2.0' 'pytest-timeout==2.4.0' 'gevent==26.9.0' 'greenlet==3.5.6'
cd "$tmp"

cat > test_limit.py <<'PY'
import time

import gevent
import pytest


@pytest.mark.timeout(1)
def test_waits_for_a_waiting_greenlet():
    gevent.spawn(gevent.sleep, 3).join()


@pytest.mark.timeout(1)
def test_waits_for_a_busy_greenlet():
    finished = []

    def work():
        end = time.monotonic() + 3
        while time.monotonic() < end:
            pass
        finished.append(True)

    gevent.spawn(work).join()
    print("work finished:", bool(finished))
PY

timeout 60 venv/bin/python -m pytest -v -s -p no:cacheprovider test_limit.py > out.txt 2>&1 || true

need() {
    if ! grep -q -- "$1" out.txt; then
        cat out.txt
        echo "CHANGED: no line with '$1'" >&2
        exit 1
    fi
}
need 'FAILED test_limit.py::test_waits_for_a_waiting_greenlet - Failed: Timeout'
need '^work finished: False'
need '1 failed, 1 passed'
echo 'as described: the test that ran into its limit passed'
