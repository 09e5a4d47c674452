"""The servers that are compared, and how each is started."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.certificates import Certificate
from benchmarks.processes import LOGS, ROOT, WORKSHOP, all_cores, running, server_core

HOST = "127.0.0.1"
SECONDS_TO_START = 20.0
BASE = "smtp-sink"
"""The server that ratios are to."""
AIOSMTPD = "aiosmtpd"
OURS = "gen_smtp"
OURS_PURE = "gen_smtp, Python alone"
"""Without the parts in C; the others of ours have them, where they are built."""
OURS_ASYNC = "gen_smtp, async def"
OURS_TWICE = "gen_smtp, 2 workers"
OURS_TWICE_APART = "gen_smtp, 2 workers on all cores"

CommandFor = Callable[[int, Certificate | None], list[str]]


class ServerError(Exception):
    """A server did not come up."""


@dataclass(frozen=True, slots=True)
class Server:
    """A kind of server.

    Attributes:
        name: what the results call it.
        command: makes the command that starts it at a port, with a certificate or in plaintext.
        speaks_tls: whether it can.
        environment: variables for its process.
        workers: how many processes serve.
        on_all_cores: they run on the core of clients as well.
        only_named: whether it is measured in those scenarios alone that name it.
    """

    name: str
    command: CommandFor
    speaks_tls: bool = True
    environment: Mapping[str, str] = field(default_factory=dict)
    workers: int = 1
    on_all_cores: bool = False
    only_named: bool = False


@dataclass(frozen=True, slots=True)
class Target:
    """A server that runs.

    Attributes:
        name: the server's.
        pid: of its process.
        address: where it listens.
    """

    name: str
    pid: int
    address: tuple[str, int]


def _peer(module: str) -> CommandFor:
    return lambda port, certificate: [
        sys.executable,
        "-m",
        f"benchmarks.peers.{module}",
        str(port),
        *_files(certificate),
    ]


def _smtp_server(port: int, certificate: Certificate | None) -> list[str]:
    script = ROOT / "benchmarks" / "peers" / "smtp_server_discard.cjs"
    return ["node", str(script), str(port), *_files(certificate)]


def _smtp_sink(port: int, _: Certificate | None) -> list[str]:
    # It ends at the first session beyond -m; root must say whom to become.
    user = ["-u", "root"] if os.geteuid() == 0 else []
    return ["smtp-sink", "-m", "20000", *user, f"{HOST}:{port}", "1024"]


SERVERS = (
    Server(OURS, _peer("gen_smtp_discard")),
    Server(OURS_PURE, _peer("gen_smtp_discard"), environment={"GEN_SMTP_PURE": "1"}),
    Server(BASE, _smtp_sink, speaks_tls=False),
    Server("smtp-server", _smtp_server, environment={"NODE_PATH": str(WORKSHOP / "node_modules")}),
    Server("slimta", _peer("slimta_discard"), environment={"PYTHONWARNINGS": "ignore"}),
    Server(AIOSMTPD, _peer("aiosmtpd_discard")),
)
_TWO = {"WORKERS": "2"}
_OURS = _peer("gen_smtp_discard")
WORKERS = (
    Server(OURS_TWICE, _OURS, environment=_TWO, workers=2, only_named=True),
    Server(OURS_TWICE_APART, _OURS, environment=_TWO, workers=2, on_all_cores=True, only_named=True),
)
"""Compared with one process of itself only."""
ASYNC = Server(OURS_ASYNC, _OURS, environment={"ASYNC": "1"}, only_named=True)
"""Compared with plain callbacks, and with those that are `async def` everywhere."""


def of_checkout(tree: Path) -> Server:
    """This project's server as another checkout has it, such as a `git worktree` of an earlier commit."""
    start = (
        f"import runpy, sys; sys.path.insert(0, {str(tree.resolve())!r}); "
        "runpy.run_module('benchmarks.peers.gen_smtp_discard', run_name='__main__')"
    )
    return Server(
        f"{OURS} of {tree.name}",
        lambda port, certificate: [sys.executable, "-c", start, str(port), *_files(certificate)],
    )


@contextlib.contextmanager
def serving(server: Server, certificate: Certificate | None = None) -> Generator[Target]:
    """A fresh process of a server, ready to serve.

    Raises:
        ServerError: it ended, or did not answer in time.
    """
    port = _free_port()
    (WORKSHOP / "logs").mkdir(parents=True, exist_ok=True)
    log = WORKSHOP / "logs" / f"{server.name}.log"
    with (
        log.open("ab") as stderr,
        running(
            server.command(port, certificate),
            all_cores() if server.on_all_cores else {server_core()},
            stderr=stderr,
            environment=server.environment,
        ) as process,
    ):
        target = Target(server.name, process.pid, (HOST, port))
        _wait_until_it_serves(process, target, greets=certificate is None)
        yield target


def _wait_until_it_serves(process: subprocess.Popen[str], target: Target, *, greets: bool) -> None:
    deadline = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ServerError(f"{target.name} ended with {process.returncode}; see {LOGS}")
        with contextlib.suppress(OSError), socket.create_connection(target.address, 1.0) as connection:
            if not greets or connection.recv(1):
                return
        time.sleep(0.02)
    raise ServerError(f"{target.name} did not serve within {SECONDS_TO_START} seconds")


def _free_port() -> int:
    with socket.create_server((HOST, 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def _files(certificate: Certificate | None) -> list[str]:
    return [] if certificate is None else [str(certificate.certfile), str(certificate.keyfile)]
