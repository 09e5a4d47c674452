#!/usr/bin/env bash
# nginx 1.22.1 (Debian nginx-light and libnginx-mod-mail 1.22.1-9+deb12u11) as an SMTP proxy, smtp_auth none, defaults
# else.
#
# One expects a proxy to pass on what the client says, and to use the extension XCLIENT only if the server behind has
# offered it in its reply to EHLO. nginx does neither. It answers EHLO, NOOP and MAIL FROM (with any SIZE) by itself
# and connects to the server at the first RCPT. Then it greets with its *own* name, sends XCLIENT whatever was
# offered, greets again with the client's name, and only then repeats MAIL and RCPT. If the server refuses XCLIENT or
# MAIL, for good, the client is told 451, try again later, as the reply to RCPT, and both connections are closed: mail
# that is too long or from a refused sender is tried again for days, and a server that has never heard of XCLIENT gets
# no mail at all. (With proxy_pass_error_message on the server's own words are the reply to RCPT: "552 too long" for a
# recipient. With xclient off the second greeting is missing too.)
#
# Seen (the server behind offers nothing but 8BITMIME):
#   to a server that takes XCLIENT: EHLO proxy.example.org | XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE] | EHLO client.example.org | MAIL FROM:<ann@example.org> SIZE=999999 | RCPT TO:<bob@example.org>
#   the client hears: MAIL 250 2.0.0 OK, RCPT 250 ok, next RCPT 250 ok
#   to one that answers XCLIENT with 500, the client hears: MAIL 250 2.0.0 OK, RCPT 451 4.3.2 Internal server error, next RCPT closed
#   to one that answers MAIL with 552, the client hears: MAIL 250 2.0.0 OK, RCPT 451 4.3.2 Internal server error, next RCPT closed

set -euo pipefail
nginx='1.22.1-9+deb12u11'
dir=$(mktemp -d); chmod 755 "$dir"; jobs=()
trap 'for j in "${jobs[@]}"; do kill "$j" 2>/dev/null || :; wait "$j" 2>/dev/null || :; done; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "nginx-light=$nginx" "nginx=$nginx" "libnginx-mod-mail=$nginx" >/dev/null 2>&1 ||
    { echo "Debian packages nginx-light, nginx and libnginx-mod-mail $nginx cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
for deb in *.deb; do dpkg-deb -x "$deb" root; done
program=$dir/root/usr/sbin/nginx
"$program" -v 2>&1 | grep -q 'nginx/1\.22\.1$' || { echo 'nginx does not run' >&2; exit 3; }

cat >behind.py <<'PY'
import http.server
import socket
import socketserver
import sys
import threading


class Smtp(socketserver.StreamRequestHandler):
    def handle(self):
        seen = self.server.seen = []
        self.say("220 server.example.org ESMTP")
        for line in self.rfile:
            line = line.decode().strip()
            seen.append(line)
            for verb, reply in self.server.refused.items():
                if line.startswith(verb):
                    self.say(reply)
                    break
            else:
                self.say("250-server.example.org\r\n250 8BITMIME" if line.startswith("EHLO") else "250 ok")

    def say(self, text):
        self.wfile.write(text.encode() + b"\r\n")


class Auth(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        for name, value in (("Status", "OK"), ("Server", "127.0.0.1"), ("Port", smtp.server_address[1])):
            self.send_header(f"Auth-{name}", str(value))
        self.end_headers()

    def log_message(self, *_):
        pass


smtp = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Smtp)
auth = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Auth)
for server in (smtp, auth):
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
print(auth.server_port, flush=True)
proxy = int(sys.stdin.readline())


def client():
    peer = socket.create_connection(("127.0.0.1", proxy), timeout=15)
    replies = peer.makefile("r", newline="\r\n")

    def ask(line):
        if line:
            peer.sendall(line.encode() + b"\r\n")
        while True:
            try:
                reply = replies.readline().strip()
            except OSError:
                reply = ""
            if reply[3:4] != "-":
                return reply or "closed"

    ask(None)
    ask("EHLO client.example.org")
    heard = [f"MAIL {ask('MAIL FROM:<ann@example.org> SIZE=999999')}", f"RCPT {ask('RCPT TO:<bob@example.org>')}"]
    try:
        heard.append(f"next RCPT {ask('RCPT TO:<carl@example.org>')}")
    except OSError:
        heard.append("next RCPT closed")
    peer.close()
    return ", ".join(heard)


smtp.refused = {}
heard = client()
print("to a server that takes XCLIENT:", " | ".join(smtp.seen[:5]))
print("the client hears:", heard)
smtp.refused = {"XCLIENT": "500 what is that"}
print("to one that answers XCLIENT with 500, the client hears:", client())
smtp.refused = {"MAIL": "552 too long"}
print("to one that answers MAIL with 552, the client hears:", client())
PY
coproc behind { timeout 60 python3 behind.py; }
jobs+=("$behind_PID")
exec {from}<&"${behind[0]}" {to}>&"${behind[1]}"
read -r auth <&"$from"
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
cat >nginx.conf <<CF
load_module $dir/root/usr/lib/nginx/modules/ngx_mail_module.so;
daemon off;
master_process off;
pid $dir/pid;
error_log $dir/error.log;
events { worker_connections 50; }
mail {
    server_name proxy.example.org;
    auth_http 127.0.0.1:$auth/;
    server { listen 127.0.0.1:$port; protocol smtp; smtp_auth none; }
}
CF
"$program" -p "$dir" -c "$dir/nginx.conf" >out 2>&1 & jobs+=($!)
for _ in $(seq 50); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
echo "$port" >&"$to"
cat <&"$from" >seen
cat seen
cat >wanted <<'WANTED'
to a server that takes XCLIENT: EHLO proxy.example.org | XCLIENT ADDR=127.0.0.1 NAME=[UNAVAILABLE] | EHLO client.example.org | MAIL FROM:<ann@example.org> SIZE=999999 | RCPT TO:<bob@example.org>
the client hears: MAIL 250 2.0.0 OK, RCPT 250 ok, next RCPT 250 ok
to one that answers XCLIENT with 500, the client hears: MAIL 250 2.0.0 OK, RCPT 451 4.3.2 Internal server error, next RCPT closed
to one that answers MAIL with 552, the client hears: MAIL 250 2.0.0 OK, RCPT 451 4.3.2 Internal server error, next RCPT closed
WANTED
diff wanted seen || { echo 'CHANGED: nginx talks to the server behind it otherwise now' >&2; exit 1; }
