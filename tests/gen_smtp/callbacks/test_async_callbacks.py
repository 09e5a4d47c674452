"""Callbacks that are `async def`: on an asyncio loop, in order, cancelled with their session."""

from __future__ import annotations

import asyncio
import queue
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import actors
from gen_smtp import gen_smtp_server
from gen_smtp.callbacks.coroutines import own_loop
from gen_smtp.gen_smtp_server_session import (
    AsyncBehaviour,
    AsyncMessageStream,
    Behaviour,
    IncompleteMessage,
    error,
    noreply,
    ok,
    stop,
)
from gen_smtp.options.checks import OptionsError
from gen_smtp.testing import FakeClient

SENDER, ONE = "jane@example.com", "one@example.org"
SECONDS = 10.0
Heard = queue.SimpleQueue[Any]


@pytest.fixture
def heard() -> Heard:
    return queue.SimpleQueue()


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    """A program's own loop, in a thread."""
    made = asyncio.new_event_loop()
    thread = threading.Thread(target=made.run_forever)
    thread.start()
    started = threading.Event()
    made.call_soon_threadsafe(started.set)
    assert started.wait(SECONDS)
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


def module(cls: type[Behaviour], heard: Heard) -> Any:
    """The class, whose objects have `heard`."""
    return type(cls.__name__, (cls,), {"heard": heard})


class EveryCallback(AsyncBehaviour):
    """Says of each callback that it ran, and where."""

    heard: Heard

    async def _note(self, name: str) -> None:
        await asyncio.sleep(0)
        assert asyncio.get_running_loop() is own_loop()
        assert actors.current() is self.session.ref
        self.heard.put(name)

    async def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
        await self._note("init")
        return ok("mx.test ready")

    async def handle_EHLO(self, hostname: str, extensions: Any) -> Any:
        await self._note("EHLO")
        return ok(extensions)

    async def handle_MAIL(self, sender: str) -> Any:
        await self._note("MAIL")
        return ok

    async def handle_RCPT(self, recipient: str) -> Any:
        await self._note("RCPT")
        return ok if recipient == ONE else error("550 5.1.1 No such mailbox")

    async def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        await self._note("DATA")
        return ok("queued as 1")

    async def handle_RSET(self) -> Any:
        await self._note("RSET")

    async def handle_info(self, message: Any) -> Any:
        await self._note(message)
        return noreply

    async def terminate(self, reason: Any) -> Any:
        await self._note(f"terminate {reason}")


def test_each_callback_runs_on_the_loop_for_its_session(heard: Heard) -> None:
    with FakeClient(module(EveryCallback, heard)) as client:
        assert client.greeting.text == "mx.test ready"
        client.say("EHLO client.example")
        client.say("RSET")
        session = client.session
        session.tell("info")
        replies = client.send_message(SENDER, [ONE, "two@example.org"], b"x")
        assert [each.code for each in replies] == [250, 250, 550]
        client.say("RSET")
        assert client.send_message(SENDER, [ONE], b"x")[-1].text == "queued as 1"
        client.say("QUIT")
        actors.wait_down(session, SECONDS)
    ran = [heard.get(timeout=SECONDS) for _ in range(12)]
    ran.remove("info")  # it comes between two of the others
    once = ["MAIL", "RCPT"]
    assert ran == ["init", "EHLO", "RSET", *once, "RCPT", "RSET", *once, "DATA", "terminate normal"]


class Held(Behaviour):
    """A callback waits, and the test says for how long."""

    heard: Heard
    gates: dict[str, asyncio.Event]

    async def handle_MAIL(self, sender: str) -> Any:
        gate = asyncio.Event()
        self.heard.put((gate, asyncio.get_running_loop()))
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.heard.put("cancelled")
            raise
        return ok


def test_the_hub_goes_on_while_one_waits(heard: Heard) -> None:
    held = module(Held, heard)
    with FakeClient(held) as one, FakeClient(held) as other:
        one.say("EHLO one.example")
        one.send(b"MAIL FROM:<a@example.com>\r\n")
        gate, loop = heard.get(timeout=SECONDS)
        assert other.say("EHLO other.example").code == 250
        loop.call_soon_threadsafe(gate.set)
        assert one.reply().code == 250


def test_one_is_cancelled_when_its_session_is_cut(heard: Heard) -> None:
    with FakeClient(module(Held, heard)) as client:
        client.say("EHLO one.example")
        client.send(b"MAIL FROM:<a@example.com>\r\n")
        heard.get(timeout=SECONDS)
        session = client.session
        session.kill()
        assert heard.get(timeout=SECONDS) == "cancelled"
        actors.wait_down(session, SECONDS)


def test_one_that_raises_answers_451_and_ends_its_session(heard: Heard) -> None:
    class Raising(Behaviour):
        async def handle_MAIL(self, sender: str) -> Any:
            raise ValueError("no")

    with FakeClient(Raising) as client:
        client.say("EHLO one.example")
        assert client.say("MAIL FROM:<a@example.com>").code == 451
        assert client.reply().code == 0


def test_a_wrong_result_is_a_451(heard: Heard) -> None:
    class Wrong(Behaviour):
        async def handle_MAIL(self, sender: str) -> Any:
            return 250

    with FakeClient(Wrong) as client:
        client.say("EHLO one.example")
        assert client.say("MAIL FROM:<a@example.com>").code == 451


