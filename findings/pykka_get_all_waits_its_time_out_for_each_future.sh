#!/usr/bin/env bash
# Package: Pykka 4.5.0.
#
# Behaviour: the time-out of pykka.get_all(futures, timeout=T) starts anew with each future: n futures may take n x T
# and no Timeout is raised. The same holds for the futures gathered by future.join(), and a map() adds
# the time of its function on top.
#
# What one would expect: an end after T seconds, as its documentation reads and as asyncio.wait_for(gather(...), T),
# concurrent.futures.wait(..., T) and gevent.joinall(..., T) do it.
#
# Seen: one actor, five requests of 0.3 s each (so ready after 0.3, 0.6, ... 1.5 s), asked for with timeout=0.5:
#   get_all(...)                 ->  all five results after 1.5 s
#   first.join(*others).get(...) ->  the same
#   get_all(reversed(futures))   ->  Timeout after 0.5 s: what it does hangs on the order alone
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'pykka==4.5.0'

cat > "$tmp/probe.py" <<'PY'
import sys
import time

import pykka


class Slow(pykka.ThreadingActor):
    def work(self, number):
        time.sleep(0.3)
        return number


def measure(name, collect):
    worker = Slow.start().proxy()
    futures = [worker.work(number) for number in range(5)]
    begin = time.monotonic()
    try:
        result = list(collect(futures))
    except pykka.Timeout:
        result = "Timeout"
    took = time.monotonic() - begin
    worker.actor_ref.stop()
    print(f"{name}: {result} after {took:.1f} s")
    return result, took


try:
    in_order = measure("get_all", lambda f: pykka.get_all(f, timeout=0.5))
    joined = measure("join", lambda f: f[0].join(*f[1:]).get(timeout=0.5))
    backwards = measure("get_all, last first", lambda f: pykka.get_all(reversed(f), timeout=0.5))
finally:
    pykka.ActorRegistry.stop_all()

if not (
    in_order[0] == joined[0] == [0, 1, 2, 3, 4]
    and in_order[1] > 1.2
    and joined[1] > 1.2
    and backwards[0] == "Timeout"
):
    sys.exit("CHANGED: the time-out is no longer one for each future")
print("as described: three times the time-out passed and nothing timed out")
PY
timeout 40 "$tmp/venv/bin/python" "$tmp/probe.py"
