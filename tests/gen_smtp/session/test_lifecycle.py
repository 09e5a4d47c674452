"""How sessions end: what the client hears, what `terminate` is told, and that it is told once."""

from __future__ import annotations

import logging
import queue
import socket
import ssl
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import gevent
import pytest

from actors import ActorDeadError, run_blocking
from actors import events as actor_events
from actors.net.transport import FEW_OCTETS
from gen_smtp import events, gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import ignore, noreply, ok, stop
from tests.certificates import Certificates
from tests.gen_smtp.live import (
    DATA,
    MAIL,
    MESSAGE,
    PATIENCE,
    RCPT,
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
from tests.gen_smtp.tls_client import Shake

CRASHED = "451 Error: internal server error"


class Ends:
    """Notes what the sessions of a behaviour are told at their ends."""

    def __init__(self) -> None:
        self.reasons: Queue = queue.SimpleQueue()
        self.at_end: Queue = queue.SimpleQueue()

    def behaviour(self, **callbacks: Any) -> Any:
        """A behaviour that notes its ends here; `init` is the callback's, after the note was laid."""
        ends, then = self, callbacks.pop("init", None)

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(ends.at_end.put, self.session.ref)
            return then(self, *args) if hasattr(then, "__get__") else then or ok

        def terminate(self: Any, reason: Any) -> None:
            ends.reasons.put(reason)

        return behaviour(**{"init": init, "terminate": terminate, **callbacks})

    def assert_once(self, reason: Any) -> None:
        """Both were called once by the time the server is gone."""
        assert everything(self.reasons) == [reason]
        assert self.at_end.qsize() == 1


@pytest.fixture
def ends() -> Ends:
    return Ends()


def raising(exception: BaseException) -> Any:
    """A callback that raises."""

    def callback(self: Any, *args: Any) -> Any:
        raise exception

    return callback


class TestTerminateReasons:
    def test_quit_is_normal(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.greeted() as client:
            (ref,) = server.sessions
            client.send("QUIT\r\nNOOP\r\n")
            assert client.rest() == "221 Bye\r\n"
            assert ended(ref) == "normal"
        ends.assert_once("normal")

    def test_hanging_up_between_commands_is_normal(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server:
            with server.greeted(*RCPT) as client:
                client.send("half a comm")
            assert take(ends.reasons) == "normal"
        assert ends.at_end.qsize() == 1

    def test_what_was_sent_before_hanging_up_is_done(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.client() as client:
            client.send("EHLO c\r\nMAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n" + MESSAGE)
            client.socket.shutdown(socket.SHUT_WR)
            assert client.rest().endswith("250 taken\r\n")
        ends.assert_once("normal")

    def test_hanging_up_inside_a_message_is_an_error_receiving_data(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server:
            with server.greeted(*DATA) as client:
                client.send("Subject: half a mess")
            assert take(ends.reasons) == ("error_receiving_data", "closed")
        assert ends.at_end.qsize() == 1

    def test_a_reset_inside_a_message_is_an_error_receiving_data(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server:
            with server.greeted(*DATA) as client:
                client.send("Subject: half a mess")
                client.reset()
            what, why = take(ends.reasons)
            assert what == "error_receiving_data"
            assert isinstance(why, ConnectionResetError)

    def test_a_reset_between_commands_is_normal(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server:
            with server.greeted() as client:
                client.reset()
            assert take(ends.reasons) == "normal"

    def test_the_poison_pill_is_shutdown(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.greeted() as client:
            (ref,) = server.sessions
            assert ref.stop() is True
            assert client.rest() == "421 mx.test Service shutting down\r\n"
            assert ref.stop() is False
        ends.assert_once("shutdown")

    def test_the_servers_stop_is_shutdown(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.greeted() as client:
            gen_smtp_server.stop(server.ref)
            assert client.rest() == "421 mx.test Service shutting down\r\n"
            ends.assert_once("shutdown")

    @pytest.mark.parametrize("callback", ["handle_info", "handle_RSET", "handle_error"])
    def test_what_stop_says_is_the_reason_where_no_verdict_is_due(self, callback: str, ends: Ends) -> None:
        with serving(ends.behaviour(**{callback: stop(["any", "term"], "421 that is all")})) as server:
            with server.greeted() as client:
                if callback == "handle_info":
                    server.sessions[0].tell("hello")
                else:
                    client.send("RSET\r\n" if callback == "handle_RSET" else "DATA\r\n")
                    assert client.reply()[:3] in ("250", "503")
                assert client.rest() == "421 that is all\r\n"
            assert take(ends.reasons) == ["any", "term"]

    @pytest.mark.parametrize("callback", ["handle_info", "handle_RSET", "handle_error"])
    def test_a_stop_without_message_ends_without_a_word(self, callback: str, ends: Ends) -> None:
        with serving(ends.behaviour(**{callback: stop})) as server, server.greeted() as client:
            if callback == "handle_info":
                server.sessions[0].tell("hello")
            else:
                client.send("RSET\r\n" if callback == "handle_RSET" else "DATA\r\n")
                assert client.reply()[:3] in ("250", "503")
            assert client.rest() == ""
            assert take(ends.reasons) == "normal"

    def test_what_stop_says_is_the_reason_of_a_verdict(self, ends: Ends) -> None:
        with (
            serving(ends.behaviour(handle_VRFY=stop("policy", "554 no"))) as server,
            server.greeted() as client,
        ):
            assert client.say("VRFY x") == "554 no"
            assert take(ends.reasons) == "policy"

    def test_a_session_that_init_refuses_is_not_terminated(self, ends: Ends) -> None:
        for result in (stop("busy", "421 busy"), ignore, None):
            with (
                serving(ends.behaviour(init=lambda self, *args, r=result: r)) as server,
                server.client() as client,
            ):
                assert client.rest() in ("421 busy\r\n", "", "421 Error: internal server error\r\n")
            assert ends.reasons.empty()
            assert take(ends.at_end) is not None
            assert ends.at_end.empty()

    def test_a_killed_session_is_not_terminated_but_its_at_end_is_called(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.greeted() as client:
            (ref,) = server.sessions
            ref.kill()
            assert client.rest() == ""
            assert take(ends.at_end) is ref
            assert ref.exit_reason == "killed"
        assert ends.reasons.empty()
        assert ends.at_end.empty()

    def test_a_session_killed_inside_a_callback_is_gone_at_once(self, ends: Ends) -> None:
        entered = threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            entered.set()
            while True:
                try:
                    gevent.sleep(PATIENCE)
                except BaseException:  # a callback that lets nothing through
                    if not self.session.ref.is_alive():
                        raise

        with serving(ends.behaviour(handle_VRFY=handle_VRFY)) as server, server.greeted() as client:
            (ref,) = server.sessions
            client.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            ref.kill()
            assert client.rest() == ""
            assert ended(ref) == "killed"
            assert take(ends.at_end) is ref
        assert ends.reasons.empty()


class TestCrashes:
    @pytest.mark.parametrize(
        ("callback", "lines"),
        [
            ("handle_HELO", ["HELO c"]),
            ("handle_EHLO", ["EHLO c"]),
            ("handle_MAIL", MAIL),
            ("handle_MAIL_extension", ["EHLO c", "MAIL FROM:<a@x.test> X=1"]),
            ("handle_RCPT", RCPT),
            ("handle_RCPT_extension", [*MAIL, "RCPT TO:<b@y.test> X=1"]),
            ("handle_VRFY", ["VRFY x"]),
            ("handle_other", ["XYZZY"]),
            ("handle_DATA", [*DATA, MESSAGE.removesuffix("\r\n")]),
        ],
    )
    def test_a_callback_that_raises_is_451_and_the_end(
        self, callback: str, lines: Any, ends: Ends, caplog: pytest.LogCaptureFixture
    ) -> None:
        crash = LookupError("the database is gone")
        with (
            serving(ends.behaviour(**{callback: raising(crash)})) as server,
            collected(events.CallbackCrashed) as told,
            server.greeted() as client,
        ):
            client.say(*lines[:-1])
            client.send(f"{lines[-1]}\r\nNOOP\r\nQUIT\r\n")
            assert client.rest() == f"{CRASHED}\r\n"
            assert take(ends.reasons) is crash
            event = take(told)
            assert (event.callback, event.error) == (callback, crash)
        assert ends.reasons.empty()
        assert ends.at_end.qsize() == 1
        (record,) = [each for each in caplog.records if each.levelno >= logging.ERROR]
        assert record.name == "gen_smtp"
        assert callback in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[1] is crash

    def test_in_lmtp_every_recipient_hears_it(self, ends: Ends) -> None:
        module = ends.behaviour(handle_DATA=raising(LookupError()))
        with serving(module, sessionoptions={"protocol": "lmtp"}) as server, server.greeted() as client:
            client.say("LHLO c", MAIL[1], "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA")
            client.send(MESSAGE)
            assert client.rest() == f"{CRASHED}\r\n" * 2

    def test_handle_AUTH_that_raises(self, ends: Ends) -> None:
        crash = LookupError("no password file")
        module = ends.behaviour(handle_EHLO=ok([("AUTH", "PLAIN")]), handle_AUTH=raising(crash))
        with (
            serving(module, sessionoptions={"allow_insecure_auth": True}) as server,
            server.greeted() as client,
        ):
            client.send("EHLO c\r\nAUTH PLAIN AHVzZXIAc2VjcmV0\r\nNOOP\r\n")
            assert client.rest() == f"250-mx.test\r\n250 AUTH PLAIN\r\n{CRASHED}\r\n"
            assert take(ends.reasons) is crash

    @pytest.mark.parametrize("callback", ["handle_RSET", "handle_info", "handle_error"])
    def test_where_no_reply_is_due_it_is_421(self, callback: str, ends: Ends) -> None:
        crash = LookupError("gone")
        with serving(ends.behaviour(**{callback: raising(crash)})) as server, server.greeted() as client:
            if callback == "handle_info":
                server.sessions[0].tell("hello")
            else:
                client.send("RSET\r\n" if callback == "handle_RSET" else "DATA\r\n")
                assert client.reply()[:3] in ("250", "503")
            assert client.rest() == "421 Error: internal server error\r\n"
            assert take(ends.reasons) is crash

    def test_in_init_it_is_421_and_not_terminated(self, ends: Ends) -> None:
        with (
            serving(ends.behaviour(init=raising(LookupError()))) as server,
            collected(events.CallbackCrashed) as told,
            server.client() as client,
        ):
            assert client.rest() == "421 Error: internal server error\r\n"
            assert take(told).callback == "init"
        assert ends.reasons.empty()
        assert ends.at_end.qsize() == 1

    def test_in_terminate_it_is_logged_and_the_end_goes_on(self, ends: Ends) -> None:
        with (
            serving(ends.behaviour(terminate=raising(LookupError()))) as server,
            collected(events.CallbackCrashed) as told,
            server.greeted() as client,
        ):
            (ref,) = server.sessions
            assert client.say("QUIT") == "221 Bye"
            assert take(told).callback == "terminate"
            assert take(ends.at_end) is ref
            assert ended(ref) == "normal"

    def test_in_a_function_of_at_end_it_is_logged_and_the_others_run(self) -> None:
        ran: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            self.session.at_end(ran.put, "first")
            self.session.at_end(raising(LookupError()), self)
            self.session.at_end(ran.put, "last")
            return ok

        with (
            serving(behaviour(init=init)) as server,
            collected(events.CallbackCrashed) as told,
            server.greeted() as client,
        ):
            assert client.say("QUIT") == "221 Bye"
            assert [take(ran), take(ran)] == ["last", "first"]
            assert take(told).callback == "a function of at_end"
        assert ran.empty()

    @pytest.mark.parametrize(
        "exception",
        [
            gevent.Timeout(1),
            SystemExit(3),
            gevent.GreenletExit(),
            GeneratorExit(),
            type("Own", (BaseException,), {})(),
        ],
    )
    @pytest.mark.parametrize("blocking", [set(), {"handle_VRFY"}], ids=["", "blocking"])
    def test_any_other_base_exception_ends_that_session_alone(
        self, exception: BaseException, blocking: Any, ends: Ends
    ) -> None:
        module = ends.behaviour(handle_VRFY=raising(exception), blocking=blocking)
        with serving(module) as server, server.greeted() as other, server.greeted() as client:
            client.send("VRFY x\r\n")
            assert client.rest() == f"{CRASHED}\r\n"
            assert take(ends.reasons) is exception
            assert other.say("NOOP") == "250 Ok"
            assert server.ref.is_alive()
            assert len(server.sessions) == 1

    @pytest.mark.parametrize("callback", ["init", "terminate", "handle_info"])
    def test_a_base_exception_anywhere_spares_the_server(self, callback: str) -> None:
        refused = iter([SystemExit(3)])

        def once(self: Any, *args: Any) -> Any:
            for exception in refused:
                raise exception
            return ok

        with serving(behaviour(**{callback: once})) as server:
            with server.client() as client:
                if callback != "init":
                    client.reply()
                    (ref,) = server.sessions
                    ref.tell("hello")
                    client.send("QUIT\r\n")
                client.rest()
            with server.greeted() as client:
                assert client.say("NOOP") == "250 Ok"


class TestHandleError:
    """gen_smtp's classes of errors, each after the reply that belongs to it."""

    @pytest.fixture
    def errors(self) -> Queue:
        return queue.SimpleQueue()

    @pytest.fixture
    def noting(self, errors: Queue) -> Any:
        """A behaviour that notes its errors."""

        def handle_error(self: Any, error_class: str, detail: Any) -> Any:
            errors.put((error_class, detail))
            return ok

        return behaviour(handle_error=handle_error, handle_EHLO=lambda self, name, listed: ok(listed))

    @pytest.mark.parametrize(
        ("before", "line"),
        [
            ([], "AUTH PLAIN"),
            ([], "MAIL FROM:<a@x.test>"),
            ([], "DATA"),
            ([], "RCPT TO:<b@y.test>"),
            (["EHLO c"], "DATA"),
            (MAIL, "DATA"),
        ],
    )
    def test_out_of_order_carries_the_verb(self, before: Any, line: str, noting: Any, errors: Queue) -> None:
        with serving(noting) as server, server.greeted(*before) as client:
            assert client.say(line)[:3] == "503"
            assert take(errors) == ("out_of_order", line.split(" ")[0])
        assert everything(errors) in ([], [("tcp_closed", "closed")])

    def test_nested_mail_is_not_out_of_order(self, noting: Any, errors: Queue) -> None:
        with serving(noting) as server, server.greeted(*MAIL) as client:
            assert client.say(MAIL[1]) == "503 Error: Nested MAIL command"
            assert client.say("QUIT") == "221 Bye"
        assert errors.empty()

    def test_a_second_starttls_is_out_of_order(
        self, noting: Any, errors: Queue, certificates: Certificates
    ) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        with serving(noting, protocol="ssl", sessionoptions=files) as server:
            context = ssl.create_default_context(cafile=certificates.cafile)
            with (
                socket.create_connection(server.addresses[0], PATIENCE) as plain,
                context.wrap_socket(plain, server_hostname="localhost") as secured,
            ):
                file = secured.makefile("rb")
                assert file.readline()[:3] == b"220"
                secured.sendall(b"STARTTLS\r\n")
                assert file.readline() == b"500 TLS already negotiated\r\n"
                assert take(errors) == ("out_of_order", "STARTTLS")
                file.close()
                secured.unwrap().close()
            assert take(errors) == ("ssl_closed", "closed")

    @pytest.mark.parametrize("in_message", [False, True])
    def test_who_hangs_up_under_tls_without_close_notify_has_hung_up(
        self, in_message: bool, noting: Any, errors: Queue, ends: Ends, certificates: Certificates
    ) -> None:
        """In a message it may be somebody else who has cut the connection."""
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        context = ssl.create_default_context(cafile=certificates.cafile)
        with serving(noting, protocol="ssl", sessionoptions=files) as server:
            with server.client() as client:
                shake = Shake(client, context)
                assert shake.finish()[:3] == b"220"
                if in_message:
                    shake.layer.write("\r\n".join([*DATA, "Subject: half"]).encode())
                    client.send(shake.outgoing.read())
                    while b"354" not in _plaintext(shake):
                        pass
                client.socket.shutdown(socket.SHUT_WR)
                while client.socket.recv(1000):
                    pass
            if in_message:
                assert take(errors)[0] == "ssl_error"
            else:
                assert take(errors) == ("ssl_closed", "closed")

    def test_it_runs_after_the_reply(self, errors: Queue) -> None:
        heard = threading.Event()

        def handle_error(self: Any, error_class: str, detail: Any) -> Any:
            errors.put(heard.wait(PATIENCE))
            return ok

        with (
            serving(behaviour(handle_error=handle_error, blocking={"handle_error"})) as server,
            server.greeted() as client,
        ):
            assert client.say("DATA")[:3] == "503"
            heard.set()
            assert take(errors) is True
            assert client.say("QUIT") == "221 Bye"

    @pytest.mark.parametrize(
        ("body", "reply", "cause"),
        [
            ("bare\nnewline\r\n.\r\n", "550 Bare newline detected: LF without CR in line 1", "bare_newline"),
            ("x" * 50 + "\r\n.\r\n", "552 Message too large", "size_exceeded"),
        ],
    )
    def test_data_rejected_carries_the_cause(self, body: str, reply: str, cause: str, errors: Queue) -> None:
        def handle_error(self: Any, error_class: str, detail: Any) -> Any:
            errors.put((error_class, detail))
            return ok

        module = behaviour(handle_error=handle_error, handle_EHLO=ok([("SIZE", 40)]))
        with serving(module) as server, server.greeted(*DATA) as client:
            client.send(body)
            assert client.reply() == reply
            assert take(errors) == ("data_rejected", cause)
            assert client.say("QUIT") == "221 Bye"
        assert errors.empty()

    def test_data_rejected_comes_once_for_all_recipients_of_lmtp(self, noting: Any, errors: Queue) -> None:
        with (
            serving(noting, sessionoptions={"protocol": "lmtp"}) as server,
            server.greeted("LHLO c", MAIL[1], "RCPT TO:<b@y.test>", "RCPT TO:<c@y.test>", "DATA") as client,
        ):
            client.send("bare\nnewline\r\n.\r\nQUIT\r\n")
            assert (
                client.rest() == "550 Bare newline detected: LF without CR in line 1\r\n" * 2 + "221 Bye\r\n"
            )
        assert everything(errors) == [("data_rejected", "bare_newline")]

    def test_timeout(self, noting: Any, errors: Queue) -> None:
        with serving(noting, sessionoptions={"timeout": 0.05}) as server, server.greeted() as client:
            assert client.rest() == "421 Error: timeout exceeded\r\n"
            assert take(errors) == ("timeout", "timeout")

    def test_tcp_closed(self, noting: Any, errors: Queue) -> None:
        with serving(noting) as server:
            with server.greeted() as client:
                client.socket.shutdown(socket.SHUT_WR)
                assert client.rest() == ""
            assert take(errors) == ("tcp_closed", "closed")

    def test_tcp_error(self, noting: Any, errors: Queue) -> None:
        with serving(noting) as server:
            with server.greeted() as client:
                client.reset()
            assert take(errors) == ("tcp_error", "Connection reset by peer")

    def test_send_error(self, errors: Queue, ends: Ends) -> None:
        entered, leave = threading.Event(), threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            entered.set()
            leave.wait(PATIENCE)
            return ok

        def handle_error(self: Any, error_class: str, detail: Any) -> Any:
            errors.put((error_class, detail))
            return ok

        module = ends.behaviour(handle_VRFY=handle_VRFY, handle_error=handle_error, blocking={"handle_VRFY"})
        with serving(module) as server, server.greeted() as client:
            client.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            client.reset()
            leave.set()
            kind, detail = take(errors)
            assert kind == "send_error"
            assert isinstance(detail, str)
            assert take(ends.reasons) == "normal"
        assert errors.empty()

    def test_ssl_handshake_error(self, noting: Any, errors: Queue, certificates: Certificates) -> None:
        def handle_EHLO(self: Any, hostname: str, extensions: Any) -> Any:
            return ok([*extensions, ("STARTTLS", True)])

        noting.handle_EHLO = handle_EHLO
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        with serving(noting, sessionoptions=files) as server, server.greeted("EHLO c") as client:
            assert client.say("STARTTLS") == "220 OK"
            client.send("this is no TLS at all\r\n")
            kind, detail = take(errors)
            assert kind == "ssl_handshake_error"
            assert isinstance(detail, str)
            client.socket.shutdown(socket.SHUT_WR)
            assert b"250" not in client.socket.recv(1000)

    def test_stop_ends_the_session_with_its_reason(self, ends: Ends) -> None:
        module = ends.behaviour(handle_error=lambda self, kind, detail: stop((kind, detail), "554 enough"))
        with serving(module) as server, server.greeted() as client:
            client.send("DATA\r\nNOOP\r\n")
            assert client.rest() == "503 Error: send HELO/EHLO first\r\n554 enough\r\n"
            assert take(ends.reasons) == ("out_of_order", "DATA")

    def test_a_class_without_one_hears_nothing_and_goes_on(self) -> None:
        with serving() as server, server.greeted() as client:
            assert client.say("DATA")[:3] == "503"
            assert client.say("NOOP") == "250 Ok"


class TestStartTls:
    """handle_STARTTLS: after the handshake, with nothing of the dialogue before it left."""

    @pytest.fixture
    def secure(self, certificates: Certificates) -> Any:
        """`secure(client)`: take a greeted client through STARTTLS; a file to read replies from."""
        context = ssl.create_default_context(cafile=certificates.cafile)

        @contextmanager
        def start_tls(server: Server, *lines: str) -> Generator[Any]:
            with server.greeted("EHLO c", *lines) as client:
                assert client.say("STARTTLS") == "220 OK"
                with (
                    context.wrap_socket(client.socket, server_hostname="localhost") as secured,
                    secured.makefile("rwb", buffering=0) as file,
                ):
                    yield file

        return start_tls

    def serving(self, certificates: Certificates, module: Any) -> Any:
        """A server that offers STARTTLS."""
        module.handle_EHLO = lambda self, hostname, extensions: ok([("STARTTLS", True)])
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        return serving(module, sessionoptions=files)

    @pytest.mark.parametrize("result", [None, ok], ids=["none", "ok"])
    def test_is_called_once_and_the_dialogue_begins_anew(
        self, result: Any, secure: Any, certificates: Certificates
    ) -> None:
        seen: Queue = queue.SimpleQueue()

        def handle_STARTTLS(self: Any) -> Any:
            seen.put((self.session.tls.version, self.session.helo, self.session.transaction))
            return result

        module = behaviour(handle_STARTTLS=handle_STARTTLS)
        with self.serving(certificates, module) as server, secure(server, MAIL[1]) as file:
            file.write(b"MAIL FROM:<a@x.test>\r\n")
            assert file.readline() == b"503 Error: send HELO/EHLO first\r\n"
            file.write(b"EHLO c\r\n")
            assert file.readline() == b"250 mx.test\r\n"
            assert take(seen) == ("TLSv1.3", None, None)
        assert seen.empty()

    def test_a_wrong_value_is_logged_alone(self, secure: Any, certificates: Certificates) -> None:
        module = behaviour(handle_STARTTLS=True)
        with (
            self.serving(certificates, module) as server,
            collected(events.WrongCallbackValue) as told,
            secure(server) as file,
        ):
            file.write(b"NOOP\r\n")
            assert file.readline() == b"250 Ok\r\n"
            assert take(told).callback == "handle_STARTTLS"

    def test_a_crash_is_421_inside_tls(self, secure: Any, certificates: Certificates, ends: Ends) -> None:
        crash = LookupError("gone")
        module = ends.behaviour(handle_STARTTLS=raising(crash))
        with self.serving(certificates, module) as server, secure(server) as file:
            assert file.readline() == b"421 Error: internal server error\r\n"
            assert file.readline() == b""
            assert take(ends.reasons) is crash

    def test_a_stop_ends_the_session(self, secure: Any, certificates: Certificates, ends: Ends) -> None:
        module = ends.behaviour(
            handle_STARTTLS=stop("policy", "421 not with you"), blocking={"handle_STARTTLS"}
        )
        with self.serving(certificates, module) as server, secure(server) as file:
            assert file.readline() == b"421 not with you\r\n"
            assert file.readline() == b""
            assert take(ends.reasons) == "policy"

    def test_a_shutdown_during_the_handshake_follows_it(self, certificates: Certificates, ends: Ends) -> None:
        context = ssl.create_default_context(cafile=certificates.cafile)
        with self.serving(certificates, ends.behaviour()) as server, server.greeted("EHLO c") as client:
            assert client.say("STARTTLS") == "220 OK"
            (ref,) = server.sessions
            stopped = ref.stop(block=False)
            with context.wrap_socket(client.socket, server_hostname="localhost") as secured:
                assert secured.recv(100) == b"421 mx.test Service shutting down\r\n"
                assert secured.recv(100) == b""
            assert stopped.get(timeout=PATIENCE) is True
        ends.assert_once("shutdown")


class TestTimeouts:
    def test_a_silent_client_hears_421(self, ends: Ends) -> None:
        with (
            serving(ends.behaviour(), sessionoptions={"timeout": 0.05}) as server,
            server.greeted() as client,
        ):
            assert client.rest() == "421 Error: timeout exceeded\r\n"
        ends.assert_once("normal")

    def test_a_command_line_that_drips_does_not_put_it_off(self) -> None:
        with serving(sessionoptions={"timeout": 0.3}) as server, server.greeted() as client:
            client.socket.settimeout(0.02)
            for _ in range(500):  # up to ten seconds
                client.send("x")
                try:
                    if client.socket.recv(100) == b"421 Error: timeout exceeded\r\n":
                        break
                except TimeoutError:
                    continue
            else:
                pytest.fail("the client was never cut off")

    def test_commands_put_it_off(self) -> None:
        options = {"timeout": 0.8, "limits": {"junk_commands": None}}
        with serving(sessionoptions=options) as server, server.greeted() as client:
            began = time.monotonic()
            while time.monotonic() < began + 1.0:
                assert client.say("NOOP") == "250 Ok"
            assert client.say("QUIT") == "221 Bye"

    def test_a_command_without_a_reply_puts_it_off(self) -> None:
        module = behaviour(handle_other=noreply)
        with serving(module, sessionoptions={"timeout": 0.8}) as server, server.greeted() as client:
            client.socket.settimeout(0.05)
            for _ in range(20):  # a second, more than the time-out
                client.send("XYZZY\r\n")
                with pytest.raises(TimeoutError):
                    client.socket.recv(100)
            client.socket.settimeout(PATIENCE)
            client.send("NOOP\r\n")
            assert client.socket.recv(100) == b"250 Ok\r\n"

    def test_a_callback_that_takes_its_time_is_no_silence(self) -> None:
        entered, leave = threading.Event(), threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            entered.set()
            leave.wait(PATIENCE)
            return ok

        module = behaviour(handle_VRFY=handle_VRFY, blocking={"handle_VRFY"})
        with (
            serving(module, sessionoptions={"timeout": 0.05}) as server,
            server.greeted() as slow,
            server.greeted() as silent,
        ):
            slow.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            assert silent.rest() == "421 Error: timeout exceeded\r\n"
            leave.set()
            assert slow.reply() == "250 x"


class TestMessages:
    def test_tell_reaches_handle_info(self) -> None:
        messages: Queue = queue.SimpleQueue()

        def handle_info(self: Any, message: Any) -> Any:
            messages.put((self.session.ref, message))
            return noreply

        with serving(behaviour(handle_info=handle_info)) as server, server.greeted() as client:
            (ref,) = server.sessions
            for message in ("hello", None, {"any": "thing"}, ("stop",)):
                ref.tell(message)
                assert take(messages) == (ref, message)
            assert client.say("NOOP") == "250 Ok"

    def test_ask_is_answered_as_in_gen_smtp(self) -> None:
        with (
            serving(behaviour(handle_info=raising(AssertionError("not for an ask")))) as server,
            server.greeted() as client,
        ):
            assert server.sessions[0].ask({"some": "request"}) == ("unknown_call", {"some": "request"})
            assert client.say("NOOP") == "250 Ok"

    def test_init_may_send_itself_something_for_later(self) -> None:
        messages: Queue = queue.SimpleQueue()

        def init(self: Any, *args: Any) -> Any:
            self.session.ref.tell("later")
            return ok

        module = behaviour(init=init, handle_info=lambda self, message: messages.put(message))
        with serving(module) as server, server.greeted():
            assert take(messages) == "later"

    def test_a_dead_session_says_so(self) -> None:
        with serving() as server, server.greeted() as client:
            (ref,) = server.sessions
            assert client.say("QUIT") == "221 Bye"
            assert ended(ref) == "normal"
            with pytest.raises(ActorDeadError):
                ref.tell("hello")


def shutting_down(server: Server) -> Any:
    """Begin to stop a server; the future of its end."""
    return gen_smtp_server.stop(server.ref, block=False)


class TestStoppingTheServer:
    def test_a_client_inside_a_message_may_finish_it(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.greeted() as idle, server.greeted(*DATA) as client:
            client.send("Subject: hello\r\n")
            stopped = shutting_down(server)
            assert idle.rest() == "421 mx.test Service shutting down\r\n"
            client.send("\r\nhello\r\n.\r\n")
            assert client.reply() == "250 taken"
            assert client.say("NOOP") == "421 mx.test Service shutting down"
            assert client.rest() == ""
            assert stopped.get(timeout=PATIENCE) is True
            assert everything(ends.reasons) == ["shutdown", "shutdown"]

    def test_one_that_does_not_finish_is_cut_off_at_the_end_of_the_grace(self, ends: Ends) -> None:
        with serving(ends.behaviour()) as server, server.greeted(*DATA) as client:
            server.set_grace(1.0)
            client.send("half a message")
            assert shutting_down(server).get(timeout=PATIENCE) is True
            assert client.rest() == "421 Error: timeout exceeded\r\n"
        ends.assert_once("shutdown")

    def test_one_stuck_in_a_callback_is_cut_off_too(self, ends: Ends) -> None:
        entered = threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            entered.set()
            gevent.sleep(3600)

        with serving(ends.behaviour(handle_VRFY=handle_VRFY)) as server, server.greeted() as client:
            server.set_grace(0.05)
            client.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            assert shutting_down(server).get(timeout=PATIENCE) is True
            assert client.rest() == ""
        assert ends.reasons.empty()
        assert ends.at_end.qsize() == 1

    def test_one_in_a_callback_gets_its_reply_first(self, ends: Ends) -> None:
        entered, leave = threading.Event(), threading.Event()

        def handle_VRFY(self: Any, address: str) -> Any:
            entered.set()
            leave.wait(PATIENCE)
            return ok

        module = ends.behaviour(handle_VRFY=handle_VRFY, blocking={"handle_VRFY"})
        with serving(module) as server, server.greeted() as client:
            client.send("VRFY x\r\n")
            assert entered.wait(PATIENCE)
            stopped = shutting_down(server)
            leave.set()
            assert client.rest() == "250 x\r\n421 mx.test Service shutting down\r\n"
            assert stopped.get(timeout=PATIENCE) is True
        ends.assert_once("shutdown")

    def test_nobody_is_admitted_any_more(self) -> None:
        with serving(behaviour()) as server, server.greeted(*DATA) as client:
            stopped = shutting_down(server)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            assert client.say("QUIT") == "221 Bye"
            assert stopped.get(timeout=PATIENCE) is True
            with pytest.raises(ConnectionRefusedError):
                server.client()

    def test_a_client_in_the_middle_of_a_tls_handshake_is_no_hindrance(
        self, certificates: Certificates
    ) -> None:
        files = {"certfile": certificates.rsa.certfile, "keyfile": certificates.rsa.keyfile}
        context = ssl.create_default_context(cafile=certificates.cafile)
        with (
            serving(protocol="ssl", sessionoptions=files) as server,
            server.client() as silent,
            server.client() as plain,
            context.wrap_socket(plain.socket, server_hostname="localhost") as later,
        ):
            assert later.recv(100) == b"220 mx.test ESMTP\r\n"  # so the earlier one was accepted, too
            assert gen_smtp_server.stop(server.ref, timeout=PATIENCE) is True
            assert silent.rest() == ""
            assert later.recv(100) == b"421 mx.test Service shutting down\r\n"

    @pytest.mark.parametrize("blocking", [set(), {"handle_VRFY", "handle_info"}], ids=["", "blocking"])
    @pytest.mark.parametrize("callback", ["handle_VRFY", "handle_info"])
    def test_a_callback_may_stop_its_own_server(self, callback: str, blocking: Any, ends: Ends) -> None:
        answers: Queue = queue.SimpleQueue()

        def stop_server(self: Any, *args: Any) -> Any:
            answers.put(len(gen_smtp_server.sessions(self.session.server)))
            answers.put(gen_smtp_server.stop(self.session.server))
            return ok

        module = ends.behaviour(**{callback: stop_server}, blocking=blocking)
        with serving(module) as server, server.greeted() as client:
            if callback == "handle_VRFY":
                client.send("VRFY x\r\n")
                assert client.reply() == "250 x"
            else:
                server.sessions[0].tell("hello")
            assert client.rest() == "421 mx.test Service shutting down\r\n"
            assert ended(server.ref) == "normal"
            assert [take(answers), take(answers)] == [1, True]
        ends.assert_once("shutdown")

    @pytest.mark.parametrize("blocking", [set(), {"handle_VRFY"}], ids=["", "blocking"])
    def test_a_callback_may_stop_its_own_session(self, blocking: Any, ends: Ends) -> None:
        def handle_VRFY(self: Any, address: str) -> Any:
            self.session.ref.stop()
            return ok

        with (
            serving(ends.behaviour(handle_VRFY=handle_VRFY, blocking=blocking)) as server,
            server.greeted() as client,
        ):
            client.send("VRFY x\r\n")
            assert client.rest() == "250 x\r\n421 mx.test Service shutting down\r\n"
        ends.assert_once("shutdown")

    def test_terminate_may_stop_the_server(self, ends: Ends) -> None:
        def terminate(self: Any, reason: Any) -> None:
            gen_smtp_server.stop(self.session.server)
            ends.reasons.put(reason)

        with serving(ends.behaviour(terminate=terminate)) as server, server.greeted() as client:
            client.send("QUIT\r\n")
            assert client.rest() == "221 Bye\r\n"
            assert ended(server.ref) == "normal"
        ends.assert_once("normal")


class TestTheListOfSessions:
    def test_a_session_is_in_it_once_its_client_has_read_the_banner(self) -> None:
        with serving() as server:
            for _ in range(50):
                with server.greeted():
                    assert len([ref for ref in server.sessions if ref.is_alive()]) >= 1
                    assert gen_smtp_server_session.info(server.sessions[-1]).helo is None

    def test_a_session_is_not_in_it_for_long_once_its_connection_is_gone(self) -> None:
        with serving() as server, collected(actor_events.SessionClosed) as closed:
            with server.greeted():
                (ref,) = server.sessions
            assert take(closed).session == ref.actor_urn
            assert server.sessions == []

    def test_refused_and_unfinished_clients_are_never_in_it(self) -> None:
        entered, leave = threading.Event(), threading.Event()

        def init(self: Any, *args: Any) -> Any:
            entered.set()
            leave.wait(PATIENCE)
            return stop("no", "554 no")

        with serving(behaviour(init=init, blocking={"init"})) as server, server.client() as client:
            assert entered.wait(PATIENCE)
            assert server.sessions == []
            leave.set()
            assert client.reply() == "554 no"
            assert server.sessions == []

    def test_it_is_in_order_of_age_over_all_listeners(self) -> None:
        with gen_smtp_server.running(behaviour(), [listener(), listener(domain="two.test")]) as ref:
            server = Server(ref)
            clients = [server.client(number % 2) for number in range(6)]
            ports = []
            for client in clients:
                assert client.reply()[:3] == "220"
                ports.append(client.socket.getsockname()[1])
            listed = [gen_smtp_server_session.info(each) for each in server.sessions]
            started = [info.started for info in listed]
            assert sorted(started) == started
            assert sorted(info.peer_port or 0 for info in listed) == sorted(ports)
            assert {info.hostname for info in listed} == {"mx.test", "two.test"}
            for client in clients:
                client.close()


class TestSessionCount:
    def counting(self, limit: int, counts: Queue) -> Any:
        """A behaviour that serves so many at once."""

        def init(self: Any, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
            counts.put(session_count)
            if session_count > limit:
                return stop("busy", f"421 {hostname} is too busy to accept mail right now")
            return ok

        return behaviour(init=init)

    def test_fifty_clients_at_once_against_a_limit_of_twenty(self) -> None:
        counts: Queue = queue.SimpleQueue()
        with serving(self.counting(20, counts)) as server:
            clients = [server.client() for _ in range(50)]
            greetings = [client.reply()[:3] for client in clients]
            assert sorted(greetings) == ["220"] * 20 + ["421"] * 30
            assert len(server.sessions) == 20
            assert max(everything(counts)) == 21
            for client in clients:
                client.close()

    def test_fifty_threads_at_once_with_an_init_that_takes_its_time(self) -> None:
        counts: Queue = queue.SimpleQueue()
        module = self.counting(20, counts)
        module.blocking = {"init"}
        with serving(module) as server:
            together = threading.Barrier(50)
            clients: Queue = queue.SimpleQueue()
            greetings: Queue = queue.SimpleQueue()

            def connect() -> None:
                together.wait(PATIENCE)
                client = server.client()
                clients.put(client)
                greetings.put(client.reply()[:3])

            threads = [threading.Thread(target=connect) for _ in range(50)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(PATIENCE)
            assert sorted(everything(greetings)) == ["220"] * 20 + ["421"] * 30
            for client in everything(clients):
                client.close()

    def test_a_refused_client_has_given_its_place_back_when_it_hears_so(self) -> None:
        counts: Queue = queue.SimpleQueue()
        leave = threading.Event()

        def init(self: Any, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
            counts.put(session_count)
            self.session.at_end(run_blocking, leave.wait, PATIENCE)  # so the session is not gone yet
            return stop("busy", "421 busy")

        with serving(behaviour(init=init)) as server:
            for _ in range(5):
                with server.client() as client:
                    assert client.rest() == "421 busy\r\n"
            leave.set()
        assert everything(counts) == [1] * 5

    @pytest.mark.parametrize("result", [ignore, None, "raise"])
    def test_so_has_one_whom_init_ignores_or_fails(self, result: Any) -> None:
        counts: Queue = queue.SimpleQueue()

        def init(self: Any, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
            counts.put(session_count)
            if result == "raise":
                raise LookupError
            return result

        with serving(behaviour(init=init)) as server:
            for _ in range(10):
                with server.client() as client:
                    client.rest()
        assert everything(counts) == [1] * 10

    def test_a_place_is_free_again_once_the_session_is_gone(self) -> None:
        counts: Queue = queue.SimpleQueue()
        with serving(self.counting(20, counts)) as server, collected(actor_events.SessionClosed) as closed:
            for _ in range(10):
                with server.greeted() as client:
                    assert client.say("QUIT") == "221 Bye"
                take(closed)
        assert everything(counts) == [1] * 10

    def test_killed_and_crashed_sessions_are_not_counted_for_ever(self) -> None:
        counts: Queue = queue.SimpleQueue()
        module = self.counting(20, counts)
        module.handle_VRFY = raising(LookupError())
        with serving(module) as server, collected(actor_events.SessionClosed) as closed:
            with server.greeted():
                server.sessions[0].kill()
                take(closed)
            with server.greeted() as client:
                client.say("VRFY x")
                take(closed)
            with server.greeted():
                pass
        assert everything(counts) == [1, 1, 1]

    def test_it_counts_over_all_listeners(self) -> None:
        counts: Queue = queue.SimpleQueue()
        with gen_smtp_server.running(self.counting(20, counts), [listener(), listener()]) as ref:
            server = Server(ref)
            with server.client(0) as one, server.client(1) as two:
                assert one.reply()[:3] == two.reply()[:3] == "220"
        assert sorted(everything(counts)) == [1, 2]


class TestTheLog:
    @pytest.mark.parametrize("how", ["close", "reset", "half a message"])
    def test_a_client_that_hangs_up_is_no_error(self, how: str, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        with serving(behaviour()) as server, collected(actor_events.SessionClosed) as closed:
            with server.greeted() as client:
                if how == "half a message":
                    client.say(*DATA)
                    client.send("half a mess")
                if how == "reset":
                    client.reset()
            take(closed)
        assert [record for record in caplog.records if record.levelno > logging.INFO] == []
        assert [record for record in caplog.records if record.exc_info] == []


def test_a_client_that_sends_more_behind_its_quit_than_was_read_hears_the_221() -> None:
    """Octets unread at a close have the kernel reset the connection."""
    hello, end = b"HELO c.test\r\n", b"QUIT\r\n"
    padding = b"NOOP " + b"x" * (FEW_OCTETS - len(hello) - len(end) - 7) + b"\r\n"
    with serving(behaviour()) as server, server.greeted() as client:
        client.send(hello + padding + end + b"MAIL FROM:<a@b.test>\r\n")
        assert client.rest().endswith("221 Bye\r\n")


def _plaintext(shake: Shake) -> bytes:
    """Something that the server says under TLS."""
    while True:
        try:
            return shake.layer.read(1000)
        except ssl.SSLWantReadError:
            shake.hear()


@pytest.mark.parametrize(("protocol", "word"), [("smtp", "ESMTP"), ("lmtp", "LMTP")])
def test_the_usual_greeting_says_what_is_spoken(protocol: str, word: str) -> None:
    with serving(sessionoptions={"protocol": protocol}) as server, server.client() as client:
        assert client.reply() == f"220 mx.test {word}"