def test_a_stop_ends_the_session() -> None:
    class Stopping(Behaviour):
        async def init(self, hostname: str, session_count: int, peername: Any, options: Any) -> Any:
            return stop("policy", "554 Go away")

    with FakeClient(Stopping) as client:
        assert str(client.greeting) == "554 Go away"


def test_the_loop_may_be_the_programs_own(heard: Heard, loop: asyncio.AbstractEventLoop) -> None:
    listener = [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}]
    with gen_smtp_server.running(module(Held, heard), listener, serveroptions={"loop": loop}) as server:
        import smtplib

        host, port = gen_smtp_server.addresses(server)[0]

        def send() -> None:
            with smtplib.SMTP(host, port, timeout=SECONDS) as client:
                client.ehlo()
                client.mail("a@example.com")

        thread = threading.Thread(target=send)
        thread.start()
        gate, used = heard.get(timeout=SECONDS)
        assert used is loop
        loop.call_soon_threadsafe(gate.set)
        thread.join()


# -- messages that stream ---------------------------------------------------------------------------


class Streaming(AsyncBehaviour):
    heard: Heard

    async def handle_DATA_stream(self, sender: str, recipients: list[str], stream: AsyncMessageStream) -> Any:
        try:
            self.heard.put(("first", await stream.readline(), stream.size_hint))
            pieces = [chunk async for chunk in stream]
        except IncompleteMessage as cut:
            self.heard.put(str(cut))
            raise
        self.heard.put(("rest", b"".join(pieces)))
        return ok("streamed")


def test_a_message_is_read_as_it_comes(heard: Heard) -> None:
    with FakeClient(module(Streaming, heard)) as client:
        client.say("EHLO one.example")
        client.say(f"MAIL FROM:<{SENDER}> SIZE=12")
        client.say(f"RCPT TO:<{ONE}>")
        client.say("DATA")
        client.send(b"one\r\ntwo")
        assert heard.get(timeout=SECONDS) == ("first", b"one\r\n", 12)
        client.send(b"\r\n.\r\n")
        assert str(client.reply()) == "250 streamed"
        assert heard.get(timeout=SECONDS) == ("rest", b"two\r\n")


def test_one_that_is_cut_is_heard_of(heard: Heard) -> None:
    with FakeClient(module(Streaming, heard)) as client:
        client.say("EHLO one.example")
        client.say(f"MAIL FROM:<{SENDER}>")
        client.say(f"RCPT TO:<{ONE}>")
        client.say("DATA")
        client.send(b"one\r\ntwo")
        heard.get(timeout=SECONDS)
        client._socket.shutdown(socket.SHUT_WR)
        assert heard.get(timeout=SECONDS) == "the message is incomplete (closed)"


def test_a_large_message_comes_whole(heard: Heard) -> None:
    line = b"x" * 70 + b"\r\n"
    with FakeClient(module(Streaming, heard)) as client:
        client.say("EHLO one.example")
        assert str(client.send_message(SENDER, [ONE], line * 20_000)[-1]) == "250 streamed"
    assert heard.get(timeout=SECONDS)[1] == line
    assert heard.get(timeout=SECONDS)[1] == line * 19_999


# -- what is wrong, and where the loop comes from ---------------------------------------------------


def test_a_loop_that_is_none_or_does_not_run_is_an_error() -> None:
    with pytest.raises(OptionsError, match="option loop: no asyncio loop: 1"):
        gen_smtp_server.ServerOptions(loop=1)  # type: ignore[arg-type]
    idle = asyncio.new_event_loop()
    try:
        with pytest.raises(OptionsError, match="option loop: the loop does not run"):
            gen_smtp_server.ServerOptions(loop=idle)
    finally:
        idle.close()


def test_a_loop_does_not_go_with_workers(loop: asyncio.AbstractEventLoop) -> None:
    code = """
import asyncio, threading
from gen_smtp import gen_smtp_server
loop = asyncio.new_event_loop()
threading.Thread(target=loop.run_forever, daemon=True).start()
while not loop.is_running(): pass
try:
    gen_smtp_server.serve_forever(
        gen_smtp_server.SmtpServer and __import__("gen_smtp.callbacks.behaviour", fromlist=["x"]).Behaviour,
        [{"port": 0, "address": "127.0.0.1"}], serveroptions={"loop": loop}, workers=2)
except gen_smtp_server.OptionsError as wrong:
    print(wrong)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=50)
    assert "option serveroptions.loop: a loop does not come along into forked workers" in done.stdout


PATCHED = """
from gevent import monkey; monkey.patch_all()
from gen_smtp.testing import FakeClient
from gen_smtp.gen_smtp_server_session import Behaviour, ok
import asyncio

class Server(Behaviour):
    async def handle_MAIL(self, sender):
        await asyncio.sleep(0.001)
        return ok("patched")

with FakeClient(Server) as client:
    client.say("EHLO x.example")
    print(client.say("MAIL FROM:<a@example.com>").text)
"""


def test_it_works_in_a_program_that_gevent_has_patched() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PATCHED], capture_output=True, text=True, timeout=50
    )
    assert (done.stdout, done.returncode) == ("patched\n", 0), done.stderr


FORKED = """
import os, asyncio
from gen_smtp.callbacks.coroutines import own_loop
parent = own_loop()
child = os.fork()
if child == 0:
    loop = own_loop()
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result(5)
    os._exit(0 if loop is not parent else 1)
print(os.waitpid(child, 0)[1])
"""


def test_a_forked_child_has_a_loop_of_its_own() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=50)
    assert done.stdout == "0\n", done.stderr
