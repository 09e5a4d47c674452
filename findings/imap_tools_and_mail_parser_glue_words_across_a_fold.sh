#!/usr/bin/env bash
# Packages: imap-tools 1.16.0 and mail-parser 4.8.0.
#
# Behaviour: a subject that is folded onto a second line, as any long one is, is not unfolded. Where an encoded word
# stands next to the fold, the space at the fold is lost and two words become one. Where no word is encoded,
# the line break is left in the middle of the subject. Both packages give the same wrong text.
#
# What one would expect: unfolding first (RFC 5322, 2.2.3) and decoding then (RFC 2047 has only the white space between
# two encoded words dropped), as email.policy.default and other parsers have it, in whatever combination.
# A subject on one line comes out right, so tests with short subjects pass.
#
# Seen, the subject as read by: email.policy.default / imap-tools, mail-parser
#   =?utf-8?q?Caf=C3=A9?= menu             "Café menu"      "Café menu"
#   =?utf-8?q?Caf=C3=A9?=(fold) menu       "Café menu"      "Cafémenu"
#   menu(fold) =?utf-8?q?Caf=C3=A9?=       "menu Café"      "menuCafé"
#   our(fold) menu                         "our menu"       "our\n menu"
set -euo pipefail

tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install -qq --disable-pip-version-check 'imap-tools==1.16.0' 'mail-parser==4.8.0'

cat > "$tmp/probe.py" <<'PY'
import email
import email.policy
import sys

import mailparser
from imap_tools import MailMessage

CAFE = "Caf\N{LATIN SMALL LETTER E WITH ACUTE}"
WORD = "=?utf-8?q?Caf=C3=A9?="
cases = {
    f"{WORD} menu": (f"{CAFE} menu", f"{CAFE} menu"),
    f"{WORD}\n menu": (f"{CAFE} menu", f"{CAFE}menu"),
    f"menu\n {WORD}": (f"menu {CAFE}", f"menu{CAFE}"),
    "our\n menu": ("our menu", "our\n menu"),
}
changed = False
for subject, (right, wrong) in cases.items():
    raw = f"From: a@example.org\nSubject: {subject}\n\ntext\n".encode()
    seen = {
        "email": email.message_from_bytes(raw, policy=email.policy.default)["subject"],
        "imap-tools": MailMessage.from_bytes(raw).subject,
        "mail-parser": mailparser.parse_from_bytes(raw).subject,
    }
    print(f"{subject!a}: {seen!a}")
    changed |= seen != {"email": right, "imap-tools": wrong, "mail-parser": wrong}
if changed:
    sys.exit("CHANGED: folded subjects are read in another way")
print("as described")
PY
timeout 30 "$tmp/venv/bin/python" "$tmp/probe.py"
