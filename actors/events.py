"""What happens, as typed events that anyone may subscribe to. Logging is the first subscriber.

An event costs nothing while nobody wants it: its emitter asks `wanted` first and makes it only then.

    if events.wanted(events.SessionClosed):
        events.emit(events.SessionClosed(ref.actor_urn, peer, reason))
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, TypeVar

import gevent

from actors.errors import OutOfTime
from actors.log_text import LONGEST_TEXT as LONGEST_TEXT
from actors.log_text import printable as printable
from actors.log_text import text_of, traceback_of

_logger = logging.getLogger("actors")


@dataclass(frozen=True, slots=True)
class Event:
    """The base of all events. A subclass says where and how loudly it is logged, and in what words."""

    logger: ClassVar[logging.Logger] = _logger
    level: ClassVar[int] = logging.INFO
    text: ClassVar[str] = ""
    """A `str.format` template over the event's fields."""
    absent: ClassVar[Mapping[str, str]] = {}
    """What the log has for a field that is None or empty, by the field's name."""
    derived: ClassVar[tuple[str, ...]] = ()
    """Properties that belong into a structured log as fields do."""

    def __str__(self) -> str:
        shown = {field.name: self.shown(field.name) for field in fields(self)}
        return type(self).text.format(**shown)

    def shown(self, name: str) -> str:
        """A field as the log has it."""
        value = getattr(self, name)
        is_absent = value is None or (isinstance(value, str | bytes) and not value)
        return self.absent[name] if is_absent and name in self.absent else printable(_words(value))

    @property
    def exception(self) -> BaseException | None:
        """The exception whose traceback belongs in the log, if any."""
        return None


def _words(value: Any) -> str:
    """A field as a log line has it; several texts as a list of words."""
    if type(value) is tuple and all(isinstance(each, str) for each in value):
        return ", ".join(value) or "-"
    return text_of(value)


NO_ADDRESS: Mapping[str, str] = {"peer": "unix socket"}
"""The system gives the peer of a unix socket no address, unless it has bound its own end."""

E = TypeVar("E", bound=Event)
Subscriber = Callable[[Any], object]
_subscribers: dict[type[Event], dict[object, Subscriber]] = {}
"""By type and subscription. Each change is one step of a dict, which needs no lock against other threads; and
a finaliser that subscribes, or ends a subscription, can't wait for itself."""


def subscribe(event_type: type[E], subscriber: Callable[[E], object]) -> Callable[[], None]:
    """Have `subscriber` called with each event of a type, in the emitter's thread.

    It must be quick and must not block; what it raises is logged and goes no further. A function that
    subscribes twice is called twice.

    Args:
        event_type: the class of the events; `Event` means all of them.
        subscriber: called with the event.

    Returns:
        a function that ends this subscription, and no other.
    """
    subscription = object()
    _subscribers.setdefault(event_type, {})[subscription] = subscriber

    def unsubscribe() -> None:
        _subscribers[event_type].pop(subscription, None)

    return unsubscribe


def wanted(event_type: type[Event]) -> bool:
    """Tell whether anybody would look at an event of this type."""
    if event_type.logger.isEnabledFor(event_type.level):
        return True
    return bool(_subscribers) and bool(_subscribers.get(event_type) or _subscribers.get(Event))


def emit(event: Event) -> None:
    """Hand an event to the log and to all that subscribed to its type.

    Whatever they raise, SystemExit and the like included, the caller goes on: an observer can't end what it
    observes. Only what is thrown into the caller from outside while an observer waits, as by `kill`, comes
    out of here.
    """
    kind = type(event)
    if kind.logger.isEnabledFor(kind.level):
        try:
            _log(event)
        except BaseException as error:
            _contain(error, _tell_stderr, kind)
    if _subscribers:
        _tell(event, kind, kind)
        if kind is not Event:
            _tell(event, kind, Event)


