#!/usr/bin/env bash
# Postfix 3.7.11 (Debian postfix 3.7.11-0+deb12u1), relaying from its smtpd to another server with its smtp client.
#
# RFC 5321 (2.4) says that local parts are case-sensitive and that a relay must keep their case; so one expects a
# relay to pass on each recipient that it has accepted, or at least each distinct spelling. Postfix answers 250 to
# every RCPT, but in its queue recipients are the same if they are equal without regard to case, in the local part
# too: the next server gets the first spelling alone. Five accepted recipients become two. The header fields Bcc,
# Content-Length and Return-Path of the message are gone as well, though it came by SMTP and not from the sendmail
# command (so a signature that covers Bcc breaks).
#
# Seen:
#   accepted: bob@example.org BOB@example.org Bob@EXAMPLE.org bob@example.org carl@example.org
#   relayed to: bob@example.org carl@example.org
#   header fields sent: From To Subject Bcc Content-Length Return-Path Date Message-ID
#   header fields relayed: Received From To Subject Date Message-ID

set -euo pipefail
version='3.7.11-0+deb12u1'
if ! installed=$(dpkg-query -W -f '${Version}' postfix 2>/dev/null) || [ -z "$installed" ]; then
    echo 'postfix postfix/main_mailer_type select No configuration' | debconf-set-selections
    RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -q "postfix=$version" >/dev/null
    installed=$(dpkg-query -W -f '${Version}' postfix)
fi
[ "$installed" = "$version" ] || { echo "this is about postfix $version, but $installed is installed" >&2; exit 3; }

dir=$(mktemp -d); chmod 755 "$dir"
trap 'postfix -c "$dir/etc" stop >/dev/null 2>&1 || :; rm -rf "$dir"' EXIT
cd "$dir"
mkdir etc queue data; chown postfix data
ports=$(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))')
read -r relay next <<<"$ports"
cat >etc/main.cf <<CF
compatibility_level = 3.6
queue_directory = $dir/queue
data_directory = $dir/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = relay.example.org
mydestination =
alias_maps =
mynetworks = 127.0.0.0/8
smtpd_peername_lookup = no
relayhost = [127.0.0.1]:$next
CF
cat >etc/master.cf <<CF
127.0.0.1:$relay inet n - n - - smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
proxymap unix - - n - - proxymap
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
CF
cat >probe.py <<'PY'
import smtplib
import socket
import sys
import time

relay, listener = int(sys.argv[1]), socket.create_server(("127.0.0.1", int(sys.argv[2])))
message = "\r\n".join((
    "From: ann@example.org", "To: bob@example.org", "Subject: hello", "Bcc: dan@example.org", "Content-Length: 7",
    "Return-Path: <ann@example.org>", "Date: Tue, 1 Dec 2026 10:00:00 +0000", "Message-ID: <1@example.org>", "", "hello", ""))


def fields(lines):
    return " ".join(line.split(":")[0] for line in lines[:lines.index("")] if not line[0].isspace())


for _ in range(100):
    try:
        client = smtplib.SMTP("127.0.0.1", relay, timeout=20)
        break
    except OSError:
        time.sleep(0.1)
client.ehlo("client.example.org")
client.mail("ann@example.org")
accepted = []
for name in ("bob@example.org", "BOB@example.org", "Bob@EXAMPLE.org", "bob@example.org", "carl@example.org"):
    if client.rcpt(name)[0] == 250:
        accepted.append(name)
client.data(message)
client.quit()

listener.settimeout(20)
peer = listener.accept()[0]
peer.settimeout(20)
lines, relayed, got = peer.makefile("r", newline="\r\n"), [], None
peer.sendall(b"220 next.example.org ESMTP\r\n")
for line in lines:
    line = line[:-2]
    if got is not None and line != ".":
        got.append(line)
    elif got is not None:
        break
    elif line == "DATA":
        got = []
        peer.sendall(b"354 go on\r\n")
    else:
        if line.startswith("RCPT TO:<"):
            relayed.append(line[9:-1])
        peer.sendall(b"250 ok\r\n")
peer.sendall(b"250 taken\r\n221 bye\r\n")
time.sleep(0.3)
print("accepted:", *accepted)
print("relayed to:", *relayed)
print("header fields sent:", fields(message.split("\r\n")))
print("header fields relayed:", fields(got))
PY
postfix -c "$dir/etc" start >start.log 2>&1 || { cat start.log >&2; exit 3; }
timeout 60 python3 probe.py "$relay" "$next" >seen
cat seen
cat >wanted <<'WANTED'
accepted: bob@example.org BOB@example.org Bob@EXAMPLE.org bob@example.org carl@example.org
relayed to: bob@example.org carl@example.org
header fields sent: From To Subject Bcc Content-Length Return-Path Date Message-ID
header fields relayed: Received From To Subject Date Message-ID
WANTED
diff wanted seen || { echo 'CHANGED: Postfix relays recipients or header fields otherwise now' >&2; exit 1; }
