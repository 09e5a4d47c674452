"""Another node: the connection to it, and all that waits for something to come from there.

Everything here is for the hub's thread alone, besides `wait_for_room`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from actors.runtime.bonds import Monitor
from actors.runtime.future import Signal
from actors.runtime.links import fire
from beam.wire.channel import DEFAULT_BUSY, DEFAULT_FULL, Channel
from beam.wire.flags import Flag


class Waiting(Protocol):
    """What waits for an answer with a reference."""

    def settle(self, message: Any) -> None:
        """The answer has come."""

    def end(self, reason: Any) -> None:
        """No answer comes: the process has ended, there is none, or the connection is lost."""


class Watch:
    """A monitor that a process of another node has on an actor or a name here.

    Attributes:
        watcher: the octets of the process that is told.
        watched: the octets of what it asked for: a process or an atom.
        reference: those of the monitor.
        onlookers: all that watch the same actor; None for what never ends.
        is_of_call: whether it is the one that a call makes, which ends with its reply.
    """

    __slots__ = ("is_of_call", "onlookers", "reference", "watched", "watcher")

    def __init__(self, watcher: bytes, watched: bytes, reference: bytes, onlookers: Any) -> None:
        self.watcher = watcher
        self.watched = watched
        self.reference = reference
        self.onlookers = onlookers
        self.is_of_call = False


class Peer:
    """Another node, connected or not.

    Args:
        name: its name.
        connect: begins to connect, and calls `attach` or `fail` in the end.
        later: calls a function in the hub, when what happens now is done.
        busy, full: octets that may wait to be sent: see `beam.wire.channel`.

    Attributes:
        channel: the connection; None while there is none.
        failure: why there was no connection the last time that there was none; None if nobody tried.
        flags: what the node can do, as of the last connection.
        waiting: what waits for an answer, by the octets of a reference.
        monitors: our monitors of its processes, by the octets of a reference; `references` has them the other
            way.
        watches: its monitors of our actors, by the octets of a reference.
        serving: the calls from there that are not answered yet, by the octets of a reference.
        linked: references to processes there that are linked to actors here.
        wants_ok: whether its `sys:get_state` wants `{ok, State}`; None until that is known.
        attempt: the greenlet that tries to connect; None if nobody does.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[Peer], object],
        later: Callable[..., object],
        busy: int = DEFAULT_BUSY,
        full: int = DEFAULT_FULL,
    ) -> None:
        self.name = name
        self._connect = connect
        self._later = later
        self._busy = busy
        self._full = full
        self.channel: Channel | None = None
        self.failure: str | None = None
        self.flags = Flag(0)
        self.attempt: Any = None
        self.wants_ok: bool | None = None
        self.waiting: dict[bytes, Waiting] = {}
        self.monitors: dict[bytes, Monitor] = {}
        self.references: dict[Monitor, bytes] = {}
        self.watches: dict[bytes, Watch] = {}
        self.serving: dict[bytes, Any] = {}
        self.linked: dict[Any, None] = {}
        self._queue: list[bytes] = []
        self._queued = 0
        self._room: Signal | None = None
        self._outcomes: list[Callable[[bool], object]] = []

    # -- the connection -------------------------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        """Send a packet; without a connection, once there is one."""
        if self.channel is not None:
            self.channel.send(packet)
            return
        if self._queued > self._full:
            return  # it will fail
        self._queue.append(packet)
        self._queued += len(packet)
        if self._queued > self._full:
            self._later(self.fail, "the queue to the node is full")
        elif self.attempt is None:
            self._connect(self)

    def when_connected(self, outcome: Callable[[bool], object]) -> None:
        """Have a function told whether there is a connection, once that is known; connects if need be."""
        if self.channel is not None:
            outcome(True)
            return
        self._outcomes.append(outcome)
        if self.attempt is None:
            self._connect(self)

    def attach(self, channel: Channel, flags: Flag) -> None:
        """There is a connection."""
        self.channel, self.flags = channel, flags
        self.wants_ok = None  # it may be another version of OTP now
        queue, self._queue, self._queued = self._queue, [], 0
        for packet in queue:
            channel.send(packet)
        self._tell_outcome(True)
        self.make_room()

    def fail(self, reason: str) -> None:
        """There is no connection, and none can be had: nothing that is waited for will come."""
        self.channel, self.failure = None, reason
        self._queue, self._queued = [], 0
        self._tell_outcome(False)
        self._end_all()
        self.make_room()

    def _tell_outcome(self, is_up: bool) -> None:
        outcomes, self._outcomes = self._outcomes, []
        for outcome in outcomes:
            outcome(is_up)

    def _end_all(self) -> None:
        """Tell everybody who waits for something from there that there is no connection."""
        waiting, self.waiting = self.waiting, {}
        for each in waiting.values():
            each.end("noconnection")
        monitors, self.monitors = self.monitors, {}
        self.references.clear()
        for monitor in monitors.values():
            fire(monitor, "noconnection")
        watches, self.watches = self.watches, {}
        for watch in watches.values():
            if watch.onlookers is not None:
                watch.onlookers.forget(watch.reference)
        self.serving.clear()
        linked, self.linked = self.linked, {}
        for ref in linked:
            ref.break_links("noconnection")

    # -- back-pressure --------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """Whether those who send should wait until others have sent."""
        channel = self.channel
        return channel.is_busy if channel is not None else self._queued >= self._busy

    def wait_for_room(self) -> None:
        """Wait, in any thread or greenlet but the hub's own, while there is too much to be sent already."""
        while self.is_busy:
            room = self._room
            if room is None:
                room = self._room = Signal()
            if self.is_busy:
                room.wait()

    def make_room(self) -> None:
        """Let those who wait go on."""
        room, self._room = self._room, None
        if room is not None:
            room.set()

    def is_forgotten(self) -> bool:
        """Whether nothing is known of the node but its name."""
        tables = (self.waiting, self.monitors, self.watches, self.serving, self.linked, self._outcomes)
        return self.channel is None and self.attempt is None and not any(tables) and not self._queue
