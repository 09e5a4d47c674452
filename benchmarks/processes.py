"""Processes on a core of their own."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
"""The project's folder, where every process runs."""

WORKSHOP = ROOT / ".bench"
"""Where everything lies that the benchmarks install or write, but for their results."""

LOGS = WORKSHOP.relative_to(ROOT) / "logs"
"""Where the processes' complaints are kept, from the project's folder."""

SECONDS_TO_END = 5.0


def server_core() -> int:
    """The core that servers run on."""
    return min(os.sched_getaffinity(0))


def all_cores() -> set[int]:
    """The cores there are for servers and clients."""
    return os.sched_getaffinity(0)


def client_core() -> int:
    """The core that clients run on: the servers' own where there is but one."""
    return max(os.sched_getaffinity(0))


def search_path() -> str:
    """Where commands are looked for; Debian keeps Postfix's where a user's PATH may not look."""
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])


@contextlib.contextmanager
def running(
    command: Sequence[str],
    cores: set[int],
    *,
    pipes: bool = False,
    stderr: IO[bytes] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Generator[subprocess.Popen[str]]:
    """A process pinned to cores, ended with the block.

    Args:
        command: the program and its arguments.
        cores: where it runs.
        pipes: connect its standard input and output to pipes.
        stderr: where its complaints go.
        environment: variables beside those of this process.
    """
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE if pipes else subprocess.DEVNULL,
        stdout=subprocess.PIPE if pipes else subprocess.DEVNULL,
        stderr=stderr,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PATH": search_path(), **(environment or {})},
        preexec_fn=lambda: _settle(cores),
    )
    try:
        yield process
    finally:
        _end(process)


def _settle(cores: set[int]) -> None:
    os.sched_setaffinity(0, cores)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _end(process: subprocess.Popen[str]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
    process.terminate()
    try:
        process.wait(SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
