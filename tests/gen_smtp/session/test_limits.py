"""The limits of a session: as options, and from there to the wire, the callback's end and the log."""

from __future__ import annotations

import base64
import dataclasses
import logging
import math
import queue
import socket
import ssl
import time
from collections.abc import Iterator
from typing import Any

import pytest

from actors import ServerActor
from actors.otp.messaging import invoke
from gen_smtp import events, gen_smtp_server
from gen_smtp.gen_smtp_server_session import error, ok, reply, stop
from gen_smtp.options.checks import OptionsError
from gen_smtp.options.deadlines import Deadlines
from gen_smtp.options.limits import Limits, read_limits
from gen_smtp.options.parsing import parse_options
from gen_smtp.options.session import SessionOptions
from gen_smtp.protocol.protocol import ProtocolConfig
from tests.actors.helpers import on_hub, turns_under_way
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    DOMAIN,
    MAIL,
    MESSAGE,
    PATIENCE,
    RCPT,
    Queue,
    Server,
    behaviour,
    collected,
    everything,
    serving,
    take,
)

UNKNOWN = "500 Error: command not recognized : 'FOO'"
EARLY = "554 Error: you must wait for the greeting\r\n"
LONGER_THAN_ANY_TEST = 100.0


@pytest.fixture
def reasons() -> Queue:
    """What `terminate` was told."""
    return queue.SimpleQueue()


def noting(reasons: Queue, **callbacks: Any) -> Any:
    """A behaviour that notes the reasons of its ends."""
    return behaviour(terminate=lambda self, reason: reasons.put(reason), **callbacks)


def limited(**limits: Any) -> dict[str, Any]:
    """Session options with these limits."""
    return {"limits": limits}


# -- options ------------------------------------------------------------------------------------------


def test_the_defaults_are_those_of_the_protocol() -> None:
    defaults = ProtocolConfig("mx.test")
    assert SessionOptions().limits == Limits()
    for name, value in Limits().for_protocol().items():
        assert getattr(defaults, name) == value


LOWEST = {
    "command_line": 512,
    "auth_line": 12288,
    "discarded_line": 512,
    "text_line": 1000,
    "message_size": 65536,
    "recipients": 100,
    "errors": 1,
    "junk_commands": 1,
    "auth_failures": 3,
    "messages": 1,
}
ALWAYS_FINITE = {"command_line", "auth_line", "discarded_line", "recipients"}


def test_every_limit_has_a_lowest_value() -> None:
    assert set(LOWEST) == {field.name for field in dataclasses.fields(Limits)}


@pytest.mark.parametrize(("name", "lowest"), LOWEST.items())
def test_a_limit_may_be_as_low_as_the_standards_let_it_and_no_lower(name: str, lowest: int) -> None:
    assert getattr(Limits(**{name: lowest}), name) == lowest
    for wrong in (lowest - 1, -1, True, str(lowest), float(lowest), math.nan, -math.inf):
        with pytest.raises(OptionsError) as caught:
            Limits(**{name: wrong})
        assert caught.value.option == name
        assert str(lowest) in str(caught.value.allowed)


@pytest.mark.parametrize("name", LOWEST)
def test_where_a_limit_may_be_missing_none_and_infinity_say_so(name: str) -> None:
    for given in (None, math.inf):
        if name in ALWAYS_FINITE:
            with pytest.raises(OptionsError):
                Limits(**{name: given})
        else:
            assert getattr(Limits(**{name: given}), name) == math.inf


def test_a_message_size_has_at_most_the_digits_that_size_may_have() -> None:
    assert Limits(message_size=10**20 - 1).message_size == 10**20 - 1
    with pytest.raises(OptionsError):
        Limits(message_size=10**20)


@pytest.mark.parametrize("given", [{"errors": 5}, [("errors", 5)], Limits(errors=5)])
def test_limits_are_a_mapping_pairs_or_the_record(given: Any) -> None:
    assert read_limits(given) == Limits(errors=5)
    (listener,) = parse_options([{"sessionoptions": {"limits": given}}])
    assert listener.sessionoptions.limits.errors == 5


