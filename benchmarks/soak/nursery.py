"""Servers that are there at once and may be killed: forked from a process that has everything imported.

`python -m benchmarks.soak.nursery MODULE:CLASS` forks a server for each line of its standard input, a JSON
list of listeners, and the server says its process id and addresses in such a line. It ends with its parent.
"""

from __future__ import annotations

import ctypes
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from benchmarks.processes import ROOT
from gen_smtp import gen_smtp_server
from gen_smtp.cli.loading import load_callback

_PR_SET_PDEATHSIG = 1


class Nursery:
    """The process that forks servers, from outside."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._questions, self._answers = process.stdin, process.stdout

    def start(self, listeners: Sequence[Mapping[str, Any]]) -> Server:
        """Start a server.

        Args:
            listeners: their options, as far as JSON has words for them.
        """
        self._questions.write(f"{json.dumps(listeners)}\n")
        self._questions.flush()
        answer = self._answers.readline()
        if not answer:
            raise RuntimeError("no server was started; its log says why")
        found = json.loads(answer)
        return Server(found["pid"], [tuple(address) for address in found["addresses"]])


class Server:
    """A server's process.

    Attributes:
        pid: its number.
        addresses: where it listens, one for each listener.
    """

    def __init__(self, pid: int, addresses: list[tuple[str, int]]) -> None:
        self.pid = pid
        self.addresses = addresses

    def kill(self) -> None:
        """Kill it: it has no time to do anything."""
        os.kill(self.pid, signal.SIGKILL)

    def stop(self) -> None:
        """Have it stop in good order."""
        os.kill(self.pid, signal.SIGTERM)


@contextmanager
def nursery(module: str, log: Path) -> Generator[Nursery]:
    """A nursery, for the length of a `with` block; its servers end with it.

    Args:
        module: their callback class, as `module:Class`.
        log: gets what they log.
    """
    with (
        log.open("ab") as complaints,
        subprocess.Popen(
            [sys.executable, "-m", "benchmarks.soak.nursery", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as process,
    ):
        yield Nursery(process)


def main() -> None:
    """Fork servers until the standard input ends."""
    module = load_callback(sys.argv[1])
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # no zombies
    logging.basicConfig(level=logging.WARNING, format="%(process)d %(levelname)s %(name)s: %(message)s")
    for line in sys.stdin:
        if os.fork() == 0:
            _serve(module, json.loads(line))


def _serve(module: Callable[[], Any], listeners: list[dict[str, Any]]) -> NoReturn:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)

    def say(server: Any) -> None:
        addresses = gen_smtp_server.addresses(server)
        print(json.dumps({"pid": os.getpid(), "addresses": addresses}), flush=True)

    code = 1
    try:
        gen_smtp_server.serve_forever(module, listeners, on_started=say)
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main()
