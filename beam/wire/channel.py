"""A connection between two nodes, once they know each other: packets both ways, ticks, and a bounded queue.

It lives in the hub's own callbacks, with no greenlet. What is sent is put together and goes out once, when
the hub's other callbacks have run: a burst of messages takes one system call.
"""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Callable, Sequence

import gevent

from beam.wire.stream import Stream, TlsPair

LARGEST_PACKET = 128 * 1024 * 1024
"""Octets of a packet that is taken."""

DEFAULT_BUSY = 1024 * 1024
"""Octets in the queue from which on those who send should wait: BEAM's `+zdbbl`."""

DEFAULT_FULL = 64 * 1024 * 1024
"""Octets in the queue with which the connection is given up. Those who can't wait bring it there."""

READ_AT_ONCE = 64 * 1024

TICKS_PER_NET_TICKTIME = 4

TICK = b"\0\0\0\0"


class Channel:
    """The connection.

    Args:
        stream: where the handshake took place; it belongs to the channel from now on.
        on_packets: called with the packets, but for ticks, that have come at once.
        on_end: called once with a reason when the connection is lost or given up; not after `close`.
        on_room: called when the queue has gone below half of `busy` after it was above.
        net_ticktime: seconds without an octet after which the peer is taken for dead, give or take a quarter.
        busy, full: octets in the queue; see above.

    Attributes:
        queued: octets in the queue.
        is_busy: whether those who send should wait.
        largest: octets of the largest packet that is taken.
    """

    def __init__(
        self,
        stream: Stream,
        on_packets: Callable[[Sequence[bytes]], object],
        on_end: Callable[[str], object],
        on_room: Callable[[], object] = lambda: None,
        *,
        net_ticktime: float = 60.0,
        busy: int = DEFAULT_BUSY,
        full: int = DEFAULT_FULL,
    ) -> None:
        self._sock = stream.sock
        self._sock.setblocking(False)
        # Read and written without gevent's methods, which wait; here nothing does.
        self._descriptor: int = self._sock.fileno()
        self._tls: TlsPair | None = stream.tls
        self._on_packets = on_packets
        self._on_end = on_end
        self._on_room = on_room
        self._busy = busy
        self._full = full
        self.largest = LARGEST_PACKET
        self.queued = 0
        self.is_busy = False
        self._parts: list[bytes] = []
        self._rest: memoryview | None = None
        self._flush_due = False
        self._incoming = bytearray()
        self._was_read = True
        self._was_written = False
        self._silent_ticks = 0
        self._is_open = True
        loop = self._loop = gevent.get_hub().loop
        self._readable = loop.io(self._sock.fileno(), 1)
        self._writable = loop.io(self._sock.fileno(), 2)
        self._ticker = loop.timer(
            net_ticktime / TICKS_PER_NET_TICKTIME, net_ticktime / TICKS_PER_NET_TICKTIME
        )
        self._ticker.start(self._tick)

    def start(self) -> None:
        """Begin to read. What TLS has decrypted already is read first."""
        self._readable.start(self._read)
        if self._tls is not None:
            self._loop.run_callback(self._read)

    @property
    def is_open(self) -> bool:
        """Whether octets can still be sent."""
        return self._is_open

    # -- sending --------------------------------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        """Queue a packet with its length in front; on the hub's thread. It is lost if the connection is."""
        if not self._is_open:
            return
        self._parts.append(packet)
        self.queued += len(packet)
        if not self._flush_due:
            self._flush_due = True
            self._loop.run_callback(self._flush)
        if self.queued >= self._busy:
            self.is_busy = True
            if self.queued >= self._full:
                self._parts.clear()
                self._loop.run_callback(self._end, "the queue to the node is full")

    def _flush(self) -> None:
        """Send what is queued, as much as the system takes."""
        self._flush_due = False
        if not self._is_open:
            return
        try:
            while self._rest is not None or self._parts:
                if self._rest is None:
                    self._rest = memoryview(self._joined())
                sent = os.write(self._descriptor, self._rest)
                self._was_written = True
                self._rest = self._rest[sent:] if sent < len(self._rest) else None
        except BlockingIOError:
            self._flush_due = True  # by the watcher
            self._writable.start(self._flush_more)
        except OSError as error:
            self._end(_words(error))
            return
        self.queued = len(self._rest or b"") + sum(map(len, self._parts)) if self._flush_due else 0
        if self.is_busy and self.queued * 2 < self._busy:
            self.is_busy = False
            self._on_room()

    def _flush_more(self) -> None:
        self._writable.stop()
        self._flush()

    def _joined(self) -> bytes:
        octets = self._parts[0] if len(self._parts) == 1 else b"".join(self._parts)
        self._parts.clear()
        if self._tls is None:
            return octets
        self._tls.object.write(octets)
        return self._tls.outgoing.read()

    # -- reading --------------------------------------------------------------------------------------

    def _read(self) -> None:
        try:
            octets = os.read(self._descriptor, READ_AT_ONCE)
        except BlockingIOError:
            octets = None
        except OSError as error:
            self._end(_words(error))
            return
        if octets:
            self._was_read = True
        if self._tls is not None:
            octets = self._decrypt(self._tls, octets)
        if octets:
            self._take(octets)
        elif octets is not None:
            self._end("the peer closed the connection")

    def _decrypt(self, tls: TlsPair, octets: bytes | None) -> bytes | None:
        """What TLS has in clear; None if that is nothing yet, nothing at all at the end."""
        if octets:
            tls.incoming.write(octets)
        pieces: list[bytes] = []
        try:
            while True:
                piece = tls.object.read(READ_AT_ONCE)
                if not piece:
                    return b"".join(pieces)
                pieces.append(piece)
        except ssl.SSLWantReadError:
            rest = tls.outgoing.read()  # keys may be renewed
            if rest:
                self._send_raw(rest)
            clear = b"".join(pieces)
            return clear or (b"" if octets == b"" else None)
        except (ssl.SSLError, OSError):
            return b"".join(pieces)

    def _send_raw(self, octets: bytes) -> None:
        """Send octets of TLS itself behind what is under way."""
        self._rest = memoryview(bytes(self._rest or b"") + octets)
        if not self._flush_due:
            self._flush()

    def _take(self, octets: bytes) -> None:
        """Split octets into packets. Without a part of a packet before them nothing is copied twice."""
        buffer = self._incoming
        if buffer:
            buffer += octets
            length = int.from_bytes(buffer[:4])
            if length > self.largest:
                self._end(f"a packet of {length} octets")
                return
            if len(buffer) < 4 + length:
                return
            octets = bytes(buffer)
            buffer.clear()
        at, count = 0, len(octets)
        packets: list[bytes] = []
        too_long = 0
        while count - at >= 4:
            begin = at + 4
            end = begin + int.from_bytes(octets[at:begin])
            if end > count:
                too_long = end - begin if end - begin > self.largest else 0
                break
            if end > begin:
                packets.append(octets[begin:end])
            at = end
        if at < count:
            buffer += octets[at:] if at else octets
        if packets:
            self._on_packets(packets)
        if too_long:
            self._end(f"a packet of {too_long} octets")

    # -- life and death -------------------------------------------------------------------------------

    def _tick(self) -> None:
        """Four times in a net_ticktime: say that this side lives, and see whether the other does.

        A hub that was blocked for long finds what the peer sent meanwhile after its timers: so it counts
        ticks in which nothing came, not seconds.
        """
        if self._was_read:
            self._was_read, self._silent_ticks = False, 0
        else:
            self._silent_ticks += 1
            if self._silent_ticks >= TICKS_PER_NET_TICKTIME:
                self._end("net_tick_timeout")
                return
        if not self._was_written and not self._flush_due:
            self.send(TICK)
        self._was_written = False

    def close(self) -> None:
        """Send what can be sent at once, and close; `on_end` hears nothing."""
        if self._is_open:
            self._flush()
        self._close()

    def leave_behind(self) -> None:
        """In a forked child: the connection is the parent's."""
        self._is_open = False
        with contextlib.suppress(OSError):
            os.close(self._sock.detach())

    def _end(self, reason: str) -> None:
        if self._is_open:
            self._close()
            self._on_end(reason)

    def _close(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        for watcher in (self._readable, self._writable, self._ticker):
            watcher.stop()
            watcher.close()
        self._sock.close()
        self._parts.clear()
        self._rest = None
        self._incoming.clear()


def _words(error: OSError) -> str:
    return error.strerror or str(error)
