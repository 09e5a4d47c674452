"""Typed events and the log: each thing that happens is told once, at its level, and no secret with it."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import hashlib
import hmac
import logging
import queue
import smtplib
import ssl
import threading
from collections.abc import Generator
from ipaddress import IPv4Address
from typing import Any

import gevent
import pytest

from actors import ActorDeadError
from actors import events as actor_events
from actors.events import Event, subscribe, wanted
from gen_smtp import events, gen_smtp_server
from gen_smtp.gen_smtp_server import ListenError
from gen_smtp.gen_smtp_server_session import Behaviour, error, multiple, ok, reply, stop
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    MAIL,
    MESSAGE,
    PATIENCE,
    Queue,
    Server,
    behaviour,
    collected,
    ended,
    everything,
    listener,
    serving,
    take,
)

PEER = IPv4Address("127.0.0.1")
PASSWORD = "correct-horse-battery"
ALL_MECHANISMS = [("AUTH", "PLAIN LOGIN CRAM-MD5")]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """The log from DEBUG upwards."""
    caplog.set_level(logging.DEBUG)
    return caplog


@pytest.fixture
def told() -> Generator[Queue]:
    """Every event, whatever its type."""
    with collected(Event) as all_events:
        yield all_events


def authenticating(**callbacks: Any) -> type[Behaviour]:
    """A behaviour that offers AUTH and knows one password."""

    def handle_AUTH(self: Any, mechanism: str, username: str, credential: Any) -> Any:
        return ok if PASSWORD in credential else error

    return behaviour(**{"handle_EHLO": ok(ALL_MECHANISMS), "handle_AUTH": handle_AUTH, **callbacks})


class TestWhatIsTold:
    def test_the_life_of_a_server_and_a_session(self, told: Queue, log: pytest.LogCaptureFixture) -> None:
        with serving(behaviour()) as server:
            with server.greeted(*DATA) as client:
                (ref,) = server.sessions
                port = client.socket.getsockname()[1]
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
                assert client.say("VRFY <") == "501 Syntax: VRFY username/address"
                assert client.say("QUIT") == "221 Bye"
                ended(ref)
            gen_smtp_server.stop(server.ref)
            address = server.addresses[0]
        happened = everything(told)
        assert [type(each).__name__ for each in happened] == [
            "ListenerStarted",
            "ServerStarted",
            "SessionOpened",
            "MessageTaken",
            "CommandRefused",
            "SessionClosed",
            "ServerStopping",
            "ListenerEnded",
            "ServerEnded",
        ]
        urn, peer = ref.actor_urn, ("127.0.0.1", port)
        listening, started, opened, taken, refused, closed, stopping, deaf, over = happened
        assert (listening.address, listening.protocol) == (address, "tcp")
        assert started.addresses == (address,)
        assert started.server == over.server
        assert (opened.session, opened.peer) == (urn, peer)
        assert (taken.session, taken.peer) == (urn, PEER)
        assert (taken.sender, taken.recipients, taken.size) == ("a@x.test", ("b@y.test",), len(MESSAGE) - 3)
        assert (refused.session, refused.verb) == (urn, "VRFY")
        assert refused.reply == "501 Syntax: VRFY username/address"
        assert (closed.session, closed.peer, closed.reason) == (urn, peer, "normal")
        assert (stopping.server, stopping.reason) == (started.server, "normal")
        assert (deaf.address, deaf.reason) == (address, "normal")
        assert over.reason == "normal"
        records = [record for record in log.records if record.name in ("actors", "gen_smtp")]
        assert [record.getMessage() for record in records] == [str(each) for each in happened]
        assert [record.levelno for record in records] == [type(each).level for each in happened]
        quiet = [type(each).__name__ for each in happened if type(each).level < logging.INFO]
        assert quiet == ["ServerStopping"]
        names = [record.name for record in records]
        assert names == [*["actors"] * 3, *["gen_smtp"] * 2, *["actors"] * 4]

    def test_authentication(self, log: pytest.LogCaptureFixture) -> None:
        wrong = base64.b64encode(b"\0eve\0guess").decode()
        right = base64.b64encode(f"\0alice\0{PASSWORD}".encode()).decode()
        with (
            serving(authenticating(), sessionoptions={"allow_insecure_auth": True}) as server,
            collected(events.AuthenticationFailed) as failed,
            collected(events.Authenticated) as succeeded,
            server.greeted("EHLO c") as client,
        ):
            assert client.say(f"AUTH PLAIN {wrong}")[:3] == "535"
            assert client.say(f"AUTH PLAIN {right}")[:3] == "235"
            event = take(failed)
            assert (event.peer, event.mechanism, event.username) == (PEER, "plain", "eve")
            assert event.level == logging.WARNING
            event = take(succeeded)
            assert (event.peer, event.mechanism, event.username) == (PEER, "plain", "alice")
            assert failed.empty()
            assert succeeded.empty()
        said = [record.getMessage() for record in log.records]
        assert len([line for line in said if "authentication of eve failed (plain)" in line]) == 1
        assert len([line for line in said if "alice authenticated (plain)" in line]) == 1

    def test_tls_established_and_failed(self, told: Queue, certificates: Certificates) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        context = ssl.create_default_context(cafile=certificates.cafile)
        with serving(protocol="ssl", sessionoptions=files) as server:
            with (
                server.client() as client,
                context.wrap_socket(client.socket, server_hostname="localhost") as secured,
            ):
                assert secured.recv(100)[:3] == b"220"
                version, cipher = secured.version(), (secured.cipher() or ("",))[0]
            with collected(actor_events.TlsFailed) as failed, server.client() as client:
                client.send("EHLO this is no TLS\r\n")
                assert take(failed).peer == client.socket.getsockname()
        (established,) = [each for each in everything(told) if isinstance(each, actor_events.TlsEstablished)]
        assert (established.version, established.cipher) == (version, cipher)
        assert established.level == logging.INFO

    def test_a_refused_session(self, told: Queue, log: pytest.LogCaptureFixture) -> None:
        with (
            serving(behaviour(init=stop("busy", "421 mx.test is too busy"))) as server,
            server.client() as client,
        ):
            assert client.rest() == "421 mx.test is too busy\r\n"
        kinds = [type(each) for each in everything(told)]
        assert kinds.count(events.CommandRefused) == 1
        assert actor_events.SessionOpened not in kinds
        assert actor_events.SessionClosed not in kinds
        assert len([record for record in log.records if "too busy" in record.getMessage()]) == 1

    @pytest.mark.parametrize("reason", ["normal", "shutdown", "killed", "policy"])
    def test_why_a_session_ended(self, reason: str) -> None:
        module = behaviour(handle_VRFY=stop("policy", "554 no"))
        with (
            serving(module) as server,
            collected(actor_events.SessionClosed) as closed,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            match reason:
                case "normal":
                    client.say("QUIT")
                case "shutdown":
                    ref.stop()
                case "killed":
                    ref.kill()
                case "policy":
                    client.say("VRFY x")
            assert take(closed).reason == reason
        assert closed.empty()

    def test_a_server_that_is_killed(self) -> None:
        with (
            collected(actor_events.ServerEnded) as over,
            collected(actor_events.SessionClosed) as closed,
            serving() as server,
            server.greeted(),
        ):
            (session,) = server.sessions
            server.ref.kill()
            assert ended(server.ref) == "killed"
        assert [event.reason for event in everything(over)] == ["killed"]
        assert [(event.session, event.reason) for event in everything(closed)] == [
            (session.actor_urn, "killed")
        ]

    def test_a_server_that_could_not_start_has_not_ended(self, told: Queue) -> None:
        with serving() as blocker:
            everything(told)
            with pytest.raises(ListenError):
                gen_smtp_server.start(Behaviour, [listener(port=blocker.addresses[0][1])])
            assert everything(told) == []


class TestLinesThatHelp:
    """What somebody who looks for a message, or for why it was refused, finds in one line."""

    def test_a_message_is_found_by_what_its_client_was_told(
        self, log: pytest.LogCaptureFixture, certificates: Certificates
    ) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        trust = ssl.create_default_context(cafile=certificates.cafile)
        module = authenticating(handle_DATA=ok("queued as 4711"))
        with (
            serving(module, protocol="ssl", sessionoptions=files) as server,
            collected(events.MessageTaken) as taken,
            smtplib.SMTP_SSL(*server.addresses[0], context=trust, timeout=PATIENCE) as client,
        ):
            client.ehlo()
            client.login("alice", PASSWORD)
            client.sendmail("a@x.test", ["b@y.test", "c@y.test"], "Subject: hello\r\n\r\nhello\r\n")
            event = take(taken)
        assert (event.reply, event.tls, event.user) == ("250 queued as 4711", "TLSv1.3", "alice")
        assert 0 <= event.seconds < PATIENCE
        (line,) = [record.getMessage() for record in log.records if " taken: " in record.getMessage()]
        assert line == (
            f"{event.session} {event.peer}: message from <a@x.test> to b@y.test, c@y.test (25 octets) taken: "
            f"250 queued as 4711 (TLSv1.3, {event.seconds} s, hello {event.helo}, user alice)"
        )
        assert (event.queue_id, event.verdict) == ("4711", "taken")
        assert event.listener == "{}:{}".format(*server.addresses[0])

    def test_a_message_in_lmtp_has_the_replies_of_all(self) -> None:
        module = behaviour(handle_DATA=multiple([ok("one"), error("452 full")]))
        lines = ("LHLO c", "MAIL FROM:<a@x.test>", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
        with (
            serving(module, sessionoptions={"protocol": "lmtp"}) as server,
            collected(events.MessageTaken) as taken,
            server.greeted(*lines) as client,
        ):
            client.send(MESSAGE)
            assert (client.reply(), client.reply()) == ("250 one", "452 full")
            event = take(taken)
        assert (event.reply, event.tls, event.user) == ("250 one 452 full", None, None)
        assert str(event).endswith(f"taken: 250 one 452 full (no TLS, {event.seconds} s, hello c)")
        assert (event.verdict, event.refused, event.queue_id) == ("partly", 1, None)

    @pytest.mark.parametrize(
        ("handler", "body", "size"),
        [
            pytest.param(error("550 no"), MESSAGE, len(MESSAGE) - 3, id="by its callback"),
            pytest.param(ok, "a\nb\r\n.\r\n", 0, id="for its form"),
        ],
    )
    def test_a_message_that_is_refused_has_its_facts(self, handler: Any, body: str, size: int) -> None:
        with (
            serving(behaviour(handle_DATA=handler)) as server,
            collected(events.CommandRefused) as refused,
            server.greeted(*DATA) as client,
        ):
            client.send(body)
            client.reply()
            event = take(refused)
            assert (event.verb, event.verdict) == ("DATA", "refused")
            assert (event.sender, event.recipients, event.size) == ("a@x.test", ("b@y.test",), size)
            assert event.seconds is not None
            assert event.helo
            assert event.listener == "{}:{}".format(*server.addresses[0])
            assert client.say("DATA").startswith("503")
            later = take(refused)
            assert (later.verb, later.verdict, later.size, later.recipients) == ("DATA", None, None, ())

    def test_pipelined_replies_are_not_the_messages(self) -> None:
        lines = "EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" + MESSAGE + "NOOP\r\n"
        with (
            serving(behaviour()) as server,
            collected(events.MessageTaken) as taken,
            server.greeted() as client,
        ):
            client.send(lines)
            assert take(taken).reply == "250 taken"

    @pytest.mark.parametrize(
        ("module", "options", "command", "argument", "sender"),
        [
            (behaviour(handle_RCPT=error("550 no")), {}, "RCPT TO:<no@y.test>", "no@y.test", "a@x.test"),
            (behaviour(), {}, "RCPT TO:<no@y.test> X=1", "no@y.test", "a@x.test"),
            (behaviour(), {}, "RCPT TO:<no@>", "TO:<no@>", "a@x.test"),
            (behaviour(), {}, "MAIL FROM:<b@x.test>", "FROM:<b@x.test>", "a@x.test"),
            (behaviour(), {}, "VRFY <", "", "a@x.test"),
        ],
    )
    def test_a_refusal_names_address_sender_and_hello(
        self, module: Any, options: Any, command: str, argument: str, sender: str
    ) -> None:
        with (
            serving(module, sessionoptions=options) as server,
            collected(events.CommandRefused) as refused,
            server.greeted(*MAIL) as client,
        ):
            reply = client.say(command)
            event = take(refused)
        assert (event.argument, event.sender, event.helo) == (argument, sender, "client.test")
        what = f"{command[:4]} {argument}".strip()
        assert str(event) == (
            f"{event.session} 127.0.0.1: {what} refused: {reply} (from <a@x.test>, hello client.test)"
        )

    def test_a_sender_that_is_refused_is_named(self) -> None:
        module = behaviour(handle_MAIL=error("550 no"))
        with (
            serving(module) as server,
            collected(events.CommandRefused) as refused,
            server.greeted("EHLO c", "MAIL FROM:<a@x.test>") as client,
        ):
            assert take(refused).argument == "a@x.test"
            client.say("MAIL FROM:<ä@x.test>", "RCPT TO:<b@y.test>")
            assert take(refused).argument == "ä@x.test"
            event = take(refused)
            assert (event.verb, event.argument, event.sender) == ("RCPT", "TO:<b@y.test>", None)

    @pytest.mark.parametrize("line", [b"\r\n", b"\xff\xfe\r\n", b"x" * 3000 + b"\r\n"])
    def test_a_line_without_a_verb_is_called_so(self, line: bytes) -> None:
        with (
            serving() as server,
            collected(events.CommandRefused) as refused,
            server.greeted() as client,
        ):
            client.send(line)
            assert client.reply()[:1] == "5"
            event = take(refused)
        assert str(event).startswith(f"{event.session} 127.0.0.1: a line refused: 50")

    @pytest.mark.parametrize("cut", [1, 2, 3, 100])
    def test_tls_where_there_is_none_is_told_and_ended(self, cut: int) -> None:
        hello = ssl.MemoryBIO()
        context = ssl.create_default_context()
        with pytest.raises(ssl.SSLWantReadError):
            context.wrap_bio(ssl.MemoryBIO(), hello, server_hostname="x").do_handshake()
        octets = hello.read().replace(b"\n", b"\r")
        with (
            serving() as server,
            collected(events.CommandRefused) as refused,
            server.greeted() as client,
        ):
            client.send(octets[:cut])
            client.send(octets[cut:])
            assert client.rest() == "554 Error: TLS on a listener without TLS\r\n"
            event = take(refused)
        line = f"{event.session} 127.0.0.1: a line refused: 554 Error: TLS on a listener without TLS"
        assert str(event) == line

    def test_a_handshake_that_fails_names_its_session(self, certificates: Certificates) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        with (
            serving(protocol="ssl", sessionoptions=files) as server,
            collected(actor_events.TlsFailed) as failed,
            server.client() as client,
        ):
            client.send("EHLO this is no TLS\r\n")
            event = take(failed)
            assert event.session.startswith("urn:")
            assert str(event).startswith(f"session {event.session}: TLS handshake with (")

    def test_a_bare_newline_names_the_option(self) -> None:
        with (
            serving(behaviour()) as server,
            collected(events.CommandRefused) as refused,
            server.greeted(*DATA) as client,
        ):
            client.send("Subject: hello\n\nhello\r\n.\r\n")
            assert client.reply()[:3] == "550"
            event = take(refused)
            assert event.option == "allow_bare_newlines"
            assert "see the session option allow_bare_newlines" in str(event)
            client.say("VRFY <")
            assert take(refused).option == ""


class TestWithheldExtensions:
    def test_auth_before_starttls_is_as_it_should_be(
        self, log: pytest.LogCaptureFixture, certificates: Certificates
    ) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        auth, starttls = ("AUTH", "PLAIN"), ("STARTTLS", True)
        for extensions, advice in (([auth, starttls], []), ([auth], ["STARTTLS"])):
            module = behaviour(handle_EHLO=ok(extensions))
            with (
                serving(module, sessionoptions=files) as server,
                collected(events.ExtensionWithheld) as withheld,
                server.greeted("EHLO c") as client,
            ):
                assert client.say("AUTH PLAIN")[:3] == "538"
                assert [event.option for event in everything(withheld)] == advice
        assert "allow_insecure_auth" not in log.text
        assert "it is offered inside TLS, if STARTTLS is listed, too" in log.text

    def test_what_this_server_can_not_do_is_left_out_and_no_option_is_named(
        self, log: pytest.LogCaptureFixture
    ) -> None:
        module = behaviour(handle_EHLO=ok([("BURL", True), ("X-OWN", True)]))
        with (
            serving(module) as server,
            collected(events.ExtensionWithheld) as withheld,
            server.client() as client,
        ):
            client.reply()
            assert client.say("EHLO c") == "250-mx.test\n250 X-OWN"
            event = take(withheld)
            assert (event.name, event.option, event.level) == ("BURL", "", logging.WARNING)
        assert "handle_EHLO lists BURL, which is left out here; this server can't do it" in log.text

    def test_are_told_once_for_each_listener_and_name_the_option(self, log: pytest.LogCaptureFixture) -> None:
        module = behaviour(handle_EHLO=ok([("AUTH", "PLAIN"), ("STARTTLS", True), ("8BITMIME", True)]))
        options = [listener(), listener(), listener(sessionoptions={"allow_insecure_auth": True})]
        with gen_smtp_server.running(module, options) as ref, collected(events.ExtensionWithheld) as withheld:
            server = Server(ref)
            heard = []
            for number in (0, 0, 1, 2, 2):
                with server.client(number) as client:
                    client.reply()
                    heard.append(client.say("EHLO c", "EHLO again"))
            assert heard[:3] == ["250-mx.test\n250 8BITMIME"] * 3
            assert heard[3:] == ["250-mx.test\n250-AUTH PLAIN\n250 8BITMIME"] * 2
            told = [(event.name, event.option) for event in everything(withheld)]
        withheld_here = {("AUTH", "allow_insecure_auth"), ("STARTTLS", "certfile")}
        assert set(told[:2]) == set(told[2:4]) == withheld_here
        assert told[4:] == [("STARTTLS", "certfile")]
        warnings = [record for record in log.records if record.levelno == logging.WARNING]
        assert len(warnings) == 5
        assert {record.name for record in warnings} == {"gen_smtp"}
        for record in warnings:
            assert "allow_insecure_auth" in record.getMessage() or "certfile" in record.getMessage()


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def seen_in(log: pytest.LogCaptureFixture, told: Queue) -> str:
    """The whole log, tracebacks and all, and every event."""
    formatter = logging.Formatter()
    return "\n".join([*map(formatter.format, log.records), *map(repr, everything(told))])


class TestSecrets:
    def test_no_credential_is_logged(self, told: Queue, log: pytest.LogCaptureFixture) -> None:
        def encode(text: str) -> str:
            return base64.b64encode(text.encode()).decode()

        sent = [
            encode(f"\0alice\0{PASSWORD}"),
            encode(f"\0eve\0{PASSWORD}x"),
            encode(PASSWORD),
            encode("alice"),
        ]
        with serving(authenticating(), sessionoptions={"allow_insecure_auth": True}) as server:
            for lines in (
                [f"AUTH PLAIN {sent[0]}"],
                ["AUTH PLAIN", sent[1]],
                ["AUTH LOGIN", sent[3], sent[2]],
                [f"AUTH LOGIN {sent[3]}", sent[2]],
                ["AUTH PLAIN", f"{sent[0]}!!!"],
                ["AUTH PLAIN", encode(PASSWORD)],
                [f"AUTH XOAUTH2 {sent[0]}"],
            ):
                with server.greeted("EHLO c") as client:
                    client.say(*lines)
                    client.say("QUIT")
            with server.greeted("EHLO c") as client:
                challenge = base64.b64decode(client.say("AUTH CRAM-MD5").split(" ")[1])
                digest = hmac.new(PASSWORD.encode(), challenge, hashlib.md5).hexdigest()
                client.say(encode(f"alice {digest}"))
                sent.append(digest)
        assert log.records
        seen = "\n".join([*[record.getMessage() for record in log.records], *map(repr, everything(told))])
        for secret in (PASSWORD, *sent[:3], *sent[4:]):
            assert secret not in seen
            assert secret.upper() not in seen

    @pytest.mark.parametrize("result", [ok, error, None, stop("why", "554 no")], ids=str)
    def test_no_message_is_logged(self, result: Any, told: Queue, log: pytest.LogCaptureFixture) -> None:
        with serving(behaviour(handle_DATA=result)) as server, server.greeted(*DATA) as client:
            client.send("Subject: top secret\r\n\r\nthe body\r\n.\r\n")
            client.reply()
        seen = "\n".join([*[record.getMessage() for record in log.records], *map(repr, everything(told))])
        assert "SessionClosed" in seen
        assert "top secret" not in seen
        assert "the body" not in seen

    @pytest.mark.parametrize("code", ["538", "502", "503", "530"])
    def test_lines_behind_an_auth_that_is_refused_are_not_logged(
        self, code: str, told: Queue, log: pytest.LogCaptureFixture, certificates: Certificates
    ) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        extensions = [("8BITMIME", True)] if code == "502" else ALL_MECHANISMS
        options: dict[str, dict[str, Any]] = {
            "538": {},
            "502": {},
            "503": {"allow_insecure_auth": True},
            "530": {"require_tls": True, **files},
        }
        user, password = encoded("alice"), encoded(PASSWORD)
        plain = encoded("\0alice\0" + PASSWORD)
        wrapped = encoded("\0alice\0" + PASSWORD * 4)
        module = authenticating(handle_EHLO=ok(extensions))
        with serving(module, sessionoptions=options[code]) as server, server.greeted("EHLO c") as client:
            if code == "503":
                client.say(f"AUTH PLAIN {plain}")
            assert client.say("AUTH LOGIN")[:3] == code
            for line in (user, password, wrapped[:60], wrapped[60:]):
                answer = client.say(line)
                assert answer == "500 Error: command not recognized : '...'" or answer[:3] == "530"
        seen = seen_in(log, told)
        assert "refused: 5" in seen
        for secret in (user, password, wrapped[:60], wrapped[60:]):
            assert secret not in seen
            assert secret.upper() not in seen

    def test_the_lines_of_a_message_behind_a_data_that_is_refused_are_not_logged(
        self, told: Queue, log: pytest.LogCaptureFixture
    ) -> None:
        asked: list[tuple[str, str]] = []

        def handle_other(self: Any, verb: str, args: str) -> Any:
            asked.append((verb, args))
            return reply(f"500 what is {verb} {args}?")

        with serving(behaviour(handle_other=handle_other)) as server, server.greeted("EHLO c") as client:
            assert client.say("DATA")[:3] == "503"
            assert client.say("Subject: top secret") == "500 what is SUBJECT: top secret?"
            assert client.say("X-Key=4711aB 99") == "500 what is X-KEY=4711AB 99?"
            assert client.say("help me") == "500 what is HELP me?"
        assert asked == [("SUBJECT:", "top secret"), ("X-KEY=4711AB", "99"), ("HELP", "me")]
        seen = seen_in(log, told)
        assert "top secret" not in seen
        assert "4711" not in seen
        assert "refused: 500 what is HELP me?" in seen

    @pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind another"])
    @pytest.mark.parametrize("kind", [KeyError, ValueError, UnicodeError, SystemExit, "own"])
    def test_a_credential_in_what_handle_auth_raises_is_not_logged(
        self, kind: Any, behind: bool, told: Queue, log: pytest.LogCaptureFixture
    ) -> None:
        class Own(Exception):  # noqa: N818
            def __init__(self, secret: str) -> None:
                super().__init__("a user")
                self.secret = secret

            def __str__(self) -> str:
                return f"wrong: {self.secret}"

        raised = Own if kind == "own" else kind

        def handle_AUTH(self: Any, mechanism: str, username: str, credential: Any) -> Any:
            if not behind:
                raise raised(credential)
            try:
                raise raised(f"<{credential}>")
            except raised as error:
                raise LookupError("no such user") from error

        module = authenticating(handle_AUTH=handle_AUTH)
        with (
            serving(module, sessionoptions={"allow_insecure_auth": True}) as server,
            server.greeted("EHLO c") as client,
        ):
            (ref,) = server.sessions
            client.send(f"AUTH PLAIN {encoded(f'{chr(0)}alice{chr(0)}{PASSWORD}')}\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"
            reason = ended(ref)
        seen = seen_in(log, told)
        assert PASSWORD not in seen
        assert PASSWORD not in repr(reason)
        assert "handle_AUTH raised" in seen
        assert "Traceback" in seen

    @pytest.mark.parametrize(
        "result",
        [
            lambda data: multiple([data]),
            lambda data: multiple([ok(data)]),
            lambda data: [data.decode()],
            lambda data: data.splitlines(),
            lambda data: {"body": data.decode().splitlines()},
            lambda data: f"250 {data!r}",
            lambda data: ok(data),
            lambda data: error(data.decode()),
        ],
    )
    def test_a_message_in_a_wrong_result_is_not_logged(
        self, result: Any, told: Queue, log: pytest.LogCaptureFixture
    ) -> None:
        for protocol in ("smtp", "lmtp"):
            module = behaviour(handle_DATA=lambda self, sender, recipients, data: result(data))
            lines = [line.replace("EHLO", "LHLO") if protocol == "lmtp" else line for line in DATA]
            options = {"protocol": protocol}
            with serving(module, sessionoptions=options) as server, server.greeted(*lines) as client:
                client.send("Subject: top secret\r\n\r\nthe body of it\r\n.\r\n")
                assert client.reply()[:3] == "451"
        seen = seen_in(log, told)
        assert "top secret" not in seen
        assert "the body" not in seen

    @pytest.mark.parametrize(
        "fail",
        [
            lambda data: data.decode("ascii"),
            lambda data: int(data),
            lambda data: {}[data],
            lambda data: {}[data.decode()],
            lambda data: {}[data.splitlines(keepends=True)[0].decode()],
        ],
    )
    @pytest.mark.parametrize("callback", ["handle_DATA", "handle_DATA_stream"])
    def test_a_message_in_what_is_raised_over_it_is_not_logged(
        self, fail: Any, callback: str, told: Queue, log: pytest.LogCaptureFixture
    ) -> None:
        def handle(self: Any, sender: str, recipients: list[str], data: Any) -> Any:
            return fail(data if isinstance(data, bytes) else data.read())

        with serving(behaviour(**{callback: handle})) as server, server.greeted(*DATA) as client:
            client.send("Subject: top secret\r\n\r\nthe body \xe9\r\n.\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"
            gen_smtp_server.stop(server.ref)
        seen = seen_in(log, told)
        assert f"{callback} raised" in seen
        assert "top secret" not in seen
        assert "the body" not in seen

    def test_no_file_of_a_key_or_its_password_is_logged(
        self, log: pytest.LogCaptureFixture, told: Queue, certificates: Certificates
    ) -> None:
        tls_options = {
            "certfile": certificates.encrypted.certfile,
            "keyfile": certificates.encrypted.keyfile,
            "password": certificates.password,
        }
        with serving(protocol="ssl", sessionoptions={"tls_options": tls_options}) as server:
            records = gen_smtp_server.listeners(server.ref)
        assert certificates.password not in repr(records)
        assert certificates.password not in "\n".join(record.getMessage() for record in log.records)
        assert certificates.password not in repr(everything(told))


class TestControlCharacters:
    def test_are_escaped(self, log: pytest.LogCaptureFixture) -> None:
        forged = "x\r\nERROR forged\x1b[2J\x00\x7f\u2028"
        with (
            serving(behaviour(handle_VRFY=lambda self, address: forged)) as server,
            collected(events.WrongCallbackValue) as wrong,
            collected(events.CommandRefused) as refused,
            server.greeted() as client,
        ):
            assert client.say("VRFY x")[:3] == "451"
            take(wrong)
            take(refused)
            client.send(b"X\x1b[2J\x00Y z\r\n")
            assert client.reply()[:3] == "500"
            take(refused)
        lines = [record.getMessage() for record in log.records]
        assert all(line.isprintable() for line in lines)

    def test_of_an_envelope_and_a_user_are_escaped(self) -> None:
        event = events.MessageTaken("urn:1", PEER, "a\r\nb\x1b", ("c\x00d",), 7)
        assert str(event).isprintable()
        assert "\\x0d\\x0ab\\x1b" in str(event)
        assert str(events.AuthenticationFailed("urn:1", None, "plain", "a\nb\u2029{peer}")).isprintable()

    def test_of_a_crash_are_escaped_in_its_line(self, log: pytest.LogCaptureFixture) -> None:
        def handle_VRFY(self: Any, address: str) -> Any:
            raise LookupError("one\r\ntwo\x1b")

        with (
            serving(behaviour(handle_VRFY=handle_VRFY)) as server,
            collected(events.CallbackCrashed) as crashed,
            server.greeted() as client,
        ):
            client.say("VRFY x")
            take(crashed)
        (record,) = [each for each in log.records if each.levelno == logging.ERROR]
        assert record.getMessage().isprintable()

    def test_so_is_whatever_else_turns_a_line_around(self) -> None:
        event = events.CommandRefused("urn:1", PEER, "X\u202egnorw\ufeff\udc80\U000e0001é", "500 no")
        assert str(event) == "urn:1 127.0.0.1: X\\u202egnorw\\ufeff\\udc80\\ue0001é refused: 500 no"

    def test_what_cannot_be_shown_is_said_to_be_so(self, log: pytest.LogCaptureFixture) -> None:
        class Shy(Exception):  # noqa: N818
            def __repr__(self) -> str:
                raise LookupError("no words")

        def handle_VRFY(self: Any, address: str) -> Any:
            raise Shy

        with (
            serving(behaviour(handle_VRFY=handle_VRFY)) as server,
            collected(events.CallbackCrashed) as crashed,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            client.send("VRFY x\r\n")
            assert client.rest() == "451 Error: internal server error\r\n"
            assert isinstance(ended(ref), Shy)
            with pytest.raises(ActorDeadError, match="whose repr raised LookupError"):
                ref.tell("too late")
            assert "<Shy, whose repr raised LookupError>" in str(take(crashed))
        assert len([record for record in log.records if record.levelno == logging.ERROR]) == 1

    def test_long_text_is_cut(self) -> None:
        event = events.CommandRefused("urn:1", PEER, "X" * 5000, "500 no")
        assert len(str(event)) < 1000


class TestSubscribers:
    def test_one_that_unsubscribes_hears_no_more(self) -> None:
        heard: Queue = queue.SimpleQueue()
        unsubscribe = subscribe(events.MessageTaken, heard.put)
        with serving(behaviour()) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            assert take(heard).sender == "a@x.test"
            unsubscribe()
            client.say(*DATA)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
        assert heard.empty()
        unsubscribe()

    def test_one_that_raises_harms_nobody(self, log: pytest.LogCaptureFixture) -> None:
        def bad(event: Event) -> None:
            raise LookupError("no metrics server")

        heard: Queue = queue.SimpleQueue()
        stops = [subscribe(events.MessageTaken, bad), subscribe(events.MessageTaken, heard.put)]
        try:
            with serving(behaviour()) as server, server.greeted(*DATA) as client:
                client.send(MESSAGE)
                assert client.reply() == "250 taken"
                assert take(heard).sender == "a@x.test"
                assert client.say("NOOP") == "250 Ok"
        finally:
            for each in stops:
                each()
        assert "a subscriber to MessageTaken failed" in [record.getMessage() for record in log.records]

    @pytest.mark.parametrize("by", ["subscriber", "filter", "handler"])
    @pytest.mark.parametrize(
        "fault",
        [LookupError("x"), gevent.Timeout(1), SystemExit(3), gevent.GreenletExit(), KeyboardInterrupt()],
        ids=lambda fault: type(fault).__name__,
    )
    def test_a_message_that_was_taken_is_answered_and_the_server_ends(
        self, fault: BaseException, by: str
    ) -> None:
        def bad(*args: Any) -> Any:
            raise fault

        handler = logging.NullHandler()
        with contextlib.ExitStack() as stack:
            if by == "subscriber":
                stack.callback(subscribe(Event, bad))
            for name in ("actors", "gen_smtp") if by != "subscriber" else ():
                logger = logging.getLogger(name)
                if by == "filter":
                    logger.addFilter(bad)
                    stack.callback(logger.removeFilter, bad)
                else:
                    handler.handle = bad  # type: ignore[method-assign]
                    logger.addHandler(handler)
                    stack.callback(logger.removeHandler, handler)
            with serving(behaviour(handle_VRFY=7)) as server:
                for _ in range(2):
                    with server.greeted(*DATA) as client:
                        client.send(MESSAGE)
                        assert client.reply() == "250 taken"
                        assert client.say("VRFY x")[:3] == "451"
                        assert client.say("QUIT") == "221 Bye"
                assert gen_smtp_server.stop(server.ref)

    def test_an_event_is_immutable(self) -> None:
        with pytest.raises(AttributeError):
            events.AuthenticationFailed("urn:1", PEER, "plain", "eve").username = "alice"  # type: ignore[misc]

    def test_nothing_is_made_when_nobody_wants_it(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.CRITICAL, "gen_smtp")
        caplog.set_level(logging.CRITICAL, "actors")
        made: list[str] = []
        for module, names in (
            (events, ("MessageTaken", "CommandRefused", "Authenticated", "AuthenticationFailed")),
            (actor_events, ("SessionOpened", "SessionClosed", "ServerStarted", "ServerEnded")),
        ):
            for name in names:
                kind = getattr(module, name)
                assert not wanted(kind)
                monkeypatch.setattr(kind, "__init__", lambda self, *args, name=name: made.append(name))
        with (
            serving(authenticating(), sessionoptions={"allow_insecure_auth": True}) as server,
            server.greeted(*DATA) as client,
        ):
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            client.say("VRFY <", "AUTH PLAIN AGV2ZQBndWVzcw==", "QUIT")
        assert made == []

    def test_one_who_wants_a_type_makes_it_wanted(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.CRITICAL, "gen_smtp")
        assert not wanted(events.MessageTaken)
        with collected(events.MessageTaken):
            assert wanted(events.MessageTaken)
            assert not wanted(events.CommandRefused)
        assert not wanted(events.MessageTaken)
        with collected(Event):
            assert wanted(events.CommandRefused)

    def test_events_of_many_sessions_are_all_told(self) -> None:
        with serving(behaviour()) as server, collected(events.MessageTaken) as taken:

            def send_ten() -> None:
                with server.greeted() as client:
                    for _ in range(10):
                        client.say(*DATA)
                        client.send(MESSAGE)
                        client.reply()

            threads = [threading.Thread(target=send_ten) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert taken.qsize() == 80


def test_every_event_says_its_facts_in_its_line() -> None:
    """No template names a field that is not there, and none leaves the session out."""
    kinds = [
        kind for kind in vars(events).values() if isinstance(kind, type) and kind is not events.SmtpEvent
    ]
    for kind in kinds:
        if issubclass(kind, events.SmtpEvent):
            names = [field.name for field in dataclasses.fields(kind)]
            make: Any = kind
            line = str(make(**{name: LookupError("x") if name == "error" else f"<{name}>" for name in names}))
            assert "<session>" in line
            assert kind.logger.name == "gen_smtp"
            assert kind.__doc__
