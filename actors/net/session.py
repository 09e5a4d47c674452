"""The actor of one connection, for any protocol: what comes, what to do about it, and how long all may take.

A subclass says what to do with `on_connect`, `on_data` and the other hooks. While it waits in one of
them (for a worker thread, another actor, a client that does not read), nothing else of it runs.

It has two deadlines: one that moves on with what it does, and a final one that nothing moves. One alarm
has its turns look at both. It rings early rather than late: a deadline that moves on costs an assignment.
"""

from __future__ import annotations

import _socket
import math
import ssl
import time
from collections.abc import Collection
from typing import Any, NoReturn

from actors import events
from actors.errors import ActorExit, OutOfTime
from actors.messages import DEFAULT_GRACE, PeerReplaced, SessionEnded, SessionStarted, Shutdown
from actors.net.sockets import Connection
from actors.net.transport import RECEIVE_OCTETS, TlsInfo, Transport, WriteTimeoutError
from actors.runtime.actor import GeventActor
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef
from actors.runtime.timers import Reminder, Timer
from actors.seconds import number_of_seconds

HANDSHAKE_SECONDS = 5.0
WRITE_SECONDS = 60.0

PREFACE_OCTETS = 4096
"""How much of what comes first is looked at in one go."""


class SessionActor(GeventActor):
    """One connection's actor.

    Args:
        connection: the connection; the session owns its socket from now on.
        server: the server it belongs to.

    Attributes:
        peer: the peer's address as the system gives it.
        transport: the connection's own side: sockets, TLS. For subclasses to look at.
        more: set by `on_data` when it leaves some of its data for another turn, so that one client can't
            keep the others waiting; `on_continue` is called then, and nothing is read meanwhile.
        appetite: octets to read at one time in clear. `FEW_OCTETS` takes less time where few are expected; a
            read that brings so many sets it to `RECEIVE_OCTETS`.
        unread: whether the last read brought all that was asked for: there may be more.
        drain: set when the session closes while the client may still be sending (see `Transport.close`).
        fixed_due: a time of `time.monotonic` at which `on_timeout` is called, `math.inf` for none; None as
            long as `moving_due` says when. Set by `set_deadline`.
        final_due: a time of `time.monotonic` at which `on_final_timeout` is called, wherever the deadline
            was moved to; `math.inf` for none. Set by `set_final_due`.
        alarm: the timer that has the clock looked at; None if there is none.
    """

    in_registry = False

    application_protocols: Collection[bytes] = ()
    """What this protocol is called in ALPN (RFC 7301). A client that names others alone is refused in the
    handshake; where it is empty, none is."""

    __slots__ = (
        "_announced",
        "_connected",
        "_readable",
        "alarm",
        "appetite",
        "drain",
        "final_due",
        "fixed_due",
        "more",
        "peer",
        "transport",
        "unread",
    )

    def __init__(self, connection: Connection, server: GeventRef[Any]) -> None:
        super().__init__()
        self.peer = connection.peer
        self.owner = server
        hub = Hub.instance or Hub.current()
        if isinstance(self.peer, tuple):
            try:  # noqa: SIM105 - cheaper than suppress, for every connection
                connection.socket.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            except OSError:
                pass  # some systems refuse it once the peer is gone
        self.transport = Transport(connection.socket, hub.loop, hub.join_line, self)
        self.fixed_due: float | None = None
        self.final_due = math.inf
        self.alarm: Timer | Reminder | None = None
        self.more = False
        self.drain = False
        self.appetite = RECEIVE_OCTETS
        self.unread = False
        self._readable = False
        self._connected = False
        self._announced = False

    # -- hooks --------------------------------------------------------------------------------------

    def listens_at(self) -> str:
        """Hook: where the listener listens that the connection came by, for `SessionOpened`."""
        return ""

    def tls_context(self) -> ssl.SSLContext | None:
        """Hook: the context for TLS from the first octet on; None for a connection in clear."""
        return None

    def on_preface(self, data: bytes) -> tuple[int, bool]:
        """Hook: what came of the preface that is awaited; empty when the peer has finished sending.

        Returns:
            how many octets of `data` belong to it, and whether it is complete; the rest is for TLS, or for
            `on_data`.
        """
        return 0, True

    def on_connect(self) -> bytes | None:
        """Hook: the connection is ready, its TLS handshake done if there is one. Returns as `on_data`."""

    def on_data(self, data: bytes) -> bytes | None:
        """Hook: the client sent something.

        Returns:
            what to answer, if that is at hand; `send` does as well.
        """

    def on_continue(self) -> bytes | None:
        """Hook: go on with what `on_data` left over; `more` was taken back before. Returns as `on_data`."""

    def on_eof(self) -> None:
        """Hook: the client has finished sending. The session ends when this returns."""

    def on_lost(self, error: OSError) -> None:
        """Hook: the connection broke while the client was to send. The session ends when this returns."""

    def on_send_error(self, error: OSError) -> Any:
        """Hook: the client is gone or does not read. Returns the session's exit reason."""
        return "normal"

    def on_tls(self) -> None:
        """Hook: the handshake begun by `start_tls` has succeeded."""

    def on_handshake_error(self, reason: str) -> None:
        """Hook: the TLS handshake failed; the session ends."""

    def moving_due(self) -> float:
        """Hook: when the deadline is, a time of `time.monotonic`, as long as `set_deadline` says nothing.

        It is asked when the alarm rings, so nothing need be said if the deadline moves on. If it comes
        nearer, `look_by` must be told.
        """
        return math.inf

    def on_timeout(self) -> None:
        """Hook: the deadline has passed, and was taken back. Ends the session unless overridden."""
        raise ActorExit("normal")

    def on_final_timeout(self) -> None:
        """Hook: `final_due` has passed, and was taken back. Ends the session unless overridden."""
        raise ActorExit("normal")

    def may_cut_wait(self) -> bool:
        """Hook: whether `OutOfTime` is raised in a turn that waits when the time is over.

        It runs in the hub and must not wait. Unless overridden, deadlines count once the turn is over.
        """
        return False

    def handshake_seconds(self) -> float:
        """Hook: how long a TLS handshake may take."""
        return HANDSHAKE_SECONDS

    def on_handshake_timeout(self) -> None:
        """Hook: the TLS handshake takes too long. `on_handshake_error` follows with `"timeout"`."""

    def write_seconds(self) -> float:
        """Hook: how long the client may take to read what `send` sends; asked when it does not read."""
        return WRITE_SECONDS

    def on_shutdown(self, grace: float) -> None:
        """Hook: the session shall end, within `grace` seconds; what is left then is cut off."""
        raise ActorExit("shutdown")

    # -- for subclasses -----------------------------------------------------------------------------

    @property
    def server(self) -> GeventRef[Any]:
        """The server, whose tree the session is part of."""
        assert self.owner is not None
        return self.owner

    def announce(self) -> None:
        """Put the session in the server's list; before the client can know that it is served."""
        if not self._announced:
            self._announced = True
            assert self.owner is not None
            self.owner.cast(SessionStarted(self.actor_ref))
            if events.wanted(events.SessionOpened):
                events.emit(events.SessionOpened(self.actor_urn, self.peer, self.listens_at()))

    def read_ahead(self) -> bytes | None:
        """What the client has sent by now, for `on_connect`: taken from what `on_data` gets.

        Returns:
            the data; None when there are none yet, empty when the client has finished sending.

        Raises:
            ActorExit: the connection is lost.
        """
        try:
            return self.transport.receive()
        except OSError as error:
            self.on_lost(error)
            raise ActorExit("normal") from error

    def send(self, data: bytes) -> None:
        """Send; waits, in the turn, while the client does not read.

        Raises:
            ActorExit: the client is gone, or has not read it all within `write_seconds`.
        """
        left = self.transport.send(data)
        if left is not None:
            self._send_rest(left)

    def send_last(self, data: bytes) -> None:
        """As `send`, when the session ends at once behind it."""
        left = self.transport.send_last(data)
        if left is not None:
            self._send_rest(left)

    def _send_rest(self, left: memoryview | OSError) -> None:
        """Send what the socket has not taken at once; or end, if the connection is lost."""
        try:
            if isinstance(left, OSError):
                raise left
            seconds = number_of_seconds(self.write_seconds())
            self.transport.send_rest(left, time.monotonic() + seconds)
        except OSError as error:
            raise ActorExit(self.on_send_error(error)) from error

    def await_preface(self, timeout: float) -> None:
        """In `on_start`, before the base class's: something comes before TLS and before `on_connect`.

        `on_preface` hears what; `on_timeout`, if it is not complete in time.

        Args:
            timeout: seconds for all of it.

        Raises:
            ValueError: that is no number, or NaN.
        """
        self.set_deadline(timeout)
        self.transport.shaking_hands = True

    def skip_received(self) -> None:
        """Throw away what the client has sent by now and `on_data` has not got."""
        self.transport.skip_all()

    def replace_peer(self, peer: Any) -> None:
        """The peer that connected was a proxy for this one, whom events tell of from now on."""
        self.peer = peer
        self.server.cast(PeerReplaced(self.actor_ref, peer))

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Begin a TLS handshake as the server; `on_tls` follows when it is done.

        Args:
            context: the certificates and the rules.
        """
        self.transport.start_tls(context, self.application_protocols)
        self.set_deadline(self.handshake_seconds())

    def hold_reading(self) -> None:
        """Read nothing more for now, but what is announced already; the kernel holds up the client.

        In a turn or in the hub. Turns for messages and deadlines go on. Holding twice is holding once.
        """
        self.transport.hold_back()

    @property
    def holds_reading(self) -> bool:
        """Whether `hold_reading` is in force: it is not for the client that time passes."""
        return self.transport.held_back

    def read_on(self) -> None:
        """End `hold_reading`; in a turn or in the hub."""
        if not self.transport.closed:
            self.transport.watch()

    def set_deadline(self, seconds: float | None) -> None:
        """Have `on_timeout` called in `seconds` unless the deadline is moved again; None for never.

        Raises:
            ValueError: that is no number, or NaN.
        """
        due = math.inf if seconds is None else time.monotonic() + number_of_seconds(seconds)
        self.fixed_due = due
        self.look_by(due)

    def set_final_due(self, due: float) -> None:
        """Have `on_final_timeout` called at a time of `time.monotonic`; `math.inf` is never.

        Raises:
            ValueError: that is no number, or NaN.
        """
        if type(due) is not float or due != due:  # NaN, which alone is not itself; each session comes by here
            number_of_seconds(due)
        self.final_due = due
        self.look_by(due)

    @staticmethod
    def is_system_message(message: Any) -> bool:
        """Tell whether `on_receive` of this class handles a message."""
        return isinstance(message, Shutdown)

    @property
    def connected(self) -> bool:
        """Whether `on_connect` was called."""
        return self._connected

    @property
    def tls(self) -> TlsInfo | None:
        """What is known of the TLS connection; None in clear."""
        return self.transport.tls

    # -- turns --------------------------------------------------------------------------------------

    def on_start(self) -> None:
        if not self.transport.shaking_hands and (context := self.tls_context()) is not None:
            self.start_tls(context)

    def on_receive(self, message: Any) -> Any:
        if isinstance(message, Shutdown):
            self.on_shutdown(message.grace)
            return None
        return super().on_receive(message)

    def minds(self, message: Any) -> bool:
        return self.is_system_message(message) or super().minds(message)

    def on_stop_request(self, reason: Any) -> None:
        """The poison pill: a shutdown, with the usual grace."""
        self.on_shutdown(DEFAULT_GRACE)

    def on_ready_too_soon(self) -> None:
        """Data wait, but a turn is under way, or due, or none may be for them: the next full one reads."""
        if self.transport.closed:
            return
        self._readable = True
        if self.turn_greenlet is not None or not self.mailbox.scheduled:
            if not self.holds_reading:
                self.transport.pause()  # level-triggered: it would be announced again and again
            self.mailbox.wake()

    def on_ready(self) -> bool:
        """Do what the socket's readiness brings; whether there is more to do."""
        transport = self.transport
        if transport.shaking_hands:
            self._readable = True
            return self.on_turn()
        data: bytes | None
        try:
            if transport.secured is None:
                # As `Transport.receive` does, without its call: 2.6 % of a message over a kept connection
                # (docs/performance.md); test_socket_turns.py has what comes of each outcome.
                data = transport.socket.recv(self.appetite)
            else:
                data = transport.receive()
                self._readable = transport.finished
        except (BlockingIOError, InterruptedError):
            data = None
        except OSError as error:
            # An actor that keeps it as a reason must not keep, by its traceback, the session and its message.
            self.on_lost(error.with_traceback(None))
            raise ActorExit("normal") from error
        if data:
            self.unread = len(data) == self.appetite
            if self.unread:
                self.appetite = RECEIVE_OCTETS  # there is more than was expected
            replies = self.on_data(data)
            if replies:
                if (left := transport.send(replies)) is not None:
                    self._send_rest(left)
            elif not self.unread:
                transport.acknowledge()
        elif data is not None:
            self.on_eof()
            raise ActorExit("normal")
        elif transport.secured is not None:
            transport.acknowledge()  # a part of a TLS record
        return self.more or self._readable

    def on_turn(self) -> bool:
        """Do what the socket's readiness or the clock brought."""
        transport = self.transport
        if self.more:
            self.more = False
            replies = self.on_continue()
            if replies:
                self.send(replies)
        elif self._readable:
            self._readable = False
            if transport.shaking_hands:
                self._shake_hands()
            else:
                self.on_ready()
        elif not self._connected and not transport.shaking_hands:
            self._connect()
        if self.alarm is None:
            self._look_at_clock()
        if not transport.watching:
            transport.watch()
        return self.more or self._readable

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        super().on_exit(reason, error)
        if not self.transport.closed:
            self.close_connection()

    def close_connection(self) -> None:
        """Close the connection; the session goes on to its end."""
        self.transport.say_goodbye()
        self.transport.close(drain=self.drain)

    def release(self) -> None:
        self._silence_alarm()
        if not self.transport.closed:
            self.transport.close(drain=self.drain)

    def on_gone(self, reason: Any) -> None:
        """Tell the server, which needs no monitor: nothing can end a session without this."""
        self.server.cast(SessionEnded(self.actor_ref, reason))

    def leave_behind(self) -> None:
        self.drain = False
        self.alarm = None  # it belongs to the parent's hub
        super().leave_behind()

    # -- the start of a connection ------------------------------------------------------------------

    def _connect(self) -> None:
        self._connected = True
        replies = self.on_connect()
        if replies and (left := self.transport.send(replies)) is not None:
            self._send_rest(left)

    def _read_preface(self) -> None:
        try:
            data = self.transport.peek(PREFACE_OCTETS)
        except OSError as error:
            raise ActorExit("normal") from error
        if data is None:
            return
        taken, complete = self.on_preface(data)
        self.transport.skip(taken)
        if complete:
            self.transport.shaking_hands = False
            self.set_deadline(None)
            SessionActor.on_start(self)
            if not self.transport.shaking_hands:
                self._connect()
                return
        elif not data:
            raise ActorExit("normal")
        self.transport.acknowledge()

    def _shake_hands(self) -> None:
        if self.transport.secured is None:
            self._read_preface()
            return
        try:
            done = self.transport.shake_hands(self.next_due())
        except WriteTimeoutError:
            self._time_out_handshake()
        except OSError as error:
            self._fail_handshake(error.strerror or str(error))
        if done:
            self.fixed_due = math.inf
            self._note_tls()
            if self._connected:
                self.on_tls()
            else:
                self._connect()
            self._readable = True  # what came in one piece with the end of the handshake

    def _note_tls(self) -> None:
        if events.wanted(events.TlsEstablished):
            tls = self.transport.tls
            assert tls is not None
            events.emit(events.TlsEstablished(self.actor_urn, self.peer, tls.version, tls.cipher))

    def _time_out_handshake(self) -> NoReturn:
        self.on_handshake_timeout()
        self._fail_handshake("timeout")

    def _fail_handshake(self, reason: str) -> NoReturn:
        if events.wanted(events.TlsFailed):
            events.emit(events.TlsFailed(self.peer, reason, self.actor_urn))
        self.on_handshake_error(reason)
        raise ActorExit("normal")

    # -- the clock ----------------------------------------------------------------------------------

    def ring(self) -> None:
        """Look at the clock in a turn. Runs in the hub, when the alarm rings."""
        self.alarm = None
        if self.turn_greenlet is None or not self.may_cut_wait():
            if self.transport.watching and not self.holds_reading:
                self._readable = True  # what has come in time is read before it is too late for it
            self.mailbox.wake()
        elif self.next_due() > time.monotonic():
            self.set_alarm()
        else:
            self.turn_greenlet.throw(OutOfTime)

    def _look_at_clock(self) -> None:
        if self.next_due() <= time.monotonic():
            self._strike()
        if self.alarm is None:
            self.set_alarm()

    def _strike(self) -> None:
        transport = self.transport
        if transport.shaking_hands and transport.secured is not None:
            self._time_out_handshake()
        elif self.next_due() < self.final_due:
            self.fixed_due = math.inf
            self.on_timeout()
        else:
            self.final_due = math.inf
            self.on_final_timeout()

    def next_due(self) -> float:
        """When the next of the two deadlines strikes."""
        due = self.fixed_due
        return min(self.moving_due() if due is None else due, self.final_due)

    def look_by(self, due: float) -> None:
        """A deadline may have come nearer: see to it that the clock is looked at by then."""
        alarm = self.alarm
        if alarm is None or alarm.due > due:
            self.set_alarm()

    def set_alarm(self) -> None:
        """Have the clock looked at when the next deadline is due, or sooner, and not at any other time."""
        self.ring_at(self.next_due())

    def ring_at(self, due: float) -> None:
        """Have the clock looked at then; for deadlines that are moved to an earlier time, over and over."""
        if self.alarm is not None:
            self._silence_alarm()
        if due != math.inf:  # `remind` takes no NaN
            self.alarm = (Hub.instance or Hub.current()).timers.remind(self, due)

    def _silence_alarm(self) -> None:
        if self.alarm is not None:
            self.alarm.cancel_for(self)
            self.alarm = None
