"""What happens, as typed events that anyone may subscribe to. Logging is the first subscriber.

An event costs nothing while nobody wants it: its emitter asks `wanted` first and makes it only then.

    if events.wanted(events.SessionClosed):
        events.emit(events.SessionClosed(ref.actor_urn, peer, reason))
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

from gevent.monkey import get_original

from actors.errors import shown

_logger = logging.getLogger("actors")

LONGEST_TEXT = 512


def printable(text: str) -> str:
    """Text for a log: control characters escaped (none may forge a line), the end of long text cut."""
    cut = text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "…"
    return cut if cut.isprintable() else "".join(map(_escaped, cut))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events. A subclass says where and how loudly it is logged, and in what words."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.INFO
    text: ClassVar[str] = ""
    """A `str.format` template over the event's fields."""
    absent: ClassVar[Mapping[str, str]] = {}
    """What the log has for a field that is None or empty, by the field's name."""

    def __str__(self) -> str:
        shown = {field.name: self._shown(field.name) for field in fields(self)}
        return type(self).text.format(**shown)

    def _shown(self, name: str) -> str:
        value = getattr(self, name)
        is_absent = value is None or (isinstance(value, str | bytes) and not value)
        return self.absent[name] if is_absent and name in self.absent else _shown(value)

    @property
    def exception(self) -> BaseException | None:
        """The exception whose traceback belongs in the log, if any."""
        return None


def _shown(value: Any) -> str:
    if isinstance(value, BaseException):
        return printable(shown(value))  # its text alone may say little, or nothing
    try:
        return printable(str(value))
    except Exception:
        return printable(shown(value))


NO_ADDRESS: Mapping[str, str] = {"peer": "unix socket"}
"""The system gives the peer of a unix socket no address, unless it has bound its own end."""

E = TypeVar("E", bound=Event)
Subscriber = Callable[[Any], object]
_subscribers: dict[type[Event], tuple[Subscriber, ...]] = {}
_changing = get_original("_thread", "allocate_lock")()
"""Held while a subscription is added or ended: two threads may do so at the same time."""


def _renew_lock() -> None:
    """In a forked child: a thread of the parent may have held the lock."""
    global _changing
    _changing = get_original("_thread", "allocate_lock")()


os.register_at_fork(after_in_child=_renew_lock)


def subscribe(event_type: type[E], subscriber: Callable[[E], object]) -> Callable[[], None]:
    """Have `subscriber` called with each event of a type, in the emitter's thread.

    It must be quick and must not block; what it raises is logged and goes no further.

    Args:
        event_type: the class of the events; `Event` means all of them.
        subscriber: called with the event.

    Returns:
        a function that ends the subscription.
    """
    with _changing:
        _subscribers[event_type] = (*_subscribers.get(event_type, ()), subscriber)

    def unsubscribe() -> None:
        with _changing:
            left = [each for each in _subscribers.get(event_type, ()) if each is not subscriber]
            _subscribers[event_type] = tuple(left)

    return unsubscribe


def wanted(event_type: type[Event]) -> bool:
    """Tell whether anybody would look at an event of this type."""
    if event_type.logger.isEnabledFor(event_type.level):
        return True
    return bool(_subscribers) and bool(_subscribers.get(event_type) or _subscribers.get(Event))


def emit(event: Event) -> None:
    """Hand an event to the log and to all that subscribed to its type."""
    _log(event)
    for subscriber in (*_subscribers.get(type(event), ()), *_subscribers.get(Event, ())):
        try:
            subscriber(event)
        except Exception:
            _logger.exception("a subscriber to %s failed", type(event).__name__)


def _log(event: Event) -> None:
    if event.logger.isEnabledFor(event.level):
        error = event.exception
        exc_info = None if error is None else (type(error), error, error.__traceback__)
        event.logger.log(event.level, "%s", event, exc_info=exc_info)


@dataclass(frozen=True, slots=True)
class ActorCrashed(Event):
    """An actor ended with an exception that nobody caught."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{actor} crashed: {error}"
    actor: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error


@dataclass(frozen=True, slots=True)
class HookFailed(Event):
    """A hook that runs at an actor's end raised; the actor's exit reason stays what it was."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{hook} of {actor} failed: {error}"
    actor: str
    hook: str
    error: BaseException

    @property
    def exception(self) -> BaseException | None:
        return self.error


