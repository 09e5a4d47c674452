#!/usr/bin/env bash
# Dovecot 2.3.19.1 (Debian dovecot-core and dovecot-submissiond 1:2.3.19.1+dfsg1-2.1+deb12u7) as a submission proxy.
#
# One expects a proxy that knows XCLIENT to write an IPv6 address as Postfix's XCLIENT_README has it, IPV6:2001:db8::7.
# Dovecot's submission proxy leaves IPV6: out (so does its LMTP proxy, for its own old versions). Postfix 3.7 answers
# that with 501 (seen: "Bad ADDR syntax: 2001:db8::7"), and the proxy takes the 501 for a failed login: the same user
# with the same password gets in by IPv4 and hears 454 by IPv6, for as long as the server behind offers XCLIENT. Tests
# over 127.0.0.1 never show it. (The submission proxy of Dovecot 2.4 writes the prefix.)
#
# Seen (the server behind answers XCLIENT as Postfix does):
#   by 127.0.0.1: XCLIENT ... ADDR=127.0.0.1, the client hears 235 2.7.0 Logged in.
#   by ::1: XCLIENT ... ADDR=::1, the client hears 454 4.7.0

set -euo pipefail
[ "$(id -u)" = 0 ] || { echo 'needs root (for a mount namespace)' >&2; exit 3; }
dovecot='1:2.3.19.1+dfsg1-2.1+deb12u7'
python3 -c 'import socket; socket.create_server(("::1", 0), family=socket.AF_INET6)' 2>/dev/null ||
    { echo 'needs an IPv6 loopback' >&2; exit 3; }
dir=$(mktemp -d); chmod 755 "$dir"; master=
trap '[ -z "$master" ] || { kill "$master" 2>/dev/null; wait "$master" 2>/dev/null || :; }; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "dovecot-core=$dovecot" "dovecot-submissiond=$dovecot" \
    libexttextcat-2.0-0=3.4.5-1 liblua5.4-0=5.4.4-3+deb12u1 >/dev/null 2>&1 ||
    { echo "Debian packages dovecot-core and dovecot-submissiond $dovecot cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
for deb in *.deb; do dpkg-deb -x "$deb" root; done
free() { python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])'; }
port=$(free); behind=$(free)
mkdir run state
cat >proxy.conf <<CF
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
protocols = submission
listen = 127.0.0.1, ::1
ssl = no
disable_plaintext_auth = no
hostname = proxy.example.org
service submission-login {
  chroot =
  inet_listener submission {
    port = $port
  }
  inet_listener submissions {
    port = 0
  }
}
passdb {
  driver = static
  args = proxy=y nopassword=y proxy_noauth=y host=127.0.0.1 port=$behind
}
CF
unshare -m sh -c "mount -t overlay overlay -o lowerdir=$dir/root/usr:/usr /usr && exec dovecot -F -c $dir/proxy.conf" >out 2>&1 & master=$!

cat >probe.py <<'PY'
import socket
import socketserver
import sys
import threading
import time

port, behind = map(int, sys.argv[1:])
heard = []


class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        self.say("220 mx.example.org ESMTP")
        for line in self.rfile:
            line = line.decode().strip()
            if line.startswith("EHLO"):
                self.say("250-mx.example.org\r\n250 XCLIENT NAME ADDR PORT PROTO HELO LOGIN")
            elif line.startswith("XCLIENT"):
                address = next(word for word in line.split() if word.startswith("ADDR="))
                heard.append(address)
                good = ":" not in address or address.upper().startswith("ADDR=IPV6:")
                self.say("220 mx.example.org ESMTP" if good else f"501 5.5.4 Bad ADDR syntax: {address[5:]}")
            else:
                self.say("250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = daemon_threads = True


threading.Thread(target=Server(("127.0.0.1", behind), Smtp).serve_forever, daemon=True).start()


def log_in(host):
    for _ in range(100):
        try:
            peer = socket.create_connection((host, port), timeout=20)
            break
        except OSError:
            time.sleep(0.1)
    replies = peer.makefile("r", newline="\r\n")

    def ask(line):
        if line:
            peer.sendall(line.encode() + b"\r\n")
        while True:
            reply = replies.readline().strip()
            if reply[3:4] != "-":
                return reply

    ask("")
    ask("EHLO client.example.org")
    reply = ask("AUTH PLAIN AGFubgBzZWNyZXQ=")
    peer.close()
    return reply


for host in ("127.0.0.1", "::1"):
    reply = log_in(host)
    print(f"by {host}: XCLIENT ... {heard[-1]}, the client hears", reply if reply[0] == "2" else reply[:9])
PY
timeout 60 python3 probe.py "$port" "$behind" >seen || { cat out log >&2; exit 3; }

cat seen
cat >wanted <<'WANTED'
by 127.0.0.1: XCLIENT ... ADDR=127.0.0.1, the client hears 235 2.7.0 Logged in.
by ::1: XCLIENT ... ADDR=::1, the client hears 454 4.7.0
WANTED
diff wanted seen || { echo 'CHANGED: Dovecot writes IPv6 addresses otherwise in XCLIENT now' >&2; exit 1; }
