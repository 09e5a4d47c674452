#!/usr/bin/env bash
# Packages: aiosmtplib 5.1.3 (against aiosmtpd 1.4.6).
#
# Behaviour: a command that is cancelled while it waits for its reply (as asyncio.wait_for, asyncio.timeout
# and task.cancel() do) leaves the connection open and counted as connected. Its reply is not thrown away
# when it comes: the next command takes it for its own, and from then on each command is told the
# outcome of the one before it, for as long as the connection lives.
#
# What one would expect: what aiosmtplib's own `timeout=` does, which closes the connection, or a reply
# that is read and dropped. In any case no reply handed to a command it does not belong to.
#
# Seen, with a server that takes its time over ann, refuses bob and accepts everybody else:
#   RCPT TO:<ann@example.org>  given up after 0.1 s; is_connected: True
#   RCPT TO:<bob@example.org>  ->  250 ok ann@example.org      (bob is refused, and reads as accepted)
#   RCPT TO:<eve@example.org>  ->  550 no bob@example.org      (eve is accepted, and reads as refused)
#   with timeout=0.1 in place of wait_for: SMTPReadTimeoutError; is_connected: False
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'aiosmtplib==5.1.3' 'aiosmtpd==1.4.6'

cat > "$tmp/probe.py" <<'PY'
import asyncio
import sys

import aiosmtplib
from aiosmtpd.smtp import SMTP


class Handler:
    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("ann"):
            await asyncio.sleep(0.4)
        if address.startswith("bob"):
            return f"550 no {address}"
        envelope.rcpt_tos.append(address)
        return f"250 ok {address}"


async def rcpt(client, address):
    try:
        reply = await client.rcpt(address)
    except aiosmtplib.SMTPResponseException as refusal:
        reply = refusal
    print(f"RCPT TO:<{address}>  ->  {reply.code} {reply.message}")
    return reply.code, reply.message


async def main():
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(Handler(), loop=loop), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]

    async def dial():
        client = aiosmtplib.SMTP(hostname="127.0.0.1", port=port, start_tls=False)
        await client.connect()
        await client.mail("sender@example.org")
        return client

    client = await dial()
    try:
        await asyncio.wait_for(client.rcpt("ann@example.org"), 0.1)
        sys.exit("CHANGED: the slow command was not given up")
    except asyncio.TimeoutError:
        connected = client.is_connected
        print("ann given up; is_connected:", connected)
    replies = [await rcpt(client, f"{name}@example.org") for name in ("bob", "eve")]
    client.close()

    client = await dial()
    try:
        await client.rcpt("ann@example.org", timeout=0.1)
    except aiosmtplib.SMTPReadTimeoutError:
        print("with timeout=0.1; is_connected:", client.is_connected)
    own_limit = client.is_connected
    server.close()

    if not connected or own_limit or replies != [
        (250, "ok ann@example.org"),
        (550, "no bob@example.org"),
    ]:
        sys.exit("CHANGED: replies are no longer handed to the wrong commands")


asyncio.run(asyncio.wait_for(main(), 20))
print("as described: every reply went to the command after the one it belongs to")
PY
timeout 40 "$tmp/venv/bin/python" "$tmp/probe.py"