@dataclass(frozen=True, slots=True)
class HubStalled(Event):
    """Something blocked the hub, and with it every actor, for longer than it should."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = (
        "the hub has been blocked for {seconds} s, and with it every actor; use actors.run_blocking "
        "for work that blocks. It is here:\n"
    )
    seconds: float
    stack: str

    def __str__(self) -> str:
        return type(self).text.format(seconds=f"{self.seconds:.1f}") + self.stack


@dataclass(frozen=True, slots=True)
class ServerStarted(Event):
    """A server serves; its listeners are open."""

    text: ClassVar[str] = "{server} started on {addresses}"
    server: str
    addresses: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class ServerEnded(Event):
    """A server and all of its tree are gone."""

    text: ClassVar[str] = "{server} ended: {reason}"
    server: str
    reason: Any


@dataclass(frozen=True, slots=True)
class ListenerStarted(Event):
    """A listening socket is open."""

    text: ClassVar[str] = "listening on {address} ({protocol})"
    address: Any
    protocol: str


@dataclass(frozen=True, slots=True)
class ListenerEnded(Event):
    """A listening socket is closed."""

    text: ClassVar[str] = "no longer listening on {address} ({protocol}): {reason}"
    address: Any
    protocol: str
    reason: Any


@dataclass(frozen=True, slots=True)
class AcceptPaused(Event):
    """Accepting fails for want of descriptors or memory and goes on after a while."""

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "accepting on {address} pauses for {seconds} s: {reason}"
    address: Any
    seconds: float
    reason: Any


@dataclass(frozen=True, slots=True)
class ServerFull(Event):
    """A server has as many sessions as it may; further connections wait in the backlogs.

    Told again only after half of the places were free.
    """

    level: ClassVar[int] = logging.WARNING
    text: ClassVar[str] = "{server} has {sessions} sessions, as many as it may; further connections wait"
    server: str
    sessions: float


@dataclass(frozen=True, slots=True)
class SessionOpened(Event):
    """A session is served: it is in its server's list."""

    absent: ClassVar[Mapping[str, str]] = NO_ADDRESS
    text: ClassVar[str] = "session {session} with {peer} started"
    session: str
    peer: Any


@dataclass(frozen=True, slots=True)
class SessionClosed(Event):
    """A session ended."""

    absent: ClassVar[Mapping[str, str]] = NO_ADDRESS
    text: ClassVar[str] = "session {session} with {peer} ended: {reason}"
    session: str
    peer: Any
    reason: Any


@dataclass(frozen=True, slots=True)
class TlsEstablished(Event):
    """A TLS handshake succeeded."""

    absent: ClassVar[Mapping[str, str]] = NO_ADDRESS
    text: ClassVar[str] = "session {session} with {peer} is under {version} ({cipher})"
    session: str
    peer: Any
    version: str
    cipher: str


@dataclass(frozen=True, slots=True)
class TlsFailed(Event):
    """A TLS handshake failed; the connection is closed."""

    absent: ClassVar[Mapping[str, str]] = NO_ADDRESS
    text: ClassVar[str] = "TLS handshake with {peer} failed: {reason}"
    peer: Any
    reason: Any


@dataclass(frozen=True, slots=True)
class ChildEnded(Event):
    """A supervisor's child ended as it should not have: a crash, or any end of a permanent child."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "child {child} of {supervisor} ended: {reason}"
    supervisor: str
    child: Any
    reason: Any


@dataclass(frozen=True, slots=True)
class ChildNotStarted(Event):
    """A supervisor could not start, or not restart, a child."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "child {child} of {supervisor} could not be started: {reason}"
    supervisor: str
    child: Any
    reason: Any


@dataclass(frozen=True, slots=True)
class ChildCutOff(Event):
    """A child did not end in the time it had, and was killed."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "child {child} of {supervisor} did not end within {seconds} s and was killed"
    supervisor: str
    child: Any
    seconds: float


@dataclass(frozen=True, slots=True)
class SupervisorGaveUp(Event):
    """A supervisor's children were to be restarted too often; it ends with reason `shutdown`."""

    level: ClassVar[int] = logging.ERROR
    text: ClassVar[str] = "{supervisor} gives up: {child} ended too often, last with {reason}"
    supervisor: str
    child: Any
    reason: Any
