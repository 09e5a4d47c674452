#!/usr/bin/env bash
# Packages: gevent 26.9.0, with aiosmtpd 1.4.6 and aiosmtplib 5.1.3.
#
# Behaviour: in a program patched by gevent, threads are greenlets of one real thread, and asyncio keeps the
# running loop per real thread. So while a loop runs in one "thread", every other "thread" of the process
# believes that it is inside that loop: asyncio.get_running_loop() hands it over, and asyncio.run() raises
# RuntimeError. One aiosmtpd Controller (which runs its loop in a thread of its own) is enough to forbid
# asyncio.run() to the whole program until the Controller is stopped.
#
# What one would expect: that each thread has a loop of its own or none, patched or not. Without the patch the very
# same program works, and gevent makes other things that are kept per thread (threading.local) follow the greenlet.
#
# Seen:
#   Controller started; smtplib sends to it without trouble
#   asyncio.run(aiosmtplib.send(...))  ->  RuntimeError: asyncio.run() cannot be called from a running event loop
#   asyncio.get_running_loop() in a plain function in the main thread  ->  the Controller's loop
#   after Controller.stop() asyncio.run() works again; without the patch all of it works from the start
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check \
    'gevent==26.9.0' 'greenlet==3.5.6' 'aiosmtpd==1.4.6' 'aiosmtplib==5.1.3'

cat > "$tmp/probe.py" <<'PY'
import sys

if sys.argv[1] == "patched":
    from gevent import monkey

    monkey.patch_all()

import asyncio
import smtplib

import aiosmtplib
from aiosmtpd.controller import Controller


class AnyPort(Controller):
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class Handler:
    async def handle_DATA(self, server, session, envelope):
        return "250 taken"


async def send(port):
    await aiosmtplib.send(
        "Subject: a\n\nb\n", sender="a@example.org", recipients=["b@example.org"],
        hostname="127.0.0.1", port=port, start_tls=False,
    )


def attempt(what):
    coroutine = what()
    try:
        asyncio.run(coroutine)
        return "works"
    except RuntimeError as error:
        coroutine.close()
        return str(error)


def loop_seen_here():
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


controller = AnyPort(Handler(), hostname="127.0.0.1", port=0)
controller.start()
with smtplib.SMTP("127.0.0.1", controller.port, timeout=10) as client:
    client.sendmail("a@example.org", ["b@example.org"], "Subject: a\n\nb\n")
during = attempt(lambda: send(controller.port))
strange = loop_seen_here() is controller.loop
controller.stop()
after = attempt(lambda: asyncio.sleep(0))

print(sys.argv[1])
print("  asyncio.run beside a Controller:", during)
print("  the main thread sees the Controller's loop as running:", strange)
print("  asyncio.run after Controller.stop:", after)
expected = {
    "plain": ("works", False, "works"),
    "patched": ("asyncio.run() cannot be called from a running event loop", True, "works"),
}
if (during, strange, after) != expected[sys.argv[1]]:
    sys.exit("CHANGED: not what was described")
PY
timeout 30 "$tmp/venv/bin/python" "$tmp/probe.py" plain
timeout 30 "$tmp/venv/bin/python" "$tmp/probe.py" patched
echo 'as described'