def _tell(event: Event, kind: type[Event], event_type: type[Event]) -> None:
    """Call those who have subscribed to a type, and have not left since."""
    subscriptions = _subscribers.get(event_type)
    if subscriptions:
        for subscription, subscriber in subscriptions.copy().items():
            if subscription in subscriptions:
                try:
                    subscriber(event)
                except BaseException as error:
                    _contain(error, _tell_log, kind)


def _log(event: Event) -> None:
    _write(event.logger, event.level, "%s", event, event.exception)


def _write(logger: logging.Logger, level: int, text: str, value: Any, error: BaseException | None) -> None:
    """Log a text with a value in it, and the traceback of an exception in words that forge no line."""
    if error is None:
        logger.log(level, text, value)
    elif logger.isEnabledFor(level):
        file, line, function, _ = logger.findCaller()
        exc_info = (type(error), error, error.__traceback__)
        record = logger.makeRecord(logger.name, level, file, line, text, (value,), exc_info, function)
        record.exc_text = traceback_of(error)  # what formatters take instead of formatting it
        logger.handle(record)


# -- the faults of observers ----------------------------------------------------------------------


def _contain(error: BaseException, tell: Callable[[BaseException, str], None], kind: type[Event]) -> None:
    """Tell of an observer's fault, once; hand on what was meant for the caller."""
    if _was_thrown_in(error):
        raise error
    try:
        tell(error, kind.__name__)
    except BaseException as second:  # the log is broken, too
        if _was_thrown_in(second):
            raise second from None
        _tell_stderr(error, kind.__name__)
    if isinstance(error, KeyboardInterrupt):
        _hand_on_interrupt(error)


def _tell_log(error: BaseException, what: str) -> None:
    """A subscriber has failed."""
    _write(_logger, logging.ERROR, "a subscriber to %s failed", what, error)


def _tell_stderr(error: BaseException, what: str) -> None:
    """The log itself has failed: a handler, a filter or a formatter."""
    with contextlib.suppress(BaseException):
        print(f"the log of {what} failed:\n{traceback_of(error)}", file=sys.stderr)


def _was_thrown_in(error: BaseException) -> bool:
    """Tell whether an exception is no fault of an observer that waits, but meant for who called it.

    So is the end of the greenlet, or of the actor in whose turn it is, and the end of a turn's time. They are
    raised where a greenlet comes back from gevent's hub, and not in the observer's own code. In a turn
    GreenletExit counts only if the actor is dead: an observer may throw it into itself.
    """
    if not isinstance(error, gevent.GreenletExit | OutOfTime):
        return False
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    if place is None or not str(place.tb_frame.f_globals.get("__name__")).startswith(("gevent.", "greenlet")):
        return False
    actor = _actor_here()
    return actor is None or isinstance(error, OutOfTime) or not actor.is_alive()


def _actor_here() -> Any:
    """The reference of the actor in whose turn this is. The greenlets of turns have it (see `hub.py`)."""
    return getattr(gevent.getcurrent(), "ref", None)


def _hand_on_interrupt(error: KeyboardInterrupt) -> None:
    """Raise Ctrl-C in the main greenlet when it hit an observer in a turn: where threading is patched.

    Elsewhere turns are not in the main thread, and Ctrl-C never hits them.
    """
    if threading.current_thread() is threading.main_thread() and _actor_here() is not None:
        hub = gevent.get_hub()
        hub.loop.run_callback(hub.handle_system_error, type(error), error)


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
    """A hook that runs at an actor's end raised. If it was `on_exit`, that is the exit reason then."""

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
class ServerStopping(Event):
    """A server begins to stop: its listeners close."""

    level: ClassVar[int] = logging.DEBUG
    text: ClassVar[str] = "{server} stops: {reason}"
    server: str
    reason: Any


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
    """A session is served: it is in its server's list.

    Attributes:
        listener: where its listener listens; empty if that is not known.
    """

    absent: ClassVar[Mapping[str, str]] = NO_ADDRESS
    text: ClassVar[str] = "session {session} with {peer} started"
    session: str
    peer: Any
    listener: str = ""


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
    session: str = ""

    def __str__(self) -> str:
        line = Event.__str__(self)
        return f"session {printable(self.session)}: {line}" if self.session else line


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
