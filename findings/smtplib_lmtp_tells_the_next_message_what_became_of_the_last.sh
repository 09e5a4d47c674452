#!/usr/bin/env bash
# Package: lmtpd 6.2.0 as the server (so Python 3.11 or older), with the standard library's smtplib.LMTP as the client.
#
# Behaviour: the server sends one reply for each recipient after the message, as LMTP has it, and smtplib.LMTP reads
# one. The second recipient's refusal is not reported; it is still in the connection and answers the MAIL
# command of the next message, which then fails by SMTPSenderRefused with a text about somebody else.
#
# What one would expect: {"bob@example.org": (550, ...)} from the first sendmail, which is the dictionary's purpose,
# and a second message that has nothing to do with the first.
#
# Seen, with a server that takes mail for ann and refuses it for bob after the message:
#   sendmail(sender, [ann, bob], message)  ->  {}                        (nobody was refused)
#   sendmail(sender, [ann], message)       ->  SMTPSenderRefused (550, b"no bob@example.org")
#   sendmail(sender, [ann], message)       ->  SMTPDataError (250, b"2.1.0 Ok"), and so on: one reply behind
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python=
for candidate in python3 python3.11 python3.10 python3.9; do
    if "$candidate" -W ignore -c 'import smtpd' 2> "$tmp/err"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo 'needs Python 3.11 or older: lmtpd imports smtpd' >&2
    exit 2
fi
"$python" -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'lmtpd==6.2.0'

cat > "$tmp/probe.py" <<'PY'
import asyncore
import smtplib
import sys
import threading
import time

import lmtpd


class Server(lmtpd.LMTPServer):
    def process_message(self, peer, mailfrom, rcptto, data):
        if b"bob" in rcptto:
            return "550 no bob@example.org"


server = Server(("127.0.0.1", 0))
done = threading.Event()


def serve():
    limit = time.monotonic() + 20
    while not done.is_set() and time.monotonic() < limit:
        asyncore.loop(timeout=0.05, count=1)


thread = threading.Thread(target=serve, daemon=True)
thread.start()
outcomes = []
client = smtplib.LMTP("127.0.0.1", server.socket.getsockname()[1])
client.sock.settimeout(10)
for recipients in (["ann@example.org", "bob@example.org"], ["ann@example.org"], ["ann@example.org"]):
    try:
        outcome = client.sendmail("sender@example.org", recipients, "Subject: s\r\n\r\ntext\r\n")
    except smtplib.SMTPResponseException as error:
        outcome = (type(error).__name__, error.smtp_code, error.smtp_error)
    outcomes.append(outcome)
    print(recipients, "->", outcome)
client.close()
done.set()
thread.join()
if outcomes != [{}, ("SMTPSenderRefused", 550, b"no bob@example.org"), ("SMTPDataError", 250, b"2.1.0 Ok")]:
    sys.exit("CHANGED: each message is told its own outcome")
print("as described")
PY
timeout 40 "$tmp/venv/bin/python" -W ignore "$tmp/probe.py"
