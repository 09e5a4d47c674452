"""What may be shown of a line and of a reply."""

from __future__ import annotations

import pytest

from gen_smtp.protocol.verbs.table import VERBS
from gen_smtp.transcript.masking import SHOWN_VERBS, printable, shown_line, shown_replies

SECRET = "c2VjcmV0"


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("MAIL FROM:<a@x.test> SIZE=5", "MAIL FROM:<a@x.test> SIZE=5"),
        ("  noop \t", "  noop \t"),
        ("", "(0 octets left out)"),
        (f"AUTH PLAIN {SECRET}", "AUTH PLAIN (8 octets left out)"),
        (f"auth\tplain\t{SECRET}", "AUTH plain (8 octets left out)"),
        (f" AUTH  XOAUTH2  {SECRET}", "AUTH XOAUTH2 (8 octets left out)"),
        (f"AUTH PLAIN {SECRET} {SECRET}", "AUTH PLAIN (17 octets left out)"),
        (f"AUTH X-OWN {SECRET}", "AUTH X-OWN (8 octets left out)"),
        (f"AUTH {SECRET}", "AUTH (8 octets left out)"),
        ("AUTH", "AUTH"),
        ("AUTH LOGIN", "AUTH LOGIN"),
        (f"AUTHPLAIN {SECRET}", "AUTHPLAIN (8 octets left out)"),
        (f"AUTH=PLAIN {SECRET}", "(19 octets left out)"),
        (f"XAUTH {SECRET}", "XAUTH (8 octets left out)"),
        (SECRET, "(8 octets left out)"),
        (f"XCLIENT ADDR=192.0.2.7 LOGIN={SECRET} NAME=a", "XCLIENT ADDR=192.0.2.7 LOGIN=(left out) NAME=a"),
        (f"xclient login={SECRET}", "xclient LOGIN=(left out)"),
        ("XFORWARD ADDR=192.0.2.7", "XFORWARD ADDR=192.0.2.7"),
        (f"GET /?token={SECRET} HTTP/1.1", "GET (25 octets left out)"),
    ],
)
def test_of_a_line(line: str, text: str) -> None:
    assert shown_line(line.encode() + b"\r", "PLAIN X-OWN", behind_auth=False).text == text


@pytest.mark.parametrize("line", [b"\xff\xfe", b"\xffAUTH PLAIN " + SECRET.encode(), b"\x00\x01 a"])
def test_octets_of_no_text_are_left_out(line: bytes) -> None:
    shown = shown_line(line, "", behind_auth=False)
    assert shown.text.endswith("octets left out)")
    assert SECRET not in shown.text


def test_behind_auth_an_unknown_word_may_be_a_password() -> None:
    assert shown_line(b"hunter", "", behind_auth=False).text == "HUNTER"
    shown = shown_line(b"hunter", "", behind_auth=True)
    assert (shown.text, shown.is_auth) == ("(6 octets left out)", True)
    assert not shown_line(b"RSET", "", behind_auth=True).is_auth


def test_every_verb_is_shown_but_auth() -> None:
    assert {*VERBS, "XCLIENT", "XFORWARD"} - {"AUTH"} == SHOWN_VERBS


@pytest.mark.parametrize(
    ("reply", "hidden", "is_auth", "text"),
    [
        ("250 Ok", (), False, "250 Ok"),
        ("334 VXNlcm5hbWU6", (), True, "334 (12 octets left out)"),
        ("334 ", (), True, "334 "),
        ("235 Authentication successful.", (), True, "235 Authentication successful."),
        ("535 5.7.8 Authentication failed.", (), True, "535 5.7.8 Authentication failed."),
        ("535 5.7.8 no: secret", (), True, "535 5.7.8 (10 octets left out)"),
        ("500 what is Secret?", ("secret",), False, "500 (15 octets left out)"),
        ("500 what is it?", ("secret",), False, "500 what is it?"),
        ("hello", (), True, "(5 octets left out)"),
    ],
)
def test_of_a_reply(reply: str, hidden: tuple[str, ...], is_auth: bool, text: str) -> None:
    assert shown_replies(f"{reply}\r\n".encode(), hidden, is_auth=is_auth) == [text]


def test_of_a_reply_of_several_lines() -> None:
    octets = b"250-mx.test\r\n250-SIZE 5\r\n250 HELP\r\n"
    assert shown_replies(octets, (), is_auth=False) == ["250-mx.test", "250-SIZE 5", "250 HELP"]


def test_a_line_stays_one_line_whatever_is_in_it() -> None:
    assert printable("a\x1b[31m\n\x85\u2028\u202eb\udcff") == "a\\x1b[31m\\n\\x85\\u2028\\u202eb\\xff"
    assert printable("grüße@x.test") == "grüße@x.test"
