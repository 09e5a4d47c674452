"""The control socket itself: it listens, and gives each client what it asks for, within bounds."""

from __future__ import annotations

import _socket
import contextlib
import os
import struct
from collections.abc import Callable, Sequence
from functools import partial
from socket import SO_PEERCRED, SOL_SOCKET
from typing import Any, cast

from actors import Endpoint, GeventRef, events
from actors.net.sockets import InheritedSocket, file_at, open_socket, remove_file
from gen_smtp.control.events import ControlFailed, Controlled
from gen_smtp.control.messages import LONGEST_REQUEST, ControlError, Message
from gen_smtp.control.options import ControlOptions
from gen_smtp.control.site import LoneFleet, Site
from gen_smtp.control.station import Fleet, Station, Steering
from gen_smtp.control.stream import LineStream
from gen_smtp.process.inherited import CONTROL, InheritedSockets
from gen_smtp.process.poll import PollLoop
from gen_smtp.server.endpoints import call_here

MOST_CLIENTS = 16
"""So many clients are served at one time; one more is told that it is busy."""

LINE_TIME = 10.0
"""Seconds that a client gets to finish a line that it has begun, and to read an answer."""

IDLE_TIME = 300.0
"""Seconds that a client may be connected without a request."""

SCARCE_PAUSE = 1.0
"""Seconds until the next accept where the system has no descriptor left."""

DEFAULT_MODE = 0o600

_LOOKS = ("sessions", "session", "tree", "stats", "listeners")


class ControlPoint:
    """Listens from the start, and answers from `start` on.

    Args:
        options: where.
        inherited: the socket, if a predecessor or a service manager has opened it.
        poll_loop: what the thread waits for.

    Raises:
        ListenError: the socket can't be opened.
    """

    def __init__(
        self,
        options: ControlOptions,
        inherited: InheritedSocket | None,
        poll_loop: PollLoop,
    ) -> None:
        self._options = options
        self._station: Station | None = None
        self._site: Site | None = None
        self._poll_loop = poll_loop
        self._clients: set[_Client] = set()
        self._file: tuple[int, int] | None = None
        if inherited is not None:
            self._socket = inherited.socket
        else:
            mode = DEFAULT_MODE if options.mode is None and not options.path.startswith("@") else options.mode
            endpoint = Endpoint(options.path, None, "unix", CONTROL, 64, mode, options.group)
            self._socket = open_socket(endpoint, call_here)
            self.own_file(True)
        self._open = True

    def serve_here(self, server: GeventRef[Any], call_soon: Callable[[Callable[[], object]], object]) -> None:
        """Say which server is asked: one in this process."""
        self._site = Site(server, os.getpid(), call_soon)
        self.serve_fleet(LoneFleet(self._site))

    def serve_fleet(self, fleet: Fleet) -> None:
        """Say which processes are asked."""
        self._station = Station(fleet, self._poll_loop)

    def attach(self, steering: Steering) -> None:
        """Say what is to be stopped and reloaded."""
        assert self._station is not None
        self._station.attach(steering)

    def start(self) -> None:
        """Answer from now on; a client that has connected before has waited."""
        if self._open:
            self._poll_loop.on_readable(self._socket.fileno(), self._accept)

    def sockets_to_pass_on(self) -> Sequence[tuple[str, int]]:
        """What a successor needs to go on: a name, and a descriptor for the caller to close."""
        return [(CONTROL, os.dup(self._socket.fileno()))] if self._open else []

    def own_file(self, owns: bool) -> None:
        """Say whether the socket's file is this process's, to be removed at the end."""
        self._file = file_at(self._options.path) if owns else None

    def retire(self) -> None:
        """Another process answers: take no more clients, and let those go that there are."""
        self._close_socket()
        for client in list(self._clients):
            client.leave()

    def close(self) -> None:
        """Answer no more, and remove the file."""
        self._close_socket()
        for client in list(self._clients):
            client.stream.close()
        remove_file(self._options.path, self._file)
        self._file = None
        if self._site is not None:
            self._site.close()

    def leave_behind(self) -> None:
        """In a forked worker: the socket and its clients are the parent's."""
        self._socket.close()
        for client in self._clients:
            client.stream.leave_behind()

    def _close_socket(self) -> None:
        if self._open:
            self._open = False
            self._poll_loop.forget(self._socket.fileno())
            self._socket.close()

    def _accept(self) -> None:
        try:
            descriptor, _ = cast("Any", self._socket)._accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError as error:
            # Nothing is left to accept it with: looking again at once would look for ever.
            events.emit(ControlFailed(error))
            self._poll_loop.forget(self._socket.fileno())
            self._poll_loop.later(SCARCE_PAUSE, self.start)
            return
        assert self._station is not None
        client = _Client(
            _socket.socket(fileno=descriptor), self._station, self._poll_loop, self._clients.discard
        )
        if len(self._clients) >= MOST_CLIENTS:
            client.refuse(ControlError("too_many", f"{MOST_CLIENTS} clients are connected; try again later"))
        else:
            self._clients.add(client)


