"""The line between the parent and a worker: "how many sessions?", or "take over", and the number.

A record is some integers of fixed size; a few octets are sent and received in one piece. Each question has
a number, which its answer repeats: an answer that comes too late is not taken for the next one.
"""

from __future__ import annotations

import _socket
import struct
import time
from socket import MSG_DONTWAIT, MSG_NOSIGNAL

COUNT, TAKE_OVER = 0, 1
"""What is asked for: how many sessions there are; the same, once the global name was taken over."""

_QUESTION = struct.Struct("!QB")
_ANSWER = struct.Struct("!QQ")


def open_channel() -> tuple[ParentEnd, WorkerEnd]:
    """Both ends of a new channel."""
    parent, worker = _socket.socketpair()
    return ParentEnd(parent), WorkerEnd(worker)


class ParentEnd:
    """The end that asks. For one thread at a time.

    Args:
        socket: one of a connected pair.
    """

    def __init__(self, socket: _socket.socket) -> None:
        self._socket = socket

    def ask(self, number: int, what: int = COUNT) -> bool:
        """Put a question without waiting; False if the worker is gone, or has long read none."""
        try:
            self._socket.send(_QUESTION.pack(number, what), MSG_DONTWAIT | MSG_NOSIGNAL)
        except OSError:
            return False
        return True

    def answer(self, number: int, deadline: float) -> int | None:
        """Wait for the answer to a question.

        Args:
            number: of the question.
            deadline: until when to wait, by `time.monotonic`.

        Returns:
            the answer; None if it did not come in time, or the worker is gone.
        """
        while (record := self._receive(deadline)) is not None:
            answered, value = _ANSWER.unpack(record)
            if answered == number:
                return int(value)
        return None

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _receive(self, deadline: float) -> bytes | None:
        self._socket.settimeout(max(0.0, deadline - time.monotonic()))
        try:
            record = self._socket.recv(_ANSWER.size)
        except OSError:
            return None
        return record if len(record) == _ANSWER.size else None


class WorkerEnd:
    """The end that answers.

    Args:
        socket: the other one of the pair.
    """

    def __init__(self, socket: _socket.socket) -> None:
        self._socket = socket

    def fileno(self) -> int:
        """The descriptor that is readable when there is a question, or the parent is gone."""
        return self._socket.fileno()

    def question(self) -> tuple[int, int] | None:
        """The number of the next question and what it asks for; None once the parent is gone."""
        try:
            record = self._socket.recv(_QUESTION.size)
        except OSError:
            return None
        if len(record) != _QUESTION.size:
            return None
        number, what = _QUESTION.unpack(record)
        return int(number), int(what)

    def reply(self, number: int, value: int) -> None:
        """Answer a question.

        Raises:
            OSError: nobody is there to read it.
        """
        self._socket.send(_ANSWER.pack(number, value), MSG_DONTWAIT | MSG_NOSIGNAL)

    def close(self) -> None:
        """Hang up."""
        self._socket.close()
