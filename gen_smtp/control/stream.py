"""Lines of JSON over a socket, in a poll loop: reading and writing never wait."""

from __future__ import annotations

import _socket
import contextlib
import os
import socket
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, cast

from gen_smtp.control.messages import ControlError, Message, decode, encode
from gen_smtp.process.poll import PollLoop

PIECE = 65536


class LineStream:
    """One end of a connection.

    Args:
        connected: the socket, which belongs to the stream from now on.
        poll_loop: what the thread waits for.
        on_message: called with each message; what is no message closes the stream.
        on_close: called once, when the stream is closed for whatever reason.
        longest: octets of a line, at most; None for no limit.

    Attributes:
        descriptors: those that came along with the lines and were not taken yet, in their order.
    """

    def __init__(
        self,
        connected: _socket.socket,
        poll_loop: PollLoop,
        on_message: Callable[[Message], object],
        on_close: Callable[[], object],
        *,
        longest: int | None = None,
    ) -> None:
        connected.setblocking(False)
        self._socket = connected
        self._poll_loop = poll_loop
        self._on_message = on_message
        self._on_close = on_close
        self._longest = longest
        self._received = bytearray()
        self._unsent: deque[tuple[memoryview, int | None]] = deque()
        self._held = self._closing = self._waits_for_room = False
        self.closed = False
        self.descriptors: deque[int] = deque()
        poll_loop.on_readable(connected.fileno(), self._read)

    def fileno(self) -> int:
        """The socket's descriptor."""
        return self._socket.fileno()

    @property
    def unsent(self) -> int:
        """The octets that wait to be sent."""
        return sum(len(piece) for piece, _ in self._unsent)

    @property
    def has_begun_line(self) -> bool:
        """Whether a part of a line has come, and its end has not."""
        return bool(self._received)

    def send(self, message: Mapping[str, Any], descriptor: int | None = None) -> None:
        """Send a message, as soon as there is room for it.

        Args:
            message: the message.
            descriptor: a descriptor to go along; it is closed here once it has gone, or never will.
        """
        if self.closed:
            _close(descriptor)
            return
        self._unsent.append((memoryview(encode(message)), descriptor))
        self._write()

    def hold(self) -> None:
        """Read no more until `go_on`: what was read already waits, too."""
        self._held = True
        self._poll_loop.forget(self._socket.fileno())

    def go_on(self) -> None:
        """Take the next message, once all is sent: who does not read is not heard."""
        if self._held and not self.closed:
            self._waits_for_room = bool(self._unsent)
            if self._waits_for_room:
                return
            self._held = False
            self._poll_loop.on_readable(self._socket.fileno(), self._read)
            self._take_lines()

    def close_when_sent(self) -> None:
        """Take no more, send what waits, and close."""
        self._closing = True
        if not self.closed:
            self._poll_loop.forget(self._socket.fileno())
            self._close_if_done()

    def close(self) -> None:
        """Close at once."""
        if self.closed:
            return
        self.closed = True
        self._poll_loop.forget(self._socket.fileno())
        self._poll_loop.forget_writable(self._socket.fileno())
        self._socket.close()
        for each in (*(descriptor for _, descriptor in self._unsent), *self.descriptors):
            _close(each)
        self._unsent.clear()
        self._on_close()

    def leave_behind(self) -> None:
        """In a forked child: close the copy of the socket, and say nothing of it to anybody."""
        self.closed = True
        self._socket.close()

    # -- reading ------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(cast("Any", self._socket), PIECE, 4)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            self.close()
            return
        self.descriptors.extend(descriptors)
        if not data:
            self.close()
            return
        self._received += data
        self._take_lines()

    def _take_lines(self) -> None:
        while not (self.closed or self._held or self._closing):
            end = self._received.find(b"\n")
            if self._longest is not None and (end if end >= 0 else len(self._received)) > self._longest:
                self._refuse(
                    ControlError("too_large", f"a request may have {self._longest} octets and no more")
                )
                return
            if end < 0:
                return
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            try:
                message = decode(line)
            except ControlError as error:
                self._refuse(error)
                return
            self._on_message(message)

    def _refuse(self, error: ControlError) -> None:
        self._received.clear()
        self.send(error.as_message())
        self.close_when_sent()

    # -- writing ------------------------------------------------------------------------------------

    def _write(self) -> None:
        while self._unsent:
            piece, descriptor = self._unsent[0]
            try:
                sent = self._send_piece(piece, descriptor)
            except (BlockingIOError, InterruptedError):
                self._poll_loop.on_writable(self._socket.fileno(), self._write)
                return
            except OSError:
                self.close()
                return
            _close(descriptor)
            if sent < len(piece):
                self._unsent[0] = (piece[sent:], None)
            else:
                self._unsent.popleft()
        self._poll_loop.forget_writable(self._socket.fileno())
        self._close_if_done()
        if self._waits_for_room:
            self.go_on()

    def _send_piece(self, piece: memoryview, descriptor: int | None) -> int:
        if descriptor is None:
            return self._socket.send(piece, socket.MSG_NOSIGNAL)
        # The functions take all that has sendmsg and recvmsg.
        return socket.send_fds(cast("Any", self._socket), [piece], [descriptor], socket.MSG_NOSIGNAL)

    def _close_if_done(self) -> None:
        if self._closing and not self._unsent:
            self.close()


def _close(descriptor: int | None) -> None:
    if descriptor is not None:
        with contextlib.suppress(OSError):
            os.close(descriptor)
