"""The actor that owns listeners and sessions, for any protocol.

Listeners and sessions are siblings under it: a listener that dies spares the sessions and is restarted
within limits; a session is never restarted.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from actors import events
from actors.errors import ActorExit, StartError
from actors.log_text import text_of
from actors.messages import (
    DEFAULT_GRACE,
    Accepted,
    AcceptedLast,
    Down,
    Exit,
    PeerReplaced,
    SessionEnded,
    SessionStarted,
    Shutdown,
    StopTimes,
)
from actors.net.listener import Capacity, ListenerActor
from actors.net.listener_group import Listeners
from actors.net.session import SessionActor
from actors.net.sockets import Connection, Endpoint
from actors.net.transport import turn_away
from actors.otp.messaging import cast
from actors.runtime.actor import GeventActor
from actors.runtime.bonds import awaiting_end
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef
from actors.runtime.timers import Timer

_ABSENT = object()


class SessionCounter:
    """How many sessions a server has, and those about to become one.

    All actors run on one hub, so a session counts itself in directly, at the moment it matters.
    """

    __slots__ = ("present",)

    def __init__(self) -> None:
        self.present = 0

    def enter(self) -> int:
        """Count one in; returns the number with it."""
        self.present += 1
        return self.present

    def leave(self) -> None:
        """Count one out."""
        self.present -= 1


class ServerActor(GeventActor):
    """A server of some protocol.

    Args:
        endpoints: where to listen, in order.
        session_class: made for each connection, with the connection and the server's reference.
        max_sessions: how many sessions there may be at one time; while there are so many, connections wait in
            the kernel's backlogs.

    Raises:
        ValueError: `max_sessions` is neither a whole number from 0 up nor infinity.

    Attributes:
        grace: seconds that sessions get, when it stops, to finish the work in hand.
        drain: seconds for which they go on before that, as if nothing was.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint] = (),
        session_class: type[SessionActor] | None = None,
        max_sessions: float = math.inf,
    ) -> None:
        super().__init__()
        is_whole = isinstance(max_sessions, int) and not isinstance(max_sessions, bool)
        if not (is_whole and max_sessions >= 0) and max_sessions != math.inf:
            raise ValueError(f"the most sessions are a whole number or math.inf, not {max_sessions!r}")
        self._endpoints = list(endpoints)
        self.grace = DEFAULT_GRACE
        self.drain = 0.0
        self._session_class = session_class
        self._capacity = Capacity(max_sessions, self._tell_full)
        self.listener_group = Listeners(self.actor_ref, self._capacity, self.open_listener)
        # The sessions and their peers, those that are served and those that are not yet, or never will be.
        self._sessions: dict[GeventRef[Any], Any] = {}
        self._arriving: dict[GeventRef[Any], Any] = {}
        self._stop_reason: Any = None
        self._serves = False
        self._stopping = False
        self._accepted_last = False
        self._drain_timer: Timer | None = None
        self._cut_timer: Timer | None = None

    # -- hooks --------------------------------------------------------------------------------------

    def admit(self, connection: Connection) -> bool | bytes:
        """Hook: whether to serve a new connection. It must not wait.

        Returns:
            True; False to close it without a word; or the octets to send before it is closed.
        """
        return True

    def make_session(self, connection: Connection) -> SessionActor:
        """Hook: the actor for a connection."""
        if self._session_class is None:
            raise TypeError("a server needs a session_class, or a make_session of its own")
        return self._session_class(connection, self.actor_ref)

    def open_listener(self, endpoint: Endpoint, index: int) -> ListenerActor:
        """Hook: the actor for a listener."""
        return ListenerActor(endpoint, index, self.actor_ref)

    def session_ended(self, ref: GeventRef[Any], reason: Any) -> None:
        """Hook: a session is gone; called once for each."""

    # -- life ---------------------------------------------------------------------------------------

    def on_start(self) -> None:
        """Open every listener; if one fails, those already open are closed and the start fails."""
        self.open_listeners(self._endpoints)

    def open_listeners(self, endpoints: Sequence[Endpoint]) -> None:
        """Begin to serve: trap exits and listen at all these endpoints, or at none.

        Raises:
            StartError: a socket could not be opened; those opened before it are closed again.
        """
        self.trap_exits = True
        try:
            for endpoint in endpoints:
                self.listener_group.add(endpoint)
        except StartError:
            self.listener_group.remove_all()
            raise
        self._serves = True
        if events.wanted(events.ServerStarted):
            events.emit(events.ServerStarted(text_of(self), tuple(self.addresses())))

    def on_receive(self, message: Any) -> Any:
        handle = _HANDLERS.get(type(message))
        if handle is None:
            return self.on_other(message)
        handle(self, message)

    def on_other(self, message: Any) -> Any:
        """Hook: a message that is none of the runtime's; what it returns is the reply to an asker."""
        return super().on_receive(message)

    def is_urgent(self, message: Any) -> bool:
        return isinstance(message, StopTimes) or super().is_urgent(message)

    def minds(self, message: Any) -> bool:
        return type(message) in _HANDLERS or super().minds(message)

    def on_unread(self, message: Any) -> None:
        if isinstance(message, Accepted):
            for connection in message.connections:
                connection.socket.close()

    def sessions(self) -> list[GeventRef[Any]]:
        """The live sessions, oldest first, over all listeners. For `Pykka` proxies, as `addresses`."""
        return [ref for ref in self._sessions if ref.is_alive()]

    def all_sessions(self) -> list[GeventRef[Any]]:
        """The sessions, those too that are not served yet."""
        return [*self._sessions, *self._arriving]

    def session_count(self) -> int:
        """How many sessions there are, those too that are not served yet."""
        return len(self._sessions) + len(self._arriving)

    def addresses(self) -> list[Any]:
        """The addresses really bound, one for each listener in order."""
        return [listening.address for listening in self.listener_group]

    def add_listener(self, endpoint: Endpoint) -> Any:
        """Listen at one more endpoint; returns the address bound.

        Raises:
            ListenError: the socket could not be opened.
            StartError: the server is stopping.
        """
        if self._stopping:
            raise StartError(f"{self} is stopping and listens no more")
        return self.listener_group.add(endpoint).address

    def remove_listener(self, address: Any) -> bool:
        """Stop listening at an address that `addresses` gives; the sessions that came by it go on.

        Returns:
            whether a listener had that address.
        """
        for number, listening in self.listener_group.items():
            if listening.address == address:
                self.listener_group.remove(number)
                return True
        return False

    def suspend(self) -> None:
        """Stop accepting; the kernel's backlogs hold what comes."""
        self.listener_group.pause()

    def resume(self) -> None:
        """Accept again."""
        self.listener_group.resume()

    def on_stop_request(self, reason: Any) -> None:
        """Wind up: listeners close first, then the sessions finish, then what is left is cut off.

        One more request while it winds up can only shorten that.
        """
        if not self._stopping:
            self._close_listeners(reason)
            # Behind all that they have accepted, which hears at least why it is not served.
            cast(self.actor_ref, AcceptedLast())
        self._drain_sessions()

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        """Take the tree along, whatever ended the server."""
        super().on_exit(reason, error)
        if not self._stopping:
            self._close_listeners(reason)
        self._shut_down_sessions()
        self._wait_for_sessions()

    def release(self) -> None:
        for timer in (self._drain_timer, self._cut_timer):
            if timer is not None:
                timer.cancel()
        for ref in [*self.all_sessions(), *self.listener_group.refs()]:
            ref.kill()
        if self._serves:
            self._tell_of_end()

    def leave_behind(self) -> None:
        self._serves = False  # in the parent process it goes on
        super().leave_behind()

    def _tell_of_end(self) -> None:
        """The server's end, whatever caused it; sessions are left only when it was killed."""
        for ref, peer in self._sessions.items():
            if events.wanted(events.SessionClosed):
                events.emit(events.SessionClosed(ref.actor_urn, peer, "killed"))
        if events.wanted(events.ServerEnded):
            events.emit(events.ServerEnded(text_of(self), self.exit_reason))

    # -- sessions -----------------------------------------------------------------------------------

    def _on_accepted(self, message: Accepted) -> None:
        for connection in message.connections:
            self._take(connection)

    def _take(self, connection: Connection) -> None:
        session = self._session_for(connection)
        if session is None:
            self._capacity.give_back()
            return
        ref = session.actor_ref
        self._arriving[ref] = connection.peer
        session.enter_hub()
        if self._cut_timer is not None:
            cast(ref, Shutdown(max(0.0, self._cut_timer.due - time.monotonic())))

    def _session_for(self, connection: Connection) -> SessionActor | None:
        """The actor for a connection; None for one not to be served, or if the hooks failed: it is closed."""
        last_words: bool | bytes = False
        try:
            last_words = self.admit(connection)
            if last_words is True:
                return self.make_session(connection)
        except Exception as error:
            # As in gen_smtp: one connection that can't be set up is logged, and the server goes on.
            events.emit(events.HookFailed(text_of(self), "the set-up of a connection", error))
        turn_away(connection.socket, last_words if isinstance(last_words, bytes) else b"")
        return None

    def _on_started(self, message: SessionStarted) -> None:
        ref = message.ref
        if ref in self._arriving:
            self._sessions[ref] = self._arriving.pop(ref)

    def _on_replaced(self, message: PeerReplaced) -> None:
        for sessions in (self._arriving, self._sessions):
            if message.ref in sessions:
                sessions[message.ref] = message.peer

    def _on_ended(self, message: SessionEnded) -> None:
        self._forget(message.ref, message.reason)

    def _forget(self, ref: GeventRef[Any], reason: Any) -> None:
        was_served = ref in self._sessions
        peer = (self._sessions if was_served else self._arriving).pop(ref, _ABSENT)
        if peer is _ABSENT:
            return
        self._capacity.give_back()
        if was_served and events.wanted(events.SessionClosed):
            events.emit(events.SessionClosed(ref.actor_urn, peer, reason))
        self.session_ended(ref, reason)
        self._end_if_empty()

    def _end_if_empty(self) -> None:
        if self._accepted_last and not self.session_count() and self.exit_reason is None:
            raise ActorExit(self._stop_reason)

    def _tell_full(self) -> None:
        if events.wanted(events.ServerFull):
            events.emit(events.ServerFull(text_of(self), self._capacity.size))

    # -- stopping -----------------------------------------------------------------------------------

    def _on_accepted_last(self, message: AcceptedLast) -> None:
        self._accepted_last = True
        self._end_if_empty()

    def _on_stop_times(self, message: StopTimes) -> None:
        self.grace = self.grace if message.grace is None else message.grace
        self.drain = message.drain

    def _on_down(self, message: Down) -> None:
        if isinstance(message.ref, GeventRef):
            self.listener_group.hear_end(message.ref, message.reason)

    def _on_linked_end(self, message: Exit) -> None:
        """It is not the parent's, whose Exit ends the server: nothing."""

    def _close_listeners(self, reason: Any) -> None:
        self._stopping = True
        self._stop_reason = reason
        if events.wanted(events.ServerStopping):
            events.emit(events.ServerStopping(text_of(self), reason))
        self.listener_group.remove_all()

    def _drain_sessions(self) -> None:
        """Let the sessions go on for a while, unless they have to finish sooner already."""
        timer, due = self._drain_timer, time.monotonic() + self.drain
        if self.drain <= 0 or self._cut_timer is not None:
            self._shut_down_sessions()
        elif timer is None or timer.due > due:
            if timer is not None:
                timer.cancel()
            self._drain_timer = Hub.current().timers.call_later(self.drain, self._shut_down_sessions)

    def _shut_down_sessions(self) -> None:
        """Tell the sessions to finish within the grace, unless they have to be gone sooner already."""
        if self._cut_timer is not None:
            if self._cut_timer.due <= time.monotonic() + self.grace:
                return
            self._cut_timer.cancel()
        for ref in self.all_sessions():
            cast(ref, Shutdown(self.grace))
        self._cut_timer = Hub.current().timers.call_later(self.grace, self._cut_off)

    def _cut_off(self) -> None:
        """Runs in the hub when the grace is over."""
        for ref in self.all_sessions():
            ref.kill()

    def _wait_for_sessions(self) -> None:
        """The server is ending and takes no messages any more: wait here for the sessions' ends."""
        with awaiting_end(self.actor_ref, self.actor_ref):
            for ref in self.all_sessions():
                ref.actor_stopped.wait()
                self._forget(ref, ref.exit_reason)


_HANDLERS: dict[type, Callable[[ServerActor, Any], None]] = {
    Accepted: ServerActor._on_accepted,
    SessionStarted: ServerActor._on_started,
    SessionEnded: ServerActor._on_ended,
    PeerReplaced: ServerActor._on_replaced,
    Down: ServerActor._on_down,
    Exit: ServerActor._on_linked_end,
    AcceptedLast: ServerActor._on_accepted_last,
    StopTimes: ServerActor._on_stop_times,
}
