"""Drives clients: Postfix's smtp-source, and the project's own."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks.processes import LOGS, WORKSHOP, client_core, running
from benchmarks.servers import Target


class ClientError(Exception):
    """A client failed, and so did what it measured."""


@dataclass(frozen=True, slots=True)
class Work:
    """What clients did.

    Attributes:
        count: how many messages, sessions or the like.
        wall: seconds it took, by the longest of several.
        cpu: seconds of the clients' CPU.
        found: what else they saw: percentiles in seconds, for instance.
    """

    count: float
    wall: float
    cpu: float
    found: Mapping[str, Any] = field(default_factory=dict)


def smtp_source(target: Target, arguments: Sequence[str], messages: int) -> Work:
    """Have smtp-source send messages.

    Raises:
        ClientError: it failed.
    """
    host, port = target.address
    command = ["smtp-source", *arguments, "-m", str(messages), f"{host}:{port}"]
    with _complaints("smtp-source") as stderr:
        start = time.perf_counter()
        with running(command, {client_core()}, stderr=stderr) as process:
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        wall = time.perf_counter() - start
    if process.returncode != 0:
        raise ClientError(f"smtp-source ended with {process.returncode}")
    return Work(messages, wall, usage.ru_utime + usage.ru_stime)


class OwnClient:
    """A client of the project's, connected and ready."""

    def __init__(self, process: subprocess.Popen[str], kind: str) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._say = process.stdin
        self._hear = process.stdout
        self._kind = kind

    def wait_until_ready(self) -> None:
        """Wait until it has connected."""
        self._line()

    def begin(self) -> None:
        """Have it begin its work."""
        self._say.write("go\n")
        self._say.flush()

    def result(self) -> Work:
        """Wait until it has done its work."""
        found = json.loads(self._line())
        return Work(found.pop("count"), found.pop("wall"), found.pop("cpu"), found)

    def work(self) -> Work:
        """`begin`, then `result`."""
        self.begin()
        return self.result()

    def _line(self) -> str:
        line = self._hear.readline()
        if not line:
            raise ClientError(f"the client {self._kind} failed; see {LOGS}")
        return line


@contextlib.contextmanager
def own_client(target: Target, kind: str, options: Mapping[str, Any]) -> Generator[OwnClient]:
    """A client of the project's in a process of its own.

    Args:
        target: whom it connects to.
        kind: a key of `benchmarks.client.__main__.KINDS`.
        options: the arguments of that class.
    """
    command = [sys.executable, "-m", "benchmarks.client", kind]
    command.append(json.dumps({"address": target.address, **options}))
    with (
        _complaints(f"client-{kind}") as stderr,
        running(command, {client_core()}, pipes=True, stderr=stderr) as process,
    ):
        client = OwnClient(process, kind)
        client.wait_until_ready()
        yield client


def work_together(clients: Sequence[OwnClient]) -> Work:
    """Have several clients work at the same time, and add up what they did."""
    for client in clients:
        client.begin()
    done = [client.result() for client in clients]
    if len(done) == 1:
        return done[0]
    return Work(
        sum(each.count for each in done), max(each.wall for each in done), sum(each.cpu for each in done)
    )


@contextlib.contextmanager
def _complaints(name: str) -> Generator[Any]:
    folder = WORKSHOP / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("ab") as stderr:
        yield stderr
