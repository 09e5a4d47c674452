"""The protocol's regular expressions: the same on every CPython, and in linear time whatever a client sends.

Debian 12's own /usr/bin/python3, 3.11.2, reads a possessive group otherwise than later ones: what is refused
here was taken there. Only pytest and hypothesis are needed to run the tests of this folder with it.
"""

from __future__ import annotations

import time

import pytest

from tests.gen_smtp.protocol.client import CONFIG, EHLO, TO_MAIL, Client
from tests.patterns import Pattern, patterns_of, possessive_groups

PATTERNS = [pytest.param(each, id=name) for name, each in patterns_of("gen_smtp.protocol").items()]
BAD_PATHS = [
    "a@b..",
    "a@b.c..",
    "a@.",
    "a@",
    "a.@b",
    "a..b@c",
    ".a@b",
    "a@b..c",
    "a@.b",
    "a@b.-",
    "a@b-",
    'a."b"@c',
    '"a@b',
    '"a\\"@b',
]
REPEATED = [
    ".",
    "-",
    "a.",
    "a-",
    "a..",
    ".a",
    'a"',
    '\\"',
    "\\",
    "+41",
    "+4",
    "a" * 63 + ".",
    "r,",
    "@r:",
    " a",
    " ",
]
BEGINNINGS = [
    "",
    "a",
    "<",
    "<a@",
    "<a@b",
    '<"',
    "@",
    "MAIL FROM:<a@b",
    "MAIL FROM:<a@b>",
    "RCPT TO:<",
    "PROXY UNKNOWN ",
]


@pytest.mark.parametrize("path", BAD_PATHS)
@pytest.mark.parametrize("verb", ["MAIL FROM", "mail from", "RCPT TO", "VRFY"])
def test_a_path_with_a_part_that_ends_halfway_is_refused(path: str, verb: str) -> None:
    for line in [f"{verb}:<{path}>", f"{verb}:<{path}> SIZE=1", f"{verb}:{path}"]:
        line = line.replace("VRFY:", "VRFY ")
        said = EHLO if verb.startswith(("MAIL", "mail")) else TO_MAIL
        assert Client(CONFIG, said=said).sends(f"{line}\r\n".encode()).hears()[:3] == b"501"


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_group_is_repeated_possessively(pattern: Pattern) -> None:
    assert possessive_groups(pattern.pattern, pattern.flags) == 0


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_hostile_line_takes_linear_time(pattern: Pattern) -> None:
    """As long as no line may ever be; one whose time grew with the square would need minutes."""
    started = time.perf_counter()
    for beginning in BEGINNINGS:
        for part in REPEATED:
            line = beginning + part * (20_000 // len(part))
            hostile = line.encode() if isinstance(pattern.pattern, bytes) else line
            pattern.match(hostile)
            pattern.fullmatch(hostile)
    assert time.perf_counter() - started < 10