class _Client:
    """One client: its requests are answered one after the other."""

    def __init__(
        self, connected: _socket.socket, station: Station, poll_loop: PollLoop, on_gone: Any
    ) -> None:
        self._station = station
        self._poll_loop = poll_loop
        self._on_gone = on_gone
        self._busy = self._leaving = False
        self._user = _user_of(connected)
        self.stream = LineStream(
            connected,
            poll_loop,
            self._hear,
            self._gone,
            longest=LONGEST_REQUEST,
        )
        self._alarm = poll_loop.later(LINE_TIME, self._look)
        self._idle = 0.0
        self._left_before = 0
        self._unfinished_before = False

    def refuse(self, error: ControlError) -> None:
        """Tell it why it is not served."""
        self.stream.send(error.as_message())
        self.stream.close_when_sent()

    def leave(self) -> None:
        """Let it go once it has its answer."""
        self._leaving = True
        if not self._busy:
            self.stream.close_when_sent()

    def _hear(self, message: Message) -> None:
        self._busy = True
        self._idle = 0.0
        self._unfinished_before = False
        self.stream.hold()
        try:
            self._station.answer(message, partial(self._answer, message))
        except Exception as error:
            events.emit(ControlFailed(error))
            self._answer(message, ControlError("failed", f"{type(error).__name__}: {error}").as_message())

    def _answer(self, message: Message, answer: Message) -> None:
        name = message.get("request")
        if "answer" in answer and name not in _LOOKS and events.wanted(Controlled):
            given = message.get("arguments") or {}
            shown = " ".join(f"{key}={value}" for key, value in given.items() if key != "options")
            events.emit(Controlled(str(name), shown, self._user))
        self._busy = False
        self.stream.send(answer)
        if self._leaving:
            self.stream.close_when_sent()
        else:
            self.stream.go_on()

    def _look(self) -> None:
        """Every so often: whether it reads its answers, finishes its lines, and wants anything at all."""
        self._alarm = self._poll_loop.later(LINE_TIME, self._look)
        if self._busy:
            return
        left, before = self.stream.unsent, self._left_before
        unfinished = self.stream.has_begun_line and self._unfinished_before
        if unfinished or (left and left >= before > 0):
            self.stream.close()
            return
        self._left_before, self._unfinished_before = left, self.stream.has_begun_line
        self._idle += LINE_TIME
        if self._idle > IDLE_TIME:
            self.stream.close()

    def _gone(self) -> None:
        self._poll_loop.cancel(self._alarm)
        self._on_gone(self)


def _user_of(connected: _socket.socket) -> int | None:
    """The number of the user at the other end."""
    with contextlib.suppress(OSError):
        credentials = connected.getsockopt(SOL_SOCKET, SO_PEERCRED, struct.calcsize("3i"))
        return int(struct.unpack("3i", credentials)[1])
    return None


def opener(options: ControlOptions) -> Callable[[InheritedSockets, PollLoop], ControlPoint]:
    """What opens the control socket in a process that begins to serve.

    Args:
        options: where.
    """

    def open_point(inherited: InheritedSockets, poll_loop: PollLoop) -> ControlPoint:
        return ControlPoint(options, inherited.control_socket(options.path), poll_loop)

    return open_point
