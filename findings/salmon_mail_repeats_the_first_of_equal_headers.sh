#!/usr/bin/env bash
# Package: salmon-mail 3.3.0.
#
# Behaviour: of several header fields of one name a received message keeps the number, but all of them come out
# with the first one's value. str(request), which is what salmon's Relay and Queue are given, so passes
# on a message whose trace is one hop over and over, and of whose other repeated fields only the first is left.
#
# What one would expect: all fields kept with their own values (as the email package does), or, in a dictionary-
# like class, only one of each name. keys() lists each name as often as it occurs, so nothing looks lost.
#
# Seen, for a message with   Received: from first / Received: from second / X-Tag: red / X-Tag: blue
#   request.keys()        ->  Received, Received, X-Tag, X-Tag, ...
#   str(request)          ->  Received: from first / Received: from first / X-Tag: red / X-Tag: red
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'salmon-mail==3.3.0'

cat > "$tmp/probe.py" <<'PY'
import email
import sys

from salmon.mail import MailRequest

RAW = b"""\
Received: from first.example.org by second.example.org; Tue, 1 Dec 2026 10:00:02 +0000
Received: from second.example.org by third.example.org; Tue, 1 Dec 2026 10:00:01 +0000
From: a@example.org
To: b@example.org
Subject: hello
X-Tag: red
X-Tag: blue

text
"""

request = MailRequest("peer", "a@example.org", "b@example.org", RAW)
passed_on = email.message_from_string(str(request))
for name in ("Received", "X-Tag"):
    print(name, "came in:", email.message_from_bytes(RAW).get_all(name))
    print(name, "goes out:", passed_on.get_all(name))

received = passed_on.get_all("Received")
if not (
    request.keys().count("Received") == 2
    and len(received) == 2
    and all(line.startswith("from first") for line in received)
    and passed_on.get_all("X-Tag") == ["red", "red"]
):
    sys.exit("CHANGED: equal names no longer get the first one's value")
print("as described")
PY
timeout 30 "$tmp/venv/bin/python" -W ignore "$tmp/probe.py"
