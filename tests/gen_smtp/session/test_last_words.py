"""A message that is taken while the server stops, or its session is too old: the client may say QUIT."""

from __future__ import annotations

import contextlib
import smtplib
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from actors import ActorDeadError
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import multiple, ok
from gen_smtp.session.calling import JUST_ANSWERED, QUIT_SECONDS
from gen_smtp.session.session import LAST_WORD
from tests.gen_smtp.clock import Clock, exceeded, only
from tests.gen_smtp.live import DATA, MESSAGE, PATIENCE, RCPT, Client, Queue, Server, behaviour, serving, take

GOODBYE = "421 mx.test Service shutting down"
LONG = 600.0
"""Seconds that no test waits for."""


def stop(server: Server, grace: float = LONG, *, wait: bool = True) -> Any:
    """Begin to stop a server; the future of its end."""
    stopping = gen_smtp_server.stop(server.ref, grace=grace, block=False)
    if not wait:
        gen_smtp_server.addresses(server.ref)  # it has told the sessions, busy or not
        return stopping
    with contextlib.suppress(ActorDeadError):  # it had nobody to wait for
        for session in gen_smtp_server.sessions(server.ref):
            gen_smtp_server_session.info(session)  # it has heard of it by now
    return stopping


def whole(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
    return ok("taken")


def streamed(self: Any, sender: str, recipients: list[str], stream: Any) -> Any:
    stream.read()
    return ok("taken")


MODULES = {
    "whole": behaviour(handle_DATA=whole),
    "whole, in a thread": behaviour(handle_DATA=whole, blocking={"handle_DATA"}),
    "streamed": behaviour(handle_DATA_stream=streamed),
    "streamed, in a thread": behaviour(handle_DATA_stream=streamed, blocking={"handle_DATA_stream"}),
}


@pytest.mark.parametrize("module", MODULES.values(), ids=MODULES)
class TestBehindTheMessage:
    """Whatever the callback is, and whether it is the server that ends or the session alone."""

    @contextmanager
    def taken(self, module: Any) -> Generator[tuple[Client, Any]]:
        """A client whose message was taken while the server stops."""
        with serving(module) as server, server.greeted(*DATA) as client:
            stopped = stop(server)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            yield client, stopped

    def test_one_may_say_quit(self, module: Any) -> None:
        with self.taken(module) as (client, stopped):
            assert client.say("QUIT") == "221 Bye"
            assert client.rest() == ""
            assert stopped.get(timeout=PATIENCE) is True

    def test_anything_else_is_answered_with_421(self, module: Any) -> None:
        with self.taken(module) as (client, stopped):
            client.send("MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\nQUIT\r\n")
            assert client.rest() == f"{GOODBYE}\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    def test_one_may_hang_up(self, module: Any) -> None:
        with self.taken(module) as (client, stopped):
            client.close()
            assert stopped.get(timeout=PATIENCE) is True

    def test_the_next_envelope_may_have_been_sent_already(self, module: Any) -> None:
        with serving(module) as server, server.greeted(*DATA) as client:
            stopped = stop(server)
            client.send(f"{MESSAGE}MAIL FROM:<a@x.test>\r\nRCPT TO:<b@y.test>\r\nDATA\r\n")
            assert client.rest() == f"250 taken\r\n{GOODBYE}\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    def test_quit_may_have_been_sent_already(self, module: Any) -> None:
        with serving(module) as server, server.greeted(*DATA) as client:
            stopped = stop(server)
            client.send(f"{MESSAGE}QUIT\r\n")
            assert client.rest() == "250 taken\r\n221 Bye\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    def test_who_says_nothing_hears_421_at_the_end_of_the_grace(self, module: Any) -> None:
        with serving(module) as server, server.greeted(*DATA) as client:
            stopped = stop(server, grace=1.0)
            client.send(MESSAGE)
            assert client.rest() == f"250 taken\r\n{GOODBYE}\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    def test_who_is_too_old_may_say_it_too(self, module: Any, clock: Clock, struck: Queue) -> None:
        with serving(module, sessionoptions=only(session=1000)) as server, server.greeted(*DATA) as client:
            clock.advance(1000)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            clock.advance(QUIT_SECONDS - 1)
            assert client.say("QUIT") == "221 Bye"
            assert client.rest() == ""
            assert take(struck).deadline == "session"
            assert struck.empty()

    def test_but_not_for_long(self, module: Any, clock: Clock) -> None:
        with serving(module, sessionoptions=only(session=1000)) as server, server.greeted(*DATA) as client:
            clock.advance(1000)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            clock.advance(QUIT_SECONDS)
            assert client.rest() == exceeded("session")

    def test_or_hears_421_to_anything_else(self, module: Any, clock: Clock) -> None:
        with serving(module, sessionoptions=only(session=1000)) as server, server.greeted(*DATA) as client:
            clock.advance(1000)
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            assert f"{client.say('NOOP')}\r\n" == exceeded("session")


class TestAMessageThatIsInItsCallback:
    """The server is told to stop, or the session becomes too old, before the callback has said ok."""

    @pytest.mark.parametrize("name", ["handle_DATA", "handle_DATA_stream"])
    def test_is_answered_and_the_client_may_say_quit_within_the_grace(self, name: str, clock: Clock) -> None:
        entered, leave = threading.Event(), threading.Event()

        def take_message(self: Any, sender: str, recipients: list[str], data: Any) -> Any:
            if name == "handle_DATA_stream":
                data.read()
            entered.set()
            leave.wait(PATIENCE)
            return ok("taken")

        module = behaviour(**{name: take_message, "blocking": {name}})
        with serving(module, sessionoptions=only()) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert entered.wait(PATIENCE)
            stopped = stop(server, wait=False)
            leave.set()
            assert client.reply() == "250 taken"
            clock.advance(LONG * LAST_WORD - 1)
            assert client.say("QUIT") == "221 Bye"
            assert stopped.get(timeout=PATIENCE) is True


class TestAMessageThatWasTakenAMomentAgo:
    """The client may be about to say QUIT when the server begins to stop."""

    @contextmanager
    def taken(self) -> Generator[tuple[Server, Client]]:
        options = only(session=1000)
        with serving(behaviour(), sessionoptions=options) as server, server.greeted(*DATA) as client:
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            yield server, client

    def test_may_be_followed_by_quit(self, clock: Clock) -> None:
        with self.taken() as (server, client):
            clock.advance(JUST_ANSWERED - 1)
            stopped = stop(server)
            assert client.say("QUIT") == "221 Bye"
            assert stopped.get(timeout=PATIENCE) is True

    def test_may_be_followed_by_quit_where_the_session_is_too_old(self, clock: Clock) -> None:
        with self.taken() as (_, client):
            clock.advance(999)
            client.say(*RCPT[1:], "DATA")
            client.send(MESSAGE)
            assert client.reply() == "250 taken"
            clock.advance(1)
            assert client.say("QUIT") == "221 Bye"

    def test_is_no_reason_to_wait_for_one_that_is_idle(self, clock: Clock) -> None:
        with self.taken() as (server, client):
            clock.advance(JUST_ANSWERED)
            stopped = stop(server)
            assert client.rest() == f"{GOODBYE}\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    def test_nor_for_one_in_the_next_envelope(self, clock: Clock) -> None:
        with self.taken() as (server, client):
            client.say(*RCPT[1:])
            stopped = stop(server)
            assert client.rest() == f"{GOODBYE}\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    @pytest.mark.parametrize(("grace", "seconds"), [(100.0, JUST_ANSWERED), (2.0, 2.0 * LAST_WORD)])
    def test_waits_a_moment_and_no_longer(self, grace: float, seconds: float, clock: Clock) -> None:
        with self.taken() as (server, client):
            stopped = stop(server, grace=grace)
            clock.advance(seconds - 0.5)
            assert not stopped.done()
            clock.advance(0.5)
            assert client.rest() == f"{GOODBYE}\r\n"
            assert stopped.get(timeout=PATIENCE) is True

    def test_is_cut_short_where_there_is_no_grace(self) -> None:
        with self.taken() as (server, client):
            assert gen_smtp_server.stop(server.ref, grace=0, timeout=PATIENCE) is True
            assert client.rest() in (f"{GOODBYE}\r\n", "")


class TestClientsOfTheStandardLibrary:
    """`sendmail` and `quit`, with a server that begins to stop in the middle of the message."""

    @pytest.mark.parametrize(("protocol", "client"), [("smtp", smtplib.SMTP), ("lmtp", smtplib.LMTP)])
    def test_report_no_failure(self, protocol: str, client: Callable[..., smtplib.SMTP]) -> None:
        stopping: Queue = Queue()

        def handle_DATA(self: Any, sender: str, recipients: list[str], data: bytes) -> Any:
            stopping.put(gen_smtp_server.stop(self.session.server, grace=LONG, block=False))
            return multiple([ok("taken")]) if protocol == "lmtp" else ok("taken")

        module = behaviour(handle_DATA=handle_DATA)
        with (
            serving(module, sessionoptions={"protocol": protocol}) as server,
            client(*server.addresses[0], timeout=PATIENCE) as sender,
        ):
            assert sender.sendmail("a@x.test", ["b@y.test"], "Subject: hello\r\n\r\n") == {}
            assert sender.quit()[0] == 221
            assert take(stopping).get(timeout=PATIENCE) is True
