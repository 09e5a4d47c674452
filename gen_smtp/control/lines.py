"""The line between the parent of workers and one of them, for requests of the control socket."""

from __future__ import annotations

import _socket
import os
from functools import partial

from gen_smtp.control.messages import Message
from gen_smtp.control.site import Done, Site
from gen_smtp.control.stream import LineStream
from gen_smtp.process.poll import PollLoop


class WorkerLine:
    """The parent's end; a `Line`.

    Args:
        connected: one of a connected pair.
        process: the worker.
        poll_loop: what the parent waits for.
    """

    def __init__(self, connected: _socket.socket, process: int, poll_loop: PollLoop) -> None:
        self.process = process
        self._asked: dict[int, Done] = {}
        self._numbers = 0
        self._stream = LineStream(connected, poll_loop, self._hear, self._gone)

    @property
    def is_open(self) -> bool:
        """Whether the worker is there."""
        return not self._stream.closed

    def ask(self, message: Message, done: Done, descriptor: int | None = None) -> None:
        """See `Line`."""
        if self._stream.closed:
            if descriptor is not None:
                os.close(descriptor)
            done(None)
            return
        self._numbers += 1
        self._asked[self._numbers] = done
        self._stream.send({**message, "number": self._numbers, "with": descriptor is not None}, descriptor)

    def close(self) -> None:
        """Hang up."""
        self._stream.close()

    def leave_behind(self) -> None:
        """In a forked worker: this line is between the parent and another one."""
        self._stream.leave_behind()

    def _hear(self, message: Message) -> None:
        done = self._asked.pop(message.pop("number"), None)
        if done is not None:
            done(message)

    def _gone(self) -> None:
        asked, self._asked = self._asked, {}
        for done in asked.values():
            done(None)


def answer_parent(connected: _socket.socket, site: Site, poll_loop: PollLoop) -> LineStream:
    """The worker's end: answer what the parent asks.

    Args:
        connected: the other one of the pair.
        site: answers.
        poll_loop: what the worker's main thread waits for.
    """

    def hear(message: Message) -> None:
        number = message.pop("number")
        descriptor = stream.descriptors.popleft() if message.pop("with") else None
        site.ask(message, partial(_reply, number), descriptor)

    def _reply(number: int, answer: Message | None) -> None:
        stream.send({**(answer or {}), "number": number})

    stream = LineStream(connected, poll_loop, hear, lambda: None)
    return stream
