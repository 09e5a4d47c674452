"""The same server in the programs people have: threads, greenlets, asyncio, patched, interactive."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
DEADLINE = 50.0

HEAD = """
import os, smtplib, sys, threading
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import Behaviour, ok

class Taking(Behaviour):
    taken = []

    def handle_DATA(self, sender, recipients, data):
        Taking.taken.append((sender, recipients, data))
        return ok("taken")

    def handle_info(self, message):
        Taking.taken.append(message)

OPTIONS = [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}]

def send(address):
    with smtplib.SMTP(*address, timeout=10) as client:
        client.sendmail("a@x.test", ["b@y.test"], "Subject: hello\\r\\n\\r\\nhello\\r\\n")
"""

EVERYTHING = """
server = gen_smtp_server.start("mx", Taking, OPTIONS)
address = gen_smtp_server.addresses("mx")[0]
send(address)
with smtplib.SMTP(*address, timeout=10) as client:
    (session,) = gen_smtp_server.sessions(server)
    client.helo("c")
    assert gen_smtp_server_session.info(session).helo == "c"
    session.tell("hello")
    client.noop()
    assert session.stop() is True
    assert client.getreply()[0] == 421
    client.close()
assert gen_smtp_server.sessions(server) == []
assert gen_smtp_server.stop(server) is True
assert gen_smtp_server.stop(server, block=False).get(timeout=10) is False
assert Taking.taken == [("a@x.test", ["b@y.test"], b"Subject: hello\\r\\n\\r\\nhello\\r\\n"), "hello"]
print("content")
"""


def run(program: str, *options: str, stdin: str = "", before: str = "") -> subprocess.CompletedProcess[str]:
    """A program, run to its end."""
    command = (
        [sys.executable, *options] if stdin else [sys.executable, *options, "-c", before + HEAD + program]
    )
    return subprocess.run(
        command,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


def assert_content(result: subprocess.CompletedProcess[str]) -> None:
    """It ended well, said so and nothing else."""
    assert (result.returncode, result.stdout, result.stderr) == (0, "content\n", "")


PATCH = "from gevent import monkey; monkey.patch_all()\n"


@pytest.mark.parametrize("before", ["", PATCH], ids=["plain", "patched"])
def test_a_program_of_the_usual_kind(before: str) -> None:
    assert_content(run(EVERYTHING, before=before))


@pytest.mark.parametrize("before", ["", PATCH], ids=["plain", "patched"])
def test_in_a_thread(before: str) -> None:
    indented = "".join(f"    {line}\n" for line in EVERYTHING.strip().splitlines())
    program = f"""
def work():
{indented}
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""
    assert_content(run(program, before=before))


def test_a_program_that_patches_before_its_first_actor_is_early_enough() -> None:
    assert_content(run(PATCH + EVERYTHING))


def test_a_program_with_greenlets_in_its_main_thread_and_no_patch() -> None:
    """Waits in such a thread let its other greenlets go on."""
    program = """
import gevent
from gevent import socket as green

ticks = []

def tick():
    while True:
        ticks.append(1)
        gevent.sleep(0)

def greeting(address):
    connection = green.create_connection(address, 10)
    try:
        return connection.recv(100)
    finally:
        connection.close()

server = gen_smtp_server.start(Taking, OPTIONS)
ticking = gevent.spawn(tick)
address = gen_smtp_server.addresses(server)[0]
clients = [gevent.spawn(greeting, address) for _ in range(5)]
assert [client.get() for client in clients] == [b"220 mx.test ESMTP\\r\\n"] * 5
before = len(ticks)
while len(ticks) < before + 3:
    gen_smtp_server.sessions(server)
answers = [gevent.spawn(gen_smtp_server.sessions, server) for _ in range(5)]
assert [type(answer.get()) for answer in answers] == [list] * 5
assert gen_smtp_server.stop(server) is True
ticking.kill()
print("content")
"""
    assert_content(run(program))


@pytest.mark.parametrize("before", ["", "from gevent import monkey; monkey.patch_all(thread=False)\n"])
def test_an_asyncio_program(before: str) -> None:
    program = """
import asyncio

async def main():
    server = gen_smtp_server.start(Taking, OPTIONS)
    address = gen_smtp_server.addresses(server)[0]
    ticks = []

    async def tick():
        while True:
            ticks.append(1)
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    reader, writer = await asyncio.open_connection(*address)
    assert await reader.readline() == b"220 mx.test ESMTP\\r\\n"
    for line in (b"HELO c", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA"):
        writer.write(line + b"\\r\\n")
        assert (await reader.readline())[:3] in (b"250", b"354")
    (session,) = gen_smtp_server.sessions(server)
    assert await session.ask("what?", block=False) == ("unknown_call", "what?")
    stopped = gen_smtp_server.stop(server, block=False)
    before = len(ticks)

    async def finish():
        while len(ticks) < before + 100:
            await asyncio.sleep(0)
        writer.write(b"hello\\r\\n.\\r\\nNOOP\\r\\n")
        return await reader.read()

    finishing = asyncio.create_task(finish())
    assert await stopped is True
    assert await finishing == b"250 taken\\r\\n421 mx.test Service shutting down\\r\\n"
    ticking.cancel()
    writer.close()
    await writer.wait_closed()
    print("content")

asyncio.run(main())
"""
    assert_content(run(program, before=before))


