#!/usr/bin/env bash
# Package: IMAPClient 4.1.0.
#
# Behaviour: the answer of fetch() is a dictionary by UID (the client's default). But an untagged FETCH
# without a UID, which a server may send at any time to tell that some message's flags have changed,
# lands in the same dictionary under its message *sequence number*. When a message of that number as UID
# is in the answer too, the two are merged into one entry: the flags (and SEQ) of one message are
# given out as those of another.
#
# What one would expect: such news kept apart, or dropped, or at least filed under a key that can't be mistaken
# for a UID: fetch([5]) answers about UID 5 alone.
#
# Seen, in a mailbox where UID 5 is message number 1 and UID 90 is message number 5:
#   the server answers   * 1 FETCH (UID 5 RFC822.SIZE 700 FLAGS ())
#   and tells as news    * 5 FETCH (FLAGS (\Deleted))            (so UID 90 was deleted by someone else)
#   fetch([5], ["RFC822.SIZE", "FLAGS"])  ->  {5: {SEQ: 5, RFC822.SIZE: 700, FLAGS: (\Deleted,)}}
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'IMAPClient==4.1.0'

cat > "$tmp/probe.py" <<'PY'
import socketserver
import sys
import threading

from imapclient import IMAPClient


class Mailbox(socketserver.StreamRequestHandler):
    timeout = 10

    def handle(self):
        self.wfile.write(b"* PREAUTH ready\r\n")
        for line in self.rfile:
            tag, _, rest = line.strip().partition(b" ")
            command = rest.upper()
            if command.startswith(b"CAPABILITY"):
                self.wfile.write(b"* CAPABILITY IMAP4rev1\r\n")
            elif command.startswith(b"SELECT"):
                self.wfile.write(b"* 5 EXISTS\r\n* OK [UIDVALIDITY 1] ok\r\n")
            elif command.startswith(b"UID FETCH"):
                self.wfile.write(b"* 1 FETCH (UID 5 RFC822.SIZE 700 FLAGS ())\r\n")
                self.wfile.write(b"* 5 FETCH (FLAGS (\\Deleted))\r\n")
            elif command.startswith(b"LOGOUT"):
                self.wfile.write(b"* BYE bye\r\n")
            self.wfile.write(tag + b" OK done\r\n")
            if command.startswith(b"LOGOUT"):
                return


server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Mailbox)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()

with IMAPClient("127.0.0.1", port=server.server_address[1], ssl=False, timeout=10) as client:
    client.select_folder("INBOX")
    answer = {uid: dict(data) for uid, data in client.fetch([5], ["RFC822.SIZE", "FLAGS"]).items()}
server.shutdown()

print("fetch([5]) ->", answer)
if answer != {5: {b"SEQ": 5, b"RFC822.SIZE": 700, b"FLAGS": (b"\\Deleted",)}}:
    sys.exit("CHANGED: the flags of message number 5 are no longer given to UID 5")
print("as described: UID 5 reads as deleted, which it is not")
PY
timeout 30 "$tmp/venv/bin/python" "$tmp/probe.py"
