"""More of everything than anybody needs: numbers, lines, recipients, nesting."""

from __future__ import annotations

import itertools
import pkgutil
import re
import re._constants as constants
import re._parser as parser
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import Any

import pytest

import gen_smtp
from tests.gen_smtp.live import Queue, everything, serving


@pytest.mark.parametrize("digits", [20, 21, 2000])
def test_an_enormous_size_is_refused(witness: Any, seen: Queue, digits: int) -> None:
    with serving(witness) as server:
        with server.greeted("EHLO client.test") as client:
            assert client.say(f"MAIL FROM:<a@x.test> SIZE={'9' * digits}")[:3] in ("552", "501", "555", "500")
        assert [event for event in everything(seen) if event[0] == "MAIL"] == []


def test_a_line_of_a_mebioctet_is_one_error_and_the_end_of_patience(witness: Any, seen: Queue) -> None:
    with serving(witness) as server:
        with server.greeted("EHLO client.test") as client:
            client.send(b"MAIL FROM:<" + b"a" * 2**20 + b"@x.test>\r\nNOOP\r\n")
            replies = client.rest().split("\r\n")
        assert len(replies) == 2  # one reply, and nothing behind it
        assert replies[0].startswith(("421 ", "500 "))
        assert everything(seen) == [("EHLO", "client.test")]


def test_a_million_recipients_end_early(witness: Any, seen: Queue) -> None:
    """1000 are taken, some more refused with 452, and then the client is let go."""
    recipients = (f"RCPT TO:<{number}@y.test>\r\n".encode() for number in range(1_000_000))
    with serving(witness) as server:
        with server.greeted("EHLO client.test", "MAIL FROM:<a@x.test>") as client:
            sent = 0
            replies: list[str] = []
            while not replies or not replies[-1].startswith("421"):
                client.send(b"".join(itertools.islice(recipients, 100)))
                sent += 100
                for _ in range(100):
                    replies.append(client.reply())
                    if replies[-1].startswith("421"):
                        break
        taken = sum(event[0] == "RCPT" for event in everything(seen))
    assert taken == 1000
    assert sum(reply.startswith("250") for reply in replies) == 1000
    assert sent < 10_000


DEEP = [
    '"' * 1000,
    '"' + '\\"' * 900 + '"@x.test',
    "<" * 1500,
    "(" * 1500 + ")" * 500,
    "a." * 900 + "@x.test",
    "a@" + "x." * 900,
    "a@[" + "1." * 900,
]


@pytest.mark.parametrize("path", DEEP)
@pytest.mark.parametrize("verb", ["MAIL FROM:", "RCPT TO:", "VRFY "])
def test_deep_nesting_is_an_error_like_any(witness: Any, seen: Queue, verb: str, path: str) -> None:
    with serving(witness) as server:
        with server.greeted("EHLO client.test", "MAIL FROM:<a@x.test>") as client:
            if verb.startswith("MAIL"):
                client.say("RSET")
            assert client.say(f"{verb}<{path}>")[0] in "45"
            assert client.say("NOOP") == "250 Ok"
        assert len(everything(seen)) == 2


def test_a_source_route_of_any_length_is_left_out(witness: Any, seen: Queue) -> None:
    with serving(witness) as server:
        with server.greeted("EHLO client.test") as client:
            client.say(f"MAIL FROM:<{'@a.test,' * 200}@b.test:c@x.test>")
        assert everything(seen)[1:] == [("MAIL", "c@x.test")]


def _patterns() -> Iterator[tuple[str, re.Pattern[Any]]]:
    for module in pkgutil.walk_packages(gen_smtp.__path__, "gen_smtp."):
        if not module.name.endswith("__main__"):
            for name, value in vars(import_module(module.name)).items():
                if isinstance(value, re.Pattern):
                    yield f"{module.name}.{name}", value


def _tracks_back(parsed: Any, *, inside: bool = False) -> bool:
    """Whether one repetition without end is inside another and both may give back what they took.

    Only that makes the time of a match more than polynomial. Possessive repeats and atomic groups give back
    nothing.
    """
    for operation, argument in parsed:
        if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            _, most, repeated = argument
            endless = most is constants.MAXREPEAT
            if endless and inside:
                return True
            if _tracks_back(repeated, inside=inside or endless):
                return True
        elif operation in (constants.POSSESSIVE_REPEAT, constants.ATOMIC_GROUP):
            continue
        elif any(_tracks_back(each, inside=inside) for each in _parts(operation, argument)):
            return True
    return False


def _parts(operation: Any, argument: Any) -> Sequence[Any]:
    """The patterns that a group or an alternative is made of."""
    if operation is constants.SUBPATTERN:
        return [argument[-1]]
    return argument[1] if operation is constants.BRANCH else []


def test_no_regular_expression_tracks_back() -> None:
    found = dict(_patterns())
    assert len(found) > 5
    assert [
        name for name, each in found.items() if _tracks_back(parser.parse(each.pattern, each.flags))
    ] == []


def test_one_that_would_is_found() -> None:
    assert _tracks_back(parser.parse(r"(?:a+)+b"))
    assert _tracks_back(parser.parse(r"(x|(a|b+))*"))
    assert not _tracks_back(parser.parse(r"(?:a++b)*+"))
