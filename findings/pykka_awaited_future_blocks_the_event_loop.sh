#!/usr/bin/env bash
# Package: Pykka 4.5.0, in an asyncio program.
#
# Behaviour: a Pykka future can be awaited, but the await never yields: it waits for the actor on the spot, in the
# event loop's own thread. No other task runs meanwhile, asyncio.wait_for and asyncio.timeout can't cut it short
# (they return the value, late, without raising), and a gather waits for one after the other.
#
# What one would expect: what "await" promises, and the reason to give a class an __await__ at all: the loop goes on
# until the actor has answered. The same wait in a worker thread (asyncio.to_thread(future.get)) does that.
#
# Seen, with an actor that needs 0.5 s and a task that ticks each 0.02 s:
#   await future                                 0 ticks
#   await asyncio.wait_for(wrapped, 0.1)         the value, after 0.5 s
#   await asyncio.to_thread(future.get)          some 20 ticks
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'pykka==4.5.0'

cat > "$tmp/probe.py" <<'PY'
import asyncio
import sys
import time

import pykka


class Slow(pykka.ThreadingActor):
    def work(self):
        time.sleep(0.5)
        return "done"


async def main(worker):
    ticks = 0

    async def tick():
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    async def wrapped():
        return await worker.work()

    ticker = asyncio.create_task(tick())
    await asyncio.sleep(0)

    before = ticks
    await worker.work()
    plain = ticks - before
    print("ticks during 'await future':", plain)

    begin = time.monotonic()
    try:
        limited = await asyncio.wait_for(wrapped(), 0.1)
    except asyncio.TimeoutError:
        limited = "TimeoutError"
    took = time.monotonic() - begin
    print(f"wait_for 0.1 s: {limited} after {took:.1f} s")

    before = ticks
    await asyncio.to_thread(worker.work().get)
    threaded = ticks - before
    print("ticks during 'await to_thread(future.get)':", threaded)
    ticker.cancel()
    return plain, limited, took, threaded


try:
    plain, limited, took, threaded = asyncio.run(main(Slow.start().proxy()))
finally:
    pykka.ActorRegistry.stop_all()
if not (plain == 0 and limited == "done" and took > 0.4 and threaded > 3):
    sys.exit("CHANGED: awaiting a future no longer blocks the loop")
print("as described")
PY
timeout 40 "$tmp/venv/bin/python" "$tmp/probe.py"
