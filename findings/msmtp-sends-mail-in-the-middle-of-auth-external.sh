#!/usr/bin/env bash
# msmtp 1.8.23 (Debian msmtp 1.8.23-1), auth external, without a user.
#
# With SASL's EXTERNAL (RFC 4422, appendix A) the TLS certificate says who the client is. So there need be no user, and
# the client's one response is empty: RFC 4954 section 4 has it sent as "=" behind AUTH, or as an empty line behind the
# server's "334 ". msmtp's manual says of the method that it merely confirms what happened outside. But without a user
# msmtp sends AUTH EXTERNAL, takes the "334 " for the end of it, and sends MAIL, RCPT and DATA, the first of which the
# server gets as the response that it waits for. It is not base64, so the client is not authenticated, and msmtp tells
# its user that the sender's address was not accepted. With a user (which EXTERNAL takes for somebody else to act as)
# it sends that as the response, and all is well.
#
# Seen, what the server gets behind its 334:
#   without a user: MAIL FROM:<ann@example.org>
#   with a user:    amFuZQ==

set -euo pipefail
have=$(dpkg-query -W -f '${Version}' msmtp 2>/dev/null || :)
[ "$have" = 1.8.23-1 ] || { echo "needs Debian's msmtp 1.8.23-1 (here: ${have:-none})" >&2; exit 3; }
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"

cat >peer.py <<'PY'
import socket
import sys

listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
listener.settimeout(30)
peer = listener.accept()[0]
peer.settimeout(20)
lines = peer.makefile("rb")


def say(text):
    peer.sendall(text.encode() + b"\r\n")


say("220 mx.example.org ESMTP")
for line in lines:
    if line.startswith(b"EHLO"):
        say("250-mx.example.org\r\n250 AUTH EXTERNAL")
    elif line.startswith(b"AUTH EXTERNAL\r\n"):
        say("334 ")
        print(next(lines).decode().strip(), file=sys.stderr)
        say("501 5.5.2 not for now")
    else:
        say("221 bye")
        break
PY

try_with() { # arguments of msmtp
    rm -f port
    python3 peer.py >port 2>heard & peer=$!
    for _ in $(seq 50); do [ -s port ] && break; sleep 0.1; done
    printf 'Subject: hello\n\nhello\n' | timeout 20 msmtp --file=/dev/null --host=127.0.0.1 --port="$(cat port)" \
        --tls=off --auth=external "$@" --from=ann@example.org bob@example.org >said 2>&1 || :
    wait "$peer" || :
    cat heard
}

echo "without a user: $(try_with)" | tee seen
echo "with a user:    $(try_with --user=jane)" | tee -a seen
cat >wanted <<'WANTED'
without a user: MAIL FROM:<ann@example.org>
with a user:    amFuZQ==
WANTED
diff wanted seen || { echo 'CHANGED: msmtp answers the challenge of EXTERNAL now' >&2; exit 1; }
