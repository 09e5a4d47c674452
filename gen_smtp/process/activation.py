"""Listening sockets that a process finds when it starts: of a service manager, or of its own predecessor.

Both hand them over as sd_listen_fds(3) says: `LISTEN_FDS` of them from descriptor 3 on, with names in
`LISTEN_FDNAMES`. A service manager adds `LISTEN_PID`, a predecessor `GEN_SMTP_HANDOVER` (see `Handover`).
"""

from __future__ import annotations

import _socket
import contextlib
import os
from collections.abc import MutableMapping, Sequence
from dataclasses import dataclass
from typing import Self

from actors.net.sockets import InheritedSocket
from gen_smtp.options.listener import ListenerOptions
from gen_smtp.process.inherited import ActivationError, FoundSocket, distribute

FIRST_DESCRIPTOR = 3
COUNT, NAMES, PROCESS, HANDOVER = "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PID", "GEN_SMTP_HANDOVER"
READY = b"READY"


@dataclass(frozen=True, slots=True)
class Handover:
    """What a predecessor says beside the sockets, as the value of `GEN_SMTP_HANDOVER`.

    Attributes:
        report_to: the descriptor to which `READY` is to be written once the successor serves.
        of_manager: whether the sockets are a service manager's, which keeps the files of unix sockets.
    """

    report_to: int
    of_manager: bool

    def __str__(self) -> str:
        return f"{self.report_to}:{'manager' if self.of_manager else 'process'}"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read what a predecessor wrote.

        Raises:
            ActivationError: none has written that.
        """
        descriptor, _, owner = text.partition(":")
        if not descriptor.isdecimal():
            raise ActivationError(f"{HANDOVER}={text!r} was not written by gen_smtp")
        return cls(int(descriptor), owner == "manager")


class Heritage:
    """What a process was given when it started: sockets, and perhaps a predecessor that waits.

    Args:
        environment: says what it is; what it says is taken out, for it is meant for this process alone.

    Attributes:
        of_manager: whether there are sockets, and they are a service manager's.
        owns_files: whether the files of unix sockets are this process's once it has reported ready: until
            then a predecessor may go on.

    Raises:
        ActivationError: something else than listening sockets was given.
    """

    def __init__(self, environment: MutableMapping[str, str] = os.environ) -> None:
        text = environment.pop(HANDOVER, None)
        self._handover = None if text is None else Handover.parse(text)
        self._found: list[FoundSocket] = []
        if self._handover is not None or environment.get(PROCESS) == str(os.getpid()):
            count, names, _ = (environment.pop(each, "") for each in (COUNT, NAMES, PROCESS))
            self._found = _find(count, names)
        self.of_manager = bool(self._found) if self._handover is None else self._handover.of_manager
        self.owns_files = self._handover is not None and not self.of_manager

    @property
    def is_awaited(self) -> bool:
        """Whether a predecessor waits for `report_ready`."""
        return self._handover is not None

    def sockets_for(self, configurations: Sequence[ListenerOptions]) -> list[InheritedSocket | None]:
        """The socket of each listener; None where it has to open one. To be called once.

        Raises:
            ActivationError: the sockets and the listeners don't fit.
        """
        found, self._found = self._found, []
        try:
            given = distribute(found, configurations, strictly=self._handover is None)
        except BaseException:
            for each in found:
                each.socket.close()
            raise
        return [None if each is None else InheritedSocket(each) for each in given]

    def report_ready(self) -> None:
        """Tell the predecessor, if there is one, that it may leave."""
        if self._handover is not None:
            with contextlib.suppress(OSError):  # it is gone already
                os.write(self._handover.report_to, READY)
        self.close()

    def close(self) -> None:
        """Hang up on the predecessor; one that has heard nothing else goes on."""
        handover, self._handover = self._handover, None
        if handover is not None:
            with contextlib.suppress(OSError):
                os.close(handover.report_to)


def _find(count: str, names: str) -> list[FoundSocket]:
    if not count.isdecimal():
        raise ActivationError(f"{COUNT} is {count!r}, and no number")
    named = names.split(":") if names else []
    found: list[FoundSocket] = []
    try:
        for place in range(int(count)):
            descriptor = FIRST_DESCRIPTOR + place
            name = named[place] if place < len(named) else f"descriptor {descriptor}"
            found.append(FoundSocket(_socket_at(descriptor, name), name))
            _check_listening(found[-1])
    except ActivationError:
        for each in found:
            each.socket.close()
        raise
    return found


def _socket_at(descriptor: int, name: str) -> _socket.socket:
    try:
        os.set_inheritable(descriptor, False)
        found = _socket.socket(fileno=descriptor)
    except OSError as error:
        raise ActivationError(f"{name} is no socket: {error.strerror}") from error
    found.setblocking(False)
    return found


def _check_listening(found: FoundSocket) -> None:
    listens = found.socket.getsockopt(_socket.SOL_SOCKET, _socket.SO_ACCEPTCONN)
    if found.socket.type != _socket.SOCK_STREAM or not listens:
        raise ActivationError(f"{found.name} does not listen for connections (ListenStream=, Accept=no)")
