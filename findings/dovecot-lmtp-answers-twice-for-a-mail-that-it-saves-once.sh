#!/usr/bin/env bash
# Dovecot 2.3.19.1 (Debian dovecot-core and dovecot-lmtpd 1:2.3.19.1+dfsg1-2.1+deb12u7), its LMTP server.
#
# A recipient is named twice in one transaction; each RCPT is accepted, and the two replies after the message both say
# Saved. One expects either two copies, as for two recipients, or one reply. There are two replies (with the same id)
# and one copy. That is so for the very same octets only: named again in another case, or with a +detail, the same
# mailbox gets a second and a third copy, so "Dovecot removes duplicates" is as wrong as "Dovecot does not". Who
# counts the replies counts too many mails. A second surprise: Return-Path is written in front of the message, but one
# that is in it already stays, so that the saved mail has two; and Delivered-To, which scripts rely on, is missing as
# soon as there is more than one recipient.
#
# Seen:
#   replies for bob@ bob@ Bob@Example.org bob+x@: Saved Saved Saved Saved
#   copies in the mailbox of bob@example.org: 3, Return-Path fields in each: 2, Delivered-To fields: 0
#   reply for bob@ alone: Saved
#   copies: 1, Return-Path fields in each: 2, Delivered-To fields: 1

set -euo pipefail
[ "$(id -u)" = 0 ] || { echo 'needs root (for a mount namespace)' >&2; exit 3; }
dovecot='1:2.3.19.1+dfsg1-2.1+deb12u7'
dir=$(mktemp -d); chmod 755 "$dir"; master=
trap '[ -z "$master" ] || { kill "$master" 2>/dev/null; wait "$master" 2>/dev/null || :; }; rm -rf "$dir"' EXIT
cd "$dir"
apt-get download -q "dovecot-core=$dovecot" "dovecot-lmtpd=$dovecot" libexttextcat-2.0-0=3.4.5-1 liblua5.4-0=5.4.4-3+deb12u1 >/dev/null 2>&1 ||
    { echo "Debian packages dovecot-core and dovecot-lmtpd $dovecot cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
for deb in *.deb; do dpkg-deb -x "$deb" root; done
port=$(python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
mkdir run state; mkdir -m 777 mail
cat >dovecot.conf <<CF
base_dir = $dir/run
state_dir = $dir/state
log_path = $dir/log
default_internal_user = nobody
default_internal_group = nogroup
default_login_user = nobody
protocols = lmtp
ssl = no
hostname = mda.example.org
postmaster_address = postmaster@example.org
recipient_delimiter = +
mail_location = maildir:$dir/mail/%u
userdb {
  driver = static
  args = uid=65534 gid=65534 home=$dir/mail/%u
}
passdb {
  driver = static
  args = nopassword=y
}
service lmtp {
  inet_listener lmtp {
    address = 127.0.0.1
    port = $port
  }
}
CF
unshare -m sh -c "mount -t overlay overlay -o lowerdir=$dir/root/usr:/usr /usr && exec dovecot -F -c $dir/dovecot.conf" >out 2>&1 & master=$!

cat >probe.py <<'PY'
import glob
import shutil
import socket
import sys
import time

port, mail = int(sys.argv[1]), sys.argv[2]
for _ in range(100):
    try:
        peer = socket.create_connection(("127.0.0.1", port), timeout=20)
        break
    except OSError:
        time.sleep(0.1)
replies = peer.makefile("r", newline="\r\n")


def reply():
    while True:
        line = replies.readline()
        if line[3:4] != "-":
            return line.strip()


def ask(line):
    peer.sendall(line.encode() + b"\r\n")
    return reply()


reply()
ask("LHLO client.example.org")
for text, first, names in (
        ("replies for bob@ bob@ Bob@Example.org bob+x@:", "copies in the mailbox of bob@example.org:",
         ("bob@example.org", "bob@example.org", "Bob@Example.org", "bob+x@example.org")),
        ("reply for bob@ alone:", "copies:", ("bob@example.org",))):
    ask("MAIL FROM:<ann@example.org>")
    for name in names:
        assert ask(f"RCPT TO:<{name}>").startswith("250"), name
    ask("DATA")
    peer.sendall(b"Return-Path: <ann@example.org>\r\nFrom: ann@example.org\r\nSubject: hello\r\n\r\nhello\r\n.\r\n")
    print(text, *(reply().split()[-1] for _ in names))
    saved = [open(name).read() for name in glob.glob(f"{mail}/bob@example.org/new/*")]
    paths = {text.count("Return-Path:") for text in saved}
    delivered = {text.count("Delivered-To:") for text in saved}
    print(first, f"{len(saved)}, Return-Path fields in each: {paths.pop()}, Delivered-To fields: {delivered.pop()}")
    shutil.rmtree(f"{mail}/bob@example.org")
ask("QUIT")
PY
timeout 60 python3 probe.py "$port" "$dir/mail" >seen || { cat out log >&2; exit 3; }
cat seen
cat >wanted <<'WANTED'
replies for bob@ bob@ Bob@Example.org bob+x@: Saved Saved Saved Saved
copies in the mailbox of bob@example.org: 3, Return-Path fields in each: 2, Delivered-To fields: 0
reply for bob@ alone: Saved
copies: 1, Return-Path fields in each: 2, Delivered-To fields: 1
WANTED
diff wanted seen || { echo 'CHANGED: Dovecot saves or answers for repeated recipients otherwise now' >&2; exit 1; }
