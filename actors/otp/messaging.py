"""Messages to actors: calls, casts, methods to be run, messages that come later.

Each works from any thread, greenlet or actor, and waits without blocking other actors.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

import pykka
from pykka.messages import ProxyCall

from actors.messages import TimerExpired
from actors.runtime import names
from actors.runtime.future import GeventFuture
from actors.runtime.hub import Hub
from actors.runtime.refs import GeventRef, ask_any
from actors.runtime.timers import Timer
from actors.seconds import delay_seconds, wait_seconds

A = TypeVar("A", bound=pykka.Actor)
P = ParamSpec("P")
T = TypeVar("T")


def call(actor: names.Meant, message: Any, timeout: float | None = 5.0) -> Any:
    """Ask any Pykka actor, also a threaded one, and wait without blocking other actors.

    Args:
        actor: its reference or registered name.
        message: any object.
        timeout: seconds, 5 as in gen_server; None waits for ever.

    Raises:
        pykka.Timeout: no reply came in time.
        ActorDeadError: the actor is dead, died before it replied, or nobody has the name.
        CallingSelf: an actor calls itself in its own turn.
        ValueError: the timeout is no number, or NaN.
        Exception: what the actor raised.
    """
    ref = names.resolve(actor)
    if isinstance(ref, GeventRef):
        return ref.ask(message, timeout=timeout)
    wait_seconds(timeout)
    return ask_any(ref, message).get(timeout=timeout)


def invoke(
    ref: pykka.ActorRef[A],
    timeout: float | None,
    method: Callable[Concatenate[A, P], T],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> T:
    """Have an actor run one of its methods in its turn, and wait for the result.

        invoke(server, 5.0, ServerActor.remove_listener, address)

    Args:
        ref: the actor; its own turn, if that is where the caller is, will do.
        timeout: seconds; None waits for ever.
        method: the method, as the actor's class or one above it has it. It is looked up by its name in the
            actor's turn: a subclass's own method runs, or that of the class that a change of code gave.
        args, kwargs: its arguments.

    Raises:
        pykka.Timeout: no result came in time.
        ActorDeadError: the actor is dead or died before it answered.
        ValueError: the timeout is no number, or NaN.
        Exception: what the method raised.
    """
    wait_seconds(timeout)
    actor = ref.own_actor() if isinstance(ref, GeventRef) else None
    if actor is not None:
        value: T = getattr(actor, method.__name__)(*args, **kwargs)
    else:
        value = call(ref, method_call(method, *args, **kwargs), timeout)
    return value


def invoke_later(
    ref: pykka.ActorRef[A], method: Callable[Concatenate[A, P], T], /, *args: P.args, **kwargs: P.kwargs
) -> GeventFuture[T]:
    """As `invoke`, without waiting: the future has the result."""
    return ask_any(ref, method_call(method, *args, **kwargs))


def method_call(
    method: Callable[Concatenate[Any, P], object], /, *args: P.args, **kwargs: P.kwargs
) -> ProxyCall:
    """The message that has any Pykka actor run a method, looked up by its name in the actor's turn."""
    return ProxyCall(attr_path=(method.__name__,), args=args, kwargs=kwargs)


def send(actor: names.Meant, message: Any) -> None:
    """Erlang's `!`: send a message; to a dead actor it is lost silently.

    Raises:
        ActorDeadError: nobody has the name.
    """
    if isinstance(actor, tuple):
        names.send(actor, message)
    else:
        _tell(names.resolve(actor), message)


def cast(actor: names.Meant, message: Any) -> None:
    """Send a message and forget it: to a dead actor or an unknown name it is lost silently."""
    if isinstance(actor, tuple):
        _cast_by_name(actor, message)
        return
    ref = names.whereis(actor) if isinstance(actor, str) else actor
    if isinstance(ref, GeventRef) and ref.far is not None:
        ref.cast(message)  # a server of Erlang's tells casts from other messages
    elif ref is not None:
        _tell(ref, message)


def _tell(ref: pykka.ActorRef[Any], message: Any) -> None:
    try:
        ref.tell(message)
    except pykka.ActorDeadError:
        return


def _cast_by_name(name: tuple[Any, ...], message: Any) -> None:
    """As OTP: whatever a registry raises, a cast is lost silently."""
    with contextlib.suppress(Exception):
        if name[:1] == ("via",):
            names.send(name, message)
        else:
            cast(names.resolve(name), message)


