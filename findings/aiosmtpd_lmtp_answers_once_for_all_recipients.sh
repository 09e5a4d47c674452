#!/usr/bin/env bash
# Package: aiosmtpd 1.4.6 (aiosmtpd.lmtp.LMTP), with python-slimta's client 5.0.5 on the other side.
#
# Behaviour: after the message the LMTP server sends one reply, however many recipients it has accepted. A client
# that keeps to the protocol waits for the others until its time-out, and then can't tell what became of them.
#
# What one would expect: one reply for each accepted recipient, in their order. That is the point of LMTP and its one
# real difference from SMTP (RFC 2033, 4.2). The class differs from SMTP in its greeting command alone.
# Tests do not notice it: they have one recipient, or use smtplib.LMTP, which reads one reply, too.
#
# Seen, for two accepted recipients and the final dot:
#   250 taken
#   slimta's LmtpClient reads that one and waits for the second in vain (2 s here)
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check \
    'aiosmtpd==1.4.6' 'python-slimta==5.0.5' 'gevent==26.9.0' 'greenlet==3.5.6' 'setuptools==80.9.0'

cat > "$tmp/probe.py" <<'PY'
import socket
import sys

import gevent
import gevent.socket
from aiosmtpd.controller import Controller
from aiosmtpd.lmtp import LMTP
from slimta.smtp.client import LmtpClient


class Handler:
    async def handle_DATA(self, server, session, envelope):
        return "250 taken"


class LmtpController(Controller):
    def factory(self):
        return LMTP(self.handler)

    def _trigger_server(self):
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


def raw(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        lines = connection.makefile("rb")
        lines.readline()
        connection.sendall(b"LHLO x\r\n")
        while lines.readline()[3:4] == b"-":
            pass
        for command in (
            b"MAIL FROM:<a@example.org>", b"RCPT TO:<b@example.org>", b"RCPT TO:<c@example.org>", b"DATA",
        ):
            connection.sendall(command + b"\r\n")
            lines.readline()
        connection.sendall(b"text\r\n.\r\n")
        replies = [lines.readline().decode().strip()]
        connection.settimeout(1)
        try:
            replies.append(lines.readline().decode().strip())
        except TimeoutError:
            pass
    return replies


def slimta(port, *recipients):
    client = LmtpClient(gevent.socket.create_connection(("127.0.0.1", port), timeout=5))
    client.get_banner()
    client.lhlo("x")
    client.mailfrom("a@example.org")
    for recipient in recipients:
        client.rcptto(recipient)
    client.data()
    with gevent.Timeout(2, False):
        client.send_data(b"text\r\n")
        return "has all replies"
    return "waits in vain"


controller = LmtpController(Handler(), hostname="127.0.0.1", port=0)
controller.start()
try:
    replies = raw(controller.port)
    one = slimta(controller.port, "b@example.org")
    two = slimta(controller.port, "b@example.org", "c@example.org")
finally:
    controller.stop()
print("replies to the message for two:", replies)
print("slimta's client with one recipient:", one)
print("slimta's client with two:", two)
if replies != ["250 taken"] or one != "has all replies" or two != "waits in vain":
    sys.exit("CHANGED: there is a reply for each recipient")
print("as described")
PY
timeout 30 "$tmp/venv/bin/python" -W ignore "$tmp/probe.py"
