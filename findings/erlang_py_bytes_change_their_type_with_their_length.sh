#!/usr/bin/env bash
# Package: erlang-py 2.0.7 (module `erlang`).
#
# Behaviour: Python `bytes` are not sent as an Erlang binary but as a string, which in Erlang is a *list* of
# integers; and what kind of term that is depends on the length: none for b"" (the empty list), STRING_EXT
# up to 65,535 octets, a list of integers above. Read back they are [], bytes, and a list of ints.
#
# What one would expect: bytes <-> binary, as in most other codecs of this format and as the names say, the more
# so as the package's own way back from a binary (OtpErlangBinary) and from a string (bytes) differ.
# An is_binary guard on the Erlang side fails for all three, and a test with short payloads never sees it.
#
# Seen, binary_to_term(term_to_binary(x)):
#   b""           ->  []                      on the wire: NIL ("j")
#   b"x" * 65535  ->  bytes                   on the wire: STRING_EXT ("k")
#   b"x" * 65536  ->  [120, 120, 120, ...]    on the wire: LIST_EXT ("l"), twice the size
#   OtpErlangBinary(b"x")  ->  OtpErlangBinary, "m", as one would have it
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'erlang-py==2.0.7'

cat > "$tmp/probe.py" <<'PY'
import sys

import erlang

seen = []
for length in (0, 1, 65535, 65536):
    wire = erlang.term_to_binary(b"x" * length)
    back = erlang.binary_to_term(wire)
    seen.append((length, wire[1:2], type(back).__name__, len(back)))
    print(f"bytes of {length}: tag {wire[1:2]!r}, {len(wire)} octets, back as {type(back).__name__} of {len(back)}")
wire = erlang.term_to_binary(erlang.OtpErlangBinary(b"x"))
back = erlang.binary_to_term(wire)
print(f"OtpErlangBinary: tag {wire[1:2]!r}, back as {type(back).__name__}")
if seen != [
    (0, b"j", "list", 0),
    (1, b"k", "bytes", 1),
    (65535, b"k", "bytes", 65535),
    (65536, b"l", "list", 65536),
] or (wire[1:2], type(back).__name__) != (b"m", "OtpErlangBinary"):
    sys.exit("CHANGED: bytes are sent or read in another way")
print("as described")
PY
timeout 30 "$tmp/venv/bin/python" "$tmp/probe.py"