@pytest.mark.parametrize(
    ("sessionoptions", "option", "nearest"),
    [
        ({"limits": {"recipients": 99}}, "sessionoptions.limits.recipients", None),
        (
            {"limits": {"recipient": 100}},
            "sessionoptions.limits.recipient",
            "sessionoptions.limits.recipients",
        ),
        ({"junk_commands": 5}, "sessionoptions.junk_commands", "sessionoptions.limits.junk_commands"),
        ({"limits": 5}, "sessionoptions.limits", None),
    ],
)
def test_a_wrong_limit_is_named(sessionoptions: Any, option: str, nearest: str | None) -> None:
    with pytest.raises(OptionsError) as caught:
        parse_options([{"sessionoptions": sessionoptions}])
    assert (caught.value.option, caught.value.nearest) == (option, nearest)


@pytest.mark.parametrize("delay", [-1, 300, math.inf, math.nan, None, True, "5"])
def test_a_delay_is_shorter_than_clients_wait(delay: Any) -> None:
    with pytest.raises(OptionsError) as caught:
        SessionOptions(refuse_early_talkers=True, greet_delay=delay)
    assert caught.value.option == "greet_delay"


def test_a_delay_needs_what_it_is_for() -> None:
    assert SessionOptions(refuse_early_talkers=True, greet_delay=299).greet_delay == 299
    with pytest.raises(OptionsError, match="together with refuse_early_talkers"):
        SessionOptions(greet_delay=1)


def test_a_delay_is_over_before_the_deadline_of_the_greeting() -> None:
    assert SessionOptions(refuse_early_talkers=True, greet_delay=1.9, deadlines=Deadlines(banner=2))
    with pytest.raises(OptionsError, match=r"less than deadlines\.banner"):
        SessionOptions(refuse_early_talkers=True, greet_delay=2, deadlines=Deadlines(banner=2))


# -- sizes, from the options to the wire --------------------------------------------------------------


def test_command_lines() -> None:
    with serving(sessionoptions=limited(command_line=600)) as server, server.greeted() as client:
        assert client.say("NOOP " + "x" * 593) == "250 Ok"
        assert client.say("NOOP " + "x" * 594) == "500 Error: line too long"


def test_lines_that_do_not_end(reasons: Queue) -> None:
    limits = limited(command_line=600, discarded_line=700)
    with serving(noting(reasons), sessionoptions=limits) as server:
        with server.greeted() as client:
            assert client.say("x" * 698) == "500 Error: line too long"
            client.send("x" * 701)
            assert client.rest() == "421 Error: line too long\r\n"
        assert take(reasons) == ("limit", "discarded_line")


def test_auth_lines() -> None:
    options = limited(auth_line=12288) | {"allow_insecure_auth": True}
    offering = behaviour(handle_EHLO=ok([("AUTH", "PLAIN")]), handle_AUTH=ok)
    long = base64.b64encode(b"\0user\0" + b"x" * 9210).decode()
    assert len(long) == 12288
    with serving(offering, sessionoptions=options) as server, server.greeted("EHLO c.test") as client:
        assert client.say("AUTH PLAIN", long + "=") == "500 Error: line too long"
        assert client.say("AUTH PLAIN", long) == "235 Authentication successful."


def test_recipients() -> None:
    with serving(sessionoptions=limited(recipients=100)) as server, server.greeted(*MAIL) as client:
        client.send("RCPT TO:<a@y.test>\r\n" * 101)
        assert [client.reply() for _ in range(101)] == (
            ["250 recipient Ok"] * 100 + ["452 Error: too many recipients"]
        )


