"""HELP, EXPN, ETRN, and the texts of hello and 530: which callback is asked, and what the client hears."""

from __future__ import annotations

import queue
from typing import Any

import pytest

from gen_smtp.gen_smtp_server_session import Behaviour, Extensions, error, greeting, ok, reply, stop
from tests.gen_smtp.live import Queue, behaviour, ended, everything, serving

AUTH_FIRST = {"require_auth": True, "allow_insecure_auth": True}
LINES = ("HELP me", "EXPN staff", "ETRN there.test")


def announcing(self: Any, hostname: str, extensions: Extensions) -> Any:
    return ok([("ETRN", True), ("EXPN", True)])


def noting(asked: Queue, answer: Any) -> Any:
    def call(self: Any, *args: str) -> Any:
        asked.put(args)
        return answer

    return call


def answers(module: type[Behaviour], *lines: str, **options: Any) -> list[str]:
    with serving(module, **options) as server, server.greeted("EHLO c.test") as client:
        return [client.say(line) for line in lines]


def test_without_a_callback_each_has_a_proper_reply() -> None:
    assert answers(behaviour(), *LINES) == [
        "214 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT",
        "502 Error: EXPN not implemented",
        "502 Error: ETRN not implemented",
    ]


def test_each_has_its_callback() -> None:
    asked: Queue = queue.SimpleQueue()
    module = behaviour(
        handle_EHLO=announcing,
        handle_HELP=noting(asked, ok(["see", "https://example.com"])),
        handle_EXPN=noting(asked, ok(["Ann <ann@x.test>", "Bob <bob@x.test>"])),
        handle_ETRN=noting(asked, ok("253 2 messages wait")),
        handle_other=noting(asked, error("500 never")),
    )
    assert answers(module, *LINES) == [
        "214-see\n214 https://example.com",
        "250-Ann <ann@x.test>\n250 Bob <bob@x.test>",
        "253 2 messages wait",
    ]
    assert everything(asked) == [("me",), ("staff",), ("there.test",)]


def test_a_class_with_handle_other_alone_is_asked_there_as_in_gen_smtp() -> None:
    asked: Queue = queue.SimpleQueue()
    module = behaviour(handle_other=noting(asked, reply("211 seen")))
    assert answers(module, *LINES) == ["211 seen"] * 3
    assert everything(asked) == [("HELP", "me"), ("EXPN", "staff"), ("ETRN", "there.test")]


def test_etrn_is_for_those_alone_to_whom_it_was_announced() -> None:
    asked: Queue = queue.SimpleQueue()
    module = behaviour(handle_ETRN=noting(asked, ok))
    assert answers(module, "ETRN there.test", "NOOP") == ["502 Error: ETRN not implemented", "250 Ok"]
    assert everything(asked) == []


@pytest.mark.parametrize("blocking", [set(), {"handle_HELO", "handle_EHLO"}])
def test_the_reply_to_a_hello_may_have_a_text(blocking: set[str]) -> None:
    def handle_EHLO(self: Any, hostname: str, extensions: Extensions) -> Any:
        return greeting(f"mx.test is glad to see {hostname}", [*extensions[:1], ("X-ONE", True)])

    def handle_HELO(self: Any, hostname: str) -> Any:
        return greeting(f"mx.test is glad to see {hostname}", 1000)

    module = behaviour(handle_EHLO=handle_EHLO, handle_HELO=handle_HELO, blocking=blocking)
    said = answers(module, "EHLO b.test", "HELO a.test", "MAIL FROM:<a@x.test> SIZE=1001")
    assert said == [
        "250-mx.test is glad to see b.test\n250-SIZE 10485760\n250 X-ONE",
        "250 mx.test is glad to see a.test",
        "552 Estimated message length 1001 exceeds limit of 1000",
    ]


def test_a_text_alone_announces_the_usual() -> None:
    module = behaviour(handle_EHLO=greeting("mx.test greets you"))
    (said,) = answers(module, "EHLO b.test")
    usual = "250-SIZE 10485760\n250-8BITMIME\n250-PIPELINING\n250 SMTPUTF8"
    assert said == f"250-mx.test greets you\n{usual}"


@pytest.mark.parametrize("text", ["", "two\nlines", "a\r\nb", b"octets", None, 7, ["a"]])
def test_a_text_is_one_line(text: Any) -> None:
    assert answers(behaviour(handle_HELO=greeting(text)), "HELO x") == ["451 Error: internal server error"]


@pytest.mark.parametrize("callback", ["handle_MAIL", "handle_other", "handle_VRFY"])
def test_it_is_for_hellos_alone(callback: str) -> None:
    lines = {"handle_MAIL": "MAIL FROM:<a@x.test>", "handle_other": "XYZZY", "handle_VRFY": "VRFY a"}
    module = behaviour(**{callback: greeting("hello")})
    assert answers(module, lines[callback]) == ["451 Error: internal server error"]


def test_the_words_of_530_may_be_ones_own() -> None:
    def handle_required(self: Any, what: str, verb: str) -> Any:
        return error(f"530 5.7.0 {verb} needs {what}: https://example.com/help")

    module = behaviour(handle_required=handle_required)
    said = answers(module, "MAIL FROM:<a@x.test>", "NOOP", sessionoptions=AUTH_FIRST)
    assert said == ["530 5.7.0 MAIL needs auth: https://example.com/help", "250 Ok"]


def test_whatever_it_returns_the_command_is_refused() -> None:
    options = AUTH_FIRST
    for result in (ok, error):
        said = answers(behaviour(handle_required=result), "MAIL FROM:<a@x.test>", sessionoptions=options)
        assert said == ["530 Authentication required"]
    said = answers(behaviour(handle_required=ok("come in")), "MAIL FROM:<a@x.test>", sessionoptions=options)
    assert said == ["451 Error: internal server error"]


def test_it_may_end_the_session() -> None:
    module = behaviour(handle_required=stop("policy", "554 5.7.0 go away"))
    with serving(module, sessionoptions=AUTH_FIRST) as server, server.greeted("EHLO c") as client:
        (session,) = server.sessions
        assert client.say("MAIL FROM:<a@x.test>") == "554 5.7.0 go away"
        assert ended(session) == "policy"
