#!/usr/bin/env bash
# Package: aiosmtpd 1.4.6 (aiosmtpd.handlers.Proxy).
#
# Behaviour: the handler that passes messages on to another server tries it at once, while the client waits, and then
# answers "250 OK" whatever came of it: also when the other server refused all recipients, answered the message
# with a temporary error, or could not be reached. It keeps nothing, so the message is gone. A log line tells.
# The delivery is a plain smtplib call in the event loop: no other session gets an answer while it lasts.
#
# What one would expect: the other server's answer passed back, as the point of trying while the client waits; or at
# least 451 where nothing was delivered, so that the client keeps the message and tries again.
#
# Seen by a client of the proxy, which took the responsibility each time:
#   next hop answers RCPT with 550             ->  250 OK
#   next hop answers the message with 451      ->  250 OK
#   nothing listens at the next hop            ->  250 OK
#   next hop takes 1 s for RCPT                ->  a NOOP of another session is answered after 1 s
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'aiosmtpd==1.4.6'

cat > "$tmp/probe.py" <<'PY'
import asyncio
import smtplib
import socket
import sys
import threading
import time

from aiosmtpd.controller import Controller
from aiosmtpd.handlers import Proxy


class AnyPort(Controller):
    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


class NextHop:
    kept = []
    busy = threading.Event()

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("slow"):
            self.busy.set()
            await asyncio.sleep(1)
        if address.startswith("nobody"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, server, session, envelope):
        if envelope.rcpt_tos[0].startswith("later"):
            return "451 try again later"
        self.kept.append(envelope.rcpt_tos)
        return "250 kept"


def start(handler):
    controller = AnyPort(handler, hostname="127.0.0.1", port=0)
    controller.start()
    return controller


def answer(port, recipient):
    with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
        client.helo("x")
        client.mail("a@example.org")
        client.rcpt(recipient)
        code, text = client.data("Subject: s\r\n\r\ntext\r\n")
    return code, text.decode()


next_hop = start(NextHop())
proxy = start(Proxy("127.0.0.1", next_hop.port))
with socket.socket() as reserved:  # bound, never listening: connections to it are refused
    reserved.bind(("127.0.0.1", 0))
    astray = start(Proxy("127.0.0.1", reserved.getsockname()[1]))
    answers = {
        "refused by RCPT": answer(proxy.port, "nobody@example.org"),
        "451 after the message": answer(proxy.port, "later@example.org"),
        "nothing listens": answer(astray.port, "bob@example.org"),
    }
    astray.stop()

with smtplib.SMTP("127.0.0.1", proxy.port, timeout=10) as other:
    other.helo("other")
    sender = threading.Thread(target=answer, args=(proxy.port, "slow@example.org"))
    sender.start()
    NextHop.busy.wait(10)
    begin = time.monotonic()
    other.noop()
    waited = time.monotonic() - begin
sender.join()
proxy.stop()
next_hop.stop()

for case, reply in answers.items():
    print(f"{case} -> {reply}")
print(f"kept by the next hop: {NextHop.kept}; NOOP of another session: {waited:.1f} s")
if set(answers.values()) != {(250, "OK")} or NextHop.kept != [["slow@example.org"]] or waited < 0.4:
    sys.exit("CHANGED: the proxy no longer takes what it can't pass on, or no longer blocks")
print("as described")
PY
timeout 40 "$tmp/venv/bin/python" "$tmp/probe.py" 2> "$tmp/log" || { cat "$tmp/log"; exit 1; }
