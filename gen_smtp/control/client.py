"""The other side of a control socket: for commands, and for programs."""

from __future__ import annotations

import contextlib
import errno
import os
import socket
import time
from collections.abc import Mapping
from typing import Any, Self

from gen_smtp.control.messages import VERSION, ControlError, answer_of, decode, encode

PATIENCE = 15.0
"""Seconds until an answer must have come; the server gives up after less."""

RETRY_TIME = 2.0
"""Seconds in which a request is asked again whose connection was lost: a successor has taken over."""

RETRY_PAUSE = 0.05


class NoServer(ControlError):  # noqa: N818 - says what is wrong
    """Nobody answers at the path."""


class NoPermission(ControlError):  # noqa: N818 - says what is wrong
    """The system does not let this user connect."""


class ControlClient:
    """Asks a server, one request at a time; connects when it has to, and again if the server was replaced.

        with ControlClient("/run/gen-smtp/control") as client:
            client.ask("sessions", limit=10)

    Args:
        path: the path of the control socket.
        timeout: seconds that an answer may take.

    Attributes:
        missing: the processes that did not answer the last request in time.
    """

    def __init__(self, path: str, timeout: float = PATIENCE) -> None:
        self._path = path
        self._timeout = timeout
        self._socket: socket.socket | None = None
        self._file: Any = None
        self.missing: list[int] = []

    def ask(self, request: str, **arguments: Any) -> Any:
        """The answer to a request.

        Args:
            request: its name.
            arguments: what it takes; None is not sent.

        Raises:
            NoServer, NoPermission: nobody could be asked.
            ControlError: the server can't do it, or did not answer; `code` and text say why.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        message = {"version": VERSION, "request": request, "arguments": given}
        deadline = time.monotonic() + RETRY_TIME
        while True:
            try:
                answer = self._ask(message)
            except ConnectionError as error:
                # The process that had accepted the connection has left; its successor listens there.
                self.close()
                if time.monotonic() > deadline or request in ("stop", "kick", "add-listener"):
                    raise ControlError("lost", f"the connection to {self._path} was lost: {error}") from error
                time.sleep(RETRY_PAUSE)
            else:
                self.missing = list(answer.get("missing", ()))
                return answer_of(answer)

    def wait_for_end(self) -> None:
        """Wait until the server hangs up: the process has ended, or another one has taken over."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                assert self._socket is not None
                self._socket.settimeout(None)
                while self._file.readline():
                    pass

    def close(self) -> None:
        """Hang up."""
        if self._socket is not None:
            self._file.close()
            self._socket.close()
            self._socket = self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _ask(self, message: Mapping[str, Any]) -> dict[str, Any]:
        if self._socket is None:
            self._connect()
        assert self._socket is not None
        try:
            self._socket.sendall(encode(message))
            line = self._file.readline()
        except TimeoutError as error:
            self.close()
            raise ControlError(
                "no_answer",
                f"no answer from {self._path} within {self._timeout:g} s; the process may be blocked",
            ) from error
        if not line.endswith(b"\n"):
            raise ConnectionError("the server hung up")
        return decode(line)

    def _connect(self) -> None:
        opened = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        opened.settimeout(self._timeout)
        try:
            opened.connect(b"\0" + os.fsencode(self._path[1:]) if self._path[:1] == "@" else self._path)
        except OSError as error:
            opened.close()
            raise _why(self._path, error) from error
        self._socket, self._file = opened, opened.makefile("rb")


def _why(path: str, error: OSError) -> ControlError:
    if isinstance(error, FileNotFoundError):
        return NoServer("no_server", f"there is no socket {path}; does a server run with --control {path}?")
    if isinstance(error, ConnectionRefusedError):
        return NoServer("no_server", f"nobody answers at {path}: the server that had it has ended")
    if isinstance(error, PermissionError):
        return NoPermission(
            "no_permission",
            f"this user may not connect to {path}; ask its owner, or let the server have --control-group",
        )
    if error.errno == errno.ENOTSOCK or isinstance(error, NotADirectoryError):
        return NoServer("no_server", f"{path} is no socket")
    if isinstance(error, TimeoutError | BlockingIOError):
        return ControlError("no_answer", f"no answer from {path}: the process may be blocked or stopped")
    return NoServer("no_server", f"cannot connect to {path}: {error.strerror or error}")
