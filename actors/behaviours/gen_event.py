"""OTP's `gen_event`: a manager that hands events to handlers, which come and go while it runs.

    class Counter(gen_event.EventHandler):
        def init(self):
            self.seen = 0

        def handle_event(self, event):
            self.seen += 1

    manager = gen_event.GenEvent.start_link()
    gen_event.add_handler(manager, Counter)
    gen_event.notify(manager, "something happened")

A handler that raises is removed, and the log says so; manager and other handlers go on. `listen` brings the
events of `actors.events`, the library's own bus, to a manager.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

from actors import events
from actors.log_text import text_of
from actors.messages import Exit
from actors.otp.messaging import call as actor_call
from actors.otp.messaging import cast, method_call
from actors.runtime import names
from actors.runtime.actor import GeventActor
from actors.runtime.refs import GeventRef, current

Handler: TypeAlias = "type[EventHandler] | tuple[type[EventHandler], Hashable]"
"""A handler's class; with an id, where a manager has several of one class."""
Manager: TypeAlias = names.Meant


class RemoveHandler:
    """What a handler returns to be removed: the constant `REMOVE_HANDLER`."""


REMOVE_HANDLER = RemoveHandler()


@dataclass(frozen=True, slots=True)
class SwapHandler:
    """What a handler returns to be replaced, without an event between.

    Attributes:
        reason: for its `terminate`, whose result the next one's `init` gets as its last argument.
        handler: the next one.
        args: for its `init`.
    """

    reason: Any
    handler: Handler
    args: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class HandlerGone:
    """To who added a handler by `add_sup_handler`: it is not there any more (OTP's `gen_event_EXIT`).

    Attributes:
        handler: which.
        reason: `"normal"` if it was deleted or wanted to be removed, `"shutdown"` at the manager's end,
            `("swapped", the next handler, who added it)`, or what it raised.
    """

    handler: Handler
    reason: Any


class EventHandler:
    """A handler. Its state is the object's attributes.

    handle_event and handle_info return None to go on, `REMOVE_HANDLER`, or a `SwapHandler`. handle_call
    returns the reply, `(reply, REMOVE_HANDLER)` or `(reply, SwapHandler(...))`.
    """

    def init(self, *args: Any) -> None:
        """It is added; what it raises is raised by `add_handler`."""

    def handle_event(self, event: Any) -> RemoveHandler | SwapHandler | None:
        """Somebody called `notify`."""
        return None

    def handle_call(self, request: Any) -> Any:
        """Somebody called `call`, and waits."""
        raise ValueError(f"{type(self).__name__} understands no such call: {request!r}")

    def handle_info(self, message: Any) -> RemoveHandler | SwapHandler | None:
        """Any other message came to the manager."""
        return None

    def terminate(self, reason: Any) -> Any:
        """It is removed; what this returns is what `delete_handler` returns.

        Args:
            reason: `"remove_handler"`; `"stop"` at the manager's end; `("stop", reason)` if the actor that it
                is bound to has ended; `("error", exception)`; or what `delete_handler` and `SwapHandler` say.
        """
        return None


@dataclass(frozen=True, slots=True)
class _Notice:
    event: Any