def test_an_asyncio_callback_is_reached_with_run_coroutine() -> None:
    program = """
import asyncio
from actors import run_coroutine

async def deliver(sender):
    await asyncio.sleep(0)
    return f"delivered for {sender}"

async def main():
    loop = asyncio.get_running_loop()

    class Delivering(Behaviour):
        def handle_DATA(self, sender, recipients, data):
            return ok(run_coroutine(deliver(sender), loop))

    with gen_smtp_server.running(Delivering, OPTIONS) as server:
        address = gen_smtp_server.addresses(server)[0]
        await loop.run_in_executor(None, send, address)
    print("content")

asyncio.run(main())
"""
    assert_content(run(program))


def test_an_interactive_interpreter() -> None:
    typed = (HEAD + EVERYTHING).replace("\n\n    def", "\n    def")
    lines: list[str] = []
    for line in typed.splitlines():
        # As typed: an empty line ends each block.
        if lines and line and not line.startswith(" ") and lines[-1].startswith(" "):
            lines.append("")
        if line or (lines and lines[-1]):
            lines.append(line)
    result = run("", "-i", "-q", stdin="import sys; sys.ps1 = sys.ps2 = ''\n" + "\n".join(lines) + "\n")
    assert result.returncode == 0
    assert "content" in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("before", ["", PATCH], ids=["plain", "patched"])
def test_serve_forever_ends_in_good_order_at_a_signal(number: signal.Signals, before: str) -> None:
    program = """
import socket

clients = []

def on_started(server):
    address = gen_smtp_server.addresses(server)[0]

    def talk():
        client = socket.create_connection(address, 10)
        file = client.makefile("rb")
        assert file.readline() == b"220 mx.test ESMTP\\r\\n"
        os.kill(os.getpid(), int(sys.argv[1]))
        clients.append(file.read())
        file.close()
        client.close()

    thread = threading.Thread(target=talk)
    thread.start()
    clients.append(thread)

gen_smtp_server.serve_forever(Taking, OPTIONS, on_started=on_started)
clients.pop(0).join()
assert clients == [b"421 mx.test Service shutting down\\r\\n"], clients
print("content")
"""
    command = [sys.executable, "-c", before + HEAD + program, str(int(number))]
    result = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )
    assert_content(result)


def test_in_a_patched_program_the_apps_own_hub_serves() -> None:
    program = """
import gevent
hub = gevent.get_hub()
seen = []

class Looking(Behaviour):
    def handle_VRFY(self, address):
        seen.append((gevent.get_hub() is hub, threading.active_count()))
        gevent.sleep(0)
        return ok("there")

with gen_smtp_server.running(Looking, OPTIONS) as server:
    with smtplib.SMTP(*gen_smtp_server.addresses(server)[0], timeout=10) as client:
        assert client.verify("x") == (250, b"there")
assert seen == [(True, 1)], seen
print("content")
"""
    assert_content(run(program, before=PATCH))


STREAMING = """
import shutil

class Streaming(Behaviour):
    blocking = BLOCKING

    def handle_DATA_stream(self, sender, recipients, stream):
        Streaming.begun.set()
        try:
            taken = stream.read()
        except BaseException as cut:
            Streaming.ends.append(type(cut).__name__)
            raise
        return ok(f"{len(taken)} octets")

Streaming.begun, Streaming.ends = threading.Event(), []
big = ("x" * 62 + "\\r\\n") * 20000
server = gen_smtp_server.start(Streaming, OPTIONS)
address = gen_smtp_server.addresses(server)[0]
with smtplib.SMTP(*address, timeout=10) as client:
    client.ehlo(); client.mail("a@x.test"); client.rcpt("b@y.test")
    assert client.data(big) == (250, b"1280000 octets"), client
"""


@pytest.mark.parametrize("blocking", [set(), {"handle_DATA_stream"}], ids=["greenlet", "thread"])
@pytest.mark.parametrize("before", ["", PATCH], ids=["plain", "patched"])
def test_a_stream_in_a_program_of_either_kind(before: str, blocking: set[str]) -> None:
    program = STREAMING.replace("BLOCKING", repr(blocking))
    program += "assert gen_smtp_server.stop(server) is True\nprint('content')\n"
    assert_content(run(program, before=before))


@pytest.mark.parametrize("blocking", [set(), {"handle_DATA_stream"}], ids=["greenlet", "thread"])
@pytest.mark.parametrize("before", ["", PATCH], ids=["plain", "patched"])
def test_a_program_that_ends_while_a_message_streams_ends_well(before: str, blocking: set[str]) -> None:
    program = (
        STREAMING.replace("BLOCKING", repr(blocking))
        + """
server.proxy().grace = 0.05
client = smtplib.SMTP(*address, timeout=10)
client.ehlo(); client.mail("a@x.test"); client.rcpt("b@y.test"); client.docmd("DATA")
Streaming.begun.clear()
client.send(b"half a message")
assert Streaming.begun.wait(10)
print("content")
"""
    )
    assert_content(run(program, before=before))


def test_a_forked_child_leaves_the_stream_to_its_parent() -> None:
    program = (
        STREAMING.replace("BLOCKING", "{'handle_DATA_stream'}")
        + """
client = smtplib.SMTP(*address, timeout=10)
client.ehlo(); client.mail("a@x.test"); client.rcpt("b@y.test"); client.docmd("DATA")
Streaming.begun.clear()
client.send(b"half a message")
assert Streaming.begun.wait(10)
child = os.fork()
if child == 0:
    Taking.taken = []
    other = gen_smtp_server.start(Taking, OPTIONS)
    send(gen_smtp_server.addresses(other)[0])
    os._exit(0 if len(Taking.taken) == 1 and not Streaming.ends else 1)
assert os.waitpid(child, 0)[1] == 0
client.send(b"\\r\\n.\\r\\n")
assert client.getreply() == (250, b"16 octets")
client.close()
assert gen_smtp_server.stop(server) is True
print("content")
"""
    )
    assert_content(run(program))
