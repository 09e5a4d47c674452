#!/usr/bin/env bash
# Package: gevent 26.9.0.
#
# Behaviour: a gevent socket says that it blocks (gettimeout() is None, getblocking() is True), but the descriptor
# below it is set to O_NONBLOCK, and that flag belongs to the open file, not to the process. So a child that
# gets the socket as its standard input, output or error finds it non-blocking and fails at the first read
# that has to wait. The flag stays when the gevent socket is detached.
#
# What one would expect: that a socket without a time-out can be handed to a program as the standard library's can.
# Here cat reads from one end of a socket pair, and the text comes after a while.
#
# Seen:
#   socket.socketpair()          os.get_blocking: True     cat: exit 0, got the text
#   gevent.socket.socketpair()   os.get_blocking: False    cat: exit 1, "Resource temporarily unavailable"
#   gevent's, after detach()     os.get_blocking: False
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'gevent==26.9.0' 'greenlet==3.5.6'

cat > "$tmp/probe.py" <<'PY'
import os
import socket
import subprocess
import sys

import gevent.socket


def try_with(module):
    ours, childs = module.socketpair()
    says = (childs.gettimeout(), childs.getblocking())
    flag = os.get_blocking(childs.fileno())
    child = subprocess.Popen(
        ["cat"], stdin=childs.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env={**os.environ, "LC_ALL": "C"},
    )
    try:
        child.wait(0.3 if module is socket else 5)
    except subprocess.TimeoutExpired:
        pass
    ours.sendall(b"text")
    ours.close()
    out, err = child.communicate(timeout=10)
    number = childs.detach()
    detached = os.get_blocking(number)
    os.close(number)
    print(module.__name__, says, "blocking:", flag, "exit:", child.returncode, out, err, "detached:", detached)
    return says, flag, child.returncode, out, b"temporarily unavailable" in err, detached


plain = try_with(socket)
green = try_with(gevent.socket)
if plain != ((None, True), True, 0, b"text", False, True):
    sys.exit("CHANGED: a plain socket does not work as it should")
if green != ((None, True), False, 1, b"", True, False):
    sys.exit("CHANGED: a gevent socket can be given to a child")
print("as described")
PY
timeout 30 "$tmp/venv/bin/python" "$tmp/probe.py"