class GenEvent(GeventActor):
    """A manager."""

    def __init__(self) -> None:
        super().__init__()
        self._handlers: dict[Handler, EventHandler] = {}
        self._supervised: dict[Handler, GeventRef[Any]] = {}
        self.trap_exits = True

    def on_receive(self, message: Any) -> None:
        if isinstance(message, _Notice):
            self.tell_all(message.event)
        elif isinstance(message, Exit) and message.ref in self._supervised.values():
            for handler in [each for each, ref in self._supervised.items() if ref == message.ref]:
                self._take_out(handler, ("stop", message.reason), message.reason)
        elif self.is_asked:
            raise ValueError(f"a gen_event understands no such message: {message!r}")
        else:
            self._call_all(lambda handler: handler.handle_info(message))

    def on_exit(self, reason: Any, error: BaseException | None) -> None:
        for handler in list(self._handlers):
            self._take_out(handler, "stop", "shutdown")
        super().on_exit(reason, error)

    # -- requests ---------------------------------------------------------------------------------------

    def add(self, handler: Handler, args: Iterable[Any], supervisor: GeventRef[Any] | None) -> None:
        """See `add_handler` and `add_sup_handler`."""
        if handler in self._handlers:
            raise ValueError(f"the handler {_shown(handler)} is there already; give it an id: (class, id)")
        made = (handler[0] if isinstance(handler, tuple) else handler)()
        made.init(*args)
        self._handlers[handler] = made
        if supervisor is not None:
            self._supervised[handler] = supervisor
            self.link(supervisor)

    def remove(self, handler: Handler, reason: Any) -> Any:
        """See `delete_handler`."""
        return self._take_out(handler, reason, "normal")

    def _take_out(self, handler: Handler, reason: Any, told: Any) -> Any:
        """Remove a handler.

        Args:
            handler: which.
            reason: for its `terminate`.
            told: the reason in its `HandlerGone`.
        """
        made = self._handlers.pop(handler, None)
        if made is None:
            raise KeyError(f"there is no handler {_shown(handler)}")
        result = None
        try:
            result = made.terminate(reason)
        except Exception as error:
            events.emit(events.HookFailed(text_of(self), f"terminate of {_shown(handler)}", error))
        supervisor = self._supervised.pop(handler, None)
        if supervisor is not None:
            if supervisor not in self._supervised.values():
                self.unlink(supervisor)
            cast(supervisor, HandlerGone(handler, told))
        return result

    def swap(self, old: Handler, reason: Any, new: Handler, args: Iterable[Any]) -> None:
        """See `swap_handler`."""
        supervisor = self._supervised.get(old)
        told = ("swapped", new, supervisor)
        result = self._take_out(old, reason, told) if old in self._handlers else "error"
        self.add(new, (*args, result), supervisor)

    def ask(self, handler: Handler, request: Any) -> Any:
        """See `call`."""
        made = self._handlers.get(handler)
        if made is None:
            raise KeyError(f"there is no handler {_shown(handler)}")
        try:
            result = made.handle_call(request)
        except Exception as error:
            self._remove_failed(handler, error)
            raise
        match result:
            case (value, RemoveHandler() | SwapHandler() as wish):
                self._heed(handler, wish)
                return value
        return result

    def tell_all(self, event: Any) -> None:
        """Hand an event to each handler, in the order in which they came."""
        self._call_all(lambda handler: handler.handle_event(event))

    def which(self) -> list[Handler]:
        """See `which_handlers`."""
        return list(self._handlers)

    # -- handlers ---------------------------------------------------------------------------------------

    def _call_all(self, function: Callable[[EventHandler], Any]) -> None:
        for handler, made in list(self._handlers.items()):
            if self._handlers.get(handler) is made:
                try:
                    self._heed(handler, function(made))
                except Exception as error:
                    self._remove_failed(handler, error)

    def _heed(self, handler: Handler, wish: Any) -> None:
        match wish:
            case None:
                return
            case RemoveHandler():
                self.remove(handler, "remove_handler")
            case SwapHandler(reason, new, args):
                self.swap(handler, reason, new, args)
            case _:
                raise TypeError(f"a handler may return None, REMOVE_HANDLER or a SwapHandler, not {wish!r}")

    def _remove_failed(self, handler: Handler, error: Exception) -> None:
        events.emit(events.HookFailed(text_of(self), f"the handler {_shown(handler)}", error))
        if handler in self._handlers:
            self._take_out(handler, ("error", error), error)


def _shown(handler: Handler) -> str:
    return f"{handler[0].__name__} {handler[1]!r}" if isinstance(handler, tuple) else handler.__name__


def add_handler(manager: Manager, handler: Handler, *args: Any) -> None:
    """Add a handler.

    Args:
        manager: the manager's reference or name.
        handler: its class, or `(class, id)`.
        args: for its `init`.

    Raises:
        ValueError: it is there already.
        Exception: what its `init` raises; it is not added then.
    """
    _ask(manager, GenEvent.add, handler, args, None)


def add_sup_handler(manager: Manager, handler: Handler, *args: Any) -> None:
    """As `add_handler`, bound to the calling actor: it goes with the actor, which hears `HandlerGone` of it.

    Raises:
        RuntimeError: the caller is no actor.
    """
    supervisor = current()
    if supervisor is None:
        raise RuntimeError("only an actor can be bound to a handler; use add_handler here")
    _ask(manager, GenEvent.add, handler, args, supervisor)


def delete_handler(manager: Manager, handler: Handler, reason: Any = "remove_handler") -> Any:
    """Remove a handler.

    Returns:
        what its `terminate(reason)` returns.

    Raises:
        KeyError: there is no such handler.
    """
    return _ask(manager, GenEvent.remove, handler, reason)


def swap_handler(manager: Manager, old: Handler, reason: Any, new: Handler, *args: Any) -> None:
    """Put a handler in another's place, without an event between.

    The new one's `init` gets `args` and what the old one's `terminate` returned; where there is no old one,
    `"error"`, as in OTP.
    """
    _ask(manager, GenEvent.swap, old, reason, new, args)


def which_handlers(manager: Manager) -> list[Handler]:
    """The handlers, in the order in which they came."""
    found: list[Handler] = _ask(manager, GenEvent.which)
    return found


def notify(manager: Manager, event: Any) -> None:
    """Hand an event to all handlers, and don't wait."""
    cast(manager, _Notice(event))


def sync_notify(manager: Manager, event: Any) -> None:
    """Hand an event to all handlers, and wait until all have had it."""
    _ask(manager, GenEvent.tell_all, event)


def call(manager: Manager, handler: Handler, request: Any, timeout: float | None = 5.0) -> Any:
    """Ask one handler, and wait for what its handle_call returns.

    Raises:
        KeyError: there is no such handler.
        pykka.Timeout: no reply came in time.
        Exception: what handle_call raises; the handler is removed then.
    """
    return actor_call(manager, method_call(GenEvent.ask, handler, request), timeout=timeout)


def listen(manager: Manager, event_type: type[events.Event] = events.Event) -> Callable[[], None]:
    """Bring the events of `actors.events` of a type to a manager's handlers.

    Returns:
        a function that ends it.
    """
    return events.subscribe(event_type, lambda event: notify(manager, event))


def _ask(manager: Manager, method: Any, *args: Any) -> Any:
    return actor_call(manager, method_call(method, *args), timeout=None)