class TimerRef:
    """A message to be sent later; `cancel_timer` takes it. `seconds` is the time it was set to."""

    __slots__ = ("actor", "cancelled", "due", "seconds", "timer")

    def __init__(self, seconds: float, actor: names.Meant) -> None:
        self.seconds = seconds
        self.actor = actor
        self.due = time.monotonic() + delay_seconds(seconds)
        self.timer: Timer | None = None
        self.cancelled = False

    def has_lost_its_actor(self) -> bool:
        """Whether it is for an actor that is dead: in OTP such a timer is no more."""
        return isinstance(self.actor, pykka.ActorRef) and not self.actor.is_alive()


def send_after(seconds: float, actor: names.Meant, message: Any) -> TimerRef:
    """Send a message after a while. A name is looked up then; if nobody is there the message is lost.

    Args:
        seconds: how long to wait, at least 0; infinity is never.
        actor: a reference or a name.
        message: any object.

    Raises:
        ValueError: `seconds` is negative, no number, or NaN.
    """
    return _set_timer(TimerRef(seconds, actor), message)


def start_timer(seconds: float, actor: names.Meant, message: Any) -> TimerRef:
    """As `send_after`, but what comes is `TimerExpired(timer, message)`, which says of which timer it is."""
    timer = TimerRef(seconds, actor)
    return _set_timer(timer, TimerExpired(timer, message))


def _set_timer(ref: TimerRef, message: Any) -> TimerRef:
    return _start_timer(ref, partial(_deliver, ref.actor, message))


def _deliver(actor: names.Meant, message: Any) -> None:
    """In the hub, when the time has come."""
    if isinstance(actor, tuple):  # its registry may wait, which a timer must not
        Hub.current().spawn(cast, actor, message)
    else:
        cast(actor, message)


def _start_timer(ref: TimerRef, ring: Callable[[], object]) -> TimerRef:
    hub = Hub.current()

    def start() -> None:
        if not ref.cancelled:
            ref.timer = hub.timers.call_at(ref.due, ring)

    # Not at once, even on the hub: a finaliser may run in the middle of a change of the timers.
    hub.run_soon(start)
    return ref


def send_interval(seconds: float, actor: names.Meant, message: Any) -> TimerRef:
    """Send a message again and again: OTP's `timer:send_interval`.

    It ends with `cancel_timer`, or with the actor, if that is given by its reference.

    Args:
        seconds: between two messages, more than 0. If the hub was busy for longer, one message comes for all.
        actor: a reference or a name, which is looked up each time.
        message: any object.

    Raises:
        ValueError: `seconds` is 0, negative, no number, NaN or infinity.
    """
    if not 0 < delay_seconds(seconds) < math.inf:
        raise ValueError(f"an interval takes more than 0 seconds, and an end, not {seconds}")
    timer = TimerRef(seconds, actor)

    def ring() -> None:
        if timer.has_lost_its_actor():
            timer.cancelled = True
        if not timer.cancelled:
            _deliver(actor, message)
            timer.timer = Hub.current().timers.call_later(seconds, ring)

    return _start_timer(timer, ring)


def read_timer(timer: TimerRef) -> float | None:
    """How many seconds are left until the message is sent; None if it was sent or cancelled before.

    None, too, if its actor is dead. Of `send_interval` it is the next message.
    """
    if timer.cancelled or timer.has_lost_its_actor():
        return None
    return _left_of(timer) if timer.timer is None else timer.timer.left()


def _left_of(timer: TimerRef) -> float:
    """What is left of one that is on its way to the hub."""
    return max(0.0, timer.due - time.monotonic())


def cancel_timer(timer: TimerRef) -> float | None:
    """Take a message of `send_after` or `start_timer` back, and all further ones of `send_interval`.

    Returns:
        the seconds that were left; None if it was sent or cancelled before, or its actor is dead.
    """
    hub = Hub.current()
    if hub.is_here():
        return _cancel(timer)
    left: GeventFuture[float | None] = GeventFuture()
    hub.run_soon(lambda: left.set(_cancel(timer)))
    value: float | None = left.get()
    return value


def _cancel(ref: TimerRef) -> float | None:
    if ref.cancelled:
        return None
    ref.cancelled = True
    left = _left_of(ref) if ref.timer is None else ref.timer.cancel()
    return None if ref.has_lost_its_actor() else left
