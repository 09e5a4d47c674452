"""Many clients in a process of its own, which all do the same.

Run as a program it takes an address and a number of clients, and on its standard input, in lines of JSON, the
names of the `Crowd` methods to call, with their arguments; the results come in lines of JSON.
"""

from __future__ import annotations

import collections
import json
import re
import resource
import select
import socket
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
PATIENCE = 30.0
AT_ONCE = 100
"""So many connect before they read what they are told: ten crowds are no more than a backlog holds."""

LAST_LINE = re.compile(rb"^\d{3} .*\r\n", re.MULTILINE)

Replies = dict[str, int]
"""The codes of the replies, each with the number of those who have got it; `""` is the connection's end."""


class Crowd:
    """Clients.

    Args:
        address: where they connect to.
        count: how many they are.
    """

    def __init__(self, address: Any, count: int) -> None:
        self._address = tuple(address)
        self._count = count
        self._clients: list[socket.socket] = []

    def connect(self, greeted: bool = True, at_once: int = AT_ONCE) -> Replies:
        """Connect, so many at once, and read the greeting if there is to be one."""
        replies: Replies = collections.Counter()
        for first in range(0, self._count, at_once):
            number = min(at_once, self._count - first)
            new = [socket.create_connection(self._address, PATIENCE) for _ in range(number)]
            self._clients += new
            replies += self._replies(new) if greeted else {}
        return replies

    def say(self, text: str, replies: int = 1) -> Replies:
        """All send this, at once, and then read their replies, of which the last one counts."""
        self.send(text)
        return self._replies(self._clients, replies)

    def send(self, text: str) -> None:
        """All send this."""
        for client in self._clients:
            client.sendall(text.encode("latin-1"))

    def pour(self, text: str) -> int:
        """All send this, again and again, until nothing more of it is taken, and read nothing.

        Returns:
            how many octets were sent.
        """
        octets, sent = text.encode("latin-1"), 0
        hungry = self._clients
        while hungry := [client for client in hungry if select.select([], [client], [], 0.01)[1]]:
            for client in hungry:
                try:
                    sent += client.send(octets, socket.MSG_DONTWAIT)
                except BlockingIOError:
                    pass
                except ConnectionError:
                    hungry.remove(client)
        return sent

    def drip(self, every: float) -> Replies:
        """All send an octet every so many seconds, until the server has closed on each; what they heard last.

        A line on the standard output says that all have begun.
        """
        left, heard = self._clients, collections.Counter[str]()
        while left:
            left = [client for client in left if self._drip_one(client, heard)]
            if len(left) == self._count and not heard:
                answer("dripping")
            select.select([], [], [], every)
        return heard

    def hear_out(self) -> Replies:
        """Wait for the server to close on each; what they heard last."""
        heard = collections.Counter[str]()
        for client in self._clients:
            heard[_read_to_end(client)] += 1
        return heard

    def leave(self, reset: bool = False) -> None:
        """All go."""
        for client in self._clients:
            if reset:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        self._clients = []

    def _replies(self, clients: list[socket.socket], number: int = 1) -> Replies:
        return collections.Counter(_last_code(client, number) for client in clients)

    def _drip_one(self, client: socket.socket, heard: collections.Counter[str]) -> bool:
        """Send an octet; tells whether the server still listens."""
        if select.select([client], [], [], 0)[0]:
            heard[_read_to_end(client)] += 1
            return False
        try:
            client.send(b"x")
        except ConnectionError:
            heard[""] += 1
            return False
        return True


def _last_code(client: socket.socket, replies: int = 1) -> str:
    """The code of the last of so many replies; empty at the end."""
    said = b""
    while len(LAST_LINE.findall(said)) < replies:
        part = client.recv(65536)
        if not part:
            break
        said += part
    return said.splitlines()[-1][:3].decode("latin-1") if said else ""


def _read_to_end(client: socket.socket) -> str:
    last = ""
    try:
        while code := _last_code(client):
            last = code
    except ConnectionError:
        pass
    return last


def answer(value: Any) -> None:
    """Say something to whoever runs the crowd."""
    print(json.dumps(value), flush=True)


class CrowdProcess:
    """A crowd that runs in another process."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, method: str, **arguments: Any) -> Any:
        """Have it do something; the result."""
        self.tell(method, **arguments)
        return self.hear()

    def tell(self, method: str, **arguments: Any) -> None:
        """Have it do something, whose result `hear` gives."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps([method, arguments]) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """What it says next."""
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def crowd(address: Any, count: int) -> Generator[CrowdProcess]:
    """So many clients of an address, not yet connected."""
    with subprocess.Popen(
        [sys.executable, __file__, json.dumps([address, count])],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        try:
            yield CrowdProcess(process)
        finally:
            process.kill()


def main() -> None:
    """Do what is asked for."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    clients = Crowd(*json.loads(sys.argv[1]))
    for line in sys.stdin:
        method, arguments = json.loads(line)
        answer(getattr(clients, method)(**arguments))


if __name__ == "__main__":
    main()
