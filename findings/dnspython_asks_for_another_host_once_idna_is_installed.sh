#!/usr/bin/env bash
# Packages: dnspython 2.9.2, without and with idna 3.20.
#
# Behaviour: which DNS name a Unicode name stands for depends on whether the package idna happens to be installed.
# dns.name.from_text and the resolver choose their rules (IDNA 2003 or 2008) by that alone, silently. The two
# differ for valid names: one with a sharp s becomes another domain.
#
# What one would expect: one answer, or an error that names the missing extra. Neither the program nor dnspython
# changes: requests, trustme or email-validator in the same environment bring idna along, and with it
# other mail exchangers. smtplib and socket, which never use that package, stay with the first name, so a program
# may look up the MX of one domain and connect to a host of the other.
#
# Seen, for "faß.example":
#   without idna:  fass.example.
#   with idna:     xn--fa-hia.example.
#   "faß.example".encode("idna"), as used by socket, in both cases:  fass.example
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
install() { "$tmp/venv/bin/pip" install -qq --disable-pip-version-check "$@"; }

cat > "$tmp/probe.py" <<'PY'
import dns.name

name = "fa\N{LATIN SMALL LETTER SHARP S}.example"
print(dns.name.from_text(name), name.encode("idna").decode())
PY

install 'dnspython==2.9.2'
without=$("$tmp/venv/bin/python" "$tmp/probe.py")
install 'idna==3.20'
with=$("$tmp/venv/bin/python" "$tmp/probe.py")
echo "without idna (dnspython, socket): $without"
echo "with idna    (dnspython, socket): $with"
if [ "$without" != 'fass.example. fass.example' ] || [ "$with" != 'xn--fa-hia.example. fass.example' ]; then
    echo 'CHANGED: the name no longer depends on that package' >&2
    exit 1
fi
echo 'as described'