def test_a_thousand_recipients_are_taken_by_default() -> None:
    with serving() as server, server.greeted(*MAIL) as client:
        client.send("RCPT TO:<a@y.test>\r\n" * 1001)
        answers = [client.reply() for _ in range(1001)]
        assert set(answers[:1000]) == {"250 recipient Ok"}
        assert answers[1000] == "452 Error: too many recipients"
        assert client.say("DATA") == "354 enter mail, end with line containing only '.'"


@pytest.mark.parametrize(
    ("octets", "answer"),
    [(65535, "250 taken"), (65536, "250 taken"), (65537, "552 Message too large")],
)
def test_messages(octets: int, answer: str) -> None:
    options = limited(message_size=65536)
    with serving(behaviour(), sessionoptions=options) as server, server.greeted() as client:
        assert "SIZE 65536" in client.say("EHLO c.test")
        client.say(*DATA)
        client.send("x" * (octets - 2) + "\r\n.\r\n")
        assert client.reply() == answer


def test_messages_without_a_limit_announce_none() -> None:
    with serving(sessionoptions=limited(message_size=None)) as server, server.greeted() as client:
        assert "SIZE" not in client.say("EHLO c.test")


@pytest.mark.parametrize(("octets", "answer"), [(1000, "250 taken"), (1001, "500 Error: text line too long")])
def test_text_lines(octets: int, answer: str, reasons: Queue) -> None:
    """The callback hears of it as of a message that is too large."""
    module = behaviour(handle_error=lambda self, *told: reasons.put(told) or ok)
    with serving(module, sessionoptions=limited(text_line=1000)) as server, server.greeted(*DATA) as client:
        client.send("x" * (octets - 2) + "\r\n.\r\n")
        assert client.reply() == answer
        assert client.say("NOOP") == "250 Ok"
        told = everything(reasons)
    assert told == ([] if answer.startswith("250") else [("data_rejected", "line_too_long")])


def test_text_lines_may_be_of_any_length_by_default() -> None:
    with serving(behaviour()) as server, server.greeted(*DATA) as client:
        client.send("x" * 1_000_000 + "\r\n.\r\n")
        assert client.reply() == "250 taken"


# -- counts -------------------------------------------------------------------------------------------


def test_at_a_limit_the_client_the_callback_and_subscribers_are_told_which(
    reasons: Queue, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="gen_smtp")
    with (
        serving(noting(reasons), sessionoptions=limited(errors=3)) as server,
        collected(events.LimitReached) as reached,
    ):
        with server.greeted("FOO", "FOO") as client:
            (ref,) = server.sessions
            urn = ref.actor_urn
            client.send("FOO\r\nMAIL FROM:<a@x.test>\r\n")
            assert client.rest() == f"{UNKNOWN}\r\n421 Error: too many errors\r\n"
        assert take(reasons) == ("limit", "errors")
        event = take(reached)
    assert (event.session, str(event.peer), event.limit) == (urn, "127.0.0.1", "errors")
    assert f"{urn} 127.0.0.1: limit errors reached; the session ends" in caplog.messages
    assert everything(reasons) == everything(reached) == []


JUNK_ENDS = "421 Error: too many commands without a message\r\n"


def test_junk_commands(reasons: Queue) -> None:
    with serving(noting(reasons), sessionoptions=limited(junk_commands=3)) as server:
        with server.greeted("EHLO c.test", "NOOP", "VRFY a") as client:
            client.say(*DATA[1:])
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            assert client.say("RSET", "EHLO again") == f"250-{DOMAIN}\n" + "\n".join(
                ["250-SIZE 10485760", "250-8BITMIME", "250-PIPELINING", "250 SMTPUTF8"]
            )
            client.send("NOOP\r\nNOOP\r\n")
            assert client.rest() == f"250 Ok\r\n{JUNK_ENDS}"
        assert take(reasons) == ("limit", "junk_commands")


