#!/usr/bin/env bash
# Exim 4.96 (Debian exim4-daemon-light 4.96-15+deb12u11), its smtp transport with the default settings.
#
# RFC 1870 has a client declare with MAIL ... SIZE=n how long the message is, and one expects n to be that, or a few
# octets beside it. Exim adds 1,024 to what it has counted (its option size_addition, for headers that may be added on
# the way out). So a server that compares n with its limit, as the RFC tells it to, refuses messages that are up to
# 1,024 octets below the limit, and as the refusal is a 552, Exim returns the mail to its sender without having sent
# an octet of it. With size_addition = 0 the same mail is declared within a few octets and delivered.
#
# Seen (the next server announces SIZE 2000 and refuses what is longer, whether declared or sent):
#   default:           declared 2678, sent nothing; refused with 552, returned to the sender
#   size_addition = 0: declared 1654, sent 1655; delivered

set -euo pipefail
[ "$(id -u)" = 0 ] || { echo 'needs root (for a mount namespace)' >&2; exit 3; }
exim='4.96-15+deb12u11' idn='1.41-1'
dir=$(mktemp -d); chmod 755 "$dir"; trap 'rm -rf "$dir"' EXIT; cd "$dir"
apt-get download -q "exim4-daemon-light=$exim" "libidn12=$idn" >/dev/null 2>&1 ||
    { echo "Debian packages exim4-daemon-light $exim and libidn12 $idn cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
for deb in *.deb; do dpkg-deb -x "$deb" root; done
(cat /etc/passwd; echo 'Debian-exim:x:64000:64000::/nonexistent:/bin/false') >passwd
(cat /etc/group; echo 'Debian-exim:x:64000:') >group

cat >next.py <<'PY'
import socket
import sys

LIMIT = 2000
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
listener.settimeout(30)
peer = listener.accept()[0]
peer.settimeout(20)


def say(text):
    peer.sendall(text.encode() + b"\r\n")


say("220 next.example.org ESMTP")
declared, size, mail = None, None, None
for line in peer.makefile("rb"):
    if size is not None and line != b".\r\n":
        size += len(line)
    elif size is not None:
        say("552 too long" if size > LIMIT else "250 taken")
        print("sent", size, file=sys.stderr)
        size = None
    elif line.startswith(b"EHLO"):
        say(f"250-next.example.org\r\n250 SIZE {LIMIT}")
    elif line.startswith(b"MAIL"):
        declared = int(line.partition(b"SIZE=")[2] or 0)
        say("552 too long" if declared > LIMIT else "250 ok")
        print("declared", declared, file=sys.stderr)
    elif line.startswith(b"DATA"):
        size = 0
        say("354 go on")
    elif line.startswith(b"QUIT"):
        say("221 bye")
        break
    else:
        say("250 ok")
PY

try_with() { # one line for the smtp transport
    rm -rf run port; mkdir -m 777 run
    python3 next.py >port 2>heard & peer=$!
    for _ in $(seq 50); do [ -s port ] && break; sleep 0.1; done
    cat >exim.conf <<CF
exim_user = Debian-exim
spool_directory = $dir/run/spool
log_file_path = $dir/run/%s
keep_environment =
primary_hostname = relay.example.org
tls_advertise_hosts =
acl_smtp_rcpt = taken
begin acl
taken:
  accept
begin routers
bounces:
  driver = redirect
  senders = :
  data = :blackhole:
  allow_fail
all:
  driver = manualroute
  route_list = * 127.0.0.1
  self = send
  transport = next
begin transports
next:
  driver = smtp
  port = $(cat port)
  hosts_try_dane =
  dnssec_request_domains =
  $1
CF
    {
        printf 'EHLO client.example.org\r\nMAIL FROM:<ann@example.org>\r\nRCPT TO:<bob@example.org>\r\nDATA\r\n'
        printf 'From: ann@example.org\r\nTo: bob@example.org\r\nSubject: hello\r\nDate: Tue, 1 Dec 2026 10:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n'
        for _ in $(seq 16); do printf '%s\r\n' 12345678901234567890123456789012345678901234567890123456789012345678901234567890; done
        printf '.\r\nQUIT\r\n'
    } | timeout 60 unshare -m sh -c "
        mount -t overlay overlay -o lowerdir=$dir/root/usr:/usr /usr && mount --bind $dir/passwd /etc/passwd && mount --bind $dir/group /etc/group &&
        exec exim4 -C $dir/exim.conf -odi -bs" >talk 2>&1
    wait "$peer" || :
    declared=$(sed -n 's/^declared //p' heard); sent=$(sed -n 's/^sent //p' heard)
}

try_with ''
outcome=$(grep -q ' <= <> ' run/main && echo 'refused with 552, returned to the sender' || echo delivered)
echo "default:           declared $declared, sent ${sent:-nothing}; $outcome" | tee seen
try_with 'size_addition = 0'
outcome=$(grep -q ' => bob@example.org ' run/main && echo delivered || echo 'not delivered')
echo "size_addition = 0: declared $declared, sent ${sent:-nothing}; $outcome" | tee -a seen
cat >wanted <<'WANTED'
default:           declared 2678, sent nothing; refused with 552, returned to the sender
size_addition = 0: declared 1654, sent 1655; delivered
WANTED
diff wanted seen || { cat talk heard >&2; echo 'CHANGED: Exim declares another size now' >&2; exit 1; }
