"""A HAProxy of the tests' own: its own configuration and processes, on sockets that it inherits."""

from __future__ import annotations

import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.real_clients.tools.collector import PATIENCE


class HAProxy:
    """A running HAProxy, as a context manager.

    Args:
        command: the path of the command haproxy.
        folder: for its files.
        configuration: what it is to do; each of `binds` stands in it where its port would.
        binds: the addresses in the configuration that it shall listen at, as `":25"`.

    Attributes:
        addresses: where it listens really, by those addresses.
        socket: the path of its socket for the operator.
    """

    def __init__(self, command: str, folder: Path, configuration: str, *binds: str) -> None:
        self._command = command
        self._file = folder / "haproxy.cfg"
        self._log = folder / "haproxy.log"
        self.socket = str(folder / "haproxy.sock")
        self._stack = ExitStack()
        self.addresses: dict[str, Any] = {}
        self._descriptors: list[int] = []
        for bind in binds:
            # Opened here and inherited: no port that somebody else could take, and no wait for a start.
            listening = self._stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            self._descriptors.append(listening.fileno())
            self.addresses[bind] = listening.getsockname()
            assert f"bind {bind}" in configuration
            configuration = configuration.replace(f"bind {bind}", f"bind fd@{listening.fileno()}")
        own = f"global\n    stats socket {self.socket} level admin\n    maxconn 100\n    nbthread 1\n"
        self._file.write_text(f"{own}\n{configuration}")

    def __enter__(self) -> Self:
        with self._stack, self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [self._command, "-db", "-f", str(self._file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=self._descriptors,
            )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait(PATIENCE)
        if error is not None:
            print(self._log.read_text(errors="replace"))

    def ask(self, command: str) -> str:
        """What the operator's socket answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(PATIENCE)
            asking.connect(self.socket)
            asking.sendall(command.encode() + b"\n")
            with asking.makefile() as answer:
                return answer.read()


def placed(configuration: str, **places: str) -> str:
    """A configuration with other values for some of its words."""
    for word, place in places.items():
        assert word in configuration
        configuration = configuration.replace(word, place)
    return configuration
