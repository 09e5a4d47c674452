"""A server in a process of its own: its descriptors, memory and limits are no others'.

Run as a program it takes its settings as JSON in its argument and answers, in lines of JSON, what it is asked
on its standard input: `state`, `limit` with a number of descriptors, `advance` with seconds.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

    def limit_descriptors(self, number: int) -> None:
        """Let it have descriptors up to this number; 0 undoes that."""
        self._ask(f"limit {number}")

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
def server_process(*listeners: dict[str, Any], handler: str = "taking") -> Generator[ServerProcess]:
    """A server in another process for the length of a `with` block; it ends in silence.

    Args:
        listeners: their options.
        handler: the name of one of the `HANDLERS`.
    """
    settings = json.dumps({"listeners": listeners, "handler": handler})
    with subprocess.Popen(
        [sys.executable, "-m", "tests.faults.server_process", settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=PROJECT,
    ) as process:
        try:
            yield ServerProcess(process)
            process.stdin.close()  # type: ignore[union-attr]
            assert process.wait(20) == 0
        finally:
            process.kill()


def main(settings: dict[str, Any]) -> None:
    """Serve until the standard input ends."""
    import actors
    from actors.hub import Hub
    from gen_smtp import gen_smtp_server
    from gen_smtp.gen_smtp_server_session import Behaviour, ok

    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    taken = 0

    class Taking(Behaviour):
        def handle_DATA(self, sender: str, recipients: list[str], data: bytes) -> Any:
            nonlocal taken
            taken += 1
            return ok("taken")

    class Blocking(Taking):
        blocking = frozenset({"handle_DATA"})

    handler = {"taking": Taking, "blocking": Blocking}[settings["handler"]]
    with gen_smtp_server.running(handler, settings["listeners"]) as server:

        def state() -> dict[str, int]:
            return {
                "sessions": server.proxy().session_count().get(),
                "counted": server.actor()._census.present,
                "actors": len(Hub.current().actors),
                "descriptors": len(os.listdir("/proc/self/fd")),
                "kibibytes": int(Path("/proc/self/statm").read_text().split()[1])
                * (resource.getpagesize() // 1024),
                "taken": taken,
            }

        def advance(seconds: float) -> None:
            real = time.monotonic
            time.monotonic = lambda: real() + seconds
            actors.spawn(Hub.current().timers._ring).get()

        print(json.dumps(gen_smtp_server.addresses(server)), flush=True)
        state()  # what this opens for the first time is no leak
        for line in sys.stdin:
            match line.split():
                case ["state"]:
                    answer: Any = state()
                case ["advance", seconds]:
                    answer = advance(float(seconds))
                case ["limit", number]:
                    resource.setrlimit(resource.RLIMIT_NOFILE, (int(number) or most, most))
                    answer = None
            print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
