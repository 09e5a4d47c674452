#!/usr/bin/env bash
# GNU SASL 2.2.0 (Debian gsasl 2.2.0-1+deb12u2), its command gsasl --smtp, inside TLS.
#
# A client of SCRAM that could bind to its TLS channel, and whose server offers no SCRAM-...-PLUS, says so with "y" in
# its first message and goes on (RFC 5802 section 6). Most mail servers offer none. gsasl takes the channel's data by
# default, and then ends by itself at SCRAM-SHA-256 with "Error authenticating user": it sends no first message at all,
# with TLS 1.2 as with 1.3. With --no-cb it sends one, with "n", and logs in.
#
# Seen, the client's first message:
#   TLS 1.2:          none; mechanism error: Error authenticating user
#   TLS 1.2, --no-cb: n,,n=jane
#   TLS 1.3:          none; mechanism error: Error authenticating user
#   TLS 1.3, --no-cb: n,,n=jane

set -euo pipefail
have=$(dpkg-query -W -f '${Version}' gsasl 2>/dev/null || :)
case "$have" in 2.2.0-1*) ;; *) echo "needs Debian's gsasl 2.2.0-1 (here: ${have:-none})" >&2; exit 3;; esac
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost \
    -keyout key.pem -out cert.pem 2>/dev/null

cat >peer.py <<'PY'
import base64
import socket
import ssl
import sys

context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("cert.pem", "key.pem")
context.minimum_version = context.maximum_version = getattr(ssl.TLSVersion, sys.argv[1])
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
listener.settimeout(30)
peer = listener.accept()[0]
peer.settimeout(20)


def say(text):
    peer.sendall(text.encode() + b"\r\n")


def hear():
    line = b""
    while not line.endswith(b"\n") and (octet := peer.recv(1)):
        line += octet
    return line


say("220 mx.example.org ESMTP")
while not hear().startswith(b"STARTTLS"):
    say("250-mx.example.org\r\n250-STARTTLS\r\n250 HELP")
say("220 go on")
peer = context.wrap_socket(peer, server_side=True)
while (line := hear()).startswith(b"EHLO"):
    say("250-mx.example.org\r\n250-AUTH SCRAM-SHA-256\r\n250 HELP")
try:
    say("334 ")
    first = hear()
except OSError:
    first = b""
print(base64.b64decode(first).decode().partition(",r=")[0] or "none", file=sys.stderr)
PY

try_with() { # version of TLS, arguments of gsasl
    rm -f port
    python3 peer.py "$1" >port 2>heard & peer=$!
    for _ in $(seq 50); do [ -s port ] && break; sleep 0.1; done
    timeout 20 gsasl --smtp --mechanism SCRAM-SHA-256 --x509-ca-file=cert.pem "${@:2}" --authentication-id jane \
        --password secret localhost "$(cat port)" </dev/null >said 2>&1 || :
    wait "$peer" || :
    first=$(cat heard)
    echo "$first$([ "$first" != none ] || sed -n 's/^.*gsasl: \(mechanism error: .*\)/; \1/p' said)"
}

{
    echo "TLS 1.2:          $(try_with TLSv1_2)"
    echo "TLS 1.2, --no-cb: $(try_with TLSv1_2 --no-cb)"
    echo "TLS 1.3:          $(try_with TLSv1_3)"
    echo "TLS 1.3, --no-cb: $(try_with TLSv1_3 --no-cb)"
} | tee seen
cat >wanted <<'WANTED'
TLS 1.2:          none; mechanism error: Error authenticating user
TLS 1.2, --no-cb: n,,n=jane
TLS 1.3:          none; mechanism error: Error authenticating user
TLS 1.3, --no-cb: n,,n=jane
WANTED
diff wanted seen || { echo 'CHANGED: gsasl says something else inside TLS now' >&2; exit 1; }
