"""A server in a process of its own: its descriptors, memory and limits are no others'.

Run as a program it takes its settings as JSON in its argument and answers, in lines of JSON, what it is asked
on its standard input: the methods of `Served`.
"""

from __future__ import annotations

import json
import os
import queue
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import actors
from actors import events
from actors.runtime.hub import Hub
from gen_smtp import gen_smtp_server
from gen_smtp.gen_smtp_server_session import Behaviour, ok, reply
from gen_smtp.maildir.handler import MaildirHandler

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class State:
    """What a server's process has.

    Attributes:
        sessions: all its sessions, those too that are not served yet.
        counted: those that `init` was told of and that have not ended.
        actors: all its actors, the server and its listeners among them.
        descriptors: its open descriptors.
        kibibytes: of memory, in use.
        taken: how many messages it has taken.
    """

    sessions: int
    counted: int
    actors: int
    descriptors: int
    kibibytes: int
    taken: int


class ServerProcess:
    """A server that runs in another process.

    Attributes:
        addresses: where it listens.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.addresses = [tuple(address) for address in self._hear()]

    def state(self) -> State:
        """How it stands now."""
        return State(**self._ask("state"))

    def starve(self) -> None:
        """Let it have no descriptor more than it has."""
        self._ask("starve")

    def feed(self) -> None:
        """Undo `starve`."""
        self._ask("feed")

    def wait_for_pauses(self, number: int) -> None:
        """Return when its listeners have paused so many times in all."""
        self._ask(f"pauses {number}")

    def advance(self, seconds: float) -> None:
        """Have its clock go on by so much at once: what is due by then is rung for."""
        self._ask(f"advance {seconds}")

    def wait_until_empty(self, before: State) -> State:
        """Return when all sessions have ended and what they had is free; as it was `before` any came."""
        while (now := self.state()).sessions:
            pass
        assert now.counted == 0
        assert now.actors == before.actors
        assert now.descriptors == before.descriptors
        return now

    def _ask(self, question: str) -> Any:
        assert self._process.stdin is not None
        self._process.stdin.write(question + "\n")
        self._process.stdin.flush()
        return self._hear()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(self._process.stdout.readline())


@contextmanager
def server_process(
    *listeners: dict[str, Any], handler: str = "taking", **serveroptions: Any
) -> Generator[ServerProcess]:
    """A server in another process for the length of a `with` block; it ends well, without a traceback.

    Args:
        listeners: their options.
        handler: the name of one of the `HANDLERS`.
        serveroptions: the limits of the server.
    """
    settings = json.dumps({"listeners": listeners, "handler": handler, "serveroptions": serveroptions})
    with (
        tempfile.TemporaryFile("w+") as log,
        subprocess.Popen(
            [sys.executable, "-m", "tests.faults.server_process", settings],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=PROJECT,
        ) as process,
    ):
        try:
            yield ServerProcess(process)
            process.stdin.close()  # type: ignore[union-attr]
            assert process.wait(20) == 0
        finally:
            process.kill()
            log.seek(0)
            logged = log.read()
            print(logged)
        assert "Traceback" not in logged


class Served:
    """What a server's process can be asked, by name; its answers go into JSON.

    Args:
        server: the server.
        handler: counts the messages it has taken.
    """

    def __init__(self, server: Any, handler: Any) -> None:
        self._server, self._handler = server, handler
        self._most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        self._pauses: queue.SimpleQueue[Any] = queue.SimpleQueue()
        events.subscribe(events.AcceptPaused, self._pauses.put)

    def state(self) -> dict[str, int]:
        """As `ServerProcess.state`."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return {
            "sessions": self._server.proxy().session_count().get(),
            "counted": self._server.actor()._counter.present,
            "actors": len(Hub.current().actors),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "kibibytes": pages * (resource.getpagesize() // 1024),
            "taken": self._handler.taken,
        }

    def starve(self) -> None:
        """As `ServerProcess.starve`."""
        lowest_free = os.dup(0)
        os.close(lowest_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, self._most))

    def feed(self) -> None:
        """As `ServerProcess.feed`."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (self._most, self._most))

    def pauses(self, number: str) -> None:
        """As `ServerProcess.wait_for_pauses`."""
        for _ in range(int(number)):
            self._pauses.get()

    def advance(self, seconds: str) -> None:
        """As `ServerProcess.advance`."""
        real = time.monotonic
        time.monotonic = lambda: real() + float(seconds)
        actors.spawn(Hub.current().timers._ring).get()


class Taking(Behaviour):
    """Takes every message."""

    taken = 0

    def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
        Taking.taken += 1
        return ok("taken")


class Blocking(Taking):
    """Takes every message, in a worker thread."""

    blocking = frozenset({"handle_DATA"})


class Talking(Taking):
    """Has much to say to commands that are none: four KiB each."""

    def handle_other(self, verb: str, arguments: str) -> Any:
        return reply(["250 " + "x" * 506] * 8)


class Keeping(MaildirHandler):
    """Takes every message into a Maildir."""

    taken = 0


HANDLERS = {"taking": Taking, "blocking": Blocking, "talking": Talking, "keeping": Keeping}


def main(settings: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    handler: Any = HANDLERS[settings["handler"]]
    options = settings["serveroptions"]
    with gen_smtp_server.running(handler, settings["listeners"], serveroptions=options) as server:
        served = Served(server, handler)
        served.feed()
        served.state()  # what this opens for the first time is no leak
        print(json.dumps(gen_smtp_server.addresses(server)), flush=True)
        for line in sys.stdin:
            question, *arguments = line.split()
            print(json.dumps(getattr(served, question)(*arguments)), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
