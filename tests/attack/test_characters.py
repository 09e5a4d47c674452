"""Line ends, control characters, look-alikes and foreign digits in every field a client can fill."""

from __future__ import annotations

import base64
import logging
import re
from typing import Any

import pytest

from tests.gen_smtp.live import Queue, everything, serving

CONTROLS = ["\r", "\n", "\0", "\x1b[2J", "\x07", "\x7f", "\t", "\x85", "\u2028", "\u202e"]
FIELDS = [
    "HELO a{}b",
    "EHLO a{}b",
    "EHLO client.test\r\nMAIL FROM:<a{}b@x.test>",
    'EHLO client.test\r\nMAIL FROM:<"a{}b"@x.test>',
    'EHLO client.test\r\nMAIL FROM:<"a\\{}b"@x.test>',
    "EHLO client.test\r\nMAIL FROM:<a@x.test> X=a{}b",
    "EHLO client.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<a{}b@x.test>",
    "EHLO client.test\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<a@x.test> X=a{}b",
    "VRFY a{}b",
    "V{}RB",
    "VERB a{}b",
    "RSET a{}b",
    "{}",
]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize("field", FIELDS)
def test_control_characters_reach_neither_handler_nor_reply_nor_log(
    witness: Any, seen: Queue, caplog: pytest.LogCaptureFixture, field: str, control: str
) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(witness) as server:
        with server.greeted() as client:
            client.send(field.format(control) + "\r\nQUIT\r\n")
            replies = client.rest()
        given = everything(seen)
    unwanted = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u202e]")
    for event in given:
        for value in event:
            assert not unwanted.search(str(value)), event
    assert replies.isascii()
    assert all(line.isprintable() for line in replies.split("\r\n"))
    for record in caplog.records:
        assert not unwanted.search(record.getMessage()), record.getMessage()


@pytest.mark.parametrize("control", CONTROLS[:6])
@pytest.mark.parametrize("place", ["\0u{}ser\0password", "a{}b\0user\0password"])
def test_control_characters_in_credentials_reach_no_handler(
    witness: Any, seen: Queue, place: str, control: str
) -> None:
    response = base64.b64encode(place.format(control).encode()).decode()
    with serving(witness, sessionoptions={"allow_insecure_auth": True}) as server:
        with server.greeted("EHLO client.test") as client:
            client.say(f"AUTH PLAIN {response}")
        users = [event[2] for event in everything(seen) if event[0] == "AUTH"]
    assert all(user.isprintable() for user in users)


LOOK_ALIKES = ["\u041cAIL", "MA\u0406L", "R\u017fET", "\uff21UTH", "QU\u0131T", "\u212aELO", "DATA\u200b"]


@pytest.mark.parametrize("verb", LOOK_ALIKES)
def test_a_look_alike_is_not_the_verb(witness: Any, verb: str) -> None:
    with serving(witness) as server, server.greeted("EHLO client.test") as client:
        assert client.say(verb).startswith("500 ")
        assert client.say("NOOP") == "250 Ok"


DIGITS = [
    "\u0661\u0662",
    "\uff11\uff12",
    "\u00b2",
    "1\u0660",
    "+12",
    "-1",
    " 12",
    "1_2",
    "0x10",
    "1e3",
    "",
    "NaN",
]


@pytest.mark.parametrize("digits", DIGITS)
def test_a_size_is_ascii_digits_alone(witness: Any, seen: Queue, digits: str) -> None:
    with serving(witness) as server:
        with server.greeted("EHLO client.test") as client:
            assert client.say(f"MAIL FROM:<a@x.test> SMTPUTF8 SIZE={digits}")[0] == "5"
        assert [event for event in everything(seen) if event[0] == "MAIL"] == []


def test_look_alike_keywords_are_not_the_parameters(witness: Any, seen: Queue) -> None:
    with serving(witness) as server:
        with server.greeted("EHLO client.test") as client:
            assert client.say("MAIL FROM:<a@x.test> SMTPUTF8 \u017fIZE=1")[0] == "5"
            assert client.say("MAIL FROM:<a@x.test> SMTPUTF8 S\u0130ZE=1")[0] == "5"
        assert [event for event in everything(seen) if event[0].startswith("MAIL")] == []
