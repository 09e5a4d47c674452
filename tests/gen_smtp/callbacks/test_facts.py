"""What is known of a session: `self.session` for its callbacks, `info` for everybody else."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any

import pykka
import pytest

from actors import ActorDeadError, register
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.events import MessageTaken
from gen_smtp.gen_smtp_server_session import Behaviour, Session, ok
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    MESSAGE,
    PATIENCE,
    Client,
    Queue,
    behaviour,
    collected,
    ended,
    listener,
    serving,
    take,
)

CALLBACKS = (
    "init",
    "handle_HELO",
    "handle_EHLO",
    "handle_AUTH",
    "handle_MAIL",
    "handle_MAIL_extension",
    "handle_RCPT",
    "handle_RCPT_extension",
    "handle_DATA",
    "handle_RSET",
    "handle_VRFY",
    "handle_other",
    "handle_info",
    "handle_error",
    "terminate",
)


def noting(note: Any, **attributes: Any) -> type[Behaviour]:
    """A behaviour that calls `note(name, session)` in each callback and is content with everything."""

    def callback(name: str) -> Any:
        def call(self: Any, *args: Any) -> Any:
            note(name, self.session)
            if name == "handle_EHLO":
                return ok([("AUTH", "PLAIN"), ("STARTTLS", True), ("SIZE", 1000)])
            return ok

        return call

    return behaviour(**{name: callback(name) for name in CALLBACKS}, **attributes)


def run_all(client: Client) -> None:
    """Have every callback of a session called."""
    client.say("MAIL FROM:<a@x.test>", "HELO first.test", "EHLO second.test", "AUTH PLAIN AHVzZXIAc2VjcmV0")
    client.say(
        "MAIL FROM:<a@x.test> X-ONE=1 SIZE=9 X-TWO", "RCPT TO:<b@y.test> X-THREE=3", "RCPT TO:<c@y.test>"
    )
    client.say("DATA")
    client.send(MESSAGE)
    assert client.reply()[:3] == "250"
    client.say("RSET", "VRFY x", "XYZZY")


class TestSession:
    def test_is_the_same_from_init_to_terminate(self) -> None:
        seen: dict[str, Any] = {}
        gone = threading.Event()

        def note(name: str, session: Session) -> None:
            seen[name] = (session.ref, session.server, session.peername, session.peer_port, session.tls)
            if name == "terminate":
                gone.set()

        with serving(noting(note), sessionoptions={"allow_insecure_auth": True}) as server:
            with server.greeted() as client:
                (ref,) = server.sessions
                ref.tell("hello")
                run_all(client)
                port = client.socket.getsockname()[1]
                assert client.say("QUIT") == "221 Bye"
                assert gone.wait(PATIENCE)
            assert set(seen) == set(CALLBACKS)
            assert set(seen.values()) == {(ref, server.ref, IPv4Address("127.0.0.1"), port, None)}

    def test_follows_the_dialogue(self) -> None:
        seen: dict[str, Any] = {}

        def note(name: str, session: Session) -> None:
            transaction = session.transaction
            seen[name] = (
                session.helo,
                session.user,
                transaction and (transaction.sender, list(transaction.recipients)),
            )

        with (
            serving(noting(note), sessionoptions={"allow_insecure_auth": True}) as server,
            server.greeted() as client,
        ):
            run_all(client)
        assert seen["init"] == (None, None, None)
        assert seen["handle_HELO"] == (None, None, None)
        assert seen["handle_EHLO"] == ("first.test", None, None)
        assert seen["handle_AUTH"] == ("second.test", None, None)
        assert seen["handle_MAIL_extension"] == ("second.test", "user", ("a@x.test", []))
        assert seen["handle_MAIL"] == ("second.test", "user", ("a@x.test", []))
        assert seen["handle_RCPT_extension"] == ("second.test", "user", ("a@x.test", []))
        assert seen["handle_RCPT"] == ("second.test", "user", ("a@x.test", ["b@y.test"]))
        assert seen["handle_DATA"] == ("second.test", "user", ("a@x.test", ["b@y.test", "c@y.test"]))
        assert seen["handle_RSET"] == ("second.test", "user", None)
        assert seen["handle_other"] == ("second.test", "user", None)

    def test_has_the_parameters_of_mail_and_of_each_recipient(self) -> None:
        seen: Queue = queue.SimpleQueue()

        def note(name: str, session: Session) -> None:
            if name == "handle_DATA" and session.transaction is not None:
                seen.put((dict(session.transaction.mail_params), [*session.transaction.rcpt_params]))

        with (
            serving(noting(note), sessionoptions={"allow_insecure_auth": True}) as server,
            server.greeted() as client,
        ):
            run_all(client)
        assert take(seen) == ({"X-ONE": "1", "SIZE": "9", "X-TWO": True}, [{"X-THREE": "3"}, {}])

    @pytest.mark.parametrize("streams", [False, True])
    @pytest.mark.parametrize("protocol", ["smtp", "lmtp"])
    def test_what_a_callback_does_to_lists_changes_no_reply(self, protocol: str, streams: bool) -> None:
        """In LMTP each recipient has a reply: one too many would answer the next command."""

        class Meddling(Behaviour):
            def meddle(self) -> None:
                transaction = self.session.transaction
                assert transaction is not None
                transaction.recipients.extend(["more@y.test", "and@y.test"])
                transaction.recipients.clear()
                transaction.mail_params["SIZE"] = "no number"
                transaction.rcpt_params.clear()

            def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
                extensions.clear()
                return ok

            def handle_RCPT(self, recipient: str) -> Any:
                self.meddle()
                return ok

            def take(self, recipients: list[str]) -> Any:
                self.meddle()
                recipients += ["more@y.test"]
                assert self.session.transaction is not None
                return ok(" ".join(self.session.transaction.recipients))

            def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
                return self.take(recipients)

        class Streaming(Meddling):
            def handle_DATA_stream(self, sender: str, recipients: list[str], stream: Any) -> Any:
                assert stream.size_hint == 9
                stream.read()
                return self.take(recipients)

        module, options = Streaming if streams else Meddling, {"protocol": protocol}
        with (
            collected(MessageTaken) as taken,
            serving(module, sessionoptions=options) as server,
            server.greeted() as client,
        ):
            hello = client.say("LHLO c" if protocol == "lmtp" else "EHLO c")
            assert "PIPELINING" in hello
            client.say("MAIL FROM:<a@x.test> SIZE=9", "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            for _ in range(2 if protocol == "lmtp" else 1):
                assert client.reply() == "250 b@y.test c@y.test"
            assert client.say("NOOP") == "250 Ok"
            assert take(taken).recipients == ("b@y.test", "c@y.test")

    def test_transaction_data_is_new_with_each_mail_and_lasts_until_handle_DATA(self) -> None:
        seen: list[Any] = []

        class Tagging(Behaviour):
            def data(self) -> Any:
                transaction = self.session.transaction
                assert transaction is not None
                return transaction.data

            def handle_MAIL_extension(self, extension: str) -> Any:
                seen.append(vars(self.data()).copy())
                self.data().tags = [extension]
                return ok

            def handle_MAIL(self, sender: str) -> Any:
                self.data().tags = [*getattr(self.data(), "tags", []), sender]
                return ok

            def handle_RCPT(self, recipient: str) -> Any:
                self.data().tags.append(recipient)
                return ok

            def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
                seen.append(self.data().tags)
                return ok

        with serving(Tagging) as server, server.greeted("EHLO c") as client:
            client.say("MAIL FROM:<a@x.test> X=1", "RCPT TO:<b@y.test>", "DATA")
            client.send(MESSAGE)
            assert client.reply() == "250 Ok"
            client.say(
                "MAIL FROM:<lost@x.test> X=2", "RSET", "MAIL FROM:<c@x.test>", "RCPT TO:<d@y.test>", "DATA"
            )
            client.send(MESSAGE)
            assert client.reply() == "250 Ok"
            client.say("MAIL FROM:<e@x.test> X=3", "EHLO c", "MAIL FROM:<f@x.test> X=4")
        assert seen == [
            {},
            ["X=1", "a@x.test", "b@y.test"],
            {},
            ["c@x.test", "d@y.test"],
            {},
            {},
        ]

    def test_can_be_neither_replaced_nor_changed(self) -> None:
        errors: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            for target, name in (
                (self, "session"),
                *((self.session, each) for each in public_names(Session)),
            ):
                try:
                    setattr(target, name, "mine")
                except AttributeError as error:
                    errors.put((name, type(error)))
            return ok

        with serving(behaviour(init=init)) as server, server.greeted():
            expected = {"session", *public_names(Session)}
            assert {take(errors) for _ in expected} == {(name, AttributeError) for name in expected}

    def test_leaves_the_name_session_with_an_underscore_to_the_callback_object(self) -> None:
        seen: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            self._session = "of some HTTP library"
            seen.put((type(self.session), self.session is self.session, self._session))
            return ok

        with serving(behaviour(init=init)) as server, server.greeted():
            assert take(seen) == (Session, True, "of some HTTP library")

    def test_knows_an_ipv6_client_by_its_address(self) -> None:
        seen: Queue = queue.SimpleQueue()
        module = noting(lambda name, session: seen.put((session.peername, session.peer_port)))
        with gen_smtp_server.running(module, [listener(family="inet6", address="::1")]) as server:
            address = gen_smtp_server.addresses(server)[0]
            with socket.create_connection(address[:2], PATIENCE) as connection:
                assert take(seen) == (IPv6Address("::1"), connection.getsockname()[1])

    def test_knows_no_peer_on_a_unix_socket(self, short_path: Path) -> None:
        seen: Queue = queue.SimpleQueue()
        module = noting(lambda name, session: seen.put((session.peername, session.peer_port)))
        options = [{"family": "unix", "address": str(short_path / "mx")}]
        with gen_smtp_server.running(module, options), Client(str(short_path / "mx")) as client:
            assert client.reply()[:3] == "220"
            assert take(seen) == (None, None)

    @pytest.mark.parametrize("protocol", ["ssl", "tcp"])
    def test_tls_has_version_and_cipher_and_no_client_certificate(
        self, protocol: str, certificates: Certificates
    ) -> None:
        seen: Queue = queue.SimpleQueue()
        module = noting(lambda name, session: seen.put((name, session.tls, session.helo)))
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        context = ssl.create_default_context(cafile=certificates.cafile)
        with serving(module, protocol=protocol, sessionoptions=files) as server, server.client() as client:
            if protocol == "tcp":
                client.reply()
                assert client.say("EHLO c", "STARTTLS") == "220 OK"
                assert take(seen)[1:] == (None, None)
                assert take(seen)[1:] == (None, None)
            with context.wrap_socket(client.socket, server_hostname="localhost") as secured:
                secured.sendall(b"XYZZY\r\n")
                name, tls, helo = take(seen)
                if name == "init":
                    name, tls, helo = take(seen)
                assert name == "handle_other"
                assert helo is None
                assert (tls.version, tls.cipher) == (secured.version(), secured.cipher()[0])  # type: ignore[index]
                assert tls.client_certificate is None

    def test_tls_has_the_clients_certificate(self, certificates: Certificates) -> None:
        seen: Queue = queue.SimpleQueue()
        module = noting(lambda name, session: seen.put(session.tls))
        tls_options = {
            "certfile": certificates.rsa.certfile,
            "keyfile": certificates.rsa.keyfile,
            "cafile": certificates.cafile,
            "verify": True,
        }
        context = ssl.create_default_context(cafile=certificates.cafile)
        context.load_cert_chain(certificates.client.certfile, certificates.client.keyfile)
        options = {"protocol": "ssl", "sessionoptions": {"tls_options": tls_options}}
        with (
            serving(module, **options) as server,
            server.client() as client,
            context.wrap_socket(client.socket, server_hostname="localhost") as secured,
        ):
            assert secured.recv(100)[:3] == b"220"
            certificate = take(seen).client_certificate
            assert certificate["subjectAltName"] == (("DNS", "client.example"),)

    def test_says_what_it_is(self) -> None:
        seen: Queue = queue.SimpleQueue()
        with serving(noting(lambda name, session: seen.put(repr(session)))) as server, server.greeted():
            assert "127.0.0.1" in take(seen)


class TestAtEnd:
    def test_functions_run_with_their_arguments_the_last_one_first(self) -> None:
        ran: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(ran.put, "first")
            self.session.at_end(lambda *args: ran.put(args), 1, 2, 3)
            return ok

        with serving(behaviour(init=init)) as server, server.greeted() as client:
            assert client.say("QUIT") == "221 Bye"
            assert [take(ran), take(ran)] == [(1, 2, 3), "first"]
        assert ran.empty()

    def test_they_run_after_terminate(self) -> None:
        ran: Queue = queue.SimpleQueue()

        class Orderly(Behaviour):
            def handle_VRFY(self, address: str) -> Any:
                self.session.at_end(ran.put, "at_end")
                return ok

            def terminate(self, reason: Any) -> None:
                ran.put("terminate")
                self.session.at_end(ran.put, "at_end of terminate")

        with serving(Orderly) as server, server.greeted("VRFY x") as client:
            assert client.say("QUIT") == "221 Bye"
            assert [take(ran) for _ in range(3)] == ["terminate", "at_end of terminate", "at_end"]
        assert ran.empty()

    def test_they_may_come_from_a_callback_that_blocks(self) -> None:
        ran: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(ran.put, "done")
            return ok

        with (
            serving(behaviour(init=init, blocking={"init", "terminate"})) as server,
            server.greeted() as client,
        ):
            assert client.say("QUIT") == "221 Bye"
            assert take(ran) == "done"

    def test_the_sessions_of_a_killed_server_run_theirs_once(self) -> None:
        ran: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(ran.put, self.session.ref)
            return ok

        with serving(behaviour(init=init)) as server, server.greeted(), server.greeted():
            sessions = set(server.sessions)
            server.ref.kill()
            assert {take(ran), take(ran)} == sessions
        assert ran.empty()


class TestInfo:
    def test_gives_the_facts_with_counts_and_times(self) -> None:
        before = time.time()
        with (
            serving(behaviour(handle_VRFY=gen_smtp_server_session.error)) as server,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            fresh = gen_smtp_server_session.info(ref)
            assert (fresh.ref, fresh.server, fresh.hostname) == (ref, server.ref, "mx.test")
            assert fresh.peername == IPv4Address("127.0.0.1")
            assert fresh.peer_port == client.socket.getsockname()[1]
            assert (fresh.tls, fresh.helo, fresh.user, fresh.sender, fresh.recipients) == (None,) * 4 + ((),)
            assert (fresh.commands, fresh.messages, fresh.refused, fresh.octets) == (0, 0, 0, 0)
            assert before - 1 <= fresh.started <= time.time()
            assert 0 <= fresh.idle < PATIENCE
            client.say(*DATA)
            client.send(MESSAGE)
            client.reply()
            client.say("VRFY x", "MAIL FROM:<c@x.test>", "RCPT TO:<d@y.test>", "RCPT TO:<e@y.test>")
            later = gen_smtp_server_session.info(ref)
            assert (later.helo, later.sender) == ("client.test", "c@x.test")
            assert later.recipients == ("d@y.test", "e@y.test")
            assert (later.messages, later.refused) == (1, 1)
            assert later.commands == 8  # EHLO, 2 MAIL, 3 RCPT, DATA, VRFY
            assert later.octets == len(MESSAGE) - len(".\r\n")
            assert later.started == fresh.started

    def test_is_of_one_moment_and_cannot_be_changed(self) -> None:
        with serving() as server, server.greeted() as client:
            facts = gen_smtp_server_session.info(server.sessions[0])
            client.say("EHLO c")
            assert facts.helo is None
            with pytest.raises(AttributeError):
                facts.helo = "other"  # type: ignore[misc]

    def test_can_be_asked_of_another_session_in_a_callback(self) -> None:
        def handle_VRFY(self: Any, address: str) -> Any:
            others = [ref for ref in gen_smtp_server.sessions(self.session.server) if ref != self.session.ref]
            return ok(" ".join(str(gen_smtp_server_session.info(ref).helo) for ref in others))

        with (
            serving(behaviour(handle_VRFY=handle_VRFY)) as server,
            server.greeted("EHLO other.test"),
            server.greeted() as client,
        ):
            assert client.say("VRFY x") == "250 other.test"

    @pytest.mark.parametrize("blocking", [set(), {"handle_VRFY"}], ids=["", "blocking"])
    def test_can_be_asked_of_its_own_session_in_a_callback(self, blocking: Any) -> None:
        def handle_VRFY(self: Any, address: str) -> Any:
            return ok(gen_smtp_server_session.info(self.session.ref).helo)

        module = behaviour(handle_VRFY=handle_VRFY, blocking=blocking)
        with serving(module) as server, server.greeted("EHLO own.test") as client:
            assert client.say("VRFY x") == "250 own.test"

    def test_can_be_asked_by_any_thread_and_through_a_name(self) -> None:
        with serving() as server, server.greeted("EHLO c"):
            register("that session", server.sessions[0])
            answers: Queue = queue.SimpleQueue()
            thread = threading.Thread(
                target=lambda: answers.put(gen_smtp_server_session.info("that session").helo)
            )
            thread.start()
            assert take(answers) == "c"
            thread.join(PATIENCE)

    def test_of_a_session_that_is_gone_says_so(self) -> None:
        with serving() as server, server.greeted() as client:
            (ref,) = server.sessions
            client.say("QUIT")
            ended(ref)
            with pytest.raises(ActorDeadError):
                gen_smtp_server_session.info(ref)

    def test_of_a_session_that_is_busy_times_out(self) -> None:
        entered, leave = threading.Event(), threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            entered.set()
            leave.wait(PATIENCE)
            return ok

        with (
            serving(behaviour(handle_VRFY=handle_VRFY, blocking={"handle_VRFY"})) as server,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            client.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            with pytest.raises(pykka.Timeout):
                gen_smtp_server_session.info(ref, timeout=0.01)
            leave.set()
            assert client.reply() == "250 x"
            assert gen_smtp_server_session.info(ref).commands == 1


def public_names(cls: type) -> list[str]:
    """The public attributes of a class."""
    return [name for name in dir(cls) if not name.startswith("_")]
