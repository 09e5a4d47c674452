"""What a callback may return, what the client hears then, and what happens to everything else."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from gen_smtp import events
from gen_smtp import gen_smtp_server_session as session
from gen_smtp.gen_smtp_server_session import error, ignore, multiple, noreply, ok, reply, stop
from tests.gen_smtp.live import DATA, MAIL, MESSAGE, RCPT, Client, behaviour, collected, ended, serving, take

FAILED = "451 Error: internal server error"
CREDENTIALS = "AHVzZXIAc2VjcmV0"  # NUL user NUL secret


def announcing_auth(self: Any, hostname: str, extensions: Any) -> Any:
    """handle_EHLO that offers AUTH and ETRN."""
    return ok([*extensions, ("AUTH", "PLAIN"), ("ETRN", True)])


def commands(*before: str) -> Callable[[Client], str]:
    """Say these commands; the reply to the last."""
    return lambda client: client.say(*before)


def send_message(client: Client) -> str:
    """Bring a message as far as handle_DATA; the reply."""
    client.say(*DATA)
    client.send(MESSAGE)
    return client.reply()


TRIGGERS: dict[str, Callable[[Client], str]] = {
    "handle_HELO": commands("HELO client.test"),
    "handle_EHLO": commands("EHLO client.test"),
    "handle_AUTH": commands("EHLO client.test", f"AUTH PLAIN {CREDENTIALS}"),
    "handle_MAIL": commands(*MAIL),
    "handle_MAIL_extension": commands("EHLO client.test", "MAIL FROM:<a@x.test> X-ONE=1 X-TWO"),
    "handle_RCPT": commands(*RCPT),
    "handle_RCPT_extension": commands(*MAIL, "RCPT TO:<b@y.test> X-ONE=1 X-TWO"),
    "handle_DATA": send_message,
    "handle_VRFY": commands("VRFY someone"),
    "handle_EXPN": commands("EXPN someone"),
    "handle_HELP": commands("HELP me"),
    "handle_ETRN": commands("EHLO client.test", "ETRN there.test"),
    "handle_other": commands("XYZZY plugh"),
}
"""How a client has each callback asked for a verdict."""

VERDICTS = tuple(TRIGGERS)


def scripted(**callbacks: Any) -> type[session.Behaviour]:
    """A behaviour that gets as far as each callback of the test."""
    return behaviour(**{"handle_EHLO": announcing_auth, **callbacks})


def answer_to(callback: str, result: Any, **sessionoptions: Any) -> str:
    """What a client hears when a callback returns `result`; the session must go on after it."""
    options = {"allow_insecure_auth": True, **sessionoptions}
    module = scripted(**{callback: result})
    with serving(module, sessionoptions=options) as server, server.greeted() as client:
        answer = TRIGGERS[callback](client)
        assert client.say("NOOP") == "250 Ok"
        return answer


@contextmanager
def open_session(module: session.Module) -> Generator[tuple[Any, Client]]:
    """A session that was greeted: its reference and its client."""
    with serving(module, sessionoptions={"allow_insecure_auth": True}) as server, server.greeted() as client:
        yield server.sessions[0], client


class TestOk:
    @pytest.mark.parametrize(
        ("callback", "expected"),
        [
            ("handle_HELO", "250 mx.test"),
            ("handle_EHLO", "250-mx.test\n250-SIZE 10485760\n250-8BITMIME\n250-PIPELINING\n250 SMTPUTF8"),
            ("handle_AUTH", "235 Authentication successful."),
            ("handle_MAIL", "250 sender Ok"),
            ("handle_MAIL_extension", "250 sender Ok"),
            ("handle_RCPT", "250 recipient Ok"),
            ("handle_RCPT_extension", "250 recipient Ok"),
            ("handle_DATA", "250 Ok"),
            ("handle_VRFY", "250 someone"),
            ("handle_EXPN", "250 someone"),
            ("handle_HELP", "214 Commands: HELO EHLO MAIL RCPT DATA RSET NOOP VRFY HELP QUIT"),
            ("handle_ETRN", "250 OK, queuing for node there.test started"),
            ("handle_other", "250 Ok"),
        ],
    )
    @pytest.mark.parametrize("value", [ok, ok()], ids=["bare", "called"])
    def test_without_a_value_has_the_usual_reply(self, callback: str, value: Any, expected: str) -> None:
        assert answer_to(callback, value) == expected

    @pytest.mark.parametrize(
        ("callback", "code"),
        [
            ("handle_AUTH", "235"),
            ("handle_MAIL", "250"),
            ("handle_RCPT", "250"),
            ("handle_DATA", "250"),
            ("handle_VRFY", "250"),
            ("handle_EXPN", "250"),
            ("handle_HELP", "214"),
            ("handle_ETRN", "250"),
            ("handle_other", "250"),
        ],
    )
    def test_with_a_text_says_it_behind_the_usual_code(self, callback: str, code: str) -> None:
        assert answer_to(callback, ok("as you wish")) == f"{code} as you wish"

    @pytest.mark.parametrize("lines", [["one", "two", "three"], ("one", "two", "three")])
    def test_with_a_list_of_texts_makes_a_reply_of_several_lines(self, lines: Any) -> None:
        assert answer_to("handle_RCPT", ok(lines)) == "250-one\n250-two\n250 three"

    def test_with_a_text_that_begins_with_a_code_is_the_whole_reply(self) -> None:
        assert answer_to("handle_RCPT", ok("251 will forward")) == "251 will forward"
        assert answer_to("handle_VRFY", ok(["252 cannot", "say"])) == "252-cannot\n252 say"

    def test_with_a_text_that_begins_with_a_number_of_another_kind_is_text(self) -> None:
        assert answer_to("handle_DATA", ok("4711 is its number")) == "250 4711 is its number"
        assert answer_to("handle_DATA", ok("550 is its number")) == "250 550 is its number"
        assert answer_to("handle_DATA", ok("250")) == "250 250"

    @pytest.mark.parametrize(
        ("callback", "result", "reply"),
        [
            ("handle_RCPT", error("550 a\nb"), "550-a\n550 b"),
            ("handle_RCPT", error("550 a\n550 b\n550-c"), "550-a\n550-b\n550 c"),
            ("handle_RCPT", error(["550 a\nb", "c"]), "550-a\n550-b\n550 c"),
            ("handle_RCPT", error("550 a\n"), "550 a"),
            ("handle_RCPT", error("550 a\n\nb"), "550-a\n550-\n550 b"),
            ("handle_RCPT", ok("a\nb"), "250-a\n250 b"),
            ("handle_RCPT", ok("251 a\nb"), "251-a\n251 b"),
            ("handle_DATA", ok("taken\n221 Bye"), "250-taken\n250 221 Bye"),
            ("handle_other", reply("214 a\nb"), "214-a\n214 b"),
            ("handle_DATA", error("550 a\r\n250 b"), "550 a??250 b"),
        ],
    )
    def test_a_newline_in_a_text_begins_another_line(self, callback: str, result: Any, reply: str) -> None:
        assert answer_to(callback, result) == reply

    def test_so_it_does_in_a_banner(self) -> None:
        with serving(behaviour(init=ok("220 hello\nthere"))) as server, server.client() as client:
            assert client.reply() == "220-hello\n220 there"

    def test_and_in_a_last_word(self) -> None:
        module = behaviour(handle_RCPT=stop("normal", "554 a\nb"))
        with serving(module) as server, server.greeted(*RCPT[:2]) as client:
            client.send(f"{RCPT[2]}\r\n")
            assert client.rest() == "554-a\r\n554 b\r\n"

    def test_cannot_smuggle_a_line_into_the_dialogue(self) -> None:
        assert answer_to("handle_DATA", ok("taken\r\n250 sender Ok")) == "250 taken??250 sender Ok"


class TestHello:
    def limit_after(self, verb: str, **callbacks: Any) -> str:
        """The reply to a message said to be of 2000 octets."""
        with serving(behaviour(**callbacks)) as server, server.greeted(f"{verb} client.test") as client:
            return client.say("MAIL FROM:<a@x.test> SIZE=2000")

    def test_a_size_from_handle_HELO_is_the_limit(self) -> None:
        refused = "552 Estimated message length 2000 exceeds limit of 1000"
        assert self.limit_after("HELO", handle_HELO=ok(1000)) == refused

    @pytest.mark.parametrize("size", [2000, math.inf, float("inf")])
    def test_a_size_that_suffices_is_no_hindrance(self, size: Any) -> None:
        assert self.limit_after("HELO", handle_HELO=ok(size)) == "250 sender Ok"

    @pytest.mark.parametrize("size", [1000, "1000"])
    def test_the_size_that_handle_EHLO_announces_is_the_limit(self, size: Any) -> None:
        refused = "552 Estimated message length 2000 exceeds limit of 1000"
        assert self.limit_after("EHLO", handle_EHLO=ok([("SIZE", size)])) == refused

    @pytest.mark.parametrize("size", ["0", 0, math.inf, float("inf")])
    def test_a_size_without_limit_is_not_announced(self, size: Any) -> None:
        listed = [("SIZE", size), ("8BITMIME", True)]
        assert answer_to("handle_EHLO", ok(listed)) == "250-mx.test\n250 8BITMIME"
        assert self.limit_after("EHLO", handle_EHLO=ok([("SIZE", size)])) == "250 sender Ok"

    def test_an_empty_list_announces_nothing(self) -> None:
        assert answer_to("handle_EHLO", ok([])) == "250 mx.test"

    def test_the_list_is_announced_in_its_order(self) -> None:
        listed = [("PIPELINING", True), ("X-LIMIT", 7), ["X-WORD", "a b"]]
        announced = "250-mx.test\n250-PIPELINING\n250-X-LIMIT 7\n250 X-WORD a b"
        assert answer_to("handle_EHLO", ok(listed)) == announced


class TestError:
    @pytest.mark.parametrize(
        ("callback", "expected"),
        [
            ("handle_HELO", "550 Error: refused"),
            ("handle_EHLO", "550 Error: refused"),
            ("handle_AUTH", "535 Authentication failed."),
            ("handle_MAIL", "550 Error: refused"),
            ("handle_MAIL_extension", "555 Unsupported option: X-ONE=1 X-TWO"),
            ("handle_RCPT", "550 Error: refused"),
            ("handle_RCPT_extension", "555 Unsupported option: X-ONE=1 X-TWO"),
            ("handle_DATA", "550 Error: refused"),
            ("handle_VRFY", "550 Error: refused"),
            ("handle_EXPN", "502 Error: EXPN not implemented"),
            ("handle_HELP", "502 Error: HELP not implemented"),
            ("handle_ETRN", "502 Error: ETRN not implemented"),
            ("handle_other", "500 Error: command not recognized : 'XYZZY'"),
        ],
    )
    @pytest.mark.parametrize("value", [error, error()], ids=["bare", "called"])
    def test_without_a_text_has_the_usual_reply(self, callback: str, value: Any, expected: str) -> None:
        assert answer_to(callback, value) == expected

    @pytest.mark.parametrize("callback", VERDICTS)
    def test_with_a_text_is_the_reply(self, callback: str) -> None:
        assert answer_to(callback, error("452 4.2.2 not now")) == "452 4.2.2 not now"

    @pytest.mark.parametrize("callback", VERDICTS)
    def test_with_a_list_of_texts_makes_a_reply_of_several_lines(self, callback: str) -> None:
        refusal = error(["550 no", "and again", "550 no"])
        assert answer_to(callback, refusal) == "550-no\n550-and again\n550 no"

    def test_with_252_is_how_handle_VRFY_declines_politely(self) -> None:
        assert answer_to("handle_VRFY", error("252 send some mail")) == "252 send some mail"

    @pytest.mark.parametrize("callback", VERDICTS)
    def test_with_421_closes_the_connection(self, callback: str) -> None:
        module = scripted(**{callback: error("421 mx.test too busy")})
        with open_session(module) as (ref, client):
            assert TRIGGERS[callback](client) == "421 mx.test too busy"
            assert client.rest() == ""
            assert ended(ref) == "normal"


class TestStop:
    @pytest.mark.parametrize("callback", VERDICTS)
    def test_sends_its_message_and_ends_the_session(self, callback: str) -> None:
        module = scripted(**{callback: stop(("policy", 7), "554 go away")})
        with open_session(module) as (ref, client):
            assert TRIGGERS[callback](client) == "554 go away"
            assert client.rest() == ""
            assert ended(ref) == ("policy", 7)

    @pytest.mark.parametrize("callback", VERDICTS)
    def test_bare_says_that_the_service_closes(self, callback: str) -> None:
        module = scripted(**{callback: stop})
        with open_session(module) as (ref, client):
            closing = "421 mx.test Service not available, closing transmission channel"
            assert TRIGGERS[callback](client) == closing
            assert client.rest() == ""
            assert ended(ref) == "normal"

    def test_commands_behind_it_are_not_run(self) -> None:
        seen: list[str] = []

        def handle_VRFY(self: Any, address: str) -> Any:
            seen.append(address)
            return stop("enough", "221 enough")

        with serving(behaviour(handle_VRFY=handle_VRFY)) as server, server.greeted() as client:
            client.send("VRFY one\r\nVRFY two\r\nNOOP\r\n")
            assert client.rest() == "221 enough\r\n"
        assert seen == ["one"]

    def test_answers_a_message_in_lmtp_once_for_each_recipient(self) -> None:
        module = behaviour(handle_DATA=stop("full", "452 no room"))
        with serving(module, sessionoptions={"protocol": "lmtp"}) as server, server.greeted() as client:
            client.say("LHLO c", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert client.rest() == "452 no room\r\n" * 2


class TestOther:
    def test_reply_is_the_whole_reply(self) -> None:
        assert answer_to("handle_other", reply("214 see RFC 5321")) == "214 see RFC 5321"
        assert answer_to("handle_other", reply(["214 see", "RFC 5321"])) == "214-see\n214 RFC 5321"

    @pytest.mark.parametrize("value", [noreply, noreply()])
    def test_noreply_sends_nothing(self, value: Any) -> None:
        with serving(behaviour(handle_other=value)) as server, server.greeted() as client:
            client.send("XYZZY\r\nNOOP\r\nQUIT\r\n")
            assert client.rest() == "250 Ok\r\n221 Bye\r\n"


class TestMultiple:
    def replies(self, results: Any) -> str:
        """What an LMTP client hears for three recipients."""
        with (
            serving(behaviour(handle_DATA=multiple(results)), sessionoptions={"protocol": "lmtp"}) as server,
            server.greeted("LHLO c", "MAIL FROM:<a@x.test>") as client,
        ):
            client.say(*[f"RCPT TO:<{name}@y.test>" for name in "bcd"], "DATA")
            client.send(f"{MESSAGE}QUIT\r\n")
            return client.rest().removesuffix("221 Bye\r\n")

    def test_answers_each_recipient_in_order(self) -> None:
        answers = self.replies([ok("first"), error("550 second"), ok])
        assert answers == "250 first\r\n550 second\r\n250 Ok\r\n"

    def test_with_too_few_results_the_rest_is_451(self) -> None:
        assert self.replies([ok]) == f"250 Ok\r\n{FAILED}\r\n{FAILED}\r\n"
        assert self.replies([]) == f"{FAILED}\r\n" * 3

    def test_with_too_many_results_they_are_cut(self) -> None:
        assert self.replies([ok("one"), ok("two"), error, ok("four")]) == (
            "250 one\r\n250 two\r\n550 Error: refused\r\n"
        )

    def test_a_plain_result_answers_for_all(self) -> None:
        with (
            serving(behaviour(handle_DATA=ok("taken")), sessionoptions={"protocol": "lmtp"}) as server,
            server.greeted("LHLO c", "MAIL FROM:<a@x.test>") as client,
        ):
            client.say("RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert [client.reply(), client.reply()] == ["250 taken"] * 2

    def test_with_something_else_inside_is_a_wrong_value_for_all(self) -> None:
        assert self.replies([ok, "550 no", ok]) == f"{FAILED}\r\n" * 3

    def test_is_a_wrong_value_in_smtp(self) -> None:
        assert answer_to("handle_DATA", multiple([ok])) == FAILED


class Odd:
    """No result at all."""

    def __repr__(self) -> str:
        return "<something odd>"


class Unshowable:
    """Nothing can be said of it."""

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        raise LookupError("no words")

    def __eq__(self, other: object) -> bool:
        raise LookupError("not comparable")


NEVER_RIGHT: list[Any] = [
    None,
    True,
    False,
    42,
    "250 ok",
    b"250 ok",
    ("ok", "text"),
    [ok],
    Odd(),
    ValueError("returned"),
    ok.__class__,
    ignore,
    error("no code"),
    error("199 not a failure"),
    error("55 short"),
    error("5505 long"),
    error(""),
    error([]),
    error(["550 no", 7]),  # type: ignore[list-item]
    error(b"550 no"),  # type: ignore[arg-type]
    error(42),  # type: ignore[arg-type]
    stop("why", "no code"),
    stop("why", 42),  # type: ignore[arg-type]
    stop("why", []),
]
NOT_FAILED = error("250 not a failure")
NOT_TEXT: list[Any] = [ok(42), ok(b"text"), ok([]), ok(["text", None]), ok(True)]
NO_SIZE: list[Any] = ["text", 0, -1, True, 1.5, math.nan, []]
WRONG_OTHER = [
    *NOT_TEXT,
    NOT_FAILED,
    reply("no code"),
    reply(None),  # type: ignore[arg-type]
    reply(b"250 x"),  # type: ignore[arg-type]
    multiple([ok]),
]
WRONG: dict[str, list[Any]] = {
    "handle_HELO": [
        *[ok(size) for size in NO_SIZE],
        noreply,
        reply("250 x"),
    ],
    "handle_EHLO": [
        ok("SIZE"),
        ok(["SIZE"]),
        ok([("SIZE",)]),
        ok([("", True)]),
        ok([("TWO WORDS", True)]),
        ok([("LINE\r\n", True)]),
        ok([(b"SIZE", True)]),
        ok([("X", None)]),
        ok([("X", False)]),
        ok([("X", 1.5)]),
        ok([("X", math.inf)]),
        ok({"SIZE": 10}),
        noreply,
    ],
    "handle_AUTH": [*NOT_TEXT, NOT_FAILED, noreply, reply("235 x"), multiple([ok])],
    "handle_MAIL": [*NOT_TEXT, NOT_FAILED, noreply, reply("250 x"), multiple([ok])],
    "handle_MAIL_extension": [ok("text"), NOT_FAILED, noreply, reply("250 x")],
    "handle_RCPT": [*NOT_TEXT, NOT_FAILED, noreply, reply("250 x"), multiple([ok])],
    "handle_RCPT_extension": [ok("text"), NOT_FAILED, noreply, reply("250 x")],
    "handle_DATA": [*NOT_TEXT, NOT_FAILED, noreply, reply("250 x"), multiple([ok])],
    "handle_VRFY": [*NOT_TEXT, noreply, reply("250 x"), multiple([ok])],
    **dict.fromkeys(("handle_EXPN", "handle_HELP", "handle_ETRN", "handle_other"), WRONG_OTHER),
}


class TestWrongValues:
    @pytest.mark.parametrize("callback", VERDICTS)
    def test_the_client_hears_451_the_log_says_what_and_the_session_goes_on(
        self, callback: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        wrong = [*NEVER_RIGHT, *WRONG[callback]]
        results = iter(wrong)
        module = scripted(**{callback: lambda self, *args: next(results)})
        options = {"allow_insecure_auth": True, "limits": {"junk_commands": None}}
        with (
            serving(module, sessionoptions=options) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            for value in wrong:
                caplog.clear()
                heard = TRIGGERS[callback](client)
                assert heard == FAILED, value
                event = take(told)
                assert event.callback == callback
                (record,) = [each for each in caplog.records if each.levelno == logging.ERROR]
                assert record.name == "gen_smtp"
                assert callback in record.getMessage()
                assert event.value in record.getMessage()
                assert client.say("RSET") == "250 Ok"
            assert told.empty()
            assert client.say("QUIT") == "221 Bye"

    def test_the_value_is_shown(self) -> None:
        with (
            serving(behaviour(handle_MAIL="sender Ok")) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted(*MAIL),
        ):
            event = take(told)
            assert event.value == "'sender Ok'"
            assert "handle_MAIL may return error, ok, stop" in str(event)

    @pytest.mark.parametrize(
        ("callback", "value"),
        [
            ("handle_VRFY", Unshowable()),
            ("handle_EHLO", ok([Unshowable()])),
            ("handle_HELO", ok(Unshowable())),
        ],
        ids=["alone", "in a list", "as a size"],
    )
    def test_a_value_that_cannot_even_be_looked_at_is_wrong_like_any_other(
        self, callback: str, value: Any
    ) -> None:
        with (
            serving(scripted(**{callback: value})) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            assert TRIGGERS[callback](client) == FAILED
            assert "repr raised LookupError" in take(told).value
            assert client.say("NOOP") == "250 Ok"

    def test_a_long_value_is_cut(self) -> None:
        with (
            serving(behaviour(handle_MAIL="x" * 5000)) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted(*MAIL),
        ):
            assert len(take(told).value) <= 201

    @pytest.mark.parametrize("wrap", [lambda data: data, ok, lambda data: (1, data), bytes.decode])
    def test_a_message_handed_back_is_not_shown(self, wrap: Any) -> None:
        module = behaviour(handle_DATA=lambda self, sender, recipients, data: wrap(data))
        with (
            serving(module) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            assert send_message(client) == FAILED
            assert "hello" not in str(take(told))

    @pytest.mark.parametrize("wrap", [lambda secret: secret, lambda secret: ("ok", secret), str.encode])
    def test_a_password_handed_back_is_not_shown(self, wrap: Any) -> None:
        module = scripted(handle_AUTH=lambda self, mechanism, username, credential: wrap(credential))
        with (
            serving(module, sessionoptions={"allow_insecure_auth": True}) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            assert TRIGGERS["handle_AUTH"](client) == FAILED
            assert "secret" not in str(take(told))

    @pytest.mark.parametrize(
        "value", [True, 42, "text", error, ok("text"), multiple([ok]), stop("x", "text")]
    )
    @pytest.mark.parametrize("callback", ["handle_RSET", "handle_info", "handle_error"])
    def test_of_a_callback_that_gives_no_verdict_is_logged_alone(self, callback: str, value: Any) -> None:
        with (
            serving(behaviour(**{callback: value})) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            server.sessions[0].tell("hello")  # brings handle_info
            client.say("RSET", "MAIL FROM:<a@x.test>")  # handle_RSET and, for want of EHLO, handle_error
            event = take(told)
            assert (event.callback, event.value) == (callback, repr(value))
            assert client.say("NOOP") == "250 Ok"

    def test_none_from_handle_error_is_wrong(self) -> None:
        with (
            serving(behaviour(handle_error=None)) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            assert client.say("MAIL FROM:<a@x.test>") == "503 Error: send HELO/EHLO first"
            assert take(told).callback == "handle_error"
            assert client.say("NOOP") == "250 Ok"

    @pytest.mark.parametrize("callback", ["handle_RSET", "handle_info"])
    @pytest.mark.parametrize("value", [None, ok], ids=["none", "ok"])
    def test_none_is_right_where_no_verdict_is_due(self, callback: str, value: Any) -> None:
        with (
            serving(behaviour(**{callback: value})) as server,
            collected(events.WrongCallbackValue) as told,
            server.greeted() as client,
        ):
            server.sessions[0].tell("hello")
            assert client.say("RSET", "NOOP") == "250 Ok"
            assert told.empty()


class TestInit:
    def first_reply(self, result: Any) -> str:
        """All that a client hears who says QUIT at once."""
        with serving(behaviour(init=result)) as server, server.client() as client:
            client.send("QUIT\r\n")
            return client.rest()

    @pytest.mark.parametrize("value", [ok, ok()])
    def test_ok_greets_in_the_name_of_the_domain(self, value: Any) -> None:
        assert self.first_reply(value) == "220 mx.test ESMTP\r\n221 Bye\r\n"

    def test_ok_with_a_text_is_the_banner(self) -> None:
        assert self.first_reply(ok("mx.test ESMTP hello")) == "220 mx.test ESMTP hello\r\n221 Bye\r\n"

    def test_ok_with_a_list_of_texts_is_a_banner_of_several_lines(self) -> None:
        assert self.first_reply(ok(["mx.test", "no spam"])) == "220-mx.test\r\n220 no spam\r\n221 Bye\r\n"

    def test_ok_with_a_whole_reply_is_not_given_a_second_code(self) -> None:
        assert self.first_reply(ok("220 mx.test ESMTP")) == "220 mx.test ESMTP\r\n221 Bye\r\n"

    def test_stop_sends_its_message_alone(self) -> None:
        assert self.first_reply(stop("busy", "421 mx.test is too busy")) == "421 mx.test is too busy\r\n"
        assert self.first_reply(stop("no", ["554 no", "spam"])) == "554-no\r\n554 spam\r\n"

    @pytest.mark.parametrize("value", [ignore, ignore(), stop, stop("busy")])
    def test_ignore_and_a_stop_without_message_close_without_a_word(self, value: Any) -> None:
        assert self.first_reply(value) == ""

    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            "mx.test ESMTP",
            error("554 no"),
            noreply,
            reply("220 x"),
            ok(42),
            ok([]),
            ok(["mx.test", 7]),
            ok(b"mx.test"),
            stop("busy", "no code"),
            stop("busy", 42),  # type: ignore[arg-type]
        ],
    )
    def test_a_wrong_value_turns_the_client_away_and_is_logged(self, value: Any) -> None:
        with collected(events.WrongCallbackValue) as told:
            assert self.first_reply(value) == "421 Error: internal server error\r\n"
            assert take(told).callback == "init"
            assert told.empty()


class TestTheResultsThemselves:
    @pytest.mark.parametrize(
        ("made", "bare", "kind"),
        [
            (ok(), ok, session.Ok),
            (error(), error, session.Error),
            (stop(), stop, session.Stop),
            (ignore(), ignore, session.Ignore),
            (noreply(), noreply, session.NoReply),
            (multiple([]), multiple, session.Multiple),
        ],
    )
    def test_bare_and_called_without_arguments_are_equal(self, made: Any, bare: Any, kind: type) -> None:
        assert made == bare
        assert isinstance(made, kind)

    def test_calling_one_makes_another(self) -> None:
        assert ok("text").value == "text"
        assert ok.value is None
        assert error("550 no") == session.Error("550 no")
        assert stop("why", "221 x") == session.Stop("why", "221 x")
        assert multiple([ok]).results == (ok,)

    @pytest.mark.parametrize("value", [ok("x"), error("550 x"), stop("x"), reply("250 x"), multiple([ok])])
    def test_none_can_be_changed(self, value: Any) -> None:
        field = next(iter(value.__dataclass_fields__))
        with pytest.raises(AttributeError):
            setattr(value, field, "other")