def test_recipients_that_are_put_off_leave_a_message_its_hundred() -> None:
    """Greylisting answers 450 to each of them; RFC 5321 4.5.3.1.8 wants a hundred to be possible."""
    module = behaviour(handle_RCPT=lambda self, to: ok if to == "last@y.test" else error("450 later"))
    with serving(module) as server, server.greeted(*MAIL) as client:
        client.send("RCPT TO:<a@y.test>\r\n" * 99 + "RCPT TO:<last@y.test>\r\nDATA\r\n" + MESSAGE)
        assert [client.reply() for _ in range(102)][99:] == [
            "250 recipient Ok",
            "354 enter mail, end with line containing only '.'",
            "250 taken",
        ]


def test_auth_failures(reasons: Queue) -> None:
    options = limited(auth_failures=3) | {"allow_insecure_auth": True}
    offering = noting(reasons, handle_EHLO=ok([("AUTH", "PLAIN")]), handle_AUTH=error())
    attempt = "AUTH PLAIN AHUAcA==\r\n"
    with serving(offering, sessionoptions=options) as server:
        with server.greeted("EHLO c.test") as client:
            client.send(attempt * 2)
            assert [client.reply(), client.reply()] == ["535 Authentication failed."] * 2
            client.send(attempt * 2)
            assert client.rest() == (
                "535 Authentication failed.\r\n421 Error: too many authentication failures\r\n"
            )
        assert take(reasons) == ("limit", "auth_failures")


def test_messages_in_one_session(reasons: Queue) -> None:
    with serving(noting(reasons), sessionoptions=limited(messages=2)) as server:
        with server.greeted("EHLO c.test") as client:
            for _ in range(2):
                client.say(*DATA[1:])
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
            client.send("MAIL FROM:<a@x.test>\r\n")
            assert client.rest() == "421 Error: too many messages in one session\r\n"
        assert take(reasons) == ("limit", "messages")


