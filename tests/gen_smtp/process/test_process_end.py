"""Interpreter exit and fork, with servers that run and clients that send; in programs of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3]
DEADLINE = 50.0
EXITS = 25
AT_ONCE = 3

UNDER_LOAD = """
import random, sys

seed, how = int(sys.argv[1]), sys.argv[2]
chance = random.Random(seed)
if seed % 4 == 1:
    from gevent import monkey
    monkey.patch_all()

import socket, threading

from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok

done = threading.Event()
messages = chance.randrange(1, 60)


class Taking(Behaviour):
    blocking = {"handle_DATA"} if seed % 3 == 0 else frozenset()
    taken = 0

    def handle_DATA(self, sender, recipients, data):
        Taking.taken += 1
        if Taking.taken >= messages:
            done.set()
        return ok("taken")


def send(address):
    try:
        with socket.create_connection(address, 10) as client:
            file = client.makefile("rb")
            file.readline()
            client.sendall(b"HELO c\\r\\n")
            file.readline()
            while True:
                client.sendall(b"MAIL FROM:<a@x.test>\\r\\nRCPT TO:<b@y.test>\\r\\nDATA\\r\\n")
                for _ in range(3):
                    file.readline()
                client.sendall(b"Subject: hello\\r\\n\\r\\nhello\\r\\n.\\r\\n")
                if not file.readline():
                    return
    except OSError:
        return


servers = [
    gen_smtp_server.start(Taking, [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}])
    for _ in range(chance.randrange(1, 3))
]
addresses = [gen_smtp_server.addresses(server)[0] for server in servers]
for number in range(6):
    threading.Thread(target=send, args=(addresses[number % len(addresses)],), daemon=True).start()
silent = [socket.create_connection(address) for address in addresses]
assert done.wait(10)
if how == "exit":
    sys.exit(0)
elif how == "thread":
    threading.Thread(target=gen_smtp_server.stop, args=(servers[0],)).start()
"""


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program, run to its end."""
    return subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program, *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env={**os.environ, "PYTHONPATH": str(PROJECT), "PYTHONDONTWRITEBYTECODE": "1"},
        check=False,
    )


def output_of(program: str, *arguments: str) -> str:
    """What a program prints; it must end well and say nothing on stderr."""
    result = run(program, *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout.strip()


@pytest.mark.timeout(120)
def test_many_exits_under_load_are_clean() -> None:
    ways = ("end", "exit", "thread")

    def end_one(seed: int) -> tuple[int, str, str]:
        result = run(UNDER_LOAD, str(seed), ways[seed % len(ways)])
        return result.returncode, result.stderr, result.stdout

    with ThreadPoolExecutor(AT_ONCE) as pool:
        results = list(pool.map(end_one, range(EXITS)))
    assert results == [(0, "", "")] * EXITS


def test_at_exit_clients_hear_421_and_callbacks_of_the_shutdown() -> None:
    program = """
import atexit, socket
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour

class Noting(Behaviour):
    def terminate(self, reason):
        print("terminate:", reason)

def read_the_rest():
    print("the client heard:", file.read())

atexit.register(read_the_rest)  # before the first actor starts, so it runs once they are stopped
server = gen_smtp_server.start(Noting, [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}])
client = socket.create_connection(gen_smtp_server.addresses(server)[0], 10)
file = client.makefile("rb")
file.readline()
"""
    assert output_of(program).splitlines() == [
        "terminate: shutdown",
        "the client heard: b'421 mx.test Service shutting down\\r\\n'",
    ]


def test_a_message_under_way_is_cut_off_and_the_exit_is_clean() -> None:
    program = """
import socket, sys, threading
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour

server = gen_smtp_server.start(Behaviour, [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}])
server.proxy().grace = 0.3
client = socket.create_connection(gen_smtp_server.addresses(server)[0], 10)
file = client.makefile("rb")
for line in (b"HELO c", b"MAIL FROM:<a@b>", b"RCPT TO:<c@d>", b"DATA"):
    file.readline()
    client.sendall(line + b"\\r\\n")
file.readline()
client.sendall(b"half a message")
"""
    assert output_of(program) == ""


def test_a_server_alone_does_not_keep_the_process_alive() -> None:
    program = """
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour
gen_smtp_server.start(Behaviour, [{"address": "127.0.0.1", "port": 0}])
print("the last line")
"""
    assert output_of(program) == "the last line"


FORKING = """
import os, socket, sys, threading
from actors import ActorDeadError, whereis
from gen_smtp import gen_smtp_server, gen_smtp_server_session
from gen_smtp.gen_smtp_server_session import Behaviour, ok

class Noting(Behaviour):
    def init(self, hostname, session_count, peername, options):
        self.session.at_end(self.say, "at_end")
        return ok

    def say(self, what):
        print(what, "in the child" if os.getpid() != parent else "in the parent", flush=True)

    def terminate(self, reason):
        self.say("terminate")

def greeting(server):
    with socket.create_connection(gen_smtp_server.addresses(server)[0], 10) as connection:
        return connection.recv(100)

parent = os.getpid()
options = [{"address": "127.0.0.1", "port": 0, "domain": "mx.test"}]
server = gen_smtp_server.start("mx", Noting, options)
listening = gen_smtp_server.listeners(server)[0].socket
client = socket.create_connection(gen_smtp_server.addresses(server)[0], 10)
file = client.makefile("rb")
file.readline()
(session,) = gen_smtp_server.sessions(server)
sys.stdout.flush()
child = os.fork()
if child == 0:
    assert not server.is_alive()
    assert not session.is_alive()
    assert server.exit_reason == "forked"
    assert whereis("mx") is None
    for ask in (
        lambda: gen_smtp_server.sessions(server),
        lambda: gen_smtp_server.addresses(server),
        lambda: gen_smtp_server_session.info(session),
        lambda: session.tell("hello"),
    ):
        try:
            ask()
        except ActorDeadError as error:
            assert "dead" in str(error), error
        else:
            raise AssertionError("the child's reference looks alive")
    assert gen_smtp_server.stop(server) is False
    assert listening.fileno() == -1
    own = gen_smtp_server.start("mx", Behaviour, options)
    assert greeting(own) == b"220 mx.test ESMTP\\r\\n"
    assert gen_smtp_server.stop("mx") is True
    own = gen_smtp_server.start("mx", Behaviour, options)  # the exit stops this one
    print("the child is content", flush=True)
    sys.exit(0)
assert os.waitpid(child, 0)[1] == 0
assert greeting(server) == b"220 mx.test ESMTP\\r\\n"
client.sendall(b"NOOP\\r\\n")
assert file.readline() == b"250 Ok\\r\\n"
client.sendall(b"QUIT\\r\\n")
assert file.read() == b"221 Bye\\r\\n"
"""


def test_after_a_fork_the_childs_references_are_dead_and_say_so() -> None:
    said = output_of(FORKING).splitlines()
    assert said[0] == "the child is content"
    assert sorted(said[1:]) == [
        "at_end in the parent",
        "at_end in the parent",
        "terminate in the parent",
        "terminate in the parent",
    ]