def test_in_lmtp(reasons: Queue) -> None:
    options = limited(errors=2) | {"protocol": "lmtp"}
    with serving(noting(reasons, handle_DATA=error("554 no")), sessionoptions=options) as server:
        with server.greeted("LHLO c.test") as client:
            client.say(*DATA[1:-1], "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert [client.reply(), client.reply()] == ["554 no", "554 no"]
            client.say(*DATA[1:])
            client.send(MESSAGE + "NOOP\r\n")
            assert client.rest() == "554 no\r\n421 Error: too many errors\r\n"
        assert take(reasons) == ("limit", "errors")


def test_a_limit_reached_at_the_end_of_a_turn_is_told_all_the_same(reasons: Queue) -> None:
    """A refused command makes two events, and a turn has sixty-four."""
    for limit in range(30, 35):
        with serving(noting(reasons), sessionoptions=limited(errors=limit)) as server:
            with server.greeted() as client:
                client.send("FOO\r\n" * limit)
                assert client.rest().endswith("421 Error: too many errors\r\n")
            assert take(reasons) == ("limit", "errors")


def test_a_limit_reached_while_messages_wait_is_told_all_the_same(reasons: Queue) -> None:
    def handle_other(self: Any, verb: str, args: str) -> Any:
        self.session.ref.tell("hello")
        return reply("500 no")

    module = noting(reasons, handle_other=handle_other)
    with serving(module, sessionoptions=limited(errors=1)) as server, server.greeted() as client:
        client.send("FOO\r\n")
        assert client.rest() == "500 no\r\n421 Error: too many errors\r\n"
        assert take(reasons) == ("limit", "errors")


def test_a_callback_that_stops_the_session_is_its_end_not_the_limit(reasons: Queue) -> None:
    module = noting(reasons, handle_MAIL=stop("my reason", "550 go away"))
    with serving(module, sessionoptions=limited(errors=1)) as server, server.greeted("EHLO c.test") as client:
        client.send("MAIL FROM:<a@x.test>\r\n")
        assert client.rest() == "550 go away\r\n"
        assert take(reasons) == "my reason"


def test_a_client_at_a_limit_spares_the_others() -> None:
    with serving(sessionoptions=limited(errors=1)) as server, server.greeted(*RCPT) as other:
        with server.greeted() as client:
            client.send("FOO\r\n")
            assert client.rest().endswith("421 Error: too many errors\r\n")
        assert other.say("DATA").startswith("354")


# -- early talkers ------------------------------------------------------------------------------------


def refusing(**options: Any) -> dict[str, Any]:
    """Session options against early talkers."""
    return {"refuse_early_talkers": True, **options}


def waiting_for_greeting(server: Server, sessions: int) -> None:
    """Return when so many sessions are there, greeted or not, and none of them is at work."""
    while len(invoke(server.ref, PATIENCE, ServerActor.all_sessions)) != sessions:
        pass
    while on_hub(turns_under_way):
        pass


def test_a_client_that_waits_is_greeted_after_the_delay() -> None:
    with serving(sessionoptions=refusing(greet_delay=0.05)) as server:
        began = time.monotonic()
        with server.client() as client:
            assert client.reply() == f"220 {DOMAIN} ESMTP"
            assert time.monotonic() - began >= 0.05
            assert client.say(*RCPT, "DATA").startswith("354")


def test_one_that_talks_during_the_delay_is_refused_at_once_and_init_never_hears_of_it() -> None:
    asked: Queue = queue.SimpleQueue()
    module = behaviour(init=lambda self, *args: asked.put(args) or ok)
    options = refusing(greet_delay=LONGER_THAN_ANY_TEST)
    with (
        serving(module, sessionoptions=options) as server,
        collected(events.LimitReached) as reached,
        collected(events.CommandRefused) as refused,
        server.client() as client,
    ):
        client.send("EHLO spam.test\r\nMAIL FROM:<a@x.test>\r\n")
        assert client.rest() == EARLY
        assert take(refused).reply == EARLY.strip()
        assert take(reached).limit == "refuse_early_talkers"
        assert server.sessions == []
    assert everything(asked) == []


def test_without_a_delay_what_came_with_the_connection_tells() -> None:
    with serving(sessionoptions=refusing()) as server:
        gen_smtp_server.suspend(server.ref)
        with server.client() as early, server.client() as patient:
            early.send("EHLO spam.test\r\n")
            gen_smtp_server.resume(server.ref)
            assert early.rest() == EARLY
            assert patient.reply() == f"220 {DOMAIN} ESMTP"
            assert patient.say("NOOP") == "250 Ok"


def test_by_default_it_is_served() -> None:
    with serving() as server:
        gen_smtp_server.suspend(server.ref)
        with server.client() as client:
            client.send("NOOP\r\n")
            gen_smtp_server.resume(server.ref)
            assert [client.reply(), client.reply()] == [f"220 {DOMAIN} ESMTP", "250 Ok"]


@pytest.mark.parametrize("finish", ["shutdown", "reset"])
def test_a_client_that_leaves_without_a_word_makes_room(finish: str) -> None:
    options = refusing(greet_delay=LONGER_THAN_ANY_TEST)
    with (
        serving(sessionoptions=options, serveroptions={"max_sessions": 1}) as server,
        server.client() as first,
        server.client() as second,
    ):
        waiting_for_greeting(server, 1)
        second.send("x")
        if finish == "reset":
            first.reset()
        else:
            first.socket.shutdown(socket.SHUT_WR)
            assert first.rest() == ""
        assert second.rest() == EARLY


def test_one_that_left_before_it_was_looked_at_is_no_early_talker() -> None:
    asked: Queue = queue.SimpleQueue()
    with serving(
        behaviour(init=lambda self, *args: asked.put(args) or ok), sessionoptions=refusing()
    ) as server:
        gen_smtp_server.suspend(server.ref)
        with server.client() as broken, server.client() as finished:
            broken.reset()
            finished.socket.shutdown(socket.SHUT_WR)
            gen_smtp_server.resume(server.ref)
            assert finished.rest() == f"220 {DOMAIN} ESMTP\r\n"
    assert asked.qsize() == 1  # nobody is there to be greeted on a connection that is broken


def test_clients_that_wait_hold_no_turn_and_hear_421_at_the_servers_end() -> None:
    with serving(sessionoptions=refusing(greet_delay=LONGER_THAN_ANY_TEST)) as server:
        clients = [server.client() for _ in range(20)]
        waiting_for_greeting(server, len(clients))
        gen_smtp_server.stop(server.ref)
        for client in clients:
            assert client.rest() == f"421 {DOMAIN} Service shutting down\r\n"
            client.close()


@pytest.mark.parametrize("delay", [0, LONGER_THAN_ANY_TEST])
def test_the_header_of_a_proxy_is_no_early_talk_but_what_follows_is(delay: float) -> None:
    header = "PROXY TCP4 192.0.2.1 192.0.2.2 1000 25\r\n"
    options = refusing(greet_delay=delay)
    with serving(proxy_protocol=["127.0.0.1"], sessionoptions=options) as server:
        with server.client() as client, collected(events.LimitReached) as reached:
            client.send(header + "EHLO spam.test\r\n")
            assert client.rest() == EARLY
            assert str(take(reached).peer) == "192.0.2.1"
        if not delay:
            with server.client() as client:
                client.send(header)
                assert client.reply() == f"220 {DOMAIN} ESMTP"


class EarlyUnderTls:
    """A TLS client that sends plaintext together with the end of its handshake, or later."""

    def __init__(self, raw: socket.socket, context: ssl.SSLContext) -> None:
        self._raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._layer = context.wrap_bio(self._incoming, self._outgoing, server_hostname="localhost")

    def shake_hands(self, *, early: bytes = b"") -> None:
        while True:
            try:
                self._layer.do_handshake()
            except ssl.SSLWantReadError:
                self._raw.sendall(self._outgoing.read())
                self._incoming.write(self._raw.recv(65536))
            else:
                break
        if early:
            self._layer.write(early)
        self._raw.sendall(self._outgoing.read())

    def read(self) -> Iterator[bytes]:
        """What the server says until it closes, piece by piece."""
        said = b"?"
        while said:
            try:
                said = self._layer.read(1000)
            except ssl.SSLWantReadError:
                self._incoming.write(self._raw.recv(65536))
            else:
                yield said


@pytest.mark.parametrize("delay", [0, LONGER_THAN_ANY_TEST])
def test_under_tls_from_the_first_octet_plaintext_counts_and_the_handshake_does_not(
    delay: float, certificates: Certificates
) -> None:
    context = ssl.create_default_context(cafile=certificates.cafile)
    files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
    with serving(protocol="ssl", sessionoptions=refusing(greet_delay=delay, **files)) as server:
        with server.client() as client:
            tls = EarlyUnderTls(client.socket, context)
            tls.shake_hands(early=b"EHLO spam.test\r\n")
            assert b"".join(tls.read()) == EARLY.encode()
        if not delay:
            with server.client() as client:
                tls = EarlyUnderTls(client.socket, context)
                tls.shake_hands()
                assert next(tls.read()) == f"220 {DOMAIN} ESMTP\r\n".encode()


@pytest.mark.parametrize("number", range(5, 20))
def test_the_command_that_reaches_it_is_told_of_however_many_replies_wait(number: int) -> None:
    """So many as may wait are sent before there are more; with one of these numbers it is this one's."""
    told = queue.SimpleQueue[str]()

    def handle_error(self: Any, error_class: str, detail: Any) -> Any:
        told.put(error_class)
        return ok

    with (
        serving(behaviour(handle_error=handle_error), sessionoptions=limited(errors=number)) as server,
        server.greeted() as client,
    ):
        client.send("VRFY\r\n" * (number - 1) + "RCPT TO:<a@b.test>\r\n")
        assert client.rest().endswith("421 Error: too many errors\r\n")
        assert take(told) == "out_of_order"
